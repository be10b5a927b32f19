"""The splits of an evaluation: images that were trained on, images held out for validation, test images."""

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
    """The records for which `wanted` is true, by the name of their split; a split without such a record is left out.

    With `trained_here`, for a model that was trained on this dataset, the training images are divided into `train` and
    `validation` as its recipe divided them, and query and gallery together are `test`. Otherwise all records are one
    split, `all`.
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
    """The split by which a model is judged: test, else validation, else whatever there is."""
    return next(splits[name] for name in ("test", "validation", "train", "all") if name in splits)
