"""An evaluation looks at the images that training saw, at those it held out and at test images, each under its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resight.data.splits import held_out
from resight.recipe import load_recipe
from resight.records import Record, ReidDataset
from resight.tasks.splits import by_split, judged


def anything(record: Record) -> bool:
    return True


def test_the_training_images_are_divided_as_the_recipe_did_it(crowd: ReidDataset) -> None:
    recipe = load_recipe("attributes-multihead", ["validation.ratio=0.34", "seed=3"])
    splits = by_split(crowd, recipe, anything, trained_here=True)
    fitted, held = held_out(crowd.train, 0.34, 3)
    assert splits == {"train": fitted, "validation": held, "test": [*crowd.query, *crowd.gallery]}


def test_a_dataset_never_seen_is_one_split_and_empty_splits_are_left_out(crowd: ReidDataset) -> None:
    recipe = load_recipe("attributes-multihead", ["validation.ratio=0"])
    assert by_split(crowd, recipe, anything, trained_here=False) == {
        "all": [*crowd.train, *crowd.query, *crowd.gallery]
    }
    assert list(by_split(crowd, recipe, anything, trained_here=True)) == ["train", "test"]
    first = by_split(crowd, recipe, lambda record: record.identity == 7, trained_here=True)
    assert {record.identity for record in first["test"]} == {7}
    assert list(first) == ["test"]
    assert by_split(replace(crowd, train=[]), recipe, lambda record: False, trained_here=True) == {}


def test_a_model_is_judged_by_test_images_first() -> None:
    assert judged({"train": 1, "validation": 2, "test": 3}) == 3
    assert judged({"train": 1, "validation": 2}) == 2
    assert judged({"all": 4}) == 4
    with pytest.raises(StopIteration):
        judged({})
