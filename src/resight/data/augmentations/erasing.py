"""Random erasing (Zhong et al. 2017)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torchvision.transforms import v2

from resight.data.augmentations.base import Augmentation, Probability, without_mask
from resight.errors import RecipeError
from resight.recipe import ImageOptions

__all__ = ["box_colour", "erasing", "narrowest"]

SQUARISH = 0.75


def erasing(
    image: ImageOptions,
    probability: Probability = 0.5,
    area: tuple[Probability, Probability] = (0.02, 0.4),
    aspect: Annotated[float, Field(gt=0, le=1)] | Literal["squarish"] = 0.3,
    fill: Literal["pixel-mean", "after-normalisation", "black"] = "pixel-mean",
) -> Augmentation:
    """Paint over one random box.

    `area` is the box's least and largest share of the image; its height over its width lies in [aspect, 1 / aspect]. A
    box that does not fit into the image is drawn again, up to ten times. The vehicle coursework states the usual aspect
    of 0.3, which its code has too, and also says that it erases "more square" regions: `aspect="squarish"` is 0.75.

    `fill="pixel-mean"` paints the mean colour, as FastReID does. The strong baseline's code erases after normalisation
    and fills in the mean's own numbers: `fill="after-normalisation"` paints the colour that normalisation turns into
    those numbers. The vehicle coursework's code does likewise with CIFAR-10's mean: within 2 of 255 the same grey.
    """
    least = narrowest(area, aspect)
    change = v2.RandomErasing(p=probability, scale=area, ratio=(least, 1 / least), value=box_colour(image, fill))
    return without_mask(change)


def narrowest(area: tuple[float, float], aspect: float | str) -> float:
    """The least height over width of a box. Raises RecipeError for an `area` whose greatest share comes first."""
    if area[0] > area[1]:
        raise RecipeError(f"augmentation.erasing.area = {list(area)}: the least share comes first")
    return SQUARISH if aspect == "squarish" else float(aspect)


def box_colour(image: ImageOptions, fill: str) -> list[float]:
    """The RGB colour of a box, whole numbers from 0 to 255."""
    mean, std = torch.tensor(image.mean), torch.tensor(image.std)
    colour = {"pixel-mean": mean, "after-normalisation": mean * std + mean, "black": mean * 0}[fill]
    return (colour * 255).round().tolist()
