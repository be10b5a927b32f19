"""The VAE report's variational autoencoder (section 3.2; Kingma and Welling 2014)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from resight.errors import RecipeError
from resight.models.output import Reconstruction

__all__ = ["VariationalAutoencoder"]

Width = Annotated[int, Field(ge=1)]

_ACTIVATIONS: dict[str, tuple[type[nn.Module], tuple[float, float] | None]] = {
    "none": (nn.Identity, None),
    "sigmoid": (nn.Sigmoid, (0.0, 1.0)),
    "tanh": (nn.Tanh, (-1.0, 1.0)),
}
"""Name of the decoder's last activation -> its layer, and the pixel values between which it stays."""


class VariationalAutoencoder(nn.Module):
    """Strided convolutions to a Gaussian over `dim` latents, and back. The embedding is the Gaussian's mean.

    >>> model = VariationalAutoencoder(dim=128, image_size=(64, 64))
    >>> model.embed(images).shape, model.reconstruct(images).shape  # (batch, 128), (batch, 3, 64, 64)

    Each of `channels` is a layer that halves the image. As in the report, the decoder has one more convolution at its
    end and no final `activation`: images are scaled to [-1, 1], and reconstructed pixels are not bounded. The report
    tried sigmoid, for images that are scaled to [0, 1], and then tanh, for [-1, 1].

    With `labels` the classes of an image's attributes, one-hot, are joined to the encoder's maps and to the latents. An
    unknown attribute is all zeros, as is every attribute if only images are given; in training the share `hidden` of
    the labels is made unknown, so that the network works without them.
    """

    def __init__(
        self,
        attributes: Mapping[str, int],
        dim: Width = 128,
        channels: tuple[Width, ...] = (32, 64, 128, 256),
        labels: bool = False,
        hidden: Annotated[float, Field(ge=0, le=1)] = 0.5,
        activation: Literal["none", "sigmoid", "tanh"] = "none",
        image_size: tuple[int, int] = (64, 64),
    ) -> None:
        super().__init__()
        halvings = 2 ** len(channels)
        if any(side % halvings for side in image_size):
            height, width = image_size
            raise RecipeError(
                f"image: {height}×{width} cannot be halved {len(channels)} times (model.channels); give a height and "
                f"width that {halvings} divides, or fewer channels"
            )
        if labels and not attributes:
            raise RecipeError("model.labels: this system learns no attributes; give system=labelled-reconstruction")
        self.dim, self.hidden = dim, hidden
        last, self.pixels = _ACTIVATIONS[activation]
        self.classes = list(attributes.values()) if labels else []
        known = sum(self.classes)
        self.grid = (channels[-1], image_size[0] // halvings, image_size[1] // halvings)
        flat = self.grid[0] * self.grid[1] * self.grid[2]
        self.encoder = nn.Sequential(*(_down(*pair) for pair in itertools.pairwise((3, *channels))))
        self.to_latents = nn.Linear(flat + known, 2 * dim)
        self.from_latents = nn.Linear(dim + known, flat)
        back = (*channels[::-1], channels[0])
        self.decoder = nn.Sequential(
            *(_up(*pair) for pair in itertools.pairwise(back)), nn.Conv2d(channels[0], 3, 3, padding=1)
        )
        # In float32: in half precision a sigmoid is soon 0 or 1 exactly, where its cross-entropy has no gradient.
        self.activation = last()

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Reconstruction:
        """Normalised images, and class numbers (batch, attributes) for a model with labels -> what the losses read.

        In evaluation the mean replaces the sample, and no label is hidden.
        """
        known = self._one_hot(images.shape[0], targets, images)
        mean, log_variance = self._encode(images, known)
        latents = mean
        if self.training:
            latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return Reconstruction(images, self._decode(latents, known), mean, log_variance, latents)

    def embed(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> latent means (batch, dim)."""
        return self._encode(images, self._one_hot(images.shape[0], None, images))[0]

    def reconstruct(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> the decoded latent means, of the same shape."""
        known = self._one_hot(images.shape[0], None, images)
        return self._decode(self._encode(images, known)[0], known)

    def sample(self, count: int) -> Tensor:
        """New images (count, 3, height, width), normalised: decoded draws from the prior."""
        latents = torch.randn(count, self.dim, device=self.from_latents.weight.device)
        return self._decode(latents, self._one_hot(count, None, latents))

    def _encode(self, images: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.cat([self.encoder(images).flatten(1), known], dim=1)
        mean, log_variance = self.to_latents(features).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 20)

    def _decode(self, latents: Tensor, known: Tensor) -> Tensor:
        maps = self.decoder(self.from_latents(torch.cat([latents, known], dim=1)).unflatten(1, self.grid))
        return self.activation(maps.float())

    def _one_hot(self, count: int, targets: Tensor | None, like: Tensor) -> Tensor:
        """Class numbers -> (count, all classes); a row of an unknown attribute is zero."""
        if targets is None or not self.classes:
            return like.new_zeros(count, sum(self.classes))
        if self.training:
            targets = torch.where(torch.rand(targets.shape, device=targets.device) < self.hidden, -1, targets)
        columns = zip(targets.T, self.classes, strict=True)
        return torch.cat([F.one_hot(column + 1, classes + 1)[:, 1:] for column, classes in columns], dim=1).to(like)


def _down(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)
    )


def _up(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2),
    )
