"""Scores of masks: IoU and Dice of each image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError

__all__ = ["MaskScores", "mask_scores"]


@dataclass(frozen=True, eq=False)
class MaskScores:
    """The scores of N masks, in [0, 1]; 1 for two empty masks."""

    iou: NDArray[np.float64]
    """[N]: pixels in both masks / pixels in either mask (Jaccard index)."""
    dice: NDArray[np.float64]
    """[N]: 2 · pixels in both masks / (pixels of one + pixels of the other)."""

    @property
    def mean_iou(self) -> float:
        return float(self.iou.mean())

    @property
    def mean_dice(self) -> float:
        return float(self.dice.mean())


def mask_scores(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> MaskScores:
    """Compare predicted and true masks, bool [N, height, width] or [N, …].

    >>> mask_scores(np.array([[1, 1, 0]], bool), np.array([[1, 0, 0]], bool)).iou
    array([0.5])

    Raises DataError when the two shapes differ, or there is no mask.
    """
    if found.shape != true.shape or not len(found):
        raise DataError(f"masks of shapes {found.shape} and {true.shape} cannot be compared")
    ours, theirs = (masks.reshape(len(masks), -1).astype(bool) for masks in (found, true))
    both, each = (ours & theirs).sum(1), ours.sum(1) + theirs.sum(1)
    empty = each == 0
    return MaskScores(
        np.where(empty, 1.0, both / np.maximum(each - both, 1)), np.where(empty, 1.0, 2 * both / np.maximum(each, 1))
    )
