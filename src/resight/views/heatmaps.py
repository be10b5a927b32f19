"""A network's maps as pictures: in colour, or laid over the image that they were computed from."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["coloured", "overlay", "strongest_channels"]

_COLOURS = "inferno"
_OPACITY = 0.7


def coloured(values: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A map (height, width) as a picture of that `size` (height, width), from its least value (black) to its greatest.

    Each value of the map becomes one patch of a single colour, so that the map's resolution is seen.
    """
    small = Image.fromarray(_paint(_stretched(values, float(values.min()))))
    return np.asarray(small.resize(size[::-1], Image.Resampling.NEAREST))


def overlay(pixels: NDArray[np.uint8], values: NDArray[np.floating]) -> Image.Image:
    """A map (height, width) of any size laid over its image (height, width, 3).

    Only values above 0 are drawn, the greater the brighter and the less transparent.
    """
    heat = np.clip(_stretched(values, 0.0), 0, 1)
    size = (pixels.shape[1], pixels.shape[0])
    grown = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    weight = _OPACITY * grown[:, :, None]
    return Image.fromarray((pixels * (1 - weight) + _paint(grown) * weight).round().astype(np.uint8))


def strongest_channels(maps: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """The `count` channels of maps (channels, height, width) with the greatest variance, the greatest first."""
    return np.argsort(-maps.reshape(len(maps), -1).var(1), kind="stable")[:count]


def _stretched(values: NDArray[np.floating], least: float) -> NDArray[np.float32]:
    span = float(values.max()) - least
    return ((values - least) / span if span > 0 else np.zeros_like(values)).astype(np.float32)


def _paint(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return mpl.colormaps[_COLOURS](values, bytes=True)[:, :, :3]
