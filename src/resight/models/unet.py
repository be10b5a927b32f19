"""U-Net (Ronneberger et al. 2015): a mask of the individual in an image."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from resight.errors import RecipeError

__all__ = ["UNet"]


class UNet(nn.Module):
    """`depth` levels of two convolutions and max pooling, and as many upsamplings, each joined to its level's maps.

    >>> UNet(width=16, depth=3)(images).shape  # (batch, 3, height, width) -> (batch, 1, height, width), logits

    The paper's network has width 64 and depth 4, convolutions without padding and no normalisation: its output is
    smaller than its input. Here convolutions are padded, so that the mask covers the image, and followed by BatchNorm.
    Maps at the bottom have `bottleneck` = width · 2^depth channels. Raises RecipeError for an image too small to be
    halved so often.
    """

    def __init__(
        self,
        width: Annotated[int, Field(ge=1)] = 32,
        depth: Annotated[int, Field(ge=1)] = 4,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if image_size is not None and min(image_size) < 2**depth:
            raise RecipeError(
                f"an image of {image_size[0]} × {image_size[1]} cannot be halved {depth} times; lower the U-Net's depth"
            )
        widths = [width * 2**level for level in range(depth + 1)]
        self.bottleneck = widths[-1]
        self.down = nn.ModuleList(
            _convolutions(before, after) for before, after in zip([3, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * after, after, 2, stride=2) for after in widths[-2::-1])
        self.merge = nn.ModuleList(_convolutions(2 * after, after) for after in widths[-2::-1])
        self.last = nn.Conv2d(width, 1, 1)

    def segment(self, images: Tensor) -> Tensor:
        """Normalised images (batch, 3, height, width) -> logits (batch, 1, height, width)."""
        return self(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.both(images)[0]

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the maps at the bottom (batch, bottleneck, about height / 2^depth, about width / 2^depth)."""
        seen = []
        maps = images
        for level, convolutions in enumerate(self.down):
            maps = convolutions(F.max_pool2d(maps, 2) if level else maps)
            seen.append(maps)
        bottom = seen.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            beside = seen.pop()
            maps = merge(torch.cat([beside, _fitted(up(maps), beside)], dim=1))
        return self.last(maps), bottom


def _convolutions(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _fitted(maps: Tensor, other: Tensor) -> Tensor:
    """Maps padded to the size of `other`, whose sides may have been odd before they were halved."""
    return F.pad(maps, (0, other.shape[3] - maps.shape[3], 0, other.shape[2] - maps.shape[2]))
