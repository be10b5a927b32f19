"""Which images an evaluation looks at, by the part that they had in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from resight.data.splits import held_out
from resight.recipe import Recipe
from resight.records import Record, ReidDataset

__all__ = ["by_split", "judged"]

T = TypeVar("T")


def by_split(
    dataset: ReidDataset, recipe: Recipe, wanted: Callable[[Record], bool], trained_here: bool
) -> dict[str, list[Record]]:
    """The images that `wanted` says yes to: split name -> records, no split without any.

    With `trained_here` the training images are divided as the recipe divided them: train, validation, test (query and
    gallery). A dataset that the model has never seen is one split, `all`.
    """
    train = [record for record in dataset.train if wanted(record)]
    test = [record for side in (dataset.query, dataset.gallery) for record in side if wanted(record)]
    if not trained_here:
        named = {"all": train + test}
    else:
        fitted, held = held_out(train, recipe.validation.ratio, recipe.seed) if train else ([], [])
        named = {"train": fitted, "validation": held, "test": test}
    return {name: records for name, records in named.items() if records}


def judged(splits: Mapping[str, T]) -> T:
    """What to judge a model by: test, else validation, else what there is."""
    return next(splits[name] for name in ("test", "validation", "train", "all") if name in splits)
