"""Embedding learning: any model that returns a ReidOutput, under any sum of losses."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from resight.data.loaders import Batch
from resight.losses import LOSSES
from resight.models.output import ReidOutput
from resight.recipe import Recipe
from resight.records import Record
from resight.systems.base import weighted_losses
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
        self.losses, self.weights = weighted_losses(recipe.losses, LOSSES, num_classes=classes, dim=model.dim)

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
