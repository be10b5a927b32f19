"""The staged backbone: attention and fusion in place, strides, and timm's own network without them."""

from __future__ import annotations

import pytest
import timm
import torch

from resight.errors import RecipeError
from resight.models.staged_backbone import StagedBackbone

IMAGES = torch.randn(4, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def test_attention_sits_after_each_stage_and_the_next_stage_sees_it() -> None:
    torch.manual_seed(0)
    backbone = StagedBackbone("resnet18", pretrained=False, attention="se").eval()
    trunk = backbone.trunk
    stem = trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(IMAGES))))
    maps = stem
    for number, found in enumerate(backbone.stages(IMAGES)):
        maps = backbone.attention[number](getattr(trunk, f"layer{number + 1}")(maps))
        torch.testing.assert_close(found, maps)
    assert [gate.fc1.in_channels for gate in backbone.attention] == [64, 128, 256, 512]


@pytest.mark.parametrize("name", ["resnet18", "resnet50d", "legacy_seresnext50_32x4d"])
def test_without_attention_and_fusion_the_stages_are_timms_own_network(name: str) -> None:
    torch.manual_seed(0)
    backbone = StagedBackbone(name, pretrained=False).eval()
    plain = timm.create_model(name, num_classes=0).eval()
    plain.load_state_dict(backbone.trunk.state_dict())
    torch.testing.assert_close(backbone.maps(IMAGES), plain.forward_features(IMAGES))


@pytest.mark.parametrize("fusion", ["none", "concat", "global-concat"])
def test_last_stride_1_doubles_the_last_map(fusion: str) -> None:
    for stride, size in ((2, (3, 2)), (1, (5, 3))):
        backbone = StagedBackbone("resnet18", False, last_stride=stride, fusion=fusion)
        assert backbone.maps(torch.randn(2, 3, 72, 40)).shape[2:] == size


def test_stages_and_fused_widths_are_those_of_the_report() -> None:
    """The shapes that the report and its code name, at 224×224."""
    third, fourth = StagedBackbone("resnet18", False).eval().stages(torch.randn(1, 3, 224, 224))[2:]
    assert third.shape == (1, 256, 14, 14)
    assert fourth.shape == (1, 512, 7, 7)
    widths = {"none": 512, "add": 512, "concat": 1024, "global-concat": 2048}
    assert {fusion: StagedBackbone("resnet18", False, fusion=fusion).dim for fusion in widths} == widths


def test_a_trunk_without_stages_is_refused() -> None:
    with pytest.raises(RecipeError, match="has no ResNet stages; set model.attention=none model.fusion=none"):
        StagedBackbone("mobilenetv3_small_100", pretrained=False)
