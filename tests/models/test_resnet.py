"""ResNets that timm lacks: the plain one against timm's, and by hand what is different in the others."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from resight.models.resnet import PUBLISHED, RESNETS, ResNet

IMAGES = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def shaken(network: nn.Module) -> nn.Module:
    """In evaluation, with no weight at its beginning."""
    torch.manual_seed(0)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(0.05 * torch.randn_like(values))
    return network.eval()


def places(network: nn.Module, kind: type[nn.Module]) -> set[str]:
    return {name for name, module in network.named_modules() if isinstance(module, kind)}


@pytest.mark.parametrize("depth", [18, 50])
@torch.no_grad()
def test_the_plain_network_is_timms(depth: int) -> None:
    theirs = shaken(timm.create_model(f"resnet{depth}", num_classes=0))
    ours = ResNet(depth).eval()
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.forward_features(IMAGES), theirs.forward_features(IMAGES), atol=1e-4, rtol=1e-4)
    assert ours.num_features == theirs.num_features


def test_where_instances_are_normalised() -> None:
    first = places(ResNet(18, "a"), nn.InstanceNorm2d)
    assert first == {f"layer{stage}.{block}.bn1.IN" for stage in (1, 2, 3) for block in (0, 1)}
    assert places(ResNet(50, "b"), nn.InstanceNorm2d) == {"bn1", "layer1.2.IN", "layer2.3.IN"}


@torch.no_grad()
def test_ibn_a_normalises_the_first_half_of_the_channels_by_the_instance() -> None:
    block = shaken(ResNet(18, "a")).layer1[0]
    maps = torch.randn(2, 64, 8, 4)
    halves = block.bn1(maps)
    plain = maps[:, :32]
    centred = plain - plain.mean((2, 3), keepdim=True)
    spread = (plain.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    instance = centred / spread * block.bn1.IN.weight.view(-1, 1, 1) + block.bn1.IN.bias.view(-1, 1, 1)
    torch.testing.assert_close(halves[:, :32], instance, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(halves[:, 32:], block.bn1.BN(maps[:, 32:]))


@torch.no_grad()
def test_ibn_b_normalises_the_sum() -> None:
    block = shaken(ResNet(18, "b")).layer1[1]
    maps = torch.rand(2, 64, 8, 4)
    added = block.bn2(block.conv2(block.bn1(block.conv1(maps)).relu())) + maps
    torch.testing.assert_close(
        block(maps), F.instance_norm(added, weight=block.IN.weight, bias=block.IN.bias).relu(), atol=1e-5, rtol=1e-4
    )


@torch.no_grad()
def test_non_local_blocks_weigh_all_positions_and_begin_as_the_identity() -> None:
    torch.manual_seed(0)
    fresh = ResNet(50, non_local=True).layer3[5].non_local.eval()
    maps = torch.randn(2, 1024, 3, 2)
    assert torch.equal(fresh(maps), maps)
    layer = shaken(fresh)
    expected = maps.clone()
    for image in range(2):
        g, theta, phi = (part(maps[image : image + 1])[0, 0].flatten() for part in (layer.g, layer.theta, layer.phi))
        found = torch.stack([sum(theta[here] * phi[there] * g[there] for there in range(6)) / 6 for here in range(6)])
        expected[image] += layer.W(found.view(1, 1, 3, 2))[0]
    torch.testing.assert_close(layer(maps), expected, atol=1e-5, rtol=1e-4)


def test_non_local_blocks_follow_the_last_blocks_of_stages_2_and_3() -> None:
    def followed(depth: int) -> list[str]:
        modules = ResNet(depth, non_local=True).named_modules()
        return [name for name, _ in modules if name.endswith(".non_local")]

    assert followed(50) == [f"layer{block}.non_local" for block in ("2.2", "2.3", "3.3", "3.4", "3.5")]
    assert len(followed(101)) == 11


def test_fastreids_first_pooling_is_shifted_by_a_pixel() -> None:
    row = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 3, 8)
    assert ResNet(18).maxpool(row)[0, 0, 0].tolist() == [1, 3, 5, 7]
    assert ResNet(18, padded=False).maxpool(row)[0, 0, 0].tolist() == [2, 4, 6, 7]


def test_the_table_has_what_timm_has_not() -> None:
    assert not [name for name in RESNETS if timm.is_model(name)]
    assert {"resnet50_ibn_a", "resnet101_ibn_b", "fastreid_resnet50", "resnet50_ibn_a_nl"} <= set(RESNETS)
    assert set(PUBLISHED) <= set(RESNETS)
