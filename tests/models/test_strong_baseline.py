"""The strong baseline's network: its strides, its neck, any timm trunk."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from resight.errors import RecipeError, WeightsError
from resight.models.backbone import Backbone, create_timm_model
from resight.models.strong_baseline import StrongBaseline

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


def test_losses_read_both_sides_of_the_neck_and_retrieval_what_follows_it() -> None:
    torch.manual_seed(0)
    model = StrongBaseline(num_classes=7, backbone="resnet18", pretrained=False)
    output = model(IMAGES)
    assert output.features[0].shape == (2, 512)
    assert output.logits[0].shape == (2, 7)
    torch.testing.assert_close(output.logits[0], model.classifier(model.neck(output.features[0])), atol=1e-4, rtol=1e-4)
    assert model.classifier.bias is None
    assert not model.neck.bias.requires_grad
    model.eval()
    torch.testing.assert_close(model.embed(IMAGES), model.neck(model.backbone(IMAGES)))


def test_options_before_neck_and_without_neck() -> None:
    before = StrongBaseline(5, backbone="resnet18", pretrained=False, retrieval="before-neck").eval()
    torch.testing.assert_close(before.embed(IMAGES), before.backbone(IMAGES))
    assert isinstance(StrongBaseline(5, backbone="resnet18", pretrained=False, neck="none").neck, nn.Identity)


@pytest.mark.parametrize(
    "name", ["mobilenetv3_small_100", "vit_tiny_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224"]
)
def test_any_timm_model_is_a_backbone(name: str) -> None:
    model = StrongBaseline(
        5,
        backbone=name,
        pretrained=False,
        last_stride=2,
        image_size=(64, 32) if "swin" not in name else (224, 224),
    )
    images = torch.randn(2, 3, 224, 224) if "swin" in name else IMAGES
    embeddings = model.eval().embed(images)
    assert embeddings.shape == (2, model.dim)
    assert model.train()(images).logits[0].shape == (2, 5)


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
