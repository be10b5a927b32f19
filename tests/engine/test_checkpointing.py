"""Blocks that are computed twice learn the same to the bit, statistics and all, and keep less."""

from __future__ import annotations

import copy
import weakref

import pytest
import torch
from torch import nn

from resight.engine.checkpointing import checkpoint_blocks
from resight.errors import RecipeError
from resight.models import MODELS
from resight.models.backbone import Backbone
from resight.training import check

NAMES = {"resnet18": 8, "resnet18_ibn_a": 8, "efficientnet_lite0": 7}


@pytest.mark.parametrize("name", NAMES)
def test_gradients_statistics_and_outputs_are_the_same(name: str) -> None:
    torch.manual_seed(0)
    plain = Backbone(name, pretrained=False).train()
    twice = copy.deepcopy(plain)
    assert checkpoint_blocks(twice) == NAMES[name]
    images = torch.randn(4, 3, 64, 32)
    outputs = []
    for network in (plain, twice):
        torch.manual_seed(1)  # of dropped paths
        outputs.append(network(images))
        outputs[-1].square().mean().backward()
    assert torch.equal(*outputs)
    for (which, one), other in zip(plain.named_parameters(), twice.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), which
    for (which, one), other in zip(plain.state_dict().items(), twice.state_dict().values(), strict=True):
        assert torch.equal(one, other), which


def test_maps_within_blocks_are_not_kept() -> None:
    kept = {}
    for twice in (False, True):
        network = Backbone("resnet18", pretrained=False).train()
        if twice:
            checkpoint_blocks(network)
        within: list[weakref.ref] = []
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(
                    lambda module, inputs, made, within=within: within.append(weakref.ref(made))
                )
        result = network(torch.randn(2, 3, 64, 32))
        kept[twice] = sum(reference() is not None for reference in within)
        assert result.requires_grad
    assert kept[True] < kept[False]


def test_a_copy_computes_with_its_own_weights() -> None:
    network = Backbone("resnet18", pretrained=False).train()
    checkpoint_blocks(network)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert not other(torch.randn(2, 3, 64, 32)).any()


class Bare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dim, self.layer = 8, nn.Conv2d(3, 8, 3)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images).mean((2, 3))


def test_a_network_without_blocks_is_named(crowd, tiny, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(MODELS, "bare", Bare)
    check(tiny("trainer.checkpointing=true"), crowd)
    with pytest.raises(RecipeError, match="no blocks that could be computed twice"):
        check(tiny("trainer.checkpointing=true", "model={name: bare}"), crowd)
