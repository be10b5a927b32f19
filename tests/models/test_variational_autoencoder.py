"""The variational autoencoder: what its latents are, drawn images, labels, and sizes that cannot be halved."""

from __future__ import annotations

import pytest
import torch

from resight.errors import RecipeError
from resight.models.variational_autoencoder import VariationalAutoencoder


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


def test_a_size_that_cannot_be_halved_so_often_is_named() -> None:
    with pytest.raises(
        RecipeError, match=r"image: 64×40 cannot be halved 4 times .*that 16 divides, or fewer channels"
    ):
        VariationalAutoencoder({}, image_size=(64, 40))


@pytest.mark.parametrize(("activation", "function"), [("sigmoid", torch.sigmoid), ("tanh", torch.tanh)])
def test_a_last_activation_bounds_what_the_decoder_makes(activation: str, function) -> None:
    images = torch.randn(2, 3, 16, 8)
    plain, bounded = small_vae().eval(), small_vae(activation=activation).eval()
    bounded.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert torch.equal(bounded.reconstruct(images), function(plain.reconstruct(images)))
        plain.decoder[-1].bias.fill_(40.0)
        bounded.load_state_dict(plain.state_dict())
        assert bounded.sample(2).amin() == 1 == bounded.pixels[1]
    assert plain.pixels is None
