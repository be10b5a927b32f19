"""Softmax losses with a margin between identities, through pytorch-metric-learning.

Each has a weight vector per identity and compares features with it by angle, so it needs no classifier. Several
branches share the vectors.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from resight.losses.base import Loss
from resight.losses.precision import in_full_precision

__all__ = ["ArcFaceLoss", "CosFaceLoss", "SphereFaceLoss"]

Scale = Annotated[float, Field(gt=0)]


class _MarginSoftmax(Loss):
    """Cross-entropy over identities with a margin for the right one; a subclass sets `loss`."""

    reads = ("features",)
    of_identities = True
    loss: nn.Module

    @in_full_precision
    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        return self.loss(embeddings, ids)


class ArcFaceLoss(_MarginSoftmax):
    """Cross-entropy over scale · cos(angle to each identity), the right one's angle wider by `margin` (Deng et al. 2019).

    >>> ArcFaceLoss(num_classes=751, dim=2048)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    `margin` is in radians, as in the paper. Beyond π - margin, where the cosine would rise again, it continues to fall
    as cos(angle) - margin · sin(margin).
    """

    def __init__(
        self,
        num_classes: int,
        dim: int,
        margin: Annotated[float, Field(ge=0, lt=math.pi)] = 0.5,
        scale: Scale = 64.0,
    ) -> None:
        super().__init__()
        # Imported here: it takes a second, and only training computes losses.
        from pytorch_metric_learning.losses import ArcFaceLoss

        self.loss = ArcFaceLoss(num_classes, dim, margin=math.degrees(margin), scale=scale)


class CosFaceLoss(_MarginSoftmax):
    """Cross-entropy over scale · cos(angle to each identity), the right one's cosine less `margin` (Wang et al. 2018).

    >>> CosFaceLoss(num_classes=751, dim=2048)(embeddings, ids)  # (batch, dim), (batch,) -> scalar
    """

    def __init__(
        self, num_classes: int, dim: int, margin: Annotated[float, Field(ge=0, lt=2)] = 0.35, scale: Scale = 64.0
    ) -> None:
        super().__init__()
        from pytorch_metric_learning.losses import CosFaceLoss

        self.loss = CosFaceLoss(num_classes, dim, margin=margin, scale=scale)


class SphereFaceLoss(_MarginSoftmax):
    """Cross-entropy over |embedding| · cos(angle to each identity), the right one's angle times `margin` (Liu et al. 2017).

    >>> SphereFaceLoss(num_classes=751, dim=2048)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    The cosine of the multiplied angle is continued downwards beyond π / margin (their eq. 7). Since margin 4 is
    hard at first, the paper begins with a blend with the plain softmax; give a smaller margin, or add the identity
    loss.
    """

    def __init__(self, num_classes: int, dim: int, margin: Annotated[int, Field(ge=1)] = 4, scale: Scale = 1.0) -> None:
        super().__init__()
        from pytorch_metric_learning.losses import SphereFaceLoss

        self.loss = SphereFaceLoss(num_classes, dim, margin=margin, scale=scale)
