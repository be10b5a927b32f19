"""Triplet loss (Schroff et al. 2015; Hermans et al. 2017)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from resight.losses.mining import MINING, BatchHard, Mining
from resight.recipe import OneOf

__all__ = ["TripletLoss", "pairwise_distances"]

Margin = Annotated[float, Field(ge=0)] | Literal["soft"]


class TripletLoss(nn.Module):
    """Mean over triplets of max(0, d(anchor, positive) - d(anchor, negative) + margin).

    >>> TripletLoss(margin=0.3)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    `margin="soft"` is log(1 + exp(d(anchor, positive) - d(anchor, negative))) instead (Hermans et al. 2017, section
    2). `mining` chooses the triplets. Without any the loss is 0 (with a gradient of 0).
    """

    reads = "metric"

    def __init__(
        self,
        margin: Margin = 0.3,
        distance: Literal["euclidean", "squared-euclidean", "cosine"] = "euclidean",
        mining: Annotated[Mining, OneOf(MINING)] = None,  # type: ignore[assignment]  # None: batch hard
    ) -> None:
        super().__init__()
        self.margin = margin
        self.distance = distance
        self.mining = BatchHard() if mining is None else mining

    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        distances = pairwise_distances(embeddings.float(), self.distance)
        anchors, positives, negatives = self.mining(distances, ids, cameras)
        if len(anchors) == 0:
            return embeddings.sum() * 0.0
        return self.mining.mean(hinge(distances[anchors, positives] - distances[anchors, negatives], self.margin))


def hinge(difference: Tensor, margin: float | Literal["soft"]) -> Tensor:
    """max(0, difference + margin), or its smooth form softplus(difference)."""
    return F.softplus(difference) if margin == "soft" else F.relu(difference + margin)


def pairwise_distances(embeddings: Tensor, distance: str = "euclidean") -> Tensor:
    """(batch, dim) -> (batch, batch). Distances of 0 keep a finite gradient."""
    if distance == "cosine":
        unit = F.normalize(embeddings, dim=1)
        return 1 - unit @ unit.T
    norms = embeddings.square().sum(1)
    squared = (norms[:, None] + norms[None, :] - 2 * embeddings @ embeddings.T).clamp(min=1e-12)
    return squared if distance == "squared-euclidean" else torch.sqrt(squared)
