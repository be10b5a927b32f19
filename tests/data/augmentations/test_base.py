"""What augmentations share: how often one is applied, what becomes of a mask, and whose random numbers it takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from resight.data.augmentations.base import augmented, augmented_pair, sometimes, without_mask
from tests.support.augmenting import draws, noise

IMAGE = noise(6, 4)


def negative(image: Tensor) -> Tensor:
    return 255 - image


def shaken(image: Tensor) -> Tensor:
    return image + torch.randint(9, image.shape, dtype=torch.uint8)


def test_sometimes_is_as_often_as_told_and_always_at_one() -> None:
    assert sometimes(negative, 1.0) is negative
    half = sometimes(negative, 0.5)
    made = draws(half, IMAGE, 200)
    changed = [torch.equal(one, 255 - IMAGE) for one in made]
    assert all(was or torch.equal(one, IMAGE) for was, one in zip(changed, made, strict=True))
    assert 70 < sum(changed) < 130, "100 of 200; a deviation is 7"


def test_a_change_of_the_image_alone_leaves_the_mask_beside_it() -> None:
    change, mask = without_mask(negative), torch.ones(1, 6, 4)
    image, beside = change((IMAGE, mask))
    assert torch.equal(image, 255 - IMAGE)
    assert beside is mask
    assert torch.equal(change(IMAGE), 255 - IMAGE)


def test_the_seed_alone_decides_and_other_random_numbers_go_on() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = augmented(IMAGE, shaken, 7)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(augmented(IMAGE, shaken, 7), first)
    assert not torch.equal(augmented(IMAGE, shaken, 8), first)


def test_a_seed_gives_the_numbers_of_torchs_own_and_leaves_other_devices_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (0, 7, 2**62 - 1):
        torch.manual_seed(seed)
        expected = shaken(IMAGE)
        with monkeypatch.context() as patched:
            patched.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("a GPU was seeded"))
            assert torch.equal(augmented(IMAGE, shaken, seed), expected)


def test_an_image_and_its_mask_move_together_and_come_back_as_plain_tensors() -> None:
    mask = (IMAGE[:1] > 127).to(torch.uint8)
    image, moved = augmented_pair(IMAGE, mask, v2.RandomCrop((3, 2)), seed=1)
    assert image.shape == (3, 3, 2)
    assert torch.equal(moved, (image[:1] > 127).to(torch.uint8))
    assert type(image) is type(moved) is Tensor


def test_nearest_values_are_kept_in_a_turned_mask() -> None:
    mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
    mask[:, 8:24, 8:24] = 1
    turn = v2.RandomRotation((30, 30), v2.InterpolationMode.BILINEAR)
    image, moved = augmented_pair(mask.expand(3, -1, -1) * 255, mask, turn, seed=0)
    assert set(moved.unique().tolist()) == {0, 1}
    assert len(image.unique()) > 2, "the image's edges are smoothed"
    assert not isinstance(image, tv_tensors.TVTensor)
