"""Embedding learning: any model that returns a ReidOutput, under any sum of losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from resight.data.loaders import Batch, whole_groups
from resight.engine.system import weighted_losses
from resight.errors import RecipeError
from resight.losses import LOSSES
from resight.models.output import ReidOutput
from resight.recipe import Recipe
from resight.records import NO_CAMERA, Record
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
        training: Sequence[Record] = (),
    ) -> None:
        super().__init__(recipe, model, query, gallery)
        self.losses, self.weights = weighted_losses(recipe.losses, LOSSES, num_classes=classes, dim=model.dim)
        for label, loss in self.losses.items():
            if _group(loss) == 3 and recipe.sampler["name"] != "random-triplets":
                raise RecipeError(f"losses.{label}.mining: drawn takes the triplets of sampler.name=random-triplets")
            if getattr(loss, "needs_cameras", False) and all(record.camera == NO_CAMERA for record in training):
                raise RecipeError(f"losses.{label}.mining: this data has no camera labels; choose batch-hard")

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        output: ReidOutput = self.model(inputs)
        self.log(
            "train/accuracy",
            (output.logits[0].argmax(1) == batch.ids).float().mean(),
            on_step=False,
            on_epoch=True,
        )
        return {
            label: self.weights[label] * _over_branches(loss, getattr(output, str(loss.reads)), batch)
            for label, loss in self.losses.items()
        }

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        for module in self.losses.modules():
            if hasattr(module, "iterations"):  # mining that changes with the batches; once, for all branches
                module.iterations += 1  # type: ignore[operator,assignment]

    def apart(self) -> list[tuple[nn.Module, float]]:
        return [(loss, self.weights[label]) for label, loss in self.losses.items() if hasattr(loss, "own_optimiser")]


def _over_branches(loss: nn.Module, branches: Sequence[Tensor], batch: Batch) -> Tensor:
    ids, cameras = batch.ids, batch.cameras
    if _group(loss) > 1:
        rows = whole_groups(batch.places, _group(loss)).flatten()
        ids, cameras, branches = ids[rows], cameras[rows], [values[rows] for values in branches]
    return torch.stack([loss(values, ids, cameras) for values in branches]).sum()


def _group(loss: nn.Module) -> int:
    return getattr(loss, "group", 1)
