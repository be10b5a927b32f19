"""Attribute heads, and the layers between a pooled feature and a classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resight.errors import RecipeError

__all__ = ["AttributeHeads", "HeadDesign", "embedding_layers", "probabilities"]

HeadDesign = Literal[
    "vanilla", "fc-relu-dropout-bn-fc", "fc-relu-bn-fc", "fc-bn-relu-dropout-fc", "fc-bn-relu-fc", "fc-bn-fc"
]
"""The head designs of the vehicle coursework's table 9. Each names its layers in order; the last FC is the classifier, as in
its public code, unless a further classifier follows, as in its text."""


class AttributeHeads(nn.Module):
    """A head for each attribute: Dropout + Linear, or with `hidden` two dense layers.

    >>> AttributeHeads(512, {"gender": 2, "age": 4})(features)["age"].shape  # (batch, 512) -> (batch, 4)

    With `binary_outputs=1` an attribute of two classes has one output, the logit of its second class. With `single`
    there is one head, whose outputs are those of all attributes, one attribute after the other.
    """

    def __init__(
        self,
        dim: int,
        attributes: Mapping[str, int],
        hidden: int = 0,
        dropout: float = 0.0,
        binary_outputs: Literal[1, 2] = 2,
        single: bool = False,
    ) -> None:
        super().__init__()
        self.names, self.single = tuple(attributes), single
        self.widths = [binary_outputs if classes == 2 else classes for classes in attributes.values()]
        # A list, since attributes' names may have characters that modules' names may not.
        outputs = [sum(self.widths)] if single else self.widths
        self.heads = nn.ModuleList(_head(dim, width, hidden, dropout) for width in outputs)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        found = [head(features) for head in self.heads]
        return dict(zip(self.names, found[0].split(self.widths, dim=1) if self.single else found, strict=True))


def _head(dim: int, width: int, hidden: int, dropout: float) -> nn.Module:
    if not hidden:
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, width))
    return nn.Sequential(nn.Linear(dim, hidden), nn.LeakyReLU(), nn.Dropout(dropout), nn.Linear(hidden, width))


def probabilities(logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits -> probabilities (batch, classes); a single logit gives those of two classes."""
    return {name: _probabilities(values.float()) for name, values in logits.items()}


def _probabilities(values: Tensor) -> Tensor:
    if values.shape[1] > 1:
        return F.softmax(values, dim=1)
    yes = torch.sigmoid(values)
    return torch.cat([1 - yes, yes], dim=1)


def embedding_layers(
    dim: int, embedding: int, head: HeadDesign, dropout: float, bias: bool = True, further_classifier: bool = False
) -> nn.Module:
    """The layers of a head design before its classifier: (batch, dim) -> (batch, embedding).

    >>> embedding_layers(512, 1024, "fc-bn-relu-fc", dropout=0.5)  # Linear, BatchNorm1d, ReLU

    With a `further_classifier` the design's last FC is one of these layers, of `embedding` numbers; "vanilla", which has
    nothing after its first FC, stays as it is. `bias` is that of every FC here. An `embedding` of 0 leaves the first FC
    out; raises RecipeError unless the head is "vanilla".
    """
    between = [] if head == "vanilla" else head.split("-")[1:-1]
    if not embedding:
        if between:
            raise RecipeError(f"model.head={head} begins with an FC; give model.embedding, or model.head=vanilla")
        return nn.Identity()
    layers: dict[str, Callable[[], nn.Module]] = {
        "bn": lambda: nn.BatchNorm1d(embedding),
        "relu": nn.ReLU,
        "dropout": lambda: nn.Dropout(dropout),
        "fc": lambda: nn.Linear(embedding, embedding, bias=bias),
    }
    if between and further_classifier:
        between.append("fc")
    return nn.Sequential(nn.Linear(dim, embedding, bias=bias), *(layers[name]() for name in between))
