"""Changes of colour."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torchvision.transforms import v2

from resight.data.augmentations.base import Augmentation, Probability, sometimes, without_mask

__all__ = ["equalise", "jitter", "pca_colour"]

Spread = Annotated[float, Field(ge=0)]

# Principal components of the RGB values, in [0, 1], of ImageNet's pixels, as published in Torch's ImageNet training
# code. Each column is an eigenvector; the first is nearly grey and makes an image lighter or darker.
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def jitter(
    brightness: Spread = 0.2,
    contrast: Spread = 0.2,
    saturation: Spread = 0.2,
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.01,
    probability: Probability = 1.0,
) -> Augmentation:
    """Multiply brightness, contrast and saturation by random factors within 1 ± the value given.

    The hue turns by up to ± `hue` of a full turn.
    """
    return sometimes(v2.ColorJitter(brightness, contrast, saturation, hue), probability)


def pca_colour(sigma: Spread = 0.1, probability: Probability = 0.5) -> Augmentation:
    """Add one random colour to all pixels, along the principal components of ImageNet's colours (AlexNet, section 4.1).

    The colour is Σ a · eigenvalue · eigenvector with a drawn from N(0, sigma) for each component, in units of the
    full scale: with the default about ±3 of 255, nearly grey. (torchreid's code pairs the eigenvalues with the rows of
    the eigenvectors' matrix, which makes the strongest one a tint between yellow and blue.)
    """
    return sometimes(without_mask(partial(_shifted, sigma=sigma)), probability)


def _shifted(tensor: Tensor, sigma: float) -> Tensor:
    shift = torch.tensor(EIGENVECTORS) @ (torch.tensor(EIGENVALUES) * torch.randn(3) * sigma)
    return (tensor + (255 * shift)[:, None, None]).round().clamp(0, 255).to(torch.uint8)


def equalise(probability: Probability = 0.01) -> Augmentation:
    """Equalise the histogram of each channel."""
    return v2.RandomEqualize(probability)
