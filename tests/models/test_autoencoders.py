"""Autoencoders: shapes, what unpooling gives back, what the latents are, and sizes that cannot be halved."""

from __future__ import annotations

import pytest
import torch

from resight.errors import RecipeError
from resight.models.convolutional_autoencoder import ConvolutionalAutoencoder
from resight.models.variational_autoencoder import VariationalAutoencoder
from resight.recipe import ImageOptions, load_recipe
from resight.recognizer import Recognizer
from resight.run import build_model

SMALL = {"channels": (4, 6, 8), "image_size": (32, 16)}


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("bottleneck", [0, 1])
def test_a_reconstruction_has_the_shape_of_its_image_and_all_weights_learn(norm: bool, bottleneck: int) -> None:
    torch.manual_seed(0)
    model = ConvolutionalAutoencoder(norm=norm, bottleneck=bottleneck, **SMALL)
    images = torch.randn(4, 3, 32, 16)
    output = model(images)
    assert output.made.shape == images.shape
    assert output.given is images
    (output.made - images).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == 2 * (2 + 2 + 4)


def test_unpooling_puts_each_value_where_its_maximum_lay() -> None:
    model = ConvolutionalAutoencoder(**SMALL).eval()
    # Blocks that hand their input on: what remains of an image is the largest of each 8×8 cell, in its place.
    model.down = torch.nn.ModuleList([torch.nn.Identity()] * 3)
    model.up = torch.nn.ModuleList([torch.nn.Identity()] * 3)
    images = torch.rand(2, 3, 32, 16)
    made = model.reconstruct(images)
    for row in range(0, 32, 8):
        for column in range(0, 16, 8):
            cell = images[:, :, row : row + 8, column : column + 8].flatten(2)
            kept = made[:, :, row : row + 8, column : column + 8].flatten(2)
            assert torch.equal(kept.argmax(2), cell.argmax(2))
            assert torch.equal(kept.sum(2), cell.amax(2))


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [("junk-autoencoder", (100, 64), "that 8 divides"), ("reid-vae", (64, 40), "halved 4 times")],
)
def test_a_size_that_cannot_be_halved_is_named(name: str, size: tuple[int, int], told: str) -> None:
    recipe = load_recipe(name, [f"image.height={size[0]}", f"image.width={size[1]}"])
    with pytest.raises(RecipeError, match=f"image: {size[0]}×{size[1]} cannot be halved") as caught:
        build_model(recipe, 1)
    assert told in str(caught.value)


def small_vae(**options: object) -> VariationalAutoencoder:
    torch.manual_seed(0)
    attributes = {"hat": 2, "top": 3}
    return VariationalAutoencoder(attributes, dim=5, channels=(4, 8), image_size=(16, 8), **options)  # type: ignore[arg-type]


def test_the_embedding_is_the_mean_and_training_samples_around_it() -> None:
    model = small_vae()
    images = torch.randn(64, 3, 16, 8)
    with torch.no_grad():
        model.to_latents.weight.zero_()
        model.to_latents.bias.copy_(torch.tensor([1.0, 2, 3, 4, 5, 0, 0, 0, 0, 0]))
        trained = model.train()(images)
        looked = model.eval()(images)
        assert torch.equal(model.embed(images), torch.arange(1.0, 6).expand(64, 5))
        assert torch.equal(looked.latents, looked.mean)
        assert torch.equal(looked.made, model.reconstruct(images))
    spread = (trained.latents - trained.mean).std()
    assert 0.85 < spread < 1.15, "log-variance 0 is a deviation of 1"


def test_new_images_are_drawn_and_pixels_have_no_bounds() -> None:
    model = small_vae().eval()
    with torch.no_grad():
        drawn = model.sample(7)
        model.decoder[-1].bias.fill_(40.0)
        assert model.sample(2).amin() > 30, "no final activation squashes them"
    assert drawn.shape == (7, 3, 16, 8)
    assert not torch.equal(drawn[0], drawn[1])


def test_labels_change_the_code_unless_they_are_unknown() -> None:
    model = small_vae(labels=True).eval()
    images = torch.randn(1, 3, 16, 8)
    with torch.no_grad():
        bare, unknown = model(images), model(images, torch.tensor([[-1, -1]]))
        hat, top = model(images, torch.tensor([[1, -1]])), model(images, torch.tensor([[-1, 2]]))
        assert torch.equal(bare.mean, unknown.mean)
        assert torch.equal(model.embed(images), bare.mean)
        assert not torch.equal(bare.mean, hat.mean)
        assert not torch.equal(hat.mean, top.mean)
        assert not torch.equal(hat.made, top.made)
        model.hidden = 1.0
        model.train()
        torch.manual_seed(1)
        hidden = model(images.expand(2, -1, -1, -1), torch.tensor([[1, 2], [0, 1]]))
        torch.manual_seed(1)
        told = model(images.expand(2, -1, -1, -1), torch.tensor([[-1, -1], [-1, -1]]))
        assert torch.equal(hidden.mean, told.mean), "hidden in training"


def test_labels_need_attributes() -> None:
    with pytest.raises(RecipeError, match="system=labelled-reconstruction"):
        VariationalAutoencoder({}, labels=True)


def test_a_recognizer_gives_pictures_and_errors_of_uint8_images(tiny) -> None:
    recipe = tiny(recipe="junk-autoencoder")
    recognizer = Recognizer(build_model(recipe, 1), recipe, device="cpu")
    assert recognizer.reconstructs
    assert not recognizer.embeds
    images = torch.randint(0, 256, (3, 3, 32, 16), dtype=torch.uint8)
    made = recognizer.reconstruct_batch(images)
    assert made.dtype == "uint8"
    assert made.shape == (3, 3, 32, 16)
    # An error on the network's scale of [-1, 1] is four times that on [0, 1]; rounding and clipping are lost here.
    expected = ((made / 255.0 - images.numpy() / 255.0) ** 2).mean((1, 2, 3)) * 4
    assert recognizer.reconstruction_error_batch(images) == pytest.approx(expected, rel=0.2)
    assert recipe.image == ImageOptions(height=32, width=16, mean=(0.5,) * 3, std=(0.5,) * 3)
