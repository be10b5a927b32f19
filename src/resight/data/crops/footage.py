"""What boxes are cut from: the frames of one camera, as a sequence's folder of pictures or as a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Footage", "Picture"]

Picture = tuple[int, NDArray[np.uint8] | str]
"""A frame's number, and its pixels, uint8 RGB [height, width, 3], or a line that says why it cannot be read."""


class Footage(Protocol):
    """Numbered frames of one camera. Frames are numbered as the boxes' file numbers them, mostly from 1."""

    @property
    def name(self) -> str: ...  # pragma: no cover

    def holds(self, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[N]: whether there is such a frame."""
        ...  # pragma: no cover

    def time(self, frame: int) -> int | None:
        """Milliseconds from the beginning to a frame; None where the rate is not known."""
        ...  # pragma: no cover

    def pictures(self, frames: Sequence[int]) -> Iterator[Picture]:
        """Some of the frames that there are, given in ascending order, one at a time."""
        ...  # pragma: no cover
