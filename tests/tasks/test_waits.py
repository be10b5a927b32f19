"""No step of a training waits for a GPU, in every task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resight.engine.system import System
from resight.records import ReidDataset
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


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_no_number_and_no_shape_is_asked_back(
    recipe: str, described: tuple[ReidDataset, str], tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    train(tiny("epochs=1", "loggers=[]", recipe=recipe), described[0], tmp_path / "run", quiet=True)
    assert steps
    assert sorted(set(waits.found)) == []
