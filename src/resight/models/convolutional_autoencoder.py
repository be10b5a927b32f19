"""The VAE report's autoencoder for junk (section 3.1): VGG-19's first blocks, mirrored by unpooling (Zeiler and Fergus 2013)."""

from __future__ import annotations

import itertools
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from resight.errors import RecipeError
from resight.models.output import Reconstruction

__all__ = ["ConvolutionalAutoencoder"]

Width = Annotated[int, Field(ge=1)]


class ConvolutionalAutoencoder(nn.Module):
    """Three convolutional blocks that end in max pooling, and three mirrored ones that begin with unpooling.

    >>> ConvolutionalAutoencoder(image_size=(128, 64)).reconstruct(images).shape  # (batch, 3, 128, 64), as the images

    Each pooling records the positions of its maxima, and the mirrored unpooling puts values back there. So edges are
    reconstructed whatever the network has learned, and smooth images best. `bottleneck` joins both halves by two dense
    layers with so many numbers between them (0: none, as in the report): then only what training images have in common
    is reconstructed well. `norm` adds batch normalisation, as in VGG-19's later form, which trains faster.
    """

    def __init__(
        self,
        channels: tuple[Width, Width, Width] = (64, 128, 256),
        convolutions: tuple[Width, Width, Width] = (2, 2, 4),
        bottleneck: Annotated[int, Field(ge=0)] = 0,
        norm: bool = True,
        image_size: tuple[int, int] = (128, 64),
    ) -> None:
        super().__init__()
        if any(side % 8 for side in image_size):
            height, width = image_size
            raise RecipeError(
                f"image: {height}×{width} cannot be halved by three poolings; give a height and width that 8 divides"
            )
        blocks = list(zip([3, *channels], channels, convolutions, strict=False))
        self.down = nn.ModuleList(_block([first, *[last] * count], norm) for first, last, count in blocks)
        self.up = nn.ModuleList(_block([*[last] * count, first], norm) for first, last, count in blocks[:0:-1])
        # The last layer has no ReLU: pixels may have any sign.
        pixels = nn.Conv2d(channels[0], 3, 3, padding=1)
        self.up.append(nn.Sequential(_block([channels[0]] * convolutions[0], norm), pixels))
        self.middle: nn.Module = nn.Identity()
        if bottleneck:
            grid = (channels[-1], image_size[0] // 8, image_size[1] // 8)
            cells = grid[0] * grid[1] * grid[2]
            narrow, wide = nn.Linear(cells, bottleneck), nn.Linear(bottleneck, cells)
            self.middle = nn.Sequential(nn.Flatten(), narrow, wide, nn.Unflatten(1, grid))

    def forward(self, images: Tensor) -> Reconstruction:
        """(batch, 3, height, width), normalised -> the images and their reconstructions."""
        return Reconstruction(images, self.reconstruct(images))

    def reconstruct(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> (batch, 3, height, width)."""
        maps, places = images, []
        for block in self.down:
            maps, where = F.max_pool2d(block(maps), 2, return_indices=True)
            places.append(where)
        maps = self.middle(maps)
        for block in self.up:
            maps = block(F.max_unpool2d(maps, places.pop(), [2, 2]))
        return maps


def _block(widths: list[int], norm: bool) -> nn.Sequential:
    """A 3×3 convolution and ReLU between each two widths."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()] if norm else [nn.ReLU()]
    return nn.Sequential(*layers)
