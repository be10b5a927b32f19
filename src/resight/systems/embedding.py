"""Embedding learning: any model that returns a ReidOutput, under any sum of losses."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from resight.data.loaders import Batch
from resight.errors import RecipeError
from resight.losses import LOSSES
from resight.models.output import ReidOutput
from resight.recipe import Recipe, make
from resight.records import Record
from resight.systems.retrieval import RetrievalSystem

__all__ = ["EmbeddingSystem"]


class EmbeddingSystem(RetrievalSystem):
    """Total = sum over losses of weight × loss, each summed over the model's branches.

    `query` and `gallery` are the held-out identities that validation retrieves; both may be empty.
    """

    learns = frozenset({"identities"})

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        classes: int,
        query: Sequence[Record] = (),
        gallery: Sequence[Record] = (),
    ) -> None:
        super().__init__(recipe, model, query, gallery)
        self.weights: dict[str, float] = {}
        self.losses = nn.ModuleDict()
        for label, section in recipe.losses.items():
            options = {"name": label, **section}
            weight = options.pop("weight", 1.0)
            if not isinstance(weight, int | float):
                raise RecipeError(f"losses.{label}.weight = {weight!r}: a number")
            if weight:  # a weight of 0 switches the loss off
                self.weights[label] = float(weight)
                self.losses[label] = make(LOSSES, options, f"losses.{label}", num_classes=classes, dim=model.dim)
        if not self.losses:
            raise RecipeError("losses: every weight is 0; give one loss a weight")

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        output: ReidOutput = self.model(inputs)
        self.log(
            "train/accuracy",
            (output.logits[0].argmax(1) == batch.ids).float().mean(),
            on_step=False,
            on_epoch=True,
        )
        return {
            label: self.weights[label]
            * sum(loss(value, batch.ids, batch.cameras) for value in getattr(output, str(loss.reads)))
            for label, loss in self.losses.items()
        }

    def apart(self) -> list[tuple[nn.Module, float]]:
        return [(loss, self.weights[label]) for label, loss in self.losses.items() if hasattr(loss, "own_optimiser")]
