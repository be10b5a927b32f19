"""Centroid triplet loss: triplets of an image and two centroids (Wieczorek et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from resight.losses.distances import Distance, pairwise_distances
from resight.losses.hinge import HingeLoss, Margin
from resight.losses.mining import mean_of
from resight.losses.precision import in_full_precision

__all__ = ["CentroidTripletLoss"]


class CentroidTripletLoss(HingeLoss):
    """Mean over images of max(0, d(image, own centroid) - d(image, nearest other centroid) + margin).

    >>> CentroidTripletLoss(margin=0.3)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    The own centroid is the mean of the identity's *other* images in the batch, so that an image does not pull it
    towards itself; another identity's is the mean of all of its images ("On the Unreasonable Effectiveness of
    Centroids in Image Retrieval", eq. 2; the nearest one, as in its code). `margin="soft"` and `distance` are as
    in the triplet loss. The only image of an identity is no anchor; without anchors the loss is 0.
    """

    def __init__(self, margin: Margin = 0.3, distance: Distance = "euclidean") -> None:
        super().__init__(margin, distance)

    @in_full_precision
    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        # A row for each image, not for each identity: how many these are would have to be waited for.
        same = ids[:, None] == ids[None, :]
        members = same.to(embeddings.dtype)
        counts, sums = members.sum(1, keepdim=True), members @ embeddings
        rest = (sums - embeddings) / (counts - 1).clamp(min=1)
        own = pairwise_distances(embeddings, self.distance, rest).diagonal()
        others = pairwise_distances(embeddings, self.distance, sums / counts)
        nearest = others.masked_fill(same, torch.inf).amin(1)
        valid = (counts[:, 0] > 1) & ~same.all(1)
        return mean_of(self.hinged(embeddings, own, nearest, valid), valid)
