"""Triplet loss (Schroff et al. 2015; Hermans et al. 2017)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resight.losses.mining import MINING, BatchHard
from resight.recipe import OneOf

__all__ = ["TripletLoss", "pairwise_distances"]


class TripletLoss(nn.Module):
    """Mean over anchors of max(0, d(anchor, positive) - d(anchor, negative) + margin).

    >>> TripletLoss(margin=0.3)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    `mining` chooses one positive and one negative per anchor. Without any triplet the loss is 0 (with a gradient of 0).
    """

    reads = "metric"

    def __init__(
        self,
        margin: float = 0.3,
        distance: Literal["euclidean", "squared-euclidean", "cosine"] = "euclidean",
        mining: Annotated[nn.Module, OneOf(MINING)] = None,  # type: ignore[assignment]  # None: batch hard
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
        return F.relu(distances[anchors, positives] - distances[anchors, negatives] + self.margin).mean()


def pairwise_distances(embeddings: Tensor, distance: str = "euclidean") -> Tensor:
    """(batch, dim) -> (batch, batch). Distances of 0 keep a finite gradient."""
    if distance == "cosine":
        unit = F.normalize(embeddings, dim=1)
        return 1 - unit @ unit.T
    norms = embeddings.square().sum(1)
    squared = (norms[:, None] + norms[None, :] - 2 * embeddings @ embeddings.T).clamp(min=1e-12)
    return squared if distance == "squared-euclidean" else torch.sqrt(squared)
