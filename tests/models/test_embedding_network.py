"""The vehicle family: head designs, attention and fusion in place, strides, any backbone."""

from __future__ import annotations

from typing import get_args

import pytest
import timm
import torch
from torch import nn

from resight.errors import RecipeError
from resight.models import MODELS
from resight.models.embedding_network import EmbeddingNetwork
from resight.models.heads import HeadDesign
from resight.models.staged_backbone import StagedBackbone
from resight.recipe import make

IMAGES = torch.randn(4, 3, 64, 32, generator=torch.Generator().manual_seed(0))
LETTERS = {"Linear": "fc", "BatchNorm1d": "bn", "ReLU": "relu", "Dropout": "dropout"}


def network(**options: object) -> EmbeddingNetwork:
    torch.manual_seed(0)
    return EmbeddingNetwork(
        **{"num_classes": 7, "backbone": "resnet10t", "pretrained": False, "embedding": 16, **options}
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("head", get_args(HeadDesign))
def test_a_heads_layers_stand_in_the_order_of_its_name(head: str) -> None:
    model = network(head=head)
    layers = [LETTERS[type(layer).__name__] for layer in [*model.embedding, model.classifier]]
    assert "-".join(layers) == ("fc-fc" if head == "vanilla" else head)
    output = model(IMAGES)
    assert output.features[0].shape == (4, 16)
    torch.testing.assert_close(output.logits[0], model.classifier(output.features[0]))
    torch.testing.assert_close(model.eval().embed(IMAGES), model(IMAGES).features[0])


@pytest.mark.parametrize("head", get_args(HeadDesign))
def test_a_head_does_what_its_name_says(head: str) -> None:
    layers = network(head=head, dropout=0.5).embedding
    features, others = torch.randn(2, 64, 512).unbind()
    embeddings = layers(features)
    steps = ["fc", "fc"] if head == "vanilla" else head.split("-")
    dropped = (embeddings == 0).float().mean().item()
    if steps[-2] == "bn":  # normalised last
        torch.testing.assert_close(embeddings.mean(0), torch.zeros(16), atol=1e-5, rtol=0)
        torch.testing.assert_close(embeddings.std(0, correction=0), torch.ones(16), atol=1e-2, rtol=0)
    if steps[-2] in ("relu", "dropout"):  # half are negative, and of the rest half are dropped
        assert embeddings.min() == 0
        assert dropped == pytest.approx(0.75 if steps[-2] == "dropout" else 0.5, abs=0.06)
    again = layers(features)
    assert torch.equal(embeddings, again) != ("dropout" in steps), "dropout draws anew, and only in training"
    layers.eval()
    assert torch.equal(layers(features), layers(features))
    halfway = layers((features + others) / 2)
    straight = torch.allclose(halfway, (layers(features) + layers(others)) / 2, atol=1e-5)
    assert straight == ("relu" not in steps), "without ReLU the evaluated head is affine"
    alone = torch.allclose(layers.train()(features[:2]), layers(features)[:2], atol=1e-5)
    assert alone == (head == "vanilla"), "only vanilla's answer for an image does not depend on its batch"


def test_dropout_of_0_drops_nothing() -> None:
    layers = network(head="fc-relu-dropout-bn-fc", dropout=0.0).embedding
    features = torch.randn(8, 512)
    assert torch.equal(layers(features), layers(features))


def test_vanilla_without_an_embedding_is_the_pooled_feature() -> None:
    model = network(head="vanilla", embedding=0)
    assert model.dim == 512
    torch.testing.assert_close(model.eval().embed(IMAGES), model.backbone(IMAGES))
    with pytest.raises(RecipeError, match=r"model.head=fc-bn-fc begins with an FC; give model.embedding"):
        network(head="fc-bn-fc", embedding=0)


def test_the_classifiers_bias_is_an_option() -> None:
    assert network().classifier.bias is not None
    assert network(classifier_bias=False).classifier.bias is None


@pytest.mark.parametrize("fusion", ["none", "concat", "add", "global-concat"])
@pytest.mark.parametrize("attention", ["none", "se", "cbam"])
def test_every_stage_and_its_attention_reach_the_embedding(attention: str, fusion: str) -> None:
    model = network(attention=attention, fusion=fusion)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # the last one of a fresh residual block is 0 and hides the block
            nn.init.ones_(module.weight)
    model.embed(IMAGES).square().sum().backward()
    silent = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert silent == {"classifier.weight", "classifier.bias"}


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
        assert network(last_stride=stride, fusion=fusion, attention="cbam").eval().embed(IMAGES).shape == (4, 16)


def test_published_sizes() -> None:
    """The shapes and widths that the report and its code name, at 224×224."""
    image = torch.randn(1, 3, 224, 224)
    third, fourth = StagedBackbone("resnet18", False).eval().stages(image)[2:]
    assert third.shape == (1, 256, 14, 14)
    assert fourth.shape == (1, 512, 7, 7)
    widths = {"none": 512, "add": 512, "concat": 1024, "global-concat": 2048}
    for fusion, width in widths.items():
        model = network(backbone="resnet18", fusion=fusion, embedding=1024)
        assert (model.embedding[0].in_features, model.embedding[0].out_features) == (width, 1024)
    assert network(backbone="mobilenetv3_small_100", head="vanilla", embedding=0).dim == 576
    assert network(backbone="legacy_seresnext50_32x4d", embedding=512).embedding[0].in_features == 2048


@pytest.mark.parametrize("pooling", ["average", "max", "gem"])
def test_every_pooling_learns_with_and_without_fusion(pooling: str) -> None:
    for options in ({}, {"attention": "se", "fusion": "concat"}):
        assert network(pooling=pooling, **options)(IMAGES).features[0].shape == (4, 16)


@pytest.mark.parametrize("name", ["mobilenetv3_small_100", "vit_tiny_patch16_224", "convnext_atto"])
def test_any_timm_model_is_a_backbone_until_stages_are_asked_for(name: str) -> None:
    assert network(backbone=name, image_size=(64, 32)).eval().embed(IMAGES).shape == (4, 16)
    with pytest.raises(RecipeError, match=f"{name} has no ResNet stages; set model.attention=none model.fusion=none"):
        network(backbone=name, attention="se")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"head": "fc-bn"}, "head = 'fc-bn': input should be 'vanilla', 'fc-relu-dropout-bn-fc'"),
        ({"attention": "eca"}, "attention = 'eca': input should be 'none', 'se' or 'cbam'"),
        ({"fusion": "sum"}, "'concat', 'add' or 'global-concat'"),
        ({"embedding": -1}, "greater than or equal to 0"),
        ({"dropout": 1.0}, "less than 1"),
        ({"embeding": 5}, "did you mean 'embedding'"),
    ],
)
def test_a_wrong_option_is_told_the_right_ones(options: dict, told: str) -> None:
    with pytest.raises(RecipeError, match=told.replace("(", r"\(")):
        make(MODELS, {"name": "embedding-network", **options}, "model", num_classes=3, image_size=(64, 32))
