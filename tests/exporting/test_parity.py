"""The comparison that every export must pass, on networks that are nearly the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resight.errors import RunError
from resight.exporting.parity import BATCHES, Parity, made_up, parity
from resight.recognizer import Recognizer


class Turned(nn.Module):
    """The first two means of an image's channels, turned by an angle from a size of batch on."""

    dim = 2

    def __init__(self, angle: float = 0.0, at: int = 1) -> None:
        super().__init__()
        self.angle, self.at = angle, at

    def embed(self, images: Tensor) -> Tensor:
        means = images.mean((2, 3))[:, :2]
        angle = torch.tensor(self.angle if len(images) >= self.at else 0.0)
        turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
        return means @ turn


@pytest.fixture
def of(tiny):
    return lambda network: Recognizer(network, tiny(), device="cpu")


IMAGES = made_up(32, 16)


def test_the_worst_cosine_is_that_of_the_angle_at_its_batch(of) -> None:
    found = parity(of(Turned()), of(Turned(0.1, at=64)), IMAGES)
    assert list(found.worst) == list(BATCHES) == [1, 7, 64]
    assert found.worst[1] == found.worst[7] == pytest.approx(1, abs=1e-9)
    assert found.worst[64] == found.least == pytest.approx(math.cos(0.1), abs=1e-6)
    assert found.mean == pytest.approx((8 + 64 * math.cos(0.1)) / 72, abs=1e-6)
    with pytest.raises(RunError, match=r"worst cosine 0.99500 at a batch of 64, 0.9999 is the least; nothing was"):
        found.require(0.9999)
    found.require(0.99)


def test_images_that_are_few_are_repeated(of) -> None:
    assert parity(of(Turned()), of(Turned()), IMAGES[:2]).least == pytest.approx(1, abs=1e-9)


def test_nothing_equals_nothing_and_no_more(of) -> None:
    class Zero(Turned):
        def embed(self, images: Tensor) -> Tensor:
            return super().embed(images) * 0

    assert parity(of(Zero()), of(Zero()), IMAGES).least == 1
    assert parity(of(Zero()), of(Turned()), IMAGES).least == 0


def test_features_of_another_length_are_said(of) -> None:
    class Longer(Turned):
        def embed(self, images: Tensor) -> Tensor:
            return images.mean((2, 3))

    with pytest.raises(RunError, match=r"gives \(1, 3\) where the run gives \(1, 2\)"):
        parity(of(Turned()), of(Longer()), IMAGES)


def test_a_broken_comparison_passes_nothing() -> None:
    with pytest.raises(RunError):
        Parity({1: float("nan")}, 0.0).require(0.5)


def test_made_up_pictures_differ_and_are_always_the_same() -> None:
    assert IMAGES.shape == (64, 3, 32, 16)
    assert torch.equal(IMAGES, made_up(32, 16))
    assert len(np.unique(IMAGES.reshape(64, -1).numpy(), axis=0)) == 64
    assert made_up(8, 8, 2).dtype == torch.uint8
