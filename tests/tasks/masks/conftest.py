"""Images with masks, and a network whose masks are known: everything that is bright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from resight.recognizer import Recognizer
from resight.records import Record, ReidDataset


class Brightness(nn.Module):
    """Finds the individual where an image is brighter than the mean of ImageNet's."""

    def segment(self, images: Tensor) -> Tensor:
        return images.mean(1, keepdim=True)


class Everything(nn.Module):
    """Finds the individual everywhere, in bars too."""

    def segment(self, images: Tensor) -> Tensor:
        return torch.ones_like(images[:, :1])


@pytest.fixture(scope="session")
def everything() -> nn.Module:
    return Everything()


@pytest.fixture(scope="session")
def by_brightness(tiny) -> Recognizer:
    return Recognizer(Brightness(), tiny(recipe="segmentation-unet"), device="cpu")


@pytest.fixture(scope="session")
def masked(tmp_path_factory: pytest.TempPathFactory) -> ReidDataset:
    """Three images of 32 × 16 pixels with their masks.

    a: the left half is bright and is the mask. b: the left half is bright, the mask is the left quarter. c: nothing is
    bright, the mask is the lower half.
    """
    folder = tmp_path_factory.mktemp("masked")
    left, quarter, lower, nothing = (np.zeros((32, 16), bool) for _ in range(4))
    left[:, :8] = quarter[:, :4] = lower[16:] = True
    for name, bright, mask in (("a", left, left), ("b", left, quarter), ("c", nothing, lower)):
        Image.fromarray(np.where(bright, 255, 0).astype(np.uint8)).convert("RGB").save(folder / f"{name}.png")
        Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(folder / f"{name}-mask.png")
    return ReidDataset("masked", train=[pair(folder, name, number) for number, name in enumerate("abc", 1)])


def pair(folder: Path, name: str, identity: int) -> Record:
    return Record(str(folder / f"{name}.png"), identity, 1, mask=str(folder / f"{name}-mask.png"))
