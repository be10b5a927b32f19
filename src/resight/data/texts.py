"""Many texts in two arrays, which several processes can read without each having them in memory of its own."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = ["Texts"]


class Texts:
    """Texts by their numbers, one after the other in one buffer.

    >>> Texts(["a.jpg", "b.jpg"])[1]
    'b.jpg'

    A process that was forked shares its parent's pages until one of the two writes to them, and to look at an object of
    Python's is to write to it: workers that read a list's texts soon have them all, and what lies beside them, once more.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # Names of files need not be UTF-8; what else they are stays as it is.
        encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
        self._ends = np.cumsum([0, *map(len, encoded)])
        self._bytes = np.frombuffer(b"".join(encoded), np.uint8)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        first, last = self._ends[number : number + 2]
        return self._bytes[first:last].tobytes().decode("utf-8", "surrogateescape")
