"""The strong baseline's network: its strides, its neck, any timm trunk."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resight.models.strong_baseline import StrongBaseline

IMAGES = torch.randn(2, 3, 64, 32)


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
