"""Losses, all of one call shape: `loss(embeddings_or_logits, ids, cameras=None) -> scalar`.

A loss is one file and one line in this table. Its `reads` says whether it takes a model's metric features or its
identity logits. The losses on attributes have a table and a shape of their own: `loss(logits, targets) -> scalar`;
those of autoencoders have a table too, and take what their `reads` names.
"""

from collections.abc import Callable

from torch import nn

from resight.losses.attributes import AttributeLoss
from resight.losses.centre import CentreLoss
from resight.losses.centroid_triplet import CentroidTripletLoss
from resight.losses.circle import CircleLoss
from resight.losses.identity import IdentityLoss, VerificationLoss
from resight.losses.margin_softmax import ArcFaceLoss, CosFaceLoss, SphereFaceLoss
from resight.losses.reconstruction import KLDivergence, MaximumMeanDiscrepancy, SquaredError
from resight.losses.triplet import TripletLoss

__all__ = ["ATTRIBUTE_LOSSES", "LOSSES", "RECONSTRUCTION_LOSSES"]

LOSSES: dict[str, Callable[..., nn.Module]] = {
    "identity": IdentityLoss,
    "triplet": TripletLoss,
    "centre": CentreLoss,
    "verification": VerificationLoss,
    "centroid-triplet": CentroidTripletLoss,
    "circle": CircleLoss,
    "arcface": ArcFaceLoss,
    "cosface": CosFaceLoss,
    "sphereface": SphereFaceLoss,
}

ATTRIBUTE_LOSSES: dict[str, Callable[..., nn.Module]] = {"cross-entropy": AttributeLoss}

RECONSTRUCTION_LOSSES: dict[str, Callable[..., nn.Module]] = {
    "reconstruction": SquaredError,
    "kl": KLDivergence,
    "mmd": MaximumMeanDiscrepancy,
}
