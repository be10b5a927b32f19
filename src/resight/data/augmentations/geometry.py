"""Changes of place: mirroring, shifting, turning, cropping."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torchvision.transforms import v2

from resight.data.augmentations.base import Augmentation, Probability, sometimes
from resight.errors import RecipeError
from resight.recipe import ImageOptions

__all__ = ["centre_crop", "enlarged_size", "flip", "kept_size", "pad_crop", "random_part", "rotation", "translation"]


def flip(probability: Probability = 0.5) -> Augmentation:
    """Mirror left to right."""
    return v2.RandomHorizontalFlip(probability)


def pad_crop(
    image: ImageOptions, padding: Annotated[int, Field(ge=0)] = 10, probability: Probability = 1.0
) -> Augmentation:
    """Pad each side with `padding` black pixels, then crop the image's size at a random place."""
    return sometimes(v2.Compose([v2.Pad(padding), v2.RandomCrop((image.height, image.width))]), probability)


def translation(
    image: ImageOptions, enlarge: Annotated[float, Field(ge=1)] = 1.125, probability: Probability = 0.5
) -> Augmentation:
    """Enlarge, then crop the image's size at a random place: a zoom, and a shift that shows no border.

    At 1.125 the content is 1/8 larger and its centre moves by up to 1/16 of the image to either side: 4 pixels of 64. The
    vehicle coursework's text says a shift by up to 1/8, and nothing of a zoom; its code does what is done here, which is
    torchreid's Random2DTranslation. There it stands in place of the resize of every training image; here it comes after
    the resize to the recipe's size, as every augmentation does.
    """
    size = enlarged_size(image, enlarge)
    return sometimes(v2.Compose([v2.Resize(size), v2.RandomCrop((image.height, image.width))]), probability)


def enlarged_size(image: ImageOptions, enlarge: float) -> list[int]:
    """Height and width of an image that is enlarged."""
    return [round(enlarge * side) for side in (image.height, image.width)]


def centre_crop(
    image: ImageOptions,
    height: Annotated[int, Field(ge=1)] | None = None,
    width: Annotated[int, Field(ge=1)] | None = None,
    probability: Probability = 1.0,
) -> Augmentation:
    """Keep the centre, `height` × `width` pixels of the recipe's size, and enlarge it to that size again.

    By default 200/224 of each side: the vehicle coursework's 200×200 of 224×224. Nothing here is random but the
    probability. Evaluation and prediction augment nothing, so they see the whole image.
    """
    kept = kept_size(image, height, width)
    return sometimes(v2.Compose([v2.CenterCrop(kept), v2.Resize((image.height, image.width))]), probability)


def kept_size(image: ImageOptions, height: int | None, width: int | None) -> list[int]:
    """Height and width of the centre that is kept. Raises RecipeError when it is larger than the image."""
    kept = [
        round(side * 200 / 224) if given is None else given
        for given, side in ((height, image.height), (width, image.width))
    ]
    if kept[0] > image.height or kept[1] > image.width:
        raise RecipeError(
            f"augmentation.centre-crop: {kept[0]}×{kept[1]} is more than the image's {image.height}×{image.width}"
        )
    return kept


def rotation(degrees: Annotated[float, Field(ge=0, le=180)] = 4.0, probability: Probability = 1.0) -> Augmentation:
    """Rotate by a random angle of up to `degrees` to either side; the corners become black."""
    return sometimes(v2.RandomRotation(degrees, v2.InterpolationMode.BILINEAR), probability)


def random_part(tensor: Tensor, share: tuple[float, float] = (0.15, 0.45)) -> Tensor:
    """A random part of an image, enlarged to the image's size: what a bad detection shows (Bruna's junk).

    Height and width of the part are random shares, within `share`, of the image's.
    """
    height, width = tensor.shape[1:]
    low, high = share
    part = [max(2, round(float(low + (high - low) * torch.rand(())) * side)) for side in (height, width)]
    top, left = (int(torch.randint(side - size + 1, ())) for side, size in zip((height, width), part, strict=True))
    return v2.functional.resized_crop(tensor, top, left, *part, [height, width], antialias=True)
