"""Losses on masks: `loss(logits, masks) -> scalar`, both (batch, 1, height, width), masks of 0 and 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from resight.losses.base import Loss

__all__ = ["DiceLoss", "PixelLoss"]


class PixelLoss(Loss):
    """Binary cross-entropy, mean over pixels.

    >>> PixelLoss()(logits, masks)  # (batch, 1, height, width) twice -> scalar
    """

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits.float(), masks.float())


class DiceLoss(Loss):
    """1 - (2 · overlap + 1) / (sum of both + 1) with probabilities for a mask (Milletari et al. 2016), mean over images.

    >>> DiceLoss()(logits, masks)  # (batch, 1, height, width) twice -> scalar

    It compares the masks as a whole, cross-entropy pixel by pixel: here small people count as much as large ones.
    """

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        found, true = torch.sigmoid(logits.float()).flatten(1), masks.float().flatten(1)
        overlap = (found * true).sum(1)
        return (1 - (2 * overlap + 1) / (found.sum(1) + true.sum(1) + 1)).mean()
