"""What systems read of the models that they train: a field a loss can name."""

from __future__ import annotations

import pytest
import torch

from resight.losses import LOSSES, RECONSTRUCTION_LOSSES
from resight.models.bruna import Bruna
from resight.models.convolutional_autoencoder import ConvolutionalAutoencoder
from resight.models.output import Reconstruction, ReidOutput
from resight.models.strong_baseline import StrongBaseline
from resight.models.two_branch import TwoBranch
from resight.models.variational_autoencoder import VariationalAutoencoder
from resight.recipe import make

IMAGES = torch.randn(2, 3, 32, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("model", "branches"), [(StrongBaseline, 1), (TwoBranch, 2)])
def test_a_reid_model_gives_features_and_logits_of_each_branch(model, branches: int) -> None:  # type: ignore[no-untyped-def]
    network = model(num_classes=5, backbone="resnet10t", pretrained=False)
    output = network(IMAGES)
    assert [tuple(values.shape) for values in output.features] == [(2, network.dim)] * branches
    assert [tuple(values.shape) for values in output.logits] == [(2, 5)] * branches


def test_a_model_that_does_both_gives_what_it_would_give_alone() -> None:
    torch.manual_seed(0)
    model = Bruna({"hat": 2}, "resnet10t", pretrained=False, dim=6).eval()
    output = model(IMAGES)
    assert torch.equal(output.feature, model.embed(IMAGES))
    assert torch.equal(output.logits["hat"], model.recognise(IMAGES)["hat"])


def test_latents_are_a_variational_autoencoders_only() -> None:
    plain = ConvolutionalAutoencoder(channels=(4, 6, 8), image_size=(32, 16))(IMAGES)
    assert plain.given is IMAGES
    assert (plain.mean, plain.log_variance, plain.latents) == (None, None, None)
    output = VariationalAutoencoder({}, dim=6, channels=(4, 8), image_size=(32, 16))(IMAGES)
    assert all(values.shape == (2, 6) for values in (output.mean, output.log_variance, output.latents))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_read_fields_that_there_are(name: str) -> None:
    loss = make(LOSSES, {"name": name}, "losses", num_classes=5, dim=4)
    assert loss.reads
    assert set(loss.reads) <= set(ReidOutput._fields)


@pytest.mark.parametrize("name", RECONSTRUCTION_LOSSES)
def test_so_do_those_of_autoencoders(name: str) -> None:
    loss = RECONSTRUCTION_LOSSES[name]()
    assert loss.reads
    assert set(loss.reads) <= set(Reconstruction._fields)
