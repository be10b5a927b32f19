"""Circle loss (Sun et al. 2020), through pytorch-metric-learning."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from resight.losses.base import Loss
from resight.losses.mining import pair_masks
from resight.losses.precision import in_full_precision

__all__ = ["CircleLoss"]


class CircleLoss(Loss):
    """Pairs weighted by how far their cosine is from its optimum: 1 + margin for positives, -margin for negatives.

    >>> CircleLoss()(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    Mean, over the anchors that have both, of log(1 + Σ exp(scale · (c + margin)₊ · (c - margin)) ·
    Σ exp(-scale · (1 + margin - c)₊ · (c - 1 + margin))), the first sum over the anchor's negatives, the second over
    its positives, c being their cosines (eq. 6 and 8, whose weights have no gradient). The defaults are the paper's for
    people. Without any pair the loss is 0.
    """

    reads = ("features",)

    def __init__(
        self, margin: Annotated[float, Field(ge=0, le=1)] = 0.25, scale: Annotated[float, Field(gt=0)] = 128.0
    ) -> None:
        super().__init__()
        # Imported here: it takes a second, and only training computes losses.
        from pytorch_metric_learning.losses import CircleLoss
        from pytorch_metric_learning.reducers import SumReducer

        # Its own mean leaves out anchors whose loss is 0 in float32, and so grows with their number.
        self.loss = CircleLoss(m=margin, gamma=scale, reducer=SumReducer())

    @in_full_precision
    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        positive, negative = pair_masks(ids)
        anchors = (positive.any(1) & negative.any(1)).sum()
        return self.loss(embeddings, ids) / anchors.clamp(min=1)
