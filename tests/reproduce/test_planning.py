"""What a row trains: whose setting wins, and which rows share a run."""

from __future__ import annotations

import pytest

from resight.errors import RecipeError
from resight.reproduce import Table
from resight.reproduce.planning import plan

BASE = {"title": "t", "source": "s", "recipe": "reid-strong-baseline", "protocol": "market1501", "figures": ["mAP"]}


def _table(*rows: dict, **more: object) -> Table:
    return Table.model_validate({**BASE, "rows": list(rows), **more})


def test_a_compared_key_keeps_the_rows_values_and_says_so() -> None:
    table = _table({"name": "a", "set": ["image.height=128"]}, {"name": "b", "set": ["image.height=256"]})
    planned, told = plan(table, ["image.height=64", "image.width=32", "model.pretrained=false"])
    recipes = [row.recipe(0) for row in planned]
    assert [recipe.image.height for recipe in recipes] == [128, 256]
    assert [recipe.image.width for recipe in recipes] == [32, 32]
    assert not any(recipe.model["pretrained"] for recipe in recipes)
    assert told == [
        "image.height=64 is not used: the rows of this table differ in image.height (128, 256); to change it in every "
        "row all the same: --force image.height=64"
    ]


def test_forced_rows_that_become_one_share_a_run() -> None:
    table = _table({"name": "a", "set": ["image.height=128"]}, {"name": "b", "set": ["image.height=256"]})
    planned, told = plan(table, forced=["image.height=64"])
    assert [row.recipe(0).image.height for row in planned] == [64, 64]
    assert [row.folder for row in planned] == ["a", "a"]
    assert told == ["b is the same run as a here: the overrides remove their difference"]
    shorter = _table(
        {"name": "cold", "set": ["schedule.warmup_epochs=0"]}, {"name": "warm", "set": ["schedule.warmup_epochs=10"]}
    )
    assert plan(shorter, epochs=30)[1] == []
    assert plan(shorter, epochs=2)[1] == ["warm is the same run as cold here: the overrides remove their difference"]


def test_batches_of_more_identities_than_there_are_become_smaller() -> None:
    table = _table({"name": "a", "set": ["sampler.identities=96"]}, {"name": "b", "set": ["sampler.identities=8"]})
    planned, told = plan(table, fitted=lambda recipe: 21)
    assert [row.recipe(0).sampler["identities"] for row in planned] == [21, 8]
    assert told == ["a: sampler.identities=21, since there are no more identities to train on"]
    every = plan(table, fitted=lambda recipe: 5)[1]
    assert every[-1] == "sampler.identities=5, since there are no more identities to train on"


def test_a_section_that_a_row_compares_covers_its_keys() -> None:
    table = _table(
        {"name": "steps", "set": ["schedule={name: multi-step, milestones: [20, 40]}"]},
        {"name": "cosine", "set": ["schedule={name: cosine}"]},
    )
    # Only one row has milestones, so they are compared with nothing; the name is.
    planned, told = plan(table, ["schedule.milestones=[5]", "schedule.name=constant"])
    assert [row.recipe(0).schedule for row in planned] == [
        {"name": "multi-step", "milestones": [5]},
        {"name": "cosine"},
    ]
    assert "used where a row has that key: steps" in told[0]
    assert "rows of this table differ in schedule.name" in told[1]


def test_rows_with_recipes_of_their_own_differ_in_what_those_differ_in() -> None:
    table = _table({"name": "baseline"}, {"name": "mining", "recipe": "reid-camera-mining"})
    planned, told = plan(table, ["sampler.identities=8"])
    assert [row.recipe(0).sampler["identities"] for row in planned] == [16, 4]
    assert "differ in sampler.identities (16, 4)" in told[0]


def test_cumulative_rows_have_the_changes_above_them() -> None:
    table = _table(
        {"name": "a", "set": ["model.neck=none", "model.last_stride=2"]},
        {"name": "b", "set": ["model.last_stride=1"]},
        {"name": "c", "set": ["model.neck=batchnorm"]},
        cumulative=True,
    )
    models = [row.recipe(0).model for row in plan(table)[0]]
    assert [(model["neck"], model["last_stride"]) for model in models] == [("none", 2), ("none", 1), ("batchnorm", 1)]


def test_a_seed_is_no_override() -> None:
    with pytest.raises(RecipeError, match="--seeds"):
        plan(_table({"name": "a"}), ["seed=3"])


def test_a_row_that_holds_nobody_out_holds_out_what_is_asked_for() -> None:
    table = _table({"name": "a"}, {"name": "b", "set": ["validation.ratio=0.1"]})
    assert [row.recipe(0).validation.ratio for row in plan(table, held_out=0.2)[0]] == [0.2, 0.1]
    assert plan(table, held_out=0.2)[0][0].overrides[-1] == "validation.ratio=0.2"
    assert [row.recipe(0).validation.ratio for row in plan(table)[0]] == [0.0, 0.1]
