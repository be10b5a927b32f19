"""Every built-in recipe at toy size: what it does stays, only its sizes shrink."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resight.recipe import Recipe, load_recipe

__all__ = ["tiny_overrides", "tiny_recipe"]

ALWAYS = {
    "epochs": 3,
    "image.height": 32,
    "image.width": 16,
    "validation.ratio": 0,  # the data of a test has few identities
    "validation.pictures": "false",
    "loader.workers": 0,
    "trainer.precision": 32,
    "trainer.accelerator": "cpu",
}
"""Key -> value, for sections that every recipe has."""

WHERE_GIVEN = {
    "augmentation.pad-crop.padding": 2,
    "sampler.identities": 4,
    "sampler.images": 4,
    "sampler.batch_size": 16,
    "sampler.items": 2,
    "attributes.cameras": [1, 2],  # those of the tests' data
    "model.backbone": "resnet10t",
    "model.pretrained": "false",
    "model.channels": [4, 6, 8, 10],
    "model.width": 4,
    "model.multiplier": 0.25,
    "model.depth": 2,
    "model.hidden": 8,
    "model.dim": 8,
    "model.unet.width": 4,
    "model.unet.depth": 2,
    "schedule.milestones": [2],
    "schedule.warmup_epochs": 1,
    "freeze": {},  # it names parts of the backbone
}
"""Key -> value, for recipes that set the key; of a list so many as the recipe has."""


def tiny_recipe(*overrides: str, recipe: str = "reid-strong-baseline") -> Recipe:
    """A built-in recipe at toy size, then changed by `overrides`.

    >>> tiny_recipe("epochs=1", recipe="segmentation-unet").model["width"]  # 4
    """
    return load_recipe(recipe, [*tiny_overrides(recipe), *overrides])


def tiny_overrides(recipe: str = "reid-strong-baseline") -> list[str]:
    """What makes a built-in recipe tiny, as KEY=VALUE for a command line."""
    given = load_recipe(recipe).model_dump(exclude_unset=True)
    sizes = {key: _cut(value, _at(given, key)) for key, value in WHERE_GIVEN.items() if _at(given, key) is not None}
    return [f"{key}={value}" for key, value in (ALWAYS | sizes).items()]


def _at(section: Any, key: str) -> Any:
    """The value at a dotted key; None where a recipe has no such key."""
    for step in key.split("."):
        section = section.get(step) if isinstance(section, Mapping) else None
    return section


def _cut(value: Any, original: Any) -> Any:
    return value[: len(original)] if isinstance(value, list) else value
