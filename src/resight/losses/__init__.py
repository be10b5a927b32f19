"""Losses on identities, all called as `loss(embeddings_or_logits, ids, cameras=None) -> scalar`.

A loss is one file and one line in this table; `resight.losses.base` says what else it may state. Its `reads` says
whether it takes a model's features or its identity logits. Losses on attributes and on masks have tables of their own
and are called as `loss(logits, targets) -> scalar`. Losses of autoencoders, which take the fields that their `reads`
names, and Bruna's have tables too.
"""

from collections.abc import Callable

from resight.losses.attributes import AttributeLoss
from resight.losses.base import Loss
from resight.losses.bruna import CentroidHinge, SelectorLoss
from resight.losses.centre import CentreLoss
from resight.losses.centroid_triplet import CentroidTripletLoss
from resight.losses.circle import CircleLoss
from resight.losses.identity import IdentityLoss, VerificationLoss
from resight.losses.margin_softmax import ArcFaceLoss, CosFaceLoss, SphereFaceLoss
from resight.losses.masks import DiceLoss, PixelLoss
from resight.losses.reconstruction import BinaryCrossEntropy, KLDivergence, MaximumMeanDiscrepancy, SquaredError
from resight.losses.triplet import TripletLoss

__all__ = ["ATTRIBUTE_LOSSES", "BRUNA_LOSSES", "LOSSES", "MASK_LOSSES", "RECONSTRUCTION_LOSSES"]

LOSSES: dict[str, Callable[..., Loss]] = {
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

ATTRIBUTE_LOSSES: dict[str, Callable[..., Loss]] = {"cross-entropy": AttributeLoss}

RECONSTRUCTION_LOSSES: dict[str, Callable[..., Loss]] = {
    "reconstruction": SquaredError,
    "binary-cross-entropy": BinaryCrossEntropy,
    "kl": KLDivergence,
    "mmd": MaximumMeanDiscrepancy,
}

MASK_LOSSES: dict[str, Callable[..., Loss]] = {"cross-entropy": PixelLoss, "dice": DiceLoss}

BRUNA_LOSSES: dict[str, Callable[..., Loss]] = {
    "centroid": CentroidHinge,
    "attributes": AttributeLoss,
    "selector": SelectorLoss,
}
