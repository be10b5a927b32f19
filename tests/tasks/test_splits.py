"""An evaluation looks at the images that training saw, at those it held out and at test images, each under its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resight.data.splits import held_out, query_gallery_split
from resight.data.training_set import divide
from resight.errors import DataError, RunError
from resight.recipe import load_recipe
from resight.records import Record, ReidDataset, Relevance
from resight.tasks.splits import by_split, first, judged, searched


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
    seventh = by_split(crowd, recipe, lambda record: record.identity == 7, trained_here=True)
    assert {record.identity for record in seventh["test"]} == {7}
    assert list(seventh) == ["test"]
    assert by_split(replace(crowd, train=[]), recipe, lambda record: False, trained_here=True) == {}


def test_a_model_is_judged_by_test_images_first() -> None:
    assert judged({"train": 1, "validation": 2, "test": 3}) == 3
    assert judged({"train": 1, "validation": 2}) == 2
    assert judged({"all": 4}) == 4
    with pytest.raises(StopIteration):
        judged({})
    assert judged({"train": 1, "validation": 2, "test": 3}, on="train") == 1


def test_the_split_that_is_asked_for_stands_first_and_must_be_there() -> None:
    splits = {"train": 1, "validation": 2, "test": 3}
    assert list(first(splits, None, "street").items()) == list(splits.items())
    assert list(first(splits, "validation", "street")) == ["validation", "train", "test"]
    with pytest.raises(DataError, match="street has no test images for this run; there is: train"):
        first({"train": 1}, "test", "street")


def test_search_among_the_images_that_were_fitted_or_held_out(crowd: ReidDataset) -> None:
    listed = replace(crowd, relevance=Relevance([[0]], [[]]), protocol="veri776")
    recipe = load_recipe("reid-vae", ["validation.ratio=0.34", "validation.query_ratio=0.3", "seed=3"])
    training_set = divide(recipe, listed, ())
    fitted, held = held_out(crowd.train, 0.34, 3)
    for on, records in (("train", fitted), ("validation", held)):
        found = searched(listed, training_set, recipe, on)
        halves = query_gallery_split(records, ratio=0.3, seed=3)
        assert (found.query, found.gallery, found.relevance) == (halves.query, halves.gallery, None)
        assert (found.name, found.protocol) == (f"crowd, {on} images", "veri776")
    assert searched(listed, training_set, recipe, "test") is listed
    nobody = load_recipe("reid-vae", ["validation.ratio=0"])
    with pytest.raises(RunError, match="holds nobody out"):
        searched(listed, divide(nobody, listed, ()), nobody, "validation")
