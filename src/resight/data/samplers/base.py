"""What all samplers share: epochs, a share of each batch for each process, and a seed for each image's random changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from resight.errors import RecipeError

__all__ = ["BatchSampler", "Draw", "Part", "images_by_identity"]


class Draw(NamedTuple):
    """One image of a batch and the seed of its random changes."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used here
    seed: int
    junk: bool = False
    """Show a random part of the image instead, as junk."""


class Part(NamedTuple):
    """What a batch holds `number` times, each time `size` images side by side, by the name of the option that says so."""

    option: str
    number: int
    size: int


class BatchSampler(Sampler[list[Draw]]):
    """Base of all samplers: epochs, shares and seeds. A subclass sets `count`, batches in an epoch, and `parts`, and makes
    `batches`.

    Every epoch has the same number of batches: Lightning asks for it once.
    """

    count: int
    parts: tuple[Part, ...]
    """What a batch consists of, in its order: images that no process has without the others of their kind."""
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
        """Leave of each batch only what process `rank` of `world`, from 0, computes. A recipe does not say it: the trainer knows.

        All shares of a batch, one after another, are the batch that one process would have. Raises RecipeError when a
        batch cannot be divided so.
        """
        for part in self.parts:
            if part.number % world:
                raise RecipeError(_indivisible(part, world))
        self.rank, self.world = rank, world

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        """All batches of one epoch, before they are shared out."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[Draw]]:
        random = np.random.default_rng((self.seed, self.epoch))
        drawn = [self._draws(batch, random) for batch in self.batches(random)]
        return iter(drawn if self.world == 1 else [self._own(batch) for batch in drawn])

    def __len__(self) -> int:
        return self.count

    def _own(self, batch: list[Draw]) -> list[Draw]:
        own, start = [], 0
        for part in self.parts:
            share = part.number // self.world * part.size
            own += batch[start + self.rank * share :][:share]
            start += part.number * part.size
        return own

    def _draws(self, batch: NDArray[np.int64], random: np.random.Generator) -> list[Draw]:
        seeds = random.integers(2**62, size=len(batch)).tolist()
        junk = (random.random(len(batch)) < self.junk).tolist() if self.junk else [False] * len(batch)
        return [Draw(*drawn) for drawn in zip(batch.tolist(), seeds, junk, strict=True)]


def _indivisible(part: Part, world: int) -> str:
    fewer = part.number - part.number % world
    fits = [str(number) for number in (fewer, fewer + world) if number]
    return (
        f"sampler.{part.option}={part.number} cannot be divided among {world} processes "
        f"(trainer.devices × trainer.num_nodes), which share each batch; set it to {' or '.join(fits)}, or take other devices"
    )


def images_by_identity(ids: Sequence[int]) -> list[NDArray[np.int64]]:
    """Positions of each identity's images, identities in ascending order."""
    labels = np.asarray(ids, np.int64)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=labels[order][:1] - 1))
    return np.split(order, starts[1:]) if len(labels) else []
