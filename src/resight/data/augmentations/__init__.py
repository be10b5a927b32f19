"""Random changes to a training image: uint8 tensor (3, height, width) in and out, so that memory stays small.

An augmentation is one function and one line in the table. One that needs the recipe's image size has a parameter
`image`.
"""

from collections.abc import Callable

from torch import nn
from torchvision.transforms import v2

from resight.data.augmentations.base import Augmentation, augmented, augmented_pair
from resight.data.augmentations.colour import equalise, jitter, pca_colour
from resight.data.augmentations.erasing import erasing
from resight.data.augmentations.geometry import centre_crop, flip, pad_crop, random_part, rotation, translation
from resight.data.augmentations.policies import auto_augment
from resight.recipe import ImageOptions, Options, make

__all__ = ["AUGMENTATIONS", "Augmentation", "augmented", "augmented_pair", "build_augmentation", "random_part"]

AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "flip": flip,
    "pad-crop": pad_crop,
    "translation": translation,
    "centre-crop": centre_crop,
    "rotation": rotation,
    "erasing": erasing,
    "jitter": jitter,
    "pca-colour": pca_colour,
    "equalise": equalise,
    "auto-augment": auto_augment,
}


def build_augmentation(sections: dict[str, Options], image: ImageOptions) -> Augmentation:
    """The recipe's `augmentation` section as one function, applied in its order.

    Raises RecipeError for an unknown augmentation or option.
    """
    steps = [
        make(AUGMENTATIONS, {"name": key, **options}, f"augmentation.{key}", image=image)
        for key, options in sections.items()
    ]
    return v2.Compose(steps or [nn.Identity()])
