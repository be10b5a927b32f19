"""A pretrained trunk with a head for each attribute."""

from __future__ import annotations

import pytest
import torch

from resight.data.attributes import MARKET_SCHEMA
from resight.models.attribute_classifier import AttributeClassifier

WIDTHS = {"gender": 2, "age": 4, "a.b c": 3}


@pytest.mark.parametrize("size", [(64, 32), (48, 48)])
def test_every_attribute_gets_its_classes(size: tuple[int, int]) -> None:
    model = AttributeClassifier(WIDTHS, "resnet10t", pretrained=False, image_size=size)
    for training in (True, False):
        logits = model.train(training).recognise(torch.randn(2, 3, *size))
        assert {name: tuple(values.shape) for name, values in logits.items()} == {
            "gender": (2, 2),
            "age": (2, 4),
            "a.b c": (2, 3),
        }


def test_the_heads_read_the_pooled_feature_of_the_trunk() -> None:
    model = AttributeClassifier({"gender": 2, "age": 4}, "resnet10t", pretrained=False, binary_outputs=1).eval()
    images = torch.randn(2, 3, 64, 32)
    feature = model.backbone.trunk.forward_features(images).mean((2, 3))
    logits = model.recognise(images)
    assert logits["gender"].shape == (2, 1)
    torch.testing.assert_close(logits["age"], model.heads(feature)["age"])


def test_a_single_head_has_the_reports_thirty_outputs_and_the_two_multi_colours() -> None:
    widths = {name: len(classes) for name, classes in MARKET_SCHEMA.classes.items()}
    model = AttributeClassifier(widths, "resnet10t", pretrained=False, binary_outputs=1, heads="single")
    assert sum(values.shape[1] for values in model.recognise(torch.randn(2, 3, 64, 32)).values()) == 30 + 2
    (weight,) = (values for name, values in model.heads.named_parameters() if name.endswith("weight"))
    assert weight.shape == (32, model.backbone.dim)
