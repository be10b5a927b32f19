"""What models can do, each ability as a Protocol: a model has it by having the methods, without deriving from it.

>>> isinstance(UNet(), Segments), isinstance(UNet(), Embeds)
(True, False)

Images are normalised (batch, 3, height, width) throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = [
    "Borrowed",
    "Borrows",
    "Bounds",
    "Embeds",
    "EmbedsInPassing",
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
class EmbedsInPassing(Protocol):
    """Makes its embeddings from what its `forward` returns, so that one pass gives both."""

    def embedding_of(self, output: Any) -> Tensor:
        """The output of `forward` -> the embeddings of `embed`, to the bit."""


@runtime_checkable
class Recognises(Protocol):
    """Recognises the attributes of an image."""

    def recognise(self, images: Tensor) -> dict[str, Tensor]:
        """Images -> attribute -> logits (batch, classes), or (batch, 1) for the second of two classes."""


@runtime_checkable
class Reconstructs(Protocol):
    """Reconstructs images."""

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images -> images of the same shape and normalisation."""


@runtime_checkable
class Bounds(Protocol):
    """Says between which values the pixels of its reconstructions stay."""

    pixels: tuple[float, float] | None
    """The least and the greatest normalised value; None for any."""


@runtime_checkable
class Samples(Protocol):
    """Generates new images."""

    def sample(self, count: int) -> Tensor:
        """New normalised images (count, 3, height, width), drawn with PyTorch's generator."""


@runtime_checkable
class Segments(Protocol):
    """Separates the individual from the background."""

    def segment(self, images: Tensor) -> Tensor:
        """Images -> logits (batch, 1, height, width)."""


@runtime_checkable
class ReadsLabels(Protocol):
    """Takes the attributes of its training images as input: `model(images, targets)`."""

    classes: Sequence[int]
    """Number of classes of each attribute that it takes; empty if it takes none."""


class Borrowed(NamedTuple):
    """A part of a model whose weights come from another run."""

    part: nn.Module
    recipe: str
    """The recipe of such a run."""


@runtime_checkable
class Borrows(Protocol):
    """Has parts whose weights come from other runs when training starts."""

    @property
    def borrows(self) -> Mapping[str, Borrowed]:
        """The model's option that names the run -> the part."""
