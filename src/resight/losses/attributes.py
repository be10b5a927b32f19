"""Cross-entropy over attributes, weighted by class (A1), or by target and adaptively (A3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from resight.losses.base import Loss
from resight.losses.confusion import Confusion
from resight.losses.precision import full

__all__ = ["AttributeLoss", "majority_weights"]

UNKNOWN = -1


class AttributeLoss(Loss):
    """Sum over attributes of weight x mean cross-entropy; a target of -1 is unknown and left out.

    >>> AttributeLoss(counts=[[30, 10]])({"hat": logits}, targets)  # (batch, 2), (batch, 1) -> scalar

    `counts` are each attribute's images per class in the training split. An attribute with one output has the sigmoid
    cross-entropy in the form softplus((1 - 2y) z), which does not saturate (Goodfellow et al. 2016, section 6.2.2.2).
    `outputs="sigmoid"` takes every output of the others so as well, as its class or not, and sums over an attribute's: the
    loss of a single head whose outputs are labels of their own.

    `class_weights="majority"` weighs a class by (images of the most frequent class) / (its own), as the two-branch
    report does; the mean is then weighted, as in PyTorch. A class without images has weight 0.
    `target_weights="adaptive"` is Bruna's rule: weights start at 1 / attributes, and `end_epoch` multiplies those of the
    third of the attributes with the lowest training F1 by `growth`. As in the report, they are not normalised afterwards:
    their sum grows from epoch to epoch, and the loss rises for that reason too, in training and in validation.
    """

    class_weight: Tensor
    target_weight: Tensor

    def __init__(
        self,
        counts: Sequence[Sequence[int]],
        class_weights: Literal["none", "majority"] = "none",
        target_weights: Literal["none", "adaptive"] = "none",
        growth: float = 1.1,
        outputs: Literal["softmax", "sigmoid"] = "softmax",
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.adaptive, self.growth = target_weights == "adaptive", growth
        width = max(len(classes) for classes in counts)
        weights = torch.ones(len(counts), width)
        if class_weights == "majority":
            for row, classes in enumerate(counts):
                weights[row, : len(classes)] = majority_weights(classes)
        start = 1 / len(counts) if self.adaptive else 1.0
        self.confusion = Confusion([len(classes) for classes in counts])
        self.register_buffer("class_weight", weights, persistent=False)
        # Checkpointed, so that a resumed run goes on with them.
        self.register_buffer("target_weight", torch.full((len(counts),), start))

    def forward(self, logits: Mapping[str, Tensor], targets: Tensor) -> Tensor:
        if self.training and self.adaptive:
            self.confusion.add(torch.stack([_guess(values) for values in logits.values()], dim=1), targets)
        losses = []
        for column, values in enumerate(logits.values()):
            losses.append(self._one(column, full(values), targets[:, column]))
        return (torch.stack(losses) * self.target_weight).sum()

    def _one(self, column: int, values: Tensor, target: Tensor) -> Tensor:
        known = target != UNKNOWN
        labels = target.clamp(min=0)
        if values.shape[1] == 1:
            each = _softplus_form(values[:, 0], labels)
        elif self.outputs == "sigmoid":
            each = _softplus_form(values, F.one_hot(labels, values.shape[1])).sum(1)
        else:
            each = F.cross_entropy(values, labels, reduction="none")
        weight = self.class_weight[column, labels] * known
        return (each * weight).sum() / weight.sum().clamp(min=1e-12)

    @torch.no_grad()
    def end_epoch(self, total: Callable[[Tensor], Tensor]) -> None:
        """Adapt the target weights to the epoch's confusion matrices over all processes, and reset these."""
        if not self.adaptive:
            return
        counts = total(self.confusion.counts).double()
        hits, sums = counts.diagonal(dim1=1, dim2=2), counts.sum(1) + counts.sum(2)
        present = sums > 0
        f1 = (torch.where(present, 2 * hits / sums.clamp(min=1), 0)).sum(1) / present.sum(1).clamp(min=1)
        lowest = f1.argsort(stable=True)[: len(f1) // 3]
        self.target_weight[lowest] *= self.growth
        self.confusion.clear()


def _guess(values: Tensor) -> Tensor:
    """The class that logits name, (batch,)."""
    return (values[:, 0] > 0).long() if values.shape[1] == 1 else values.argmax(1)


def _softplus_form(logits: Tensor, labels: Tensor) -> Tensor:
    """The sigmoid cross-entropy of each logit, labels 0 or 1 of the same shape."""
    return F.softplus((1 - 2 * labels) * logits)


def majority_weights(counts: Sequence[int]) -> Tensor:
    """(count of the most frequent class) / (count of the class), 0 for a class that does not occur."""
    numbers = torch.tensor(list(counts), dtype=torch.float32)
    return torch.where(numbers > 0, numbers.max() / numbers.clamp(min=1), torch.zeros_like(numbers))
