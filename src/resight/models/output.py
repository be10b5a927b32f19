"""What a system that trains a model reads of it; what a trained one can do is in `resight.models.abilities`."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["AttributedFeature", "Reconstruction", "ReidOutput"]


class ReidOutput(NamedTuple):
    """Of a re-identification model. One entry per branch in `features` and `logits`; single-branch models have one of each."""

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
    """Of an autoencoder; the latents, each (batch, dim), of a variational one only."""

    given: Tensor
    """Normalised images (batch, 3, height, width)."""
    made: Tensor
    """The same as the network makes them anew."""
    mean: Tensor | None = None
    log_variance: Tensor | None = None
    latents: Tensor | None = None
    """Drawn from the Gaussian that the two above describe; in evaluation its mean."""
