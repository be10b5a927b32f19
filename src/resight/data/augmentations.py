"""Random changes to a training image: uint8 tensor (3, height, width) in and out, so that memory stays small.

An augmentation is one function and one line in the table. It takes the image's size from `image_size` where it needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms import v2

from resight.recipe import ImageOptions, Options, make

__all__ = ["AUGMENTATIONS", "build_augmentation", "random_part"]

Augmentation = Callable[[Tensor], Tensor]


def flip(probability: float = 0.5) -> Augmentation:
    """Mirror left to right."""
    return v2.RandomHorizontalFlip(probability)


def pad_crop(image: ImageOptions, padding: int = 10, probability: float = 1.0) -> Augmentation:
    """Pad with black by so many pixels on each side, then crop the old size at random."""
    crop = v2.Compose([v2.Pad(padding), v2.RandomCrop((image.height, image.width))])
    return crop if probability >= 1 else v2.RandomApply([crop], probability)


def erasing(
    image: ImageOptions,
    probability: float = 0.5,
    area: tuple[float, float] = (0.02, 0.4),
    aspect: float = 0.3,
    fill: Literal["pixel-mean", "after-normalisation", "black"] = "pixel-mean",
) -> Augmentation:
    """Random erasing (Zhong et al. 2017): one box of `area` (share of the image), aspect in [aspect, 1 / aspect].

    `fill="pixel-mean"` paints the mean colour, as FastReID does. The strong baseline's code erases after
    normalisation with the mean's numbers: `fill="after-normalisation"` paints the colour that becomes those numbers.
    """
    mean, std = torch.tensor(image.mean), torch.tensor(image.std)
    colour = {"pixel-mean": mean, "after-normalisation": mean * std + mean, "black": mean * 0}[fill]
    value = (colour * 255).round().tolist()
    return v2.RandomErasing(p=probability, scale=area, ratio=(aspect, 1 / aspect), value=value)


def jitter(
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
    hue: float = 0.01,
    probability: float = 1.0,
) -> Augmentation:
    """Random brightness, contrast and saturation, each a factor within 1 ± so much, and hue within ± so much of a turn."""
    change = v2.ColorJitter(brightness, contrast, saturation, hue)
    return change if probability >= 1 else v2.RandomApply([change], probability)


def rotation(degrees: float = 4.0) -> Augmentation:
    """Turn by up to so many degrees; corners become black."""
    return v2.RandomRotation(degrees, v2.InterpolationMode.BILINEAR)


def equalise(probability: float = 0.01) -> Augmentation:
    """Equalise the histogram of each channel."""
    return v2.RandomEqualize(probability)


def random_part(tensor: Tensor, share: tuple[float, float] = (0.15, 0.45)) -> Tensor:
    """A random part of an image, sides `share` of its own, at its own size: what a bad detection shows (Bruna's junk)."""
    height, width = tensor.shape[1:]
    low, high = share
    part = [max(2, round(float(low + (high - low) * torch.rand(())) * side)) for side in (height, width)]
    top, left = (int(torch.randint(side - size + 1, ())) for side, size in zip((height, width), part, strict=True))
    return v2.functional.resized_crop(tensor, top, left, *part, [height, width], antialias=True)


AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "flip": flip,
    "pad-crop": pad_crop,
    "erasing": erasing,
    "jitter": jitter,
    "rotation": rotation,
    "equalise": equalise,
}


def build_augmentation(sections: dict[str, Options], image: ImageOptions) -> Augmentation:
    """The recipe's `augmentation` section as one function, applied in its order.

    Raises RecipeError for an unknown augmentation or option.
    """
    steps = [
        make(AUGMENTATIONS, {"name": key, **options}, f"augmentation.{key}", image=image)
        for key, options in sections.items()
    ]
    return v2.Compose(steps) if steps else lambda tensor: tensor
