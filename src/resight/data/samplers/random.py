"""Plain shuffling, with Bruna's mixture of junk and weak classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from resight.data.samplers.base import BatchSampler, Part
from resight.data.targets import weak_images
from resight.errors import DataError, RecipeError

__all__ = ["RandomSampler"]


class RandomSampler(BatchSampler):
    """Plain shuffling: each image once an epoch; images that do not fill a last batch are left out.

    Bruna's mixture for attributes: a share `junk` of the draws shows a random part of its image as junk, and a share `weak`
    shows an image of a rare class instead of its own: a class that fewer than `weak_people` identities have by `targets`,
    class numbers [N, attributes], -1 where unknown.
    """

    def __init__(
        self,
        ids: Sequence[int],
        cameras: Sequence[int] | None = None,
        targets: NDArray[np.int64] | None = None,
        batch_size: Annotated[int, Field(ge=1)] = 64,
        junk: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        weak: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        weak_people: Annotated[int, Field(ge=1)] = 30,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        if len(ids) < batch_size:
            raise DataError(f"{len(ids)} training images make no batch of {batch_size}; lower sampler.batch_size")
        if (junk or weak) and targets is None:
            raise RecipeError("sampler.junk and sampler.weak are for systems that learn attributes; set both to 0")
        if junk + weak > 1:
            raise RecipeError(f"sampler.junk + sampler.weak = {junk + weak:g}: shares of the draws, together at most 1")
        self.images, self.batch_size, self.count = len(ids), batch_size, len(ids) // batch_size
        self.parts = (Part("batch_size", batch_size, 1),)
        self.junk, self.weak = junk, weak
        self.weak_images = np.empty(0, np.int64)
        if weak and targets is not None:
            self.weak_images = weak_images(targets, np.asarray(ids), weak_people)

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        order = random.permutation(self.images)[: self.count * self.batch_size]
        if self.weak and len(self.weak_images):
            # A draw that becomes junk later is of neither kind.
            swapped = random.random(len(order)) < self.weak / (1 - self.junk)
            order[swapped] = random.choice(self.weak_images, int(swapped.sum()))
        return list(order.reshape(self.count, self.batch_size))
