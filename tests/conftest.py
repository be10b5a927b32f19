"""Small data that many tests share: people drawn as coloured noise, so that nothing depends on the generator."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# Before anything imports torch: tests that run side by side, and the processes that they start, take a core each.
# OpenMP's threads wait for one another busily, so that two on one core are several times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image

from resight.recipe import Recipe, load_recipe
from resight.records import Record, ReidDataset

# The strong baseline small enough for two cores: every trick stays, only sizes shrink.
TINY = [
    "epochs=3",
    "image.height=32",
    "image.width=16",
    "augmentation.pad-crop.padding=2",
    "sampler.identities=4",
    "sampler.images=4",
    "model.backbone=resnet10t",
    "model.pretrained=false",
    "schedule.milestones=[2]",
    "schedule.warmup_epochs=1",
    "loader.workers=0",
    "validation.pictures=false",
    "trainer.precision=32",
    "trainer.accelerator=cpu",
]


@pytest.fixture
def tiny() -> Callable[..., Recipe]:
    """`tiny("epochs=1")`: the strong baseline at toy size, with overrides; `recipe=` picks another built-in."""
    return lambda *overrides, recipe="reid-strong-baseline": load_recipe(recipe, [*TINY, *overrides])


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> ReidDataset:
    """Eight identities of a colour each, two cameras, four images a camera; identities 7 and 8 are the test split."""
    folder = tmp_path_factory.mktemp("crowd")
    random = np.random.default_rng(0)
    splits: dict[str, list[Record]] = {"train": [], "query": [], "gallery": []}
    for identity in range(1, 9):
        colour = random.integers(0, 255, 3)
        for camera in (1, 2):
            for shot in range(4):
                path = folder / f"{identity:04d}_c{camera}s1_{shot:06d}_00.png"
                pixels = np.clip(colour + random.normal(0, 30, (48, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(path)
                split = "train" if identity < 7 else "query" if shot == 0 else "gallery"
                splits[split].append(Record(str(path), identity, camera, frame=shot))
    return ReidDataset("crowd", **splits)


def corrupt(path: str | Path) -> str:
    """Make a file that is called an image and is none."""
    Path(path).write_bytes(b"\xff\xd8\xff\xe0 not an image")
    return str(path)
