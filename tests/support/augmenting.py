"""Augmentations as a recipe spells them, and many draws of one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from resight.data.augmentations import build_augmentation
from resight.recipe import ImageOptions


def build(height: int, width: int, **options: dict) -> Callable[[Tensor], Tensor]:
    """`build(64, 32, centre_crop={...})`: the augmentation of images of this size."""
    sections = {name.replace("_", "-"): given for name, given in options.items()}
    return build_augmentation(sections, ImageOptions(height=height, width=width))


def draws(change: Callable[[Tensor], Tensor], image: Tensor, number: int) -> list[Tensor]:
    """The image changed so many times, one draw after another from one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [change(image) for _ in range(number)]


def noise(height: int, width: int) -> Tensor:
    """The same random image uint8 (3, height, width) every time."""
    return torch.randint(256, (3, height, width), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
