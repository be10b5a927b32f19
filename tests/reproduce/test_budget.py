"""Smaller budgets: what counts epochs shrinks with them, by hand; fewer identities, and batches that fit them."""

from __future__ import annotations

import pytest

from resight.errors import DataError
from resight.recipe import load_recipe
from resight.records import Record, ReidDataset
from resight.reproduce.budget import fewer_identities, fitting_batch, shorter


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


def test_only_a_batch_of_too_many_identities_is_made_smaller() -> None:
    people = load_recipe("reid-strong-baseline")  # 16 identities a batch
    assert fitting_batch(people, lambda recipe: 5) == "sampler.identities=5"
    assert fitting_batch(people, lambda recipe: 16) == ""
    assert fitting_batch(people, lambda recipe: 0) == "", "nobody to train on is told elsewhere"

    def counted(recipe: object) -> int:
        raise AssertionError("data is read for a batch of single images")

    assert fitting_batch(load_recipe("reid-vae"), counted) == ""
