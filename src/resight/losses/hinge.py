"""Losses that want a negative farther away than a positive by a margin, and what they tell of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from resight.losses.base import Loss
from resight.losses.distances import Distance
from resight.losses.mining import mean_of

__all__ = ["HingeLoss", "Margin", "hinge"]

Margin = Annotated[float, Field(ge=0)] | Literal["soft"]

_SOFT = 1.0
"""In place of a margin where it is soft: with a negative so much farther away its loss has fallen from 0.69 to 0.31."""
_ALL, _NOTHING = 0.95, 0.1
"""Share of the triplets that counts as all, and share of the margin that counts as no distance."""


def hinge(difference: Tensor, margin: Margin) -> Tensor:
    """max(0, difference + margin), or its smooth form softplus(difference)."""
    return F.softplus(difference) if margin == "soft" else F.relu(difference + margin)


class HingeLoss(Loss):
    """Base of triplet losses: a subclass chooses the distances and calls `hinged`.

    Its figures, means over the calls (each branch has the same weight; the first three are 0 without triplets):

    - `active`: share of the triplets whose loss is above 0; of a soft margin, whose negative is not farther away by 1.
    - `positive`, `negative`: mean distance of the chosen ones.
    - `spread`: root mean square of the Euclidean distance of two embeddings of the batch, over that of their norms: 1.41 for
      directions that are spread evenly, 0 where all embeddings are the same.
    - `norm`: mean norm of the embeddings.
    """

    reads = ("features",)

    def __init__(self, margin: Margin, distance: Distance) -> None:
        super().__init__()
        self.margin: Margin = margin
        self.distance: Distance = distance
        self._sums: dict[str, Tensor] = {}
        self._calls = 0

    @property
    def reach(self) -> float:
        """How much farther away a negative has to be."""
        return _SOFT if self.margin == "soft" else self.margin

    def hinged(self, embeddings: Tensor, positive: Tensor, negative: Tensor, valid: Tensor) -> Tensor:
        """Embeddings (batch, dim), distances of triplets' positives and negatives -> the triplets' losses.

        The distances broadcast to the shape of `valid`, which says what is a triplet, and so does the result.
        """
        if self.training and len(embeddings) > 1:
            self._note(embeddings, positive, negative, valid)
        return hinge(positive - negative, self.margin)

    @torch.no_grad()
    def _note(self, embeddings: Tensor, positive: Tensor, negative: Tensor, valid: Tensor) -> None:
        norms = embeddings.norm(dim=1)
        # The mean squared distance of two different rows is twice their variance: no matrix of distances is needed.
        apart = 2 * embeddings.var(0).sum() / norms.square().mean().clamp(min=1e-12)
        found = {
            "active": mean_of((positive - negative + self.reach > 0).to(norms.dtype), valid),
            "positive": mean_of(positive, valid),
            "negative": mean_of(negative, valid),
            "spread": apart.sqrt(),
            "norm": norms.mean(),
        }
        self._sums = {name: value + self._sums.get(name, 0) for name, value in found.items()}
        self._calls += 1

    def figures(self) -> dict[str, Tensor]:
        found = {name: value / self._calls for name, value in self._sums.items()}
        self._sums, self._calls = {}, 0
        return found

    def complaint(self, figures: Mapping[str, float]) -> str | None:
        """A line where all triplets are active and positives are as far away as negatives: the loss is then the margin."""
        gap = figures["negative"] - figures["positive"]
        if figures["active"] < _ALL or abs(gap) > _NOTHING * self.reach:
            return None
        others = ["a lower optimiser.lr", "a longer schedule.warmup_epochs"]
        if self.distance != "cosine":
            others.insert(0, "its distance=cosine")
        if self.margin != "soft":
            others.insert(0, "its margin=soft")
        return (
            f"stays at its margin: {figures['active']:.0%} of its triplets are active, and negatives lie as far away as "
            f"positives ({figures['negative']:.2g} and {figures['positive']:.2g}), so that it tells nobody apart; "
            f"try {', '.join(others[:-1])} or {others[-1]}"
        )
