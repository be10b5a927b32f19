"""Every built-in recipe: parses, says what it is, and takes one tiny step."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
from PIL import Image

from resight.models import MODELS
from resight.recipe import built_in_recipes, load_recipe
from resight.recognizer import load
from resight.records import AttributeSchema, ReidDataset
from resight.reproduce import load_table, tables
from resight.reproduce.planning import plan
from resight.training import train
from tests.support.runs import untrained_run

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_recipe_opens_with_its_command(name: str) -> None:
    head = built_in_recipes()[name].read_text(encoding="utf-8").split("system:")[0]
    assert f"resight train {name} --data" in head
    assert "Published" in head, "what to expect"


def test_every_backbone_of_a_recipe_or_table_names_weights_that_timm_has() -> None:
    rows = [row.recipe(0) for name in tables() for row in plan(load_table(name))[0]]
    recipes = [*(load_recipe(name) for name in built_in_recipes()), *rows]
    assert len(rows) > 50
    named = {recipe.model["backbone"] for recipe in recipes if "backbone" in recipe.model}
    for model in MODELS.values():
        backbone = inspect.signature(model).parameters.get("backbone")
        named |= {backbone.default} if backbone else set()
    assert {"resnet50.tv_in1k", "resnet18.tv_in1k"} <= named
    assert named <= set(timm.list_pretrained()), "a bare name leaves the weights to timm"


def test_every_command_that_names_a_backbone_names_its_weights() -> None:
    shown = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs" / "commands").glob("*.md")]
    text = "".join(file.read_text(encoding="utf-8") for file in [*shown, *(ROOT / "src").rglob("*.py")])
    text += "".join(file.read_text(encoding="utf-8") for file in built_in_recipes().values())
    named = set(re.findall(r"model\.backbone=([\w.]*\w)", text))
    assert "resnet18.tv_in1k" in named
    assert named <= set(timm.list_pretrained())


@pytest.mark.parametrize("name", [name for name in built_in_recipes() if load_recipe(name).model.get("pretrained")])
def test_a_recipe_that_begins_from_weights_says_which_and_why(name: str) -> None:
    head = built_in_recipes()[name].read_text(encoding="utf-8").split("system:")[0]
    tag = load_recipe(name).model["backbone"].partition(".")[2]
    assert re.search(rf"^# Weights: .*\({tag}\)", head, re.MULTILINE)


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
