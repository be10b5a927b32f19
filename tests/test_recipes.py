"""Every built-in recipe: parses, says what it is, and takes one tiny step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel

from resight.recipe import Recipe, built_in_recipes, load_recipe
from resight.recognizer import load
from resight.records import AttributeSchema, ReidDataset
from resight.training import train

# Sizes only, by section; a key that a recipe's part does not have is left out.
SMALL = {
    "image": {"height": 32, "width": 16},
    "sampler": {"identities": 3, "images": 2, "batch_size": 6},
    "model": {"pretrained": False, "backbone": "resnet10t", "width": 4, "depth": 2},
    "schedule": {"milestones": [1], "warmup_epochs": 0},
    "attributes": {"cameras": [1]},
}


def small(name: str, *further: str) -> Recipe:
    recipe = load_recipe(name)
    overrides = [
        f"{section}.{key}={value}"
        for section, values in SMALL.items()
        for key, value in values.items()
        if section == "image" or key in _given(getattr(recipe, section))
    ]
    fixed = ["epochs=1", "loader.workers=0", "trainer.accelerator=cpu", "trainer.precision=32", "validation.ratio=0"]
    return load_recipe(name, [*overrides, *fixed, *further])


def _given(section: object) -> dict:
    return section.model_dump(exclude_defaults=True) if isinstance(section, BaseModel) else section  # type: ignore[return-value]


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_recipe_opens_with_its_command(name: str) -> None:
    head = built_in_recipes()[name].read_text(encoding="utf-8").split("system:")[0]
    assert f"resight train {name} --data" in head
    assert "Published" in head, "what to expect"


@pytest.mark.slow
@pytest.mark.parametrize("name", built_in_recipes())
def test_every_recipe_takes_a_step(name: str, crowd: ReidDataset, tmp_path: Path) -> None:
    looks = [{"hat": "yes" if r.identity % 2 else "no", "top": "abc"[r.identity % 3]} for r in crowd.train]
    mask = tmp_path / "mask.png"
    Image.fromarray(np.eye(48, 24, dtype=np.uint8)).save(mask)
    seen = [replace(r, attributes=look, mask=str(mask)) for r, look in zip(crowd.train, looks, strict=True)]
    dataset = replace(crowd, train=seen, schema=AttributeSchema.from_records(seen))
    recipe = small(name, *borrowed(name, dataset, tmp_path / "unet"))
    run = train(recipe, dataset, tmp_path / "run", quiet=True)
    assert run.finished
    assert load(run.folder).recipe == recipe


def borrowed(name: str, dataset: ReidDataset, folder: Path) -> list[str]:
    """Overrides for a recipe with a part that another run brings; that run is made."""
    if "segmenter" not in load_recipe(name).model:
        return []
    train(small("segmentation-unet"), dataset, folder, quiet=True)
    return [f"model.segmenter={folder}", "model.unet={name: unet, width: 4, depth: 2}"]
