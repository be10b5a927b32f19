"""timm trunks as backbones: strides, poolings, channels, and what each cannot do."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from resight.errors import RecipeError, WeightsError
from resight.models.backbone import Backbone, create_timm_model, require_stages

IMAGES = torch.randn(2, 3, 64, 32)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet50d", "seresnet50"])
def test_last_stride_1_doubles_the_map_and_keeps_every_weight(name: str) -> None:
    torch.manual_seed(0)
    wide = Backbone(name, pretrained=False, last_stride=1).eval()
    plain = timm.create_model(name, pretrained=False, num_classes=0).eval()
    assert wide.trunk.forward_features(IMAGES).shape[2:] == (4, 2)
    assert plain.forward_features(IMAGES).shape[2:] == (2, 1)
    plain.load_state_dict(wide.trunk.state_dict())  # the same parameters, no dilation
    assert not any(module.dilation != (1, 1) for module in wide.trunk.modules() if isinstance(module, nn.Conv2d))


def test_what_a_backbone_cannot_do_is_said() -> None:
    with pytest.raises(RecipeError, match="did you mean 'resnet50"):
        create_timm_model("resnet5o", pretrained=False)
    with pytest.raises(RecipeError, match=r"set model.last_stride=2"):
        Backbone("mobilenetv3_small_100", pretrained=False, last_stride=1)
    with pytest.raises(RecipeError, match="needs a convolutional one"):
        Backbone("vit_tiny_patch16_224", False, pooling="gem", image_size=(64, 32))(IMAGES)


def test_weights_that_cannot_be_fetched_are_one_clear_line(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"ImageNet weights of resnet26d cannot be fetched .*model.pretrained=false"
    ) as told:
        create_timm_model("resnet26d", pretrained=True)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("pooling", "pool"), [("average", torch.mean), ("max", torch.amax)])
def test_a_convolutional_trunks_maps_are_pooled(pooling: str, pool) -> None:  # type: ignore[no-untyped-def]
    backbone = Backbone("resnet10t", pretrained=False, pooling=pooling).eval()
    maps = backbone.maps(IMAGES)
    assert maps.shape == (2, backbone.dim, 2, 1)
    torch.testing.assert_close(backbone(IMAGES), pool(maps, dim=(2, 3)))


def test_a_transformer_pools_its_own_tokens() -> None:
    backbone = Backbone("vit_tiny_patch16_224", pretrained=False, image_size=(64, 32)).eval()
    plain = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=(64, 32)).eval()
    plain.load_state_dict(backbone.trunk.state_dict())
    torch.testing.assert_close(backbone(IMAGES), plain(IMAGES))


def test_a_fourth_channel_is_read() -> None:
    backbone = Backbone("resnet10t", pretrained=False, channels=4).eval()
    images = torch.randn(1, 4, 64, 32)
    changed = images.clone()
    changed[:, 3] += 1
    assert not torch.allclose(backbone(images), backbone(changed))


def test_stages_are_asked_for_by_name_with_a_remedy() -> None:
    require_stages(create_timm_model("resnet10t", False), "resnet10t", "")
    trunk = create_timm_model("convnext_atto", False)
    with pytest.raises(RecipeError, match="convnext_atto has no ResNet stages; take another"):
        require_stages(trunk, "convnext_atto", "take another")
