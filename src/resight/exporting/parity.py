"""Whether an exported file makes the embeddings that its run makes, at batches of several sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from resight.errors import RunError
from resight.recognizer import Recognizer

__all__ = ["BATCHES", "LEAST", "LEAST_INT8", "Parity", "made_up", "parity"]

BATCHES = (1, 7, 64)
"""One image, a number that nothing divides, and the usual batch: an export that fixed its batch fails at one of them."""
LEAST = 0.9999
"""Least cosine of a file's embedding and the run's."""
LEAST_INT8 = 0.95
"""The same for weights and activations of 8 bits, over images of the data that it was calibrated for."""


@dataclass(frozen=True)
class Parity:
    """The least cosine between an embedding of the run and of the file, for each size of batch."""

    worst: dict[int, float]
    mean: float
    """The mean over all images."""

    @property
    def least(self) -> float:
        return min(self.worst.values())

    def require(self, least: float) -> None:
        """Raise RunError unless every cosine is above `least`."""
        if not self.least > least:
            batch = min(self.worst, key=lambda size: self.worst[size])
            raise RunError(
                f"the exported file's embeddings are not the run's: worst cosine {self.least:.5f} at a batch of {batch}, "
                f"{least} is the least; nothing was written"
            )

    def __str__(self) -> str:
        told = ", ".join(f"{value:.6f} at {size}" for size, value in self.worst.items())
        return f"worst cosine {told}; mean {self.mean:.6f}"


def parity(run: Recognizer, exported: Recognizer, images: Tensor) -> Parity:
    """Embed the same images by both, uint8 (N, 3, height, width) of the run's size, in batches of 1, 7 and 64.

    Where there are fewer images than a batch has, they are repeated. What is compared is what both give to retrieval:
    features and the attributes that the metric weighs, each with its own cosine.
    """
    worst, all_found = {}, []
    for size in BATCHES:
        batch = images[torch.arange(size) % len(images)]
        pairs = zip(run.embed_batch(batch), exported.embed_batch(batch), strict=True)
        found = [_cosines(one, other) for one, other in pairs if one is not None and other is not None]
        worst[size] = float(min(values.min() for values in found))
        all_found += found
    return Parity(worst, float(np.concatenate(all_found).mean()))


def made_up(height: int, width: int, count: int = max(BATCHES), seed: int = 0) -> Tensor:
    """Pictures of nothing, uint8 (count, 3, height, width): noise from coarse to fine, so that features differ."""
    random = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        cells = 2 ** (1 + number % 6)
        rows, columns = min(height, cells), min(width, cells)
        coarse = random.integers(0, 256, (3, rows, columns), dtype=np.uint8)
        places = (np.arange(height) * rows // height)[:, None], (np.arange(width) * columns // width)[None, :]
        pictures.append(coarse[:, places[0], places[1]])
    return torch.from_numpy(np.stack(pictures))


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosine of each pair of rows; two rows of zeros are equal."""
    if one.shape != other.shape:
        raise RunError(f"the exported file gives {other.shape} where the run gives {one.shape}; nothing was written")
    a, b = one.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = (a * b).sum(1) / np.where(lengths > 0, lengths, 1)
    return np.where((a == b).all(1), 1.0, cosines)
