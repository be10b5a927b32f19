"""Heads: attributes from a feature, and what lies between a pooled feature and a classifier."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from resight.errors import RecipeError
from resight.models.heads import AttributeHeads, HeadDesign, embedding_layers, probabilities

WIDTHS = {"gender": 2, "age": 4, "a.b c": 3}


def test_heads_of_one_output_are_the_probability_of_the_second_class() -> None:
    heads = AttributeHeads(8, WIDTHS, binary_outputs=1)
    logits = heads(torch.randn(5, 8))
    assert logits["gender"].shape == (5, 1)
    found = probabilities(logits)
    assert found["gender"].shape == (5, 2)
    torch.testing.assert_close(found["gender"][:, 1], torch.sigmoid(logits["gender"][:, 0]))
    for values in found.values():
        torch.testing.assert_close(values.sum(1), torch.ones(5))


def test_a_single_head_divides_its_outputs_among_the_attributes() -> None:
    heads = AttributeHeads(8, WIDTHS, binary_outputs=1, single=True)
    features = torch.randn(5, 8)
    (linear,) = (layer for layer in heads.modules() if isinstance(layer, nn.Linear))
    assert linear.out_features == 1 + 4 + 3
    found = heads(features)
    assert list(found) == list(WIDTHS)
    torch.testing.assert_close(torch.cat(list(found.values()), dim=1), linear(features))
    assert [values.shape[1] for values in found.values()] == [1, 4, 3]


def test_hidden_layers_of_a_head_are_its_own() -> None:
    heads = AttributeHeads(8, WIDTHS, hidden=5)
    sizes = [(layer.in_features, layer.out_features) for layer in heads.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [(8, 5), (5, 2), (8, 5), (5, 4), (8, 5), (5, 3)]


@pytest.mark.parametrize("head", get_args(HeadDesign))
def test_a_head_does_what_its_name_says(head: str) -> None:
    layers = embedding_layers(512, 16, head, dropout=0.5)
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


@pytest.mark.parametrize("head", get_args(HeadDesign))
def test_with_a_further_classifier_the_last_fc_is_a_layer(head: str) -> None:
    alone = embedding_layers(12, 5, head, dropout=0.5)
    followed = embedding_layers(12, 5, head, dropout=0.5, further_classifier=True)
    added = [] if head == "vanilla" else [nn.Linear]
    assert [type(layer) for layer in followed] == [*map(type, alone), *added]
    assert followed(torch.randn(4, 12)).shape == (4, 5)
    if added:
        assert followed.eval()(torch.randn(64, 12)).min() < 0, "no ReLU comes last"


def test_dropout_of_0_drops_nothing() -> None:
    layers = embedding_layers(512, 16, "fc-relu-dropout-bn-fc", dropout=0.0)
    features = torch.randn(8, 512)
    assert torch.equal(layers(features), layers(features))


def test_only_vanilla_can_do_without_an_embedding() -> None:
    features = torch.randn(3, 512)
    assert torch.equal(embedding_layers(512, 0, "vanilla", dropout=0.5)(features), features)
    with pytest.raises(RecipeError, match=r"model.head=fc-bn-fc begins with an FC; give model.embedding"):
        embedding_layers(512, 0, "fc-bn-fc", dropout=0.5)
