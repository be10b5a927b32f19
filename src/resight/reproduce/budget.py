"""Smaller budgets: fewer epochs, with all options that count epochs scaled alike, and fewer identities."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from resight.errors import DataError
from resight.recipe import Recipe
from resight.records import ReidDataset

__all__ = ["fewer_identities", "fitting_batch", "shorter"]


def shorter(recipe: Recipe, epochs: int) -> list[str]:
    """Overrides that make a recipe `epochs` long, its schedule and validations shrunk (or stretched) in proportion.

    >>> shorter(load_recipe("reid-strong-baseline"), 12)
    ['epochs=12', 'schedule.milestones=[4, 7]', 'schedule.warmup_epochs=1', 'validation.every=1']

    Milestones and lengths are rounded to whole epochs and are at least 1; a warm-up takes at most a third of the run.
    A decay per epoch is raised to the power that reaches the same rate at the end. Options that count batches,
    such as the decay of a mining bias, are not changed.
    """
    share = epochs / recipe.epochs
    changes: dict[str, object] = {"epochs": epochs}
    for key, value in recipe.schedule.items():
        if key == "milestones":
            changes[f"schedule.{key}"] = [_whole(milestone * share) for milestone in value]
        elif key in _LENGTHS:
            changes[f"schedule.{key}"] = max(_LENGTHS[key], _whole(value * share))
        elif key == "gamma" and recipe.schedule["name"] == "exponential":
            changes[f"schedule.{key}"] = round(value ** (1 / share), 6)
    for key, value in _beginnings({"schedule": recipe.schedule, "losses": recipe.losses}):
        changes[key] = min(_whole(value * share), epochs // 3 if key.endswith("warmup_epochs") else epochs)
    changes["validation.every"] = _whole(recipe.validation.every * share)
    return [f"{key}={json.dumps(value)}" for key, value in changes.items()]


def fitting_batch(recipe: Recipe, fitted: Callable[[Recipe], int]) -> str:
    """An override that lowers P of a P×K batch to the identities that `fitted` counts; empty if P is not above that."""
    wanted = recipe.sampler.get("identities", 0)
    there = fitted(recipe) if wanted else 0
    return f"sampler.identities={there}" if 0 < there < wanted else ""


_LENGTHS = {"every": 1, "period": 2}
"""Options of schedules that count epochs, and the smallest valid value of each."""


def _beginnings(options: dict[str, Any], before: str = "") -> Iterator[tuple[str, int]]:
    """Options that count epochs from the start of a run: warm-ups, and a mining's `epochs`."""
    for key, value in options.items():
        if isinstance(value, dict):
            yield from _beginnings(value, f"{before}{key}.")
        elif key in ("warmup_epochs", "epochs") and value:
            yield f"{before}{key}", value


def _whole(epochs: float) -> int:
    return max(1, int(epochs + 0.5))


def fewer_identities(dataset: ReidDataset, count: int, seed: int = 0) -> ReidDataset:
    """The dataset with `count` of its training identities, drawn by `seed`; query and gallery stay whole.

    Raises DataError when it has fewer, or `count` is below 1.
    """
    identities = sorted({record.identity for record in dataset.train if record.identity > 0})
    if not 0 < count <= len(identities):
        raise DataError(f"{dataset.name} has {len(identities)} training identities; --identities {count} does not fit")
    # RandomState, because NumPy promises that its numbers never change.
    kept = {identities[place] for place in np.random.RandomState(seed).permutation(len(identities))[:count]}
    return replace(dataset, train=[record for record in dataset.train if record.identity in kept])
