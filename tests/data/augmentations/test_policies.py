"""Policies that others searched for: torchvision's own, applied as often as told."""

from __future__ import annotations

import inspect

import pytest
import torch
from torchvision.transforms import v2

from resight.data.augmentations.policies import auto_augment
from tests.support.augmenting import draws, noise

REFERENCES = {
    "imagenet": v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET),
    "cifar10": v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10),
    "svhn": v2.AutoAugment(v2.AutoAugmentPolicy.SVHN),
    "rand": v2.RandAugment(),
    "trivial": v2.TrivialAugmentWide(),
}


@pytest.mark.parametrize("policy", REFERENCES)
def test_every_policy_is_torchvisions(policy: str) -> None:
    ours, image = auto_augment(policy, probability=1.0), noise(32, 16)
    made = draws(ours, image, 20)
    theirs = draws(REFERENCES[policy], image, 20)
    assert all(torch.equal(one, other) for one, other in zip(made, theirs, strict=True)), "the same draws"
    assert sum(not torch.equal(one, image) for one in made) >= 10


def test_by_default_a_tenth_of_the_images_gets_the_imagenet_policy() -> None:
    defaults = {name: option.default for name, option in inspect.signature(auto_augment).parameters.items()}
    assert defaults == {"policy": "imagenet", "probability": 0.1}
    image = noise(16, 8)
    changed = sum(not torch.equal(one, image) for one in draws(auto_augment(), image, 300))
    assert 10 <= changed <= 50, "30 of 300 at most; a deviation is 5"
