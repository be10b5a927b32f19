"""Which model can do what, and that each ability gives what it promises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from resight.models import MODELS
from resight.models.abilities import (
    Borrows,
    Embeds,
    EmbedsInPassing,
    ReadsLabels,
    Recognises,
    Reconstructs,
    Samples,
    Segments,
)
from resight.models.bruna import Bruna
from resight.models.unet import UNet

ATTRIBUTES = {"hat": 2, "age": 3}
SIZE = (32, 16)
IMAGES = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
TRUNK = {"backbone": "resnet10t", "pretrained": False}
OPTIONS = {
    "strong-baseline": {"num_classes": 5, **TRUNK},
    "two-branch": {"num_classes": 5, **TRUNK},
    "embedding-network": {"num_classes": 5, **TRUNK},
    "osnet": {"num_classes": 5, "multiplier": 0.25},
    "attribute-classifier": {"attributes": ATTRIBUTES, **TRUNK},
    "residual-cnn": {"attributes": ATTRIBUTES, "channels": (4, 8), "hidden": 8},
    "lenet5": {"attributes": ATTRIBUTES, "image_size": SIZE},
    "convolutional-autoencoder": {"channels": (4, 6, 8), "image_size": SIZE},
    "variational-autoencoder": {"attributes": ATTRIBUTES, "channels": (4, 8), "dim": 6, "image_size": SIZE},
    "unet": {"width": 2, "depth": 2},
    "bruna": {"attributes": ATTRIBUTES, "dim": 6, **TRUNK},
}
"""Of every model of the table: what makes it small."""
CAN = {
    "strong-baseline": {Embeds, EmbedsInPassing},
    "two-branch": {Embeds, EmbedsInPassing},
    "embedding-network": {Embeds, EmbedsInPassing},
    "osnet": {Embeds, EmbedsInPassing},
    "attribute-classifier": {Recognises},
    "residual-cnn": {Recognises},
    "lenet5": {Recognises},
    "convolutional-autoencoder": {Reconstructs},
    "variational-autoencoder": {Embeds, Reconstructs, Samples, ReadsLabels},
    "unet": {Segments},
    "bruna": {Embeds, EmbedsInPassing, Recognises, Borrows},
}
ALL = {Borrows, Embeds, EmbedsInPassing, ReadsLabels, Recognises, Reconstructs, Samples, Segments}


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[name](**OPTIONS[name]).eval()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_abilities_that_it_has_methods_for(name: str) -> None:
    assert {ability for ability in ALL if isinstance(built(name), ability)} == CAN[name]


@pytest.mark.parametrize("name", [name for name in CAN if Embeds in CAN[name]])
def test_embeddings_are_a_row_for_each_image_whatever_else_is_in_the_batch(name: str) -> None:
    model = built(name)
    found = model.embed(IMAGES)
    assert found.shape[0] == 2
    assert found.shape[1] % model.dim == 0
    torch.testing.assert_close(model.embed(IMAGES[1:]), found[1:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in CAN if EmbedsInPassing in CAN[name]])
def test_one_pass_gives_the_output_and_the_embeddings(name: str) -> None:
    model = built(name)
    assert torch.equal(model.embedding_of(model(IMAGES)), model.embed(IMAGES))


@pytest.mark.parametrize("name", [name for name in CAN if Recognises in CAN[name]])
def test_every_attribute_is_told(name: str) -> None:
    logits = built(name).recognise(IMAGES)
    assert list(logits) == list(ATTRIBUTES)
    assert logits["hat"].shape in {(2, 2), (2, 1)}
    assert logits["age"].shape == (2, 3)


@pytest.mark.parametrize("name", [name for name in CAN if Reconstructs in CAN[name]])
def test_reconstructions_have_the_images_shape(name: str) -> None:
    assert built(name).reconstruct(IMAGES).shape == IMAGES.shape


def test_new_images_and_masks_have_the_networks_shapes() -> None:
    assert built("variational-autoencoder").sample(3).shape == (3, 3, *SIZE)
    assert built("unet").segment(IMAGES).shape == (2, 1, *SIZE)


def test_a_model_of_ones_own_derives_from_nothing() -> None:
    class Mean(nn.Module):
        dim = 3

        def embed(self, images: Tensor) -> Tensor:
            return images.mean((2, 3))

    assert isinstance(Mean(), Embeds)
    assert not isinstance(Mean(), Recognises)
    assert not isinstance(nn.Linear(2, 2), Embeds)


def test_what_is_borrowed_is_the_part_itself_and_the_recipe_that_makes_it() -> None:
    assert not Bruna(ATTRIBUTES, **TRUNK).borrows
    model = Bruna(ATTRIBUTES, masks="blank", unet=UNet(width=2, depth=2), **TRUNK)
    assert model.borrows == {"segmenter": (model.segmenter, "segmentation-unet")}
