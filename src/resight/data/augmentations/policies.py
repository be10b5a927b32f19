"""AutoAugment, RandAugment and TrivialAugment."""

from __future__ import annotations

from typing import Any, Literal

from torchvision.transforms import v2

from resight.data.augmentations.base import Augmentation, Probability, sometimes

__all__ = ["auto_augment", "policy_of"]


def auto_augment(
    policy: Literal["imagenet", "cifar10", "svhn", "rand", "trivial"] = "imagenet", probability: Probability = 0.1
) -> Augmentation:
    """Apply one of the pairs of changes that AutoAugment found best on a dataset (Cubuk et al. 2019).

    `rand` is RandAugment, two changes of medium strength (Cubuk et al. 2020), and `trivial` TrivialAugment, one of any
    strength (Müller and Hutter 2021), with torchvision's numbers. FastReID applies the ImageNet policy to a tenth of
    the images.
    """
    return sometimes(policy_of(policy), probability)


def policy_of(name: str) -> Any:
    """torchvision's change by the policy's name in a recipe."""
    further = {"rand": v2.RandAugment, "trivial": v2.TrivialAugmentWide}
    return further[name]() if name in further else v2.AutoAugment(v2.AutoAugmentPolicy(name))
