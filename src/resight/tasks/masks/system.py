"""Segmentation: any model that returns a mask's logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resight.data.loaders import Batch
from resight.engine.system import System, weighted_losses
from resight.errors import DataError, RecipeError
from resight.losses import MASK_LOSSES
from resight.recipe import Recipe
from resight.records import Record
from resight.tasks.masks.scores import mask_scores

__all__ = ["SegmentationSystem"]


class SegmentationSystem(System):
    """Total = sum over losses of weight × loss. Validation gives `val/IoU` and `val/Dice`, means over images."""

    learns = frozenset({"masks"})

    def __init__(self, recipe: Recipe, model: nn.Module, validation: Sequence[Record] = ()) -> None:
        super().__init__(recipe, model, validation)
        if "auto-augment" in recipe.augmentation:
            raise RecipeError("augmentation.auto-augment moves images without their masks; leave it out")
        self.losses, self.weights = weighted_losses(recipe.losses, MASK_LOSSES)
        self._collected: list[tuple[Tensor, Tensor]] = []

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        logits = self.model(inputs)
        return {label: self.weights[label] * loss(logits, batch.masks) for label, loss in self.losses.items()}

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self.unreadable.update(batch.failed)
        if len(batch.images):
            self._collected.append(((self.model(self.prepare(batch)) > 0).cpu(), batch.masks.cpu()))

    def on_validation_epoch_end(self) -> None:
        # As with embeddings, each process sees the whole validation set.
        if not self._collected:
            raise DataError(f"no validation image could be used; the first: {min(self.unreadable, default='none')}")
        found, true = (torch.cat(parts).numpy() for parts in zip(*self._collected, strict=True))
        self._collected.clear()
        scores = mask_scores(found, true > 0)
        self.log_dict({"val/IoU": scores.mean_iou, "val/Dice": scores.mean_dice}, prog_bar=True, rank_zero_only=False)
