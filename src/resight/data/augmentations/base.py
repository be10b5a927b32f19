"""What an augmentation is, and the parts that several share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torchvision.transforms import v2

__all__ = ["Augmentation", "Probability", "augmented", "sometimes"]

Augmentation = Callable[[Tensor], Tensor]
Probability = Annotated[float, Field(ge=0, le=1)]


def sometimes(change: Augmentation, probability: float) -> Augmentation:
    """`change` with a probability."""
    return change if probability >= 1 else v2.RandomApply([change], probability)


def augmented(tensor: Tensor, change: Augmentation, seed: int) -> Tensor:
    """The image changed by chance that owes its numbers to `seed` alone, and leaves the others' chance as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return change(tensor)
