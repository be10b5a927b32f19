"""Centre loss (Wen et al. 2016): pull each feature towards the centre of its identity."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn, optim

from resight.losses.base import Loss
from resight.losses.precision import in_full_precision

__all__ = ["CentreLoss"]


class CentreLoss(Loss):
    """Mean over the batch of the squared Euclidean distance between a feature and its identity's centre.

    >>> CentreLoss(num_classes=751, dim=2048)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    The strong baseline's code takes this mean; its paper writes half the sum (eq. 5), which for a batch of 64 would
    be 32 times as much at the same weight of 5e-4. The centres have an optimiser of their own: SGD at
    `learning_rate`, on gradients divided by the loss weight, so that the weight does not slow them.
    """

    reads = ("features",)
    of_identities = True
    own_optimiser = optim.SGD

    def __init__(self, num_classes: int, dim: int, learning_rate: Annotated[float, Field(gt=0)] = 0.5) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.centres = nn.Parameter(torch.randn(num_classes, dim))

    @in_full_precision
    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        return (embeddings - self.centres[ids]).square().sum(1).mean()
