"""What a row trains: whose setting wins, and how a shorter budget shrinks a schedule."""

from __future__ import annotations

import pytest

from resight.errors import DataError, RecipeError
from resight.recipe import load_recipe
from resight.records import Record, ReidDataset
from resight.reproduce import Table, shorter
from resight.reproduce.budget import fewer_identities
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
    assert told == ["b is the same run as a here: what tells them apart is changed away"]
    shorter = _table(
        {"name": "cold", "set": ["schedule.warmup_epochs=0"]}, {"name": "warm", "set": ["schedule.warmup_epochs=10"]}
    )
    assert plan(shorter, epochs=30)[1] == []
    assert plan(shorter, epochs=2)[1] == ["warm is the same run as cold here: what tells them apart is changed away"]


def test_batches_of_more_identities_than_there_are_become_smaller() -> None:
    table = _table({"name": "a", "set": ["sampler.identities=96"]}, {"name": "b", "set": ["sampler.identities=8"]})
    planned, told = plan(table, fitted=lambda recipe: 21)
    assert [row.recipe(0).sampler["identities"] for row in planned] == [21, 8]
    assert told == ["a: sampler.identities=21, since no more identities are there to train on"]


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


@pytest.mark.parametrize(
    ("schedule", "epochs", "expected"),
    [
        # Of 120: 40 and 70 become 4 and 7, the warm-up of 10 one epoch.
        ("{name: multi-step, milestones: [40, 70], warmup_epochs: 10}", 12, {"milestones": [4, 7], "warmup_epochs": 1}),
        # 1, 1.75 and 0.25 epochs: at least one each.
        ("{name: multi-step, milestones: [40, 70], warmup_epochs: 10}", 3, {"milestones": [1, 2], "warmup_epochs": 1}),
        # A third of two epochs is none.
        ("{name: multi-step, milestones: [40, 70], warmup_epochs: 10}", 2, {"milestones": [1, 1], "warmup_epochs": 0}),
        ("{name: multi-step, milestones: [40, 70]}", 240, {"milestones": [80, 140]}),
        ("{name: cosine, warmup_epochs: 60}", 12, {"warmup_epochs": 4}),
        ("{name: step, every: 20}", 12, {"every": 2}),
        ("{name: cyclic, period: 20}", 6, {"period": 2}),
        # 0.9 over 120 epochs is 0.9^10 over 12.
        ("{name: exponential, gamma: 0.9}", 12, {"gamma": 0.348678}),
    ],
)
def test_a_shorter_budget_shrinks_what_counts_epochs(schedule: str, epochs: int, expected: dict) -> None:
    recipe = load_recipe("reid-strong-baseline", [f"schedule={schedule}", "validation.every=20"])
    changed = load_recipe("reid-strong-baseline", [f"schedule={schedule}", *shorter(recipe, epochs)])
    assert changed.epochs == epochs
    assert changed.schedule == {**recipe.schedule, **expected}
    assert changed.validation.every == max(1, round(20 * epochs / 120))


def test_what_losses_do_at_first_shrinks_too() -> None:
    recipe = load_recipe("reid-camera-mining", ["losses.triplet.mining.epochs=30"])
    assert "losses.triplet.mining.epochs=3" in shorter(recipe, 12)


def test_the_whole_length_changes_nothing() -> None:
    recipe = load_recipe("reid-strong-baseline")
    assert load_recipe("reid-strong-baseline", shorter(recipe, recipe.epochs)) == recipe


def test_fewer_identities_are_drawn_and_keep_the_test_split() -> None:
    dataset = ReidDataset(
        "d", [Record(f"{i}-{n}.png", i, 1) for i in range(1, 9) for n in range(2)], [Record("q.png", 9, 1)]
    )
    few = fewer_identities(dataset, 3)
    assert len({record.identity for record in few.train}) == 3
    assert len(few.train) == 6
    assert few.query == dataset.query
    assert few == fewer_identities(dataset, 3)
    assert {r.identity for r in few.train} != {r.identity for r in fewer_identities(dataset, 3, seed=1).train}
    with pytest.raises(DataError, match="d has 8 training identities; --identities 9"):
        fewer_identities(dataset, 9)
