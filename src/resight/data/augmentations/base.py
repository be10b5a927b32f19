"""What an augmentation is, and the parts that several share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

__all__ = ["Augmentation", "Probability", "augmented", "augmented_pair", "sometimes", "without_mask"]

Augmentation = Callable[[Any], Any]
"""Takes an image, or a pair of torchvision's `Image` and `Mask`: what moves the image moves the mask with it."""
Probability = Annotated[float, Field(ge=0, le=1)]


def sometimes(change: Augmentation, probability: float) -> Augmentation:
    """`change` with a probability."""
    return change if probability >= 1 else v2.RandomApply([change], probability)


def without_mask(change: Callable[[Tensor], Tensor]) -> Augmentation:
    """A change of an image alone, which leaves a mask beside it as it is; torchvision's own know masks themselves."""
    return partial(_first, change)


def _first(change: Callable[[Tensor], Tensor], given: Any) -> Any:
    return (change(given[0]), *given[1:]) if isinstance(given, tuple) else change(given)


def augmented(tensor: Any, change: Augmentation, seed: int) -> Any:
    """The image changed by chance that owes its numbers to `seed` alone, and leaves the others' chance as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return change(tensor)


def augmented_pair(image: Tensor, mask: Tensor, change: Augmentation, seed: int) -> tuple[Tensor, Tensor]:
    """The same for an image and its mask (1, height, width), moved together."""
    pair = augmented((tv_tensors.Image(image), tv_tensors.Mask(mask)), change, seed)
    # Without the subclasses by which torchvision tells one from the other.
    first, second = (tensor.as_subclass(Tensor) for tensor in pair)
    return first, second
