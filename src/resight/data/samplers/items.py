"""Bruna's training items: four images of one person and eight of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from resight.data.samplers.base import BatchSampler, Draw, Part, images_by_identity
from resight.errors import DataError

__all__ = ["OTHERS", "SAME", "ItemSampler"]

SAME = 4
"""Images of the person, first in an item."""
OTHERS = 8
"""Images of other people, behind them."""


class ItemSampler(BatchSampler):
    """Batches of `items` training items of twelve images each: `SAME` of one person, then `OTHERS` of other people.

    In an epoch each identity's images are shuffled and dealt in fours; images that fill no four and items that fill no
    batch are left for another epoch. The others are any images of other identities, each at most once in an
    item. An identity with fewer than four images appears among the others only. The report trains on one item at a time.

    >>> ItemSampler([1, 1, 1, 1, *range(2, 10)], items=1)

    `junk` further images end each batch, each a random part of a training image: they teach a target for junk and belong
    to no item. Raises DataError when no identity has four images, or there are too few of other people.
    """

    def __init__(
        self,
        ids: Sequence[int],
        cameras: Sequence[int] | None = None,
        items: Annotated[int, Field(ge=1)] = 8,
        junk: Annotated[int, Field(ge=0)] = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        groups = images_by_identity(ids)
        most = max(map(len, groups), default=0)
        dealt = sum(len(group) // SAME for group in groups)
        if not dealt:
            raise DataError(f"an item wants {SAME} images of one person, and no training identity has more than {most}")
        if len(ids) - most < OTHERS:
            raise DataError(
                f"an item wants {OTHERS} images of other people, and the training split has {len(ids) - most}"
            )
        if dealt < items:
            raise DataError(f"the training split makes {dealt} items, too few for sampler.items={items}; lower it")
        # The images sorted by identity: from the end of an identity's images on, and around, lie those of all others.
        self.order, self.sizes = np.concatenate(groups), np.array([len(group) for group in groups])
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.items, self.junk_parts, self.count = items, junk, dealt // items
        self.parts = (Part("items", items, SAME + OTHERS), Part("junk", junk, 1))

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        items = random.permutation(np.concatenate([self._deal(who, random) for who in range(len(self.sizes))]))
        batches = items[: self.count * self.items].reshape(self.count, -1)
        parts = random.integers(len(self.order), size=(self.count, self.junk_parts))
        return list(np.concatenate([batches, parts], axis=1))

    def _deal(self, who: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Items of one identity: image numbers [items, SAME + OTHERS]."""
        start, size = self.starts[who], self.sizes[who]
        count = size // SAME
        own = self.order[start + random.permutation(size)[: count * SAME]].reshape(count, SAME)
        steps = [random.choice(len(self.order) - size, OTHERS, replace=False) for _ in range(count)]
        others = self.order[(start + size + np.array(steps, np.int64).reshape(count, OTHERS)) % len(self.order)]
        return np.concatenate([own, others], axis=1)

    def _draws(self, batch: NDArray[np.int64], random: np.random.Generator) -> list[Draw]:
        draws = super()._draws(batch, random)
        people = len(draws) - self.junk_parts
        return [draw if place < people else draw._replace(junk=True) for place, draw in enumerate(draws)]
