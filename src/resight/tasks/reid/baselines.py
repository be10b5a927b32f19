"""Baselines that a model must beat: random features, and a colour histogram."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.data.images import read_image
from resight.errors import ImageError
from resight.records import Embeddings, Record

__all__ = ["BASELINES", "chance", "colour_histogram"]


def chance(records: Sequence[Record], seed: int = 0) -> Embeddings:
    """Random features, float32 [N, 16], which do not depend on the images."""
    features = np.random.default_rng(seed).normal(size=(len(records), 16)).astype(np.float32)
    return Embeddings(features, records)


def colour_histogram(records: Sequence[Record], stripes: int = 6, bins: int = 8) -> Embeddings:
    """Joint histograms of hue, saturation and value in horizontal stripes, square-rooted (Hellinger), float32 [N, D].

    Colour in stripes was the usual feature of re-identification before deep learning (Gray and Tao 2008 use six stripes
    as well). `bins` is the number of bins of each channel, so that D is stripes · bins³. Images that cannot be read are
    left out.
    """
    features, kept = [], []
    for record in records:
        try:
            pixels = read_image(record.path)
        except ImageError:
            continue
        features.append(_histogram(pixels, stripes, bins))
        kept.append(record)
    return Embeddings(np.stack(features), kept)


def _histogram(pixels: NDArray[np.uint8], stripes: int, bins: int) -> NDArray[np.float32]:
    hsv = np.asarray(Image.fromarray(pixels).resize((32, 16 * stripes)).convert("HSV")).astype(np.int64)
    hue, saturation, value = (hsv[..., channel] * bins // 256 for channel in range(3))
    codes = (hue * bins + saturation) * bins + value
    rows = codes.reshape(stripes, -1) + bins**3 * np.arange(stripes)[:, None]
    counts = np.bincount(rows.ravel(), minlength=stripes * bins**3).astype(np.float32)
    return np.sqrt(counts / counts.sum())


BASELINES: dict[str, Callable[[Sequence[Record]], Embeddings]] = {
    "chance": chance,
    "colour histogram": colour_histogram,
}
"""Name in tables -> function that makes the features."""
