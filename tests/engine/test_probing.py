"""A training takes the precision that it names, measures where that pays, and a resumed one keeps what it had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import resight.engine.probing as probing
from resight.data.training_set import TrainingSet
from resight.engine.data_module import DataModule
from resight.engine.probing import way_of
from resight.engine.system import System
from resight.errors import RunError
from resight.machine import Way
from resight.recipe import Recipe, make
from resight.records import ReidDataset
from resight.run import Run, build_model
from resight.tasks.systems import SYSTEMS, training_set_of
from resight.training import resume, train
from tests.support.runs import assert_equal_weights


@pytest.fixture(autouse=True)
def bf16_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "cache"))
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, question, lambda: True, raising=False)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[list[Way]]:
    """The candidates of each measuring, whose last one wins; no step is taken."""
    asked: list[list[Way]] = []

    def last(candidates: list[Way], step: object) -> tuple[Way, dict[Way, float]]:
        asked.append(candidates)
        return candidates[-1], dict.fromkeys(candidates, 1.0)

    monkeypatch.setattr(probing, "fastest", last)
    return asked


def made(recipe: Recipe, dataset: ReidDataset) -> tuple[System, DataModule]:
    training_set: TrainingSet = training_set_of(recipe, dataset)
    model = build_model(recipe, training_set.classes, training_set.schema)
    system = make(SYSTEMS, recipe.system, "system", recipe=recipe, model=model, training_set=training_set)
    return system, DataModule(recipe, training_set)


LONG = "epochs=1000"
WIDE = "image.width=32"
"""Of narrower images the last maps have width 1, which bfloat16 on a CPU does not compute."""


@pytest.mark.parametrize(("asked", "layout"), [("32", True), ("bf16", False), ("16", True)])
def test_what_the_recipe_names_is_not_measured(asked: str, layout: bool, crowd, tiny, measured) -> None:
    recipe = tiny(LONG, f"trainer.precision={asked}", *([] if layout else ["trainer.channels_last=false"]))
    assert way_of(*made(recipe, crowd)) == Way(asked, layout)
    assert not measured


def test_short_training_takes_the_likely_way(crowd, tiny, measured) -> None:
    assert way_of(*made(tiny("trainer.precision=auto", WIDE), crowd)) == Way("bf16")
    assert not measured


def test_long_training_is_measured_once_and_told(crowd, tiny, measured) -> None:
    lines: list[str] = []
    system = made(tiny("trainer.precision=auto", WIDE, LONG), crowd)
    first, again = way_of(*system, lines.append), way_of(*system, lines.append)
    assert first == again == measured[0][-1]
    assert len(measured) == 1
    assert lines[0].startswith(f"computing in {first}: measured, a step of 16 images takes ")
    assert "measured here before" in lines[1]
    way_of(*made(tiny("trainer.precision=auto", WIDE, LONG, "image.height=48"), crowd))
    assert len(measured) == 2, "another size is another choice"


def test_a_layout_by_hand_narrows_what_is_measured(crowd, tiny, measured) -> None:
    way_of(*made(tiny("trainer.precision=auto", WIDE, LONG, "trainer.channels_last=false"), crowd))
    assert {way.channels_last for way in measured[0]} == {False}


def test_several_processes_do_not_measure(crowd, tiny, measured) -> None:
    assert way_of(*made(tiny("trainer.precision=auto", WIDE, LONG, "trainer.devices=2"), crowd)) == Way("bf16")
    assert not measured


@pytest.mark.parametrize("recipe", ["reid-strong-baseline", "reid-bruna", "reid-vae", "segmentation-unet"])
def test_steps_are_taken_on_a_copy_and_leave_everything_as_it_was(recipe: str, annotated, tiny) -> None:
    over = ["attributes.cameras=[]"] if recipe == "reid-bruna" else []
    system, batches = made(tiny("trainer.precision=auto", WIDE, LONG, *over, recipe=recipe), annotated)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    state = torch.random.get_rng_state()
    way_of(system, batches)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in system.state_dict().items())
    assert all(parameter.grad is None for parameter in system.parameters())
    (file,) = (probing.remembered.__globals__["cache_folder"]() / "ways").iterdir()
    # The last maps of bruna's network have width 1: float32 alone, in two layouts.
    assert len(json.loads(file.read_text())["seconds"]) == (2 if recipe == "reid-bruna" else 4)


@pytest.mark.slow
def test_a_resumed_run_keeps_its_way(crowd: ReidDataset, crowd_spec: str, tiny, tmp_path: Path, monkeypatch) -> None:
    recipe = tiny("trainer.precision=auto", WIDE, "epochs=2")
    whole = train(recipe, crowd, tmp_path / "whole", data=[crowd_spec], quiet=True)
    assert whole.way == Way("bf16")

    def kill(line: str) -> None:
        if line.startswith("epoch 2"):
            raise InterruptedError

    with pytest.raises(RunError, match="cannot write"):
        train(recipe, crowd, tmp_path / "cut", data=[crowd_spec], tell=kill)
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):  # as if on another machine
        monkeypatch.setattr(torch.cpu, question, lambda: False)
    cut = resume(tmp_path / "cut", crowd, quiet=True)
    assert Run.open(cut.folder).way == Way("bf16")
    assert_equal_weights(whole.folder, cut.folder)


def test_a_run_without_a_way_has_its_recipes(tiny, tmp_path: Path) -> None:
    run = Run(tmp_path, tiny("trainer.precision=bf16"), classes=1)
    assert run.computed == Way("bf16")
    assert replace(run, way=Way("32", False)).computed == Way("32", False)
