"""The U-Net: its shapes, and that the way beside the bottom is there."""

from __future__ import annotations

import pytest
import torch

from resight.errors import RecipeError
from resight.models.unet import UNet


@pytest.mark.parametrize("size", [(32, 16), (37, 19), (16, 48)])
def test_a_logit_for_every_pixel(size: tuple[int, int]) -> None:
    model = UNet(width=4, depth=3)
    logits, bottom = model.both(torch.randn(2, 3, *size))
    assert logits.shape == (2, 1, *size)
    assert bottom.shape == (2, model.bottleneck, size[0] // 8, size[1] // 8)
    assert model.bottleneck == 32


def test_detail_comes_past_the_bottom() -> None:
    model = UNet(width=4, depth=2).eval()
    images = torch.randn(1, 3, 16, 16)
    before = model(images)
    for up in model.up:
        torch.nn.init.zeros_(up.weight)
        torch.nn.init.zeros_(up.bias)
    assert not torch.equal(before, model(images))
    assert model(images).std() > 0, "with nothing from below, pixels still differ"


def test_every_weight_learns() -> None:
    model = UNet(width=4, depth=2)
    model(torch.randn(2, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_an_image_too_small_is_named() -> None:
    with pytest.raises(RecipeError, match="32 × 8 cannot be halved 4 times"):
        UNet(depth=4, image_size=(32, 8))
