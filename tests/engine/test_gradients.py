"""Gradients by matrix products are oneDNN's up to bfloat16's rounding; elsewhere nothing changes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from resight.engine import gradients
from resight.engine.gradients import quicken
from resight.models.backbone import Backbone


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the weights whose gradients are found by products."""
    found: list[tuple[int, ...]] = []
    own = gradients._of_weight

    def noted(maps, gradient, weight, *how):  # type: ignore[no-untyped-def]
        found.append(tuple(weight.shape))
        return own(maps, gradient, weight, *how)

    monkeypatch.setattr(gradients, "_of_weight", noted)
    return found


def learn(layer: nn.Module, images: torch.Tensor, bf16: bool = True) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        made = layer(images)
    made.float().square().mean().backward()
    return made


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"kernel_size": 3, "padding": 1}, (8, 4)),
        ({"kernel_size": 3, "padding": 1, "stride": 2}, (8, 8)),
        ({"kernel_size": 1, "bias": False}, (6, 3)),
        ({"kernel_size": (5, 3), "padding": (0, 2), "stride": (3, 2)}, (11, 5)),
    ],
)
def test_gradients_are_those_of_float32_but_for_rounding(options: dict, size: tuple[int, int], products) -> None:
    torch.manual_seed(0)
    exact = nn.Conv2d(16, 32, **options)
    layer = quicken(copy.deepcopy(exact))
    images = torch.randn(8, 16, *size).contiguous(memory_format=torch.channels_last)
    ours, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    learn(layer, ours)
    learn(exact, theirs, bf16=False)
    assert products == [tuple(exact.weight.shape)]
    pairs = [
        (ours.grad, theirs.grad),
        *((one.grad, two.grad) for one, two in zip(layer.parameters(), exact.parameters(), strict=True)),
    ]
    for found, wanted in pairs:
        assert found.dtype == torch.float32
        assert float((found - wanted).norm() / wanted.norm()) < 2e-2


@pytest.mark.parametrize(
    ("change", "width", "bf16"),
    [
        ({}, 5, True),
        ({}, 4, False),
        ({"groups": 2}, 4, True),
        ({"dilation": 2}, 4, True),
        ({"padding_mode": "reflect"}, 4, True),
    ],
)
def test_wide_maps_float32_and_other_convolutions_are_pytorchs(change: dict, width: int, bf16: bool, products) -> None:
    layer = quicken(nn.Conv2d(4, 4, 3, padding=1, **change))
    plain = copy.deepcopy(layer)
    plain.forward = type(plain).forward.__get__(plain)
    images = torch.randn(2, 4, 8, width)
    assert torch.equal(learn(layer, images, bf16), learn(plain, images, bf16))
    assert torch.equal(layer.weight.grad, plain.weight.grad)
    assert not products


def test_a_network_learns_the_same_and_its_copy_with_its_own_weights(products) -> None:
    torch.manual_seed(0)
    plain = Backbone("resnet18", pretrained=False).train()
    network = copy.deepcopy(quicken(copy.deepcopy(plain)))
    images = torch.randn(8, 3, 64, 64)
    torch.testing.assert_close(learn(network, images), learn(plain, images))
    assert products
    ours = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
    theirs = torch.cat([parameter.grad.flatten() for parameter in plain.parameters()])
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.999
    network.eval()
    products.clear()
    learn(network, images)
    assert not products, "in evaluation nothing changes"
