"""Bruna's losses: one on the distances within an item, and one for the selector.

An item is four images of one person, with features `same` (items, 4, dim), and n of others, `others` (items, n, dim).
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from resight.losses.base import Loss

__all__ = ["CentroidHinge", "SelectorLoss", "other_distances", "same_distances"]


def same_distances(same: Tensor) -> Tensor:
    """Each image's Euclidean distance to the mean of the other three: (items, 4, dim) -> (items, 4)."""
    others = same.shape[1] - 1
    return _length(same - (same.sum(1, keepdim=True) - same) / others)


def other_distances(same: Tensor, others: Tensor) -> Tensor:
    """Each other person's mean Euclidean distance to the four: (items, 4, dim), (items, n, dim) -> (items, n)."""
    return _length(same[:, :, None] - others[:, None]).mean(1)


class CentroidHinge(Loss):
    """d_same + max(0, margin - d_other), mean over items; d_same counts even if the margin is kept.

    >>> CentroidHinge(margin=1.0)(d_same, d_other)  # (items,), (items,) -> scalar
    """

    def __init__(self, margin: Annotated[float, Field(ge=0)] = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, same: Tensor, other: Tensor) -> Tensor:
        return (same + F.relu(self.margin - other)).mean()


class SelectorLoss(Loss):
    """Teaches the selector to predict small distances where Bruna was wrong, large ones where it was right.

    >>> SelectorLoss()(predicted, correct)  # (items, n) twice -> scalar

    `correct` is 1 for a person farther from the four than they are from each other plus the margin. `form="paper"` is
    (1 - correct) · d - correct · d, which has no lower bound, as the report itself found: it falls as d grows.
    `form="bounded"` is a logistic loss on d - 1, with 1 the default margin, for the same aim: never below 0.
    """

    def __init__(self, form: Literal["bounded", "paper"] = "bounded") -> None:
        super().__init__()
        self.form = form

    def forward(self, predicted: Tensor, correct: Tensor) -> Tensor:
        sign = 1 - 2 * correct.float()
        return (sign * predicted if self.form == "paper" else F.softplus(sign * (predicted - 1))).mean()


def _length(differences: Tensor) -> Tensor:
    # Clamped, so that the gradient at a distance of 0 is finite.
    return differences.float().square().sum(-1).clamp(min=1e-12).sqrt()
