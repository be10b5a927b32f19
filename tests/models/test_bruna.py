"""Bruna's three forms: widths, a frozen U-Net, and what masks change."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resight.models.bruna import Bruna
from resight.models.unet import UNet

ATTRIBUTES = {"hat": 2, "age": 4}


class Given(nn.Module):
    """A segmenter whose mask is the left half."""

    bottleneck = 6

    def both(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.full_like(images[:, :1], -50.0)
        logits[..., : images.shape[3] // 2] = 50.0
        return logits, images.mean((2, 3), keepdim=True).repeat(1, 2, 1, 1)


def bruna(masks: str, segmenter: nn.Module | None = None, **options) -> Bruna:
    torch.manual_seed(0)
    return Bruna(ATTRIBUTES, "resnet10t", pretrained=False, masks=masks, unet=segmenter, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("masks", "dim"), [("none", 1600), ("blank", 1600), ("channel", 1664)])
def test_features_and_attributes(masks: str, dim: int) -> None:
    model = bruna(masks, UNet(width=2, depth=2)).eval()
    images = torch.randn(3, 3, 32, 16)
    feature, logits = model(images)
    assert feature.shape == (3, dim) == (3, model.dim)
    assert {name: values.shape[1] for name, values in logits.items()} == {"hat": 1, "age": 4}
    assert torch.equal(model.embed(images), feature)
    assert torch.equal(model.recognise(images)["age"], logits["age"])


def test_distances_begin_below_the_margin() -> None:
    for masks in ("none", "blank"):
        assert torch.pdist(bruna(masks, Given())(torch.randn(12, 3, 64, 32))[0]).max() < 1


def test_blanked_background_does_not_matter_and_the_person_does() -> None:
    model = bruna("blank", Given()).eval()
    images = torch.randn(2, 3, 32, 16)
    elsewhere, other = images.clone(), images.clone()
    elsewhere[..., 8:] += 1
    other[..., :8] += 1
    assert torch.equal(model.embed(images), model.embed(elsewhere))
    assert not torch.allclose(model.embed(images), model.embed(other))


def test_the_mask_is_a_fourth_channel_and_the_bottom_joins_the_feature() -> None:
    model = bruna("channel", Given(), bottleneck=5).eval()
    images = torch.randn(2, 3, 32, 16)
    seen = []
    model.backbone.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    feature = model.embed(images)
    assert seen[0].shape == (2, 4, 32, 16)
    assert torch.equal(seen[0][:, 3, :, :8], torch.ones(2, 32, 8))
    assert seen[0][:, 3, :, 8:].max() < 1e-6
    expected = model.bottom(images.mean((2, 3)).repeat(1, 2))
    assert torch.allclose(feature[:, 1600:], expected, atol=1e-6)


def test_the_segmenter_stays_as_it_is() -> None:
    model = bruna("channel", UNet(width=2, depth=2))
    before = {name: value.clone() for name, value in model.segmenter.state_dict().items()}
    model(torch.randn(4, 3, 32, 16))  # as it is made
    feature, logits = model.train()(torch.randn(4, 3, 32, 16))
    (feature.square().sum() + sum(values.sum() for values in logits.values())).backward()
    assert all(parameter.grad is None for parameter in model.segmenter.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.segmenter.state_dict().items())
    assert model.bottom.weight.grad is not None
