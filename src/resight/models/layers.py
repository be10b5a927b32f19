"""Small layers that several models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from timm.layers import SEModule
from timm.layers.cbam import CbamModule
from torch import Tensor, nn

__all__ = ["ATTENTIONS", "POOLINGS", "GeM", "StageFusion", "average_pool", "max_pool"]


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


ATTENTIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    # timm rounds the squeezed width to a multiple of 8 unless told otherwise: 64 channels would squeeze to 8, not 4.
    "se": lambda channels: SEModule(channels, rd_ratio=1 / 16, rd_divisor=1),
    "cbam": lambda channels: CbamModule(channels, rd_ratio=1 / 16, mlp_bias=True),
}
"""Attention on maps (batch, channels, height, width), by name: squeeze-and-excitation (Hu et al. 2018) and CBAM (Woo et
al. 2018; 7×7 spatial gate with BatchNorm, as in its authors' code), both at ratio 16."""


class StageFusion(nn.Module):
    """The maps of a ResNet's four stages as one (the vehicle coursework, section 3.1).

    >>> StageFusion((64, 128, 256, 512), "concat")(maps).shape  # (batch, 1024, height, width) of stage 4

    - "none": stage 4 alone.
    - "concat", "add": stage 4 and stage 3, which a 1×1 convolution with BatchNorm brings to the shape of stage 4.
    - "global-concat": all four; stages 1 and 2 pass 3×3 convolutions with ReLU, one to the shape of each later stage.

    `last_stride` is the step from stage 3 to stage 4. `dim` is the width of the output.
    """

    def __init__(
        self,
        channels: Sequence[int],
        kind: Literal["none", "concat", "add", "global-concat"],
        last_stride: int = 2,
    ) -> None:
        super().__init__()
        self.kind = kind
        earlier = {"none": 0, "concat": 1, "add": 1, "global-concat": 3}[kind]
        self.dim = channels[-1] * (1 if kind == "add" else 1 + earlier)
        # From stage 3, then 2, then 1.
        self.paths = nn.ModuleList(_path(channels[-2 - steps :], last_stride) for steps in range(earlier))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        brought = [path(stage) for path, stage in zip(self.paths, maps[-2::-1], strict=False)]
        return maps[-1] + brought[0] if self.kind == "add" else torch.cat([maps[-1], *brought], dim=1)


def _path(channels: Sequence[int], last_stride: int) -> nn.Module:
    """From a stage to the shape of stage 4; from an earlier one by way of the shape of each stage between."""
    if len(channels) == 2:
        return nn.Sequential(
            nn.Conv2d(channels[0], channels[1], 1, last_stride, bias=False), nn.BatchNorm2d(channels[1])
        )
    strides = [2] * (len(channels) - 2) + [last_stride]
    steps = zip(pairwise(channels), strides, strict=True)
    return nn.Sequential(
        *(nn.Sequential(nn.Conv2d(*widths, 3, stride, padding=1), nn.ReLU(inplace=True)) for widths, stride in steps)
    )
