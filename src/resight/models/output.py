"""Outputs of models in training; what a trained model can do is in `resight.models.abilities`."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["AttributedFeature", "Reconstruction", "ReidOutput"]


class ReidOutput(NamedTuple):
    """Output of a re-identification model: one entry per branch in `features` and in `logits`."""

    features: tuple[Tensor, ...]
    """What triplet and centre losses read, each (batch, dim), `dim` being the model's attribute."""
    logits: tuple[Tensor, ...]
    """Identity scores, each (batch, classes)."""


class AttributedFeature(NamedTuple):
    """Of a model that embeds and recognises in one pass."""

    feature: Tensor
    """(batch, dim), as `embed` returns it."""
    logits: dict[str, Tensor]
    """Attribute -> logits, as `recognise` returns them."""


class Reconstruction(NamedTuple):
    """Output of an autoencoder; the last three, each (batch, dim), are a variational one's only."""

    given: Tensor
    """Normalised images (batch, 3, height, width)."""
    made: Tensor
    """Their reconstructions, in the same shape."""
    mean: Tensor | None = None
    log_variance: Tensor | None = None
    latents: Tensor | None = None
    """Drawn from the Gaussian that the two above describe; in evaluation its mean."""
