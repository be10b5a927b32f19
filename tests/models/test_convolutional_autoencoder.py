"""The autoencoder for junk: shapes, what unpooling gives back, and sizes that cannot be halved."""

from __future__ import annotations

import pytest
import torch

from resight.errors import RecipeError
from resight.models.convolutional_autoencoder import ConvolutionalAutoencoder

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


def test_only_what_fits_through_a_bottleneck_comes_out() -> None:
    """With pooling places given, a bottleneck of one number leaves one degree of freedom to the values between."""
    torch.manual_seed(0)
    model = ConvolutionalAutoencoder(bottleneck=1, **SMALL).eval()
    maps = torch.randn(20, 8, 4, 2)
    squeezed = model.middle(maps).flatten(1)
    assert squeezed.shape == (20, 64)
    assert torch.linalg.matrix_rank(squeezed - squeezed.mean(0)) == 1


def test_a_size_that_cannot_be_halved_three_times_is_named() -> None:
    with pytest.raises(RecipeError, match="image: 100×64 cannot be halved by three poolings; .* that 8 divides"):
        ConvolutionalAutoencoder(image_size=(100, 64))
