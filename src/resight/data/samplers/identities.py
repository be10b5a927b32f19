"""P×K batches: P identities with K images each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from resight.data.samplers.base import BatchSampler, Part, images_by_identity
from resight.errors import DataError

__all__ = ["IdentitySampler"]


class IdentitySampler(BatchSampler):
    """P×K sampling: `identities` people with `images` images each (Hermans et al. 2017, section 2).

    In an epoch each identity's images are shuffled and dealt in groups of K (an identity with fewer images repeats
    some; images that do not fill a group are left for another epoch). Each batch takes one group of each of P random
    identities, as in the strong baseline's code. That code ends the epoch when fewer than P identities have a group
    left, so that its length varies. Here other identities are then dealt once more to fill the batch: every epoch has
    `(number of groups) // P` batches, and a few groups are left for a later epoch.

    >>> IdentitySampler([1, 1, 2, 2], cameras=[1, 2, 1, 2], identities=2, images=2)

    Raises DataError when there are fewer than P identities.
    """

    def __init__(
        self,
        ids: Sequence[int],
        cameras: Sequence[int] | None = None,
        identities: Annotated[int, Field(ge=1)] = 16,
        images: Annotated[int, Field(ge=1)] = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.identities, self.images = identities, images
        self.parts = (Part("identities", identities, images),)
        self.groups = images_by_identity(ids)
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
