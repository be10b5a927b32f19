"""Triplets drawn at random, anew on each access (the two-branch report)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from resight.data.samplers.base import BatchSampler, Part, images_by_identity
from resight.errors import DataError

__all__ = ["TripletSampler"]


class TripletSampler(BatchSampler):
    """Each image once an epoch as an anchor, with a random positive of its identity and a random negative of another.

    A batch holds `batch_size` triplets, so three times as many images: anchor, positive, negative, anchor, … The
    two-branch report draws so in its dataset, anew on each access. An identity with one image gives negatives only;
    anchors that do not fill a last batch are left for another epoch.

    >>> TripletSampler([1, 1, 2, 2], batch_size=2)

    A positive is any other image of the identity, a negative any image of the others, each equally likely. Raises
    DataError when there are fewer anchors than `batch_size`, or one identity only.
    """

    def __init__(
        self,
        ids: Sequence[int],
        cameras: Sequence[int] | None = None,
        batch_size: Annotated[int, Field(ge=1)] = 32,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        groups = images_by_identity(ids)
        if len(groups) < 2:
            raise DataError("triplets want a negative of another identity and the training split has one identity")
        # The images sorted by identity: a positive lies in the run of the anchor's identity, a negative outside.
        self.order = np.concatenate(groups)
        sizes = np.array([len(group) for group in groups])
        self.length = np.repeat(sizes, sizes)
        self.start = np.repeat(np.cumsum(sizes) - sizes, sizes)
        self.anchors = np.flatnonzero(self.length > 1)
        if len(self.anchors) < batch_size:
            raise DataError(
                f"{len(self.anchors)} training images have another one of their identity, too few for "
                f"{batch_size} triplets; lower sampler.batch_size or give more data"
            )
        self.batch_size, self.count = batch_size, len(self.anchors) // batch_size
        self.parts = (Part("batch_size", batch_size, 3),)

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        anchors = random.permutation(self.anchors)[: self.count * self.batch_size]
        start, length, total = self.start[anchors], self.length[anchors], len(self.order)
        # Random steps from the anchor around its identity's run, and from the end of that run around all other images.
        positives = start + (anchors - start + random.integers(1, length)) % length
        negatives = (start + length + random.integers(total - length)) % total
        triplets = np.stack([anchors, positives, negatives], axis=1)
        return list(self.order[triplets].reshape(self.count, 3 * self.batch_size))
