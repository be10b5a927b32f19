"""P×K batches whose images of an identity come from as many cameras as there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from resight.data.samplers.identities import IdentitySampler
from resight.errors import DataError
from resight.records import NO_CAMERA

__all__ = ["CameraSampler"]


class CameraSampler(IdentitySampler):
    """P×K sampling balanced by camera: the K images of an identity come from as many different cameras as it has.

    Each group of K takes one image of each of the identity's cameras in turn, the cameras in random order and of each
    camera the image that the epoch has shown least. A group repeats an image only where the identity has fewer than K.
    An image of a rare camera is thus drawn more than once an epoch, one of a frequent camera less often. Everything
    else is as in `IdentitySampler`.

    >>> CameraSampler([1, 1, 2, 2], cameras=[1, 2, 1, 2], identities=2, images=2)

    Raises DataError when no camera is known, or when there are fewer than P identities.
    """

    def __init__(
        self,
        ids: Sequence[int],
        cameras: Sequence[int],
        identities: Annotated[int, Field(ge=2)] = 16,
        images: Annotated[int, Field(ge=2)] = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(ids, cameras, identities, images, seed)
        self.cameras = np.asarray(cameras, np.int64)
        if (self.cameras == NO_CAMERA).all():
            raise DataError("the training split has no camera labels; set sampler=identities")

    def _deal(self, group: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        _, camera = np.unique(self.cameras[group], return_inverse=True)
        shown = np.zeros(len(group), np.int64)
        hands = []
        for _ in range(max(1, len(group) // self.images)):
            chosen = self._hand(camera, shown, random)
            shown[chosen] += 1
            hands.append(group[np.resize(chosen, self.images)])
        return np.stack(hands)

    def _hand(
        self, camera: NDArray[np.int64], shown: NDArray[np.int64], random: np.random.Generator
    ) -> NDArray[np.int64]:
        """Positions in the group: an image of each camera, then another of each, up to K."""
        order = np.lexsort((random.random(len(camera)), shown, camera))
        sizes = np.bincount(camera)
        turn = np.empty(len(camera), np.int64)
        turn[order] = np.arange(len(camera)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.lexsort((random.random(len(sizes))[camera], turn))[: self.images]
