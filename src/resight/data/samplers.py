"""Which images make a training batch.

Every sampler is a batch sampler of `Draw`s and owes its order to (seed, epoch) alone: a resumed run continues the
sequence, and so does each process of a distributed one, which takes every n-th batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch.utils.data import Sampler

from resight.data.targets import weak_images
from resight.errors import DataError, RecipeError

__all__ = ["SAMPLERS", "Draw", "IdentitySampler", "RandomSampler"]


class Draw(NamedTuple):
    """One image of a batch and the seed of its random changes."""

    index: int  # type: ignore[assignment]  # of tuple.index nobody has need here
    seed: int
    junk: bool = False
    """Show a random part of it instead, as an image of nobody."""


class BatchSampler(Sampler[list[Draw]]):
    """Shared by all: epochs, shards and seeds. A subclass states `count`, batches in an epoch, and `batches`.

    Every epoch has the same number of batches: Lightning asks for it once.
    """

    count: int
    junk: float = 0.0
    """Share of the draws that are made junk."""

    def __init__(self, seed: int, rank: int, world: int) -> None:
        self.seed, self.rank, self.world = seed, rank, world
        self.epoch = 0

    @property
    def sampler(self) -> BatchSampler:
        # Lightning announces each epoch to `batch_sampler.sampler`.
        return self

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


class IdentitySampler(BatchSampler):
    """P×K sampling: `identities` people with `images` images each (Hermans et al. 2017, section 2).

    In an epoch each identity's images are shuffled and dealt in groups of K (an identity with fewer repeats some, a
    last group that is too small is left for another epoch), and each batch takes a group of P random identities, as
    in the strong baseline's code. That code ends the epoch when fewer than P identities have a group left, sooner or
    later by chance; here other identities join those once more, so that every epoch has
    `(number of groups) // P` batches.

    >>> IdentitySampler([1, 1, 2, 2], cameras=[1, 2, 1, 2], identities=2, images=2)

    Raises DataError when there are fewer than P identities.
    """

    def __init__(
        self,
        ids: Sequence[int],
        cameras: Sequence[int] | None = None,
        identities: int = 16,
        images: int = 4,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(seed, rank, world)
        self.identities, self.images = identities, images
        labels = np.asarray(ids, np.int64)
        order = np.argsort(labels, kind="stable")
        starts = np.flatnonzero(np.diff(labels[order], prepend=labels[order][:1] - 1))
        self.groups = np.split(order, starts[1:]) if len(labels) else []
        if len(self.groups) < identities:
            raise DataError(
                f"P×K sampling wants {identities} identities in a batch and the training split has {len(self.groups)}; "
                f"set sampler.identities={max(len(self.groups), 1)} or give more data"
            )
        self.count = sum(max(1, len(group) // images) for group in self.groups) // identities

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        piles = [list(self._deal(group, random)) for group in self.groups]
        result = []
        for _ in range(self.count):
            full = np.flatnonzero([bool(pile) for pile in piles])
            chosen = random.permutation(full)[: self.identities]
            if len(chosen) < self.identities:
                others = np.setdiff1d(np.arange(len(piles)), chosen)
                again = random.choice(others, self.identities - len(chosen), replace=False)
                for identity in again:
                    piles[identity] = list(self._deal(self.groups[identity], random))
                chosen = np.concatenate([chosen, again])
            result.append(np.concatenate([piles[identity].pop() for identity in chosen]))
        return result

    def _deal(self, group: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        if len(group) < self.images:
            extra = random.choice(group, self.images - len(group), replace=True)
            return np.concatenate([random.permutation(group), extra])[None]
        whole = len(group) - len(group) % self.images
        return random.permutation(group)[:whole].reshape(-1, self.images)


class RandomSampler(BatchSampler):
    """Plain shuffling: each image once an epoch; a last batch that is too small is left out.

    Bruna's mixture for attributes: a share `junk` of the draws shows a random part of its image as junk, and a share
    `weak` is replaced by images that have a class of fewer than `weak_people` people in `targets` (class numbers
    [N, attributes], -1 unknown).
    """

    def __init__(
        self,
        ids: Sequence[int],
        cameras: Sequence[int] | None = None,
        targets: NDArray[np.int64] | None = None,
        batch_size: int = 64,
        junk: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        weak: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        weak_people: int = 30,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(seed, rank, world)
        if len(ids) < batch_size:
            raise DataError(f"{len(ids)} training images make no batch of {batch_size}; lower sampler.batch_size")
        if (junk or weak) and targets is None:
            raise RecipeError("sampler.junk and sampler.weak are for systems that learn attributes; set both to 0")
        self.images, self.batch_size, self.count = len(ids), batch_size, len(ids) // batch_size
        self.junk, self.weak = junk, weak
        self.weak_images = np.empty(0, np.int64)
        if weak and targets is not None:
            self.weak_images = weak_images(targets, np.asarray(ids), weak_people)

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        order = random.permutation(self.images)[: self.count * self.batch_size]
        if self.weak and len(self.weak_images):
            swapped = random.random(len(order)) < self.weak
            order[swapped] = random.choice(self.weak_images, int(swapped.sum()))
        return list(order.reshape(self.count, self.batch_size))


SAMPLERS: dict[str, Callable[..., BatchSampler]] = {"identities": IdentitySampler, "random": RandomSampler}
