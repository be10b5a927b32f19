"""Identity losses: classification of the training identities, and same-or-not on pairs."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from resight.losses.base import Loss
from resight.losses.mining import mean_of, pair_masks
from resight.losses.precision import in_full_precision

__all__ = ["IdentityLoss", "VerificationLoss"]


class IdentityLoss(Loss):
    """Cross-entropy over identities with label smoothing (Szegedy et al. 2016).

    >>> IdentityLoss(label_smoothing=0.1)(logits, ids)  # (batch, classes), (batch,) -> scalar

    The smoothed target gives `1 - eps + eps / N` to the right identity and `eps / N` to each other one: the form of
    the strong baseline's code. (Its paper's eq. 2 writes `1 - eps (N-1)/N`, which is the same.)
    """

    reads = ("logits",)
    of_identities = True

    def __init__(self, label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    @in_full_precision
    def forward(self, logits: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        return F.cross_entropy(logits, ids, label_smoothing=self.label_smoothing)


class VerificationLoss(Loss):
    """Same person or not, on every pair of the batch: binary cross-entropy on a learned scale of the cosine.

    The camera-mining source considered this loss and did not choose it. Positive and negative pairs weigh the same in
    total, since a P×K batch has far more negative ones.

    >>> VerificationLoss()(embeddings, ids)  # (batch, dim), (batch,) -> scalar
    """

    reads = ("features",)

    def __init__(self, scale: float = 10.0, offset: float = 0.5) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.offset = nn.Parameter(torch.tensor(offset))

    @in_full_precision
    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        unit = F.normalize(embeddings, dim=1)
        scores = self.scale * (unit @ unit.T - self.offset)
        positive, negative = pair_masks(ids)
        losses = torch.stack([mean_of(F.softplus(-scores), positive), mean_of(F.softplus(scores), negative)])
        return mean_of(losses, torch.stack([positive.any(), negative.any()]))
