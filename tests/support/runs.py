"""Run folders: what they hold, and one that was never trained."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from resight.recipe import Recipe
from resight.recognizer import Recognizer
from resight.records import NO_ATTRIBUTES, AttributeSchema
from resight.run import Run, build_model

__all__ = ["assert_equal_weights", "metrics", "untrained_run", "weights"]


def weights(folder: Path) -> dict[str, Tensor]:
    """The weights that `resight.load` would use, by their names."""
    return safetensors.torch.load_file(folder / "model.safetensors")


def assert_equal_weights(first: Path, second: Path) -> None:
    """Two runs ended with the same weights, to the bit."""
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def metrics(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv, one an epoch."""
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def untrained_run(
    folder: Path,
    recipe: Recipe,
    classes: int = 1,
    schema: AttributeSchema = NO_ATTRIBUTES,
    data: Sequence[str] = (),
) -> Run:
    """A finished run with the weights that its network began with: seed torch before, where they matter."""
    run = Run(folder, recipe, classes, schema, list(data), finished=True)
    run.save()
    run.save_weights(build_model(recipe, classes, schema))
    return run


class Narrow(Recognizer):
    """A model that is said to make features of two numbers, which can be followed by hand."""

    width = 2
