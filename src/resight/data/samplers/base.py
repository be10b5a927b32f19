"""What all samplers share: epochs, shards among processes, and a seed for each image's random changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

__all__ = ["BatchSampler", "Draw", "images_by_identity"]


class Draw(NamedTuple):
    """One image of a batch and the seed of its random changes."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used here
    seed: int
    junk: bool = False
    """Show a random part of the image instead, as junk."""


class BatchSampler(Sampler[list[Draw]]):
    """Base of all samplers: epochs, shards and seeds. A subclass sets `count`, batches in an epoch, and makes `batches`.

    Every epoch has the same number of batches: Lightning asks for it once.
    """

    count: int
    junk: float = 0.0
    """Share of the draws that become junk."""

    def __init__(self, seed: int) -> None:
        self.seed, self.epoch = seed, 0
        self.rank, self.world = 0, 1

    @property
    def sampler(self) -> BatchSampler:
        # Lightning announces each epoch to `batch_sampler.sampler`.
        return self

    def share(self, rank: int, world: int) -> None:
        """Leave only the batches of process `rank` of `world`, from 0. A recipe does not say it: the trainer knows."""
        self.rank, self.world = rank, world

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        """All batches of one epoch, before they are shared out."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[Draw]]:
        random = np.random.default_rng((self.seed, self.epoch))
        drawn = [self._draws(batch, random) for batch in self.batches(random)]
        # Each process gets the same number of batches: one that had one more would wait for the others forever.
        return iter(drawn[self.rank : len(self) * self.world : self.world])

    def __len__(self) -> int:
        return self.count // self.world

    def _draws(self, batch: NDArray[np.int64], random: np.random.Generator) -> list[Draw]:
        seeds = random.integers(2**62, size=len(batch)).tolist()
        junk = (random.random(len(batch)) < self.junk).tolist() if self.junk else [False] * len(batch)
        return [Draw(*drawn) for drawn in zip(batch.tolist(), seeds, junk, strict=True)]


def images_by_identity(ids: Sequence[int]) -> list[NDArray[np.int64]]:
    """Positions of each identity's images, identities in ascending order."""
    labels = np.asarray(ids, np.int64)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=labels[order][:1] - 1))
    return np.split(order, starts[1:]) if len(labels) else []
