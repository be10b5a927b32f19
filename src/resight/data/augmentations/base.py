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
"""A function of an image, or of a pair of torchvision's `Image` and `Mask`, which changes of place move alike."""
Probability = Annotated[float, Field(ge=0, le=1)]


def sometimes(change: Augmentation, probability: float) -> Augmentation:
    """Apply `change` with a probability; else return the image as it is."""
    return change if probability >= 1 else v2.RandomApply([change], probability)


def without_mask(change: Callable[[Tensor], Tensor]) -> Augmentation:
    """Apply `change` to the image and leave a mask beside it as it is, as torchvision's own transforms do."""
    return partial(_first, change)


def _first(change: Callable[[Tensor], Tensor], given: Any) -> Any:
    return (change(given[0]), *given[1:]) if isinstance(given, tuple) else change(given)


def augmented(tensor: Any, change: Augmentation, seed: int) -> Any:
    """Apply a random change whose random numbers depend on `seed` alone; torch's own generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        # The processor's generator alone: `torch.manual_seed` goes round to all devices as well, which takes longer than
        # many a change, and would seed a GPU's anew, which is not put back.
        torch.default_generator.manual_seed(seed)
        return change(tensor)


def augmented_pair(image: Tensor, mask: Tensor, change: Augmentation, seed: int) -> tuple[Tensor, Tensor]:
    """Apply a random change to an image and its mask (1, height, width) together, as `augmented` does to an image."""
    pair = augmented((tv_tensors.Image(image), tv_tensors.Mask(mask)), change, seed)
    # Plain tensors again: the subclasses only told torchvision which of the two is the mask.
    first, second = (tensor.as_subclass(Tensor) for tensor in pair)
    return first, second
