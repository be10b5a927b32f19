"""Small layers that several models share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["POOLINGS", "GeM", "average_pool", "max_pool"]


class GeM(nn.Module):
    """Generalised mean over positions, `mean(x^p)^(1/p)` with a learned p (Radenović et al. 2018, eq. 3).

    (batch, channels, height, width) -> (batch, channels). p = 1 is average pooling, p -> infinity max pooling.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.eps = eps

    def forward(self, maps: Tensor) -> Tensor:
        return maps.clamp(min=self.eps).pow(self.p).mean(dim=(2, 3)).pow(1 / self.p)


def average_pool(maps: Tensor) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels)."""
    return maps.mean(dim=(2, 3))


def max_pool(maps: Tensor) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels)."""
    return maps.amax(dim=(2, 3))


POOLINGS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "average": lambda: average_pool,
    "max": lambda: max_pool,
    "gem": GeM,
}
