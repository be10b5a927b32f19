"""Training of segmentation, for any model that can segment."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resight.data.loaders import BAR, Batch
from resight.data.training_set import TrainingSet
from resight.engine.system import System
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import RecipeError
from resight.losses import MASK_LOSSES
from resight.models.abilities import Segments
from resight.recipe import Recipe
from resight.tasks.masks.scores import mask_scores

__all__ = ["SegmentationSystem"]


class SegmentationSystem(System):
    """Trains on the weighted sum of the recipe's losses. Validation logs `val/IoU` and `val/Dice`, means over images."""

    learns = frozenset({"masks"})
    wants = (Segments,)

    def __init__(self, recipe: Recipe, model: nn.Module, training_set: TrainingSet) -> None:
        super().__init__(recipe, model, training_set)
        if "auto-augment" in recipe.augmentation:
            raise RecipeError("augmentation.auto-augment moves images without their masks; leave it out")
        self.losses = WeightedLosses(recipe.losses, MASK_LOSSES)

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        logits = self.model.segment(inputs)
        masks = batch.masks == 1  # bars are background
        return self.losses.weighed({label: loss(logits, masks) for label, loss in self.losses.items()})

    def look(self, inputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Predicted and true masks, bool (batch, 1, height, width) each; nothing is found in bars."""
        found = (self.model.segment(inputs) > 0) & (batch.masks != BAR)
        return found.cpu(), (batch.masks == 1).cpu()

    def judge(self, looked: Sequence[tuple[Tensor, Tensor]]) -> None:
        found, true = (torch.cat(parts).numpy() for parts in zip(*looked, strict=True))
        scores = mask_scores(found, true)
        self.log_dict({"val/IoU": scores.mean_iou, "val/Dice": scores.mean_dice}, prog_bar=True, rank_zero_only=False)
