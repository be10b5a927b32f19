"""From a picture of any shape to the network's: squashed, or letterboxed; and back from what the network sees."""

from __future__ import annotations

import numpy as np
import torch

from resight.data.loaders import denormalise, normalise, resize
from resight.recipe import ImageOptions

MEAN = {"mean": (0.5, 0.25, 1.0), "std": (0.5, 0.5, 0.5)}


def test_squash_fills_the_whole_image_and_letterbox_keeps_the_shape() -> None:
    tall = np.zeros((128, 64, 3), np.uint8)
    tall[:, :, 1] = 90
    squashed = resize(tall, ImageOptions(height=64, width=64, **MEAN))
    assert (squashed[1] == 90).all()
    boxed = resize(tall, ImageOptions(height=64, width=64, resize="letterbox", **MEAN))
    assert boxed.shape == (3, 64, 64)
    assert (boxed[1, :, 16:48] == 90).all()
    bars = torch.cat([boxed[:, :, :16], boxed[:, :, 48:]], dim=2)
    assert (bars == torch.tensor([128, 64, 255], dtype=torch.uint8)[:, None, None]).all(), "the mean colour"
    bar = normalise(boxed[None], ImageOptions(**MEAN))[0, :, 0, 0]
    assert bar.abs().max() < 0.01, "which the network sees as zero"


def test_letterbox_of_a_flat_image_has_bars_above_and_below() -> None:
    flat = np.full((10, 300, 3), 7, np.uint8)
    boxed = resize(flat, ImageOptions(height=32, width=30, resize="letterbox", **MEAN))
    assert (boxed[0] == 7).sum() == 1 * 30
    assert (boxed[0, 15] == 7).all()


def test_denormalise_is_the_way_back() -> None:
    images = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    image = ImageOptions()
    assert torch.equal(denormalise(normalise(images, image), image), images)
    assert denormalise(torch.full((1, 3, 1, 1), 99.0), image).amin() == 255, "clipped"
