"""Small data that many tests share: people drawn as coloured noise, so that nothing depends on the generator."""

from __future__ import annotations

import os
from collections.abc import Callable

# Before anything imports torch: tests that run side by side, and the processes that they start, take a core each.
# OpenMP's threads wait for one another busily, so that two on one core are several times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image

from resight.recipe import Recipe
from resight.records import Record, ReidDataset
from tests.support.recipes import tiny_recipe


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Recipe]:
    """`tiny("epochs=1", recipe="reid-vae")`: a built-in recipe at toy size, with overrides; the strong baseline if none is named."""
    return tiny_recipe


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
