"""The splits of an evaluation: images that were trained on, images held out for validation, test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar

from resight.data.splits import held_out, query_gallery_split
from resight.data.training_set import TrainingSet
from resight.errors import DataError, RunError
from resight.recipe import Recipe
from resight.records import Record, ReidDataset

__all__ = ["SplitName", "by_split", "first", "judged", "searched"]

T = TypeVar("T")

SplitName = Literal["train", "validation", "test"]
"""What a figure can be of: the images that a run was fitted on, those that it held out, and the dataset's own test images."""


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


def judged(splits: Mapping[str, T], on: str | None = None) -> T:
    """The split by which a model is judged: `on`, or by default test, else validation, else whatever there is."""
    names = [*([on] if on else []), "test", "validation", "train", "all"]
    return next(splits[name] for name in names if name in splits)


def first(splits: Mapping[str, T], on: str | None, name: str) -> dict[str, T]:
    """The splits with the one that is asked for before the others. Raises DataError when the dataset `name` has no such."""
    if on is not None and on not in splits:
        raise DataError(f"{name} has no {on} images for this run; there is: {', '.join(splits)}")
    return {key: splits[key] for key in sorted(splits, key=lambda key: key != on)}


def searched(dataset: ReidDataset, training_set: TrainingSet, recipe: Recipe, on: SplitName) -> ReidDataset:
    """The dataset whose query and gallery are made of the images that a recipe fits or holds out, for `train` or `validation`.

    >>> searched(dataset, training_set_of(run.recipe, dataset), run.recipe, "validation").query  # as in validation

    Those held out are divided as validation divides them; of those fitted, the recipe's `validation.query_ratio` are
    queries. For `test` it is the dataset as it is. Raises RunError when nothing is held out.
    """
    if on == "test":
        return dataset
    if on == "validation":
        if not training_set.validation:
            raise RunError("the recipe holds nobody out (validation.ratio=0), so there is no validation to evaluate on")
        query, gallery = training_set.query, training_set.gallery
    else:
        halves = query_gallery_split(training_set.fitted, recipe.validation.query_ratio, recipe.seed)
        query, gallery = halves.query, halves.gallery
    # Explicit answers are positions in another gallery.
    return replace(dataset, name=f"{dataset.name}, {on} images", query=query, gallery=gallery, relevance=None)
