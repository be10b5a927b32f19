"""No step of a training waits for a GPU, in every task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resight.engine.system import System
from resight.records import AttributeSchema, ReidDataset
from resight.training import train
from tests.support.syncs import Waits

RECIPES = [
    "attributes-multihead",
    "attributes-resnet18",
    "junk-autoencoder",
    "reid-bruna",
    "reid-camera-mining",
    "reid-mobile",
    "reid-strong-baseline",
    "reid-two-branch",
    "reid-vae",
    "segmentation-unet",
    "vehicle-se-resnet18-concat",
]


@pytest.fixture(scope="module")
def described(crowd: ReidDataset, tmp_path_factory: pytest.TempPathFactory) -> ReidDataset:
    """The crowd with a mask and attributes for each image."""
    mask = tmp_path_factory.mktemp("masks") / "mask.png"
    half = np.zeros((48, 24), np.uint8)
    half[12:, 6:18] = 255
    Image.fromarray(half).save(mask)
    looks = [
        {"hat": "yes" if record.identity % 2 else "no", "up": "red" if record.camera == 1 else "blue"}
        for record in crowd.train
    ]
    train = [replace(one, mask=str(mask), attributes=look) for one, look in zip(crowd.train, looks, strict=True)]
    schema = AttributeSchema({"hat": ("no", "yes"), "up": ("blue", "red")})
    return replace(crowd, train=train, schema=schema)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_no_number_and_no_shape_is_asked_back(
    recipe: str, described: ReidDataset, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the batch that has arrived to the weights that have changed."""
    waits, begin, end = Waits(), System.on_train_batch_start, System.on_train_batch_end
    steps: list[int] = []

    def begun(self: System, *given: Any) -> None:
        begin(self, *given)
        waits.__enter__()

    def ended(self: System, *given: Any) -> None:
        end(self, *given)
        waits.__exit__(None, None, None)
        steps.append(self.global_step)

    monkeypatch.setattr(System, "on_train_batch_start", begun)
    monkeypatch.setattr(System, "on_train_batch_end", ended)
    train(tiny("epochs=1", "loggers=[]", recipe=recipe), described, tmp_path / "run", quiet=True)
    assert steps
    assert sorted(set(waits.found)) == []
