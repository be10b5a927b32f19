"""Circle loss (Sun et al. 2020)."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
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
        self.margin, self.scale = margin, scale

    @in_full_precision
    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        unit = F.normalize(embeddings, dim=1)
        cosines, margin = unit @ unit.T, self.margin
        positive, negative = pair_masks(ids)
        anchors = positive.any(1) & negative.any(1)
        near = -(1 + margin - cosines).relu().detach() * (cosines - 1 + margin)
        far = (cosines + margin).relu().detach() * (cosines - margin)
        sums = [
            # Of an image that is no anchor nothing is left out: a sum of nothing would have no gradient, not even 0.
            (self.scale * exponents).masked_fill(~mask & anchors[:, None], -math.inf).logsumexp(1)
            for exponents, mask in ((near, positive), (far, negative))
        ]
        return torch.where(anchors, F.softplus(sums[0] + sums[1]), 0).sum() / anchors.sum().clamp(min=1)
