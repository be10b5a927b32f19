"""Every built-in recipe: parses, says what it is, and takes one tiny step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.recipe import built_in_recipes, load_recipe
from resight.recognizer import load
from resight.records import AttributeSchema, ReidDataset
from resight.training import train
from tests.support.runs import untrained_run


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_recipe_opens_with_its_command(name: str) -> None:
    head = built_in_recipes()[name].read_text(encoding="utf-8").split("system:")[0]
    assert f"resight train {name} --data" in head
    assert "Published" in head, "what to expect"


@pytest.mark.slow
@pytest.mark.parametrize("name", built_in_recipes())
def test_every_recipe_takes_a_step(name: str, crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    looks = [{"hat": "yes" if r.identity % 2 else "no", "top": "abc"[r.identity % 3]} for r in crowd.train]
    mask = tmp_path / "mask.png"
    Image.fromarray(np.eye(48, 24, dtype=np.uint8)).save(mask)
    seen = [replace(r, attributes=look, mask=str(mask)) for r, look in zip(crowd.train, looks, strict=True)]
    dataset = replace(crowd, train=seen, schema=AttributeSchema.from_records(seen))
    overrides = ["epochs=1"]
    if "segmenter" in load_recipe(name).model:  # a part that another run brings
        unet = untrained_run(tmp_path / "unet", tiny(recipe="segmentation-unet"))
        overrides.append(f"model.segmenter={unet.folder}")
    recipe = tiny(*overrides, recipe=name)
    run = train(recipe, dataset, tmp_path / "run", quiet=True)
    assert run.finished
    assert load(run.folder).recipe == recipe
