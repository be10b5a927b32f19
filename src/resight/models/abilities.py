"""What models can do, each ability as a Protocol: a model has it by having the methods, without deriving from it.

>>> isinstance(UNet(), Segments), isinstance(UNet(), Embeds)
(True, False)

Images are normalised (batch, 3, height, width) throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = [
    "Borrowed",
    "Borrows",
    "Embeds",
    "ReadsLabels",
    "Recognises",
    "Reconstructs",
    "Samples",
    "Segments",
]


@runtime_checkable
class Embeds(Protocol):
    """Makes vectors that retrieval compares."""

    dim: int
    """Width of the features that losses read, in each branch; an embedding may be wider."""

    def embed(self, images: Tensor) -> Tensor:
        """Images -> embeddings (batch, width), not normalised."""


@runtime_checkable
class Recognises(Protocol):
    """Tells the attributes of an image."""

    def recognise(self, images: Tensor) -> dict[str, Tensor]:
        """Images -> attribute -> logits (batch, classes), or (batch, 1) for the second one of two classes."""


@runtime_checkable
class Reconstructs(Protocol):
    """Makes images anew."""

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images -> images of the same shape and normalisation."""


@runtime_checkable
class Samples(Protocol):
    """Makes images from nothing."""

    def sample(self, count: int) -> Tensor:
        """New normalised images (count, 3, height, width), by PyTorch's random numbers."""


@runtime_checkable
class Segments(Protocol):
    """Tells the individual from the background."""

    def segment(self, images: Tensor) -> Tensor:
        """Images -> logits (batch, 1, height, width)."""


@runtime_checkable
class ReadsLabels(Protocol):
    """Is told the attributes of the images that it trains on: `model(images, targets)`."""

    classes: Sequence[int]
    """Of each attribute that it is told; empty where it was built to be told none."""


class Borrowed(NamedTuple):
    """A part of a model whose weights another run brings."""

    part: nn.Module
    recipe: str
    """The recipe that makes such a run."""


@runtime_checkable
class Borrows(Protocol):
    """Begins a training with parts that other runs have trained."""

    @property
    def borrows(self) -> Mapping[str, Borrowed]:
        """Parts by the option of the model that names the run."""
