"""The vehicle family: head designs, attention and fusion in place, strides, any backbone."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from resight.errors import RecipeError
from resight.models import MODELS
from resight.models.embedding_network import EmbeddingNetwork
from resight.models.heads import HeadDesign
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


def test_vanilla_without_an_embedding_is_the_pooled_feature() -> None:
    model = network(head="vanilla", embedding=0)
    assert model.dim == 512
    torch.testing.assert_close(model.eval().embed(IMAGES), model.backbone(IMAGES))
    with pytest.raises(RecipeError, match=r"model.head=fc-bn-fc begins with an FC; give model.embedding"):
        network(head="fc-bn-fc", embedding=0)


@pytest.mark.parametrize("head", [head for head in get_args(HeadDesign) if head != "vanilla"])
def test_a_further_classifier_reads_the_result_of_the_whole_head(head: str) -> None:
    model = network(head=head, further_classifier=True)
    layers = [LETTERS[type(layer).__name__] for layer in [*model.embedding, model.classifier]]
    assert "-".join(layers) == f"{head}-fc"
    output = model(IMAGES)
    torch.testing.assert_close(output.logits[0], model.classifier(output.features[0]))


# Of MobileNetV3-Small's 576 pooled channels, 1024 numbers and 576 vehicles: an FC has 576 · 1024 = 589,824 weights, or
# 1024 · 1024 = 1,048,576 within the head, and the classifier 589,824; each has a bias for every output. BatchNorm has
# 2 · 1024 = 2,048.
VANILLA = 589_824 + 1_024 + 589_824 + 576
COUNTS = [
    ({"head": "vanilla", "embedding": 0}, 576 * 576 + 576),
    ({"head": "vanilla", "embedding": 0, "classifier_bias": False}, 576 * 576),
    ({"head": "vanilla"}, VANILLA),
    ({"head": "vanilla", "further_classifier": True}, VANILLA),
    ({"head": "vanilla", "embedding_bias": False, "classifier_bias": False}, 589_824 + 589_824),
    *(({"head": head}, VANILLA + 2_048) for head in get_args(HeadDesign) if head != "vanilla"),
    ({"head": "fc-bn-relu-dropout-fc", "further_classifier": True}, VANILLA + 2_048 + 1_048_576 + 1_024),
    ({"head": "fc-bn-fc", "classifier_bias": False}, VANILLA + 2_048 - 576),
    ({"head": "fc-bn-fc", "embedding_bias": False}, VANILLA + 2_048 - 1_024),
    ({"head": "fc-bn-fc", "embedding_bias": False, "further_classifier": True}, VANILLA + 2_048 - 1_024 + 1_048_576),
]


def test_the_parameters_of_every_head_by_hand() -> None:
    for options, count in COUNTS:
        layers = network(backbone="mobilenetv3_small_100", num_classes=576, **{"embedding": 1024, **options})
        parts = [*layers.embedding.parameters(), *layers.classifier.parameters()]
        assert sum(part.numel() for part in parts) == count, options


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


@pytest.mark.parametrize("fusion", ["none", "concat", "global-concat"])
def test_both_strides_fit_every_fusion(fusion: str) -> None:
    for stride in (1, 2):
        assert network(last_stride=stride, fusion=fusion, attention="cbam").eval().embed(IMAGES).shape == (4, 16)


def test_published_widths() -> None:
    """Those that the report and its code name."""
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
