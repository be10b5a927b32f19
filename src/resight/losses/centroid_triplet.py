"""Centroid triplet loss: triplets of an image and two centroids (Wieczorek et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from resight.losses.distances import Distance, pairwise_distances
from resight.losses.hinge import HingeLoss, Margin
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
        identities, which = ids.unique(return_inverse=True)
        members = torch.zeros(len(identities), len(ids), dtype=embeddings.dtype, device=ids.device)
        members[which, torch.arange(len(ids), device=ids.device)] = 1
        counts, sums = members.sum(1, keepdim=True), members @ embeddings
        anchors = (counts[which, 0] > 1).nonzero().squeeze(1)
        if len(identities) < 2 or len(anchors) == 0:
            return embeddings.sum() * 0.0
        theirs = which[anchors]
        rest = (sums[theirs] - embeddings[anchors]) / (counts[theirs] - 1)
        own = pairwise_distances(embeddings[anchors], self.distance, rest).diagonal()
        others = pairwise_distances(embeddings[anchors], self.distance, sums / counts)
        nearest = others.masked_fill(members[:, anchors].T > 0, torch.inf).amin(1)
        return self.hinged(embeddings, own, nearest).mean()
