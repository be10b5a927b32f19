"""Triplet loss (Schroff et al. 2015; Hermans et al. 2017)."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from resight.losses.distances import Distance, pairwise_distances
from resight.losses.hinge import HingeLoss, Margin
from resight.losses.mining import MINING, BatchHard, Mining
from resight.losses.precision import in_full_precision
from resight.recipe import OneOf

__all__ = ["TripletLoss"]


class TripletLoss(HingeLoss):
    """Mean over triplets of max(0, d(anchor, positive) - d(anchor, negative) + margin).

    >>> TripletLoss(margin=0.3)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    `margin="soft"` is log(1 + exp(d(anchor, positive) - d(anchor, negative))) instead (Hermans et al. 2017, section
    2). `mining` chooses the triplets. Without triplets the loss and its gradient are 0.
    """

    def __init__(
        self,
        margin: Margin = 0.3,
        distance: Distance = "euclidean",
        mining: Annotated[Mining, OneOf(MINING)] = None,  # type: ignore[assignment]  # None: batch hard
    ) -> None:
        super().__init__(margin, distance)
        self.mining = BatchHard() if mining is None else mining
        self.group, self.needs_cameras = self.mining.group, self.mining.needs_cameras

    def begin_epoch(self, epoch: int) -> None:
        self.mining.begin_epoch(epoch)

    def end_batch(self) -> None:
        self.mining.end_batch()

    @in_full_precision
    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        distances = pairwise_distances(embeddings, self.distance)
        anchors, positives, negatives, valid = self.mining(distances, ids, cameras)
        near, far = distances[anchors, positives], distances[anchors, negatives]
        return self.mining.mean(self.hinged(embeddings, near, far, valid), valid)
