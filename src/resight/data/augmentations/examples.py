"""Example pictures of a recipe's augmentations."""

from __future__ import annotations

from torch import Tensor

from resight.data.augmentations import AUGMENTATIONS, augmented, build_augmentation
from resight.recipe import ImageOptions, Options, arguments

__all__ = ["examples"]


def examples(
    sections: dict[str, Options], image: ImageOptions, picture: Tensor, draws: int = 6, seed: int = 0
) -> dict[str, list[Tensor]]:
    """Caption -> pictures: the image, several draws of each augmentation alone, and of all in their order.

    >>> examples(recipe.augmentation, recipe.image, picture)["flip (0.5)"]  # six tensors uint8 (3, height, width)

    In its own row an augmentation is always applied, and the caption has its probability in brackets; in the last row
    each is applied with its probability, as in training. Raises RecipeError for an unknown augmentation or option.
    """
    rows = {"original": [picture]}
    for key, options in sections.items():
        checked = arguments(AUGMENTATIONS, {"name": key, **options}, f"augmentation.{key}", ["image"])
        always = build_augmentation({key: options | {"probability": 1.0}}, image)
        caption = key if checked["probability"] == 1 else f"{key} ({checked['probability']:g})"
        rows[caption] = [augmented(picture, always, seed + number) for number in range(draws)]
    chain = build_augmentation(sections, image)
    rows["all, as in training"] = [augmented(picture, chain, seed + number) for number in range(draws)]
    return rows
