"""Losses of autoencoders. Each is called with the parts of a `Reconstruction` that its `reads` names, and gives a scalar."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from resight.losses.base import Loss
from resight.losses.precision import in_full_precision

__all__ = ["BinaryCrossEntropy", "KLDivergence", "MaximumMeanDiscrepancy", "SquaredError"]

Reduction = Literal["mean", "sum"]


class SquaredError(Loss):
    """Squared difference of pixels: its mean over all of them, or its sum over an image, averaged over the batch.

    >>> SquaredError("sum")(made, given)  # (batch, 3, height, width) twice -> scalar

    The VAE report found that the mean is too small beside the divergence and took the sum (section 3.2).
    """

    reads = ("made", "given")

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, made: Tensor, given: Tensor) -> Tensor:
        return _reduced((made.float() - given.float()).square(), self.reduction)


class BinaryCrossEntropy(Loss):
    """-x·ln(y) - (1 - x)·ln(1 - y) of each pixel x and its reconstruction y, both in [0, 1]; reduced as the squared error.

    >>> BinaryCrossEntropy("sum")(made, given)  # (batch, 3, height, width) twice -> scalar

    The VAE report's first loss, with a sigmoid after the decoder (section 3.2): `model.activation=sigmoid`, and images
    that are scaled to [0, 1]. Its logarithms are at least -100, as PyTorch has it.
    """

    reads = ("made", "given")
    pixels = (0.0, 1.0)

    def __init__(self, reduction: Reduction = "sum") -> None:
        super().__init__()
        self.reduction = reduction

    @in_full_precision
    def forward(self, made: Tensor, given: Tensor) -> Tensor:
        # Normalised bytes may leave the interval by a rounding.
        target = given.to(made.dtype).clamp(0, 1)
        return _reduced(F.binary_cross_entropy(made, target, reduction="none"), self.reduction)


class KLDivergence(Loss):
    """Divergence of the latents' Gaussian from the standard one, in nats, averaged over the batch (Kingma and Welling 2014).

    With `warmup_epochs` it grows linearly from 0 to its weight, so that the decoder learns to use the latents before
    they are drawn together (Bowman et al. 2016, section 3.1).
    """

    reads = ("mean", "log_variance")

    def __init__(self, warmup_epochs: Annotated[int, Field(ge=0)] = 0) -> None:
        super().__init__()
        self.warmup_epochs, self.epoch = warmup_epochs, 0

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def forward(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return divergence * (min(1.0, self.epoch / self.warmup_epochs) if self.warmup_epochs else 1.0)


class MaximumMeanDiscrepancy(Loss):
    """InfoVAE's term (Zhao et al. 2017): how far the latents of a batch, taken together, are from the standard Gaussian.

    Unlike the divergence it leaves each image's own latents informative. Squared discrepancy under the kernel
    exp(-|a - b|² / (`bandwidth` × dim)), against as many new samples. The paper's weights are 1 - α for the
    divergence and α + λ - 1 for this.
    """

    reads = ("latents",)

    def __init__(self, bandwidth: Annotated[float, Field(gt=0)] = 2.0) -> None:
        super().__init__()
        self.bandwidth = bandwidth

    def forward(self, latents: Tensor) -> Tensor:
        prior = torch.randn_like(latents)
        return self._kernel(latents, latents) + self._kernel(prior, prior) - 2 * self._kernel(latents, prior)

    def _kernel(self, left: Tensor, right: Tensor) -> Tensor:
        squares = (left[:, None] - right[None]).square().sum(2)
        return torch.exp(-squares / (self.bandwidth * left.shape[1])).mean()


def _reduced(each: Tensor, reduction: Reduction) -> Tensor:
    """(batch, …) -> the sum or the mean over an image, averaged over the batch."""
    values = each.flatten(1)
    return (values.sum(1) if reduction == "sum" else values.mean(1)).mean()
