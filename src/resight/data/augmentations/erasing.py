"""Random erasing (Zhong et al. 2017)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torchvision.transforms import v2

from resight.data.augmentations.base import Augmentation, Probability, without_mask
from resight.errors import RecipeError
from resight.recipe import ImageOptions

__all__ = ["erasing"]

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
    if area[0] > area[1]:
        raise RecipeError(f"augmentation.erasing.area = {list(area)}: the least share comes first")
    narrowest = SQUARISH if aspect == "squarish" else aspect
    mean, std = torch.tensor(image.mean), torch.tensor(image.std)
    colour = {"pixel-mean": mean, "after-normalisation": mean * std + mean, "black": mean * 0}[fill]
    value = (colour * 255).round().tolist()
    return without_mask(v2.RandomErasing(p=probability, scale=area, ratio=(narrowest, 1 / narrowest), value=value))
