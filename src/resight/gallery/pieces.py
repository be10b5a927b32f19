"""Which pieces of a table are joined once small additions have made many of them.

A search with a condition opens every piece: 500 of 8 images each took it from 7 ms to 424 (docs/log.md). Joining all of them
each time would write a large gallery anew for a few images, so those that are small beside the others are joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

__all__ = ["counted", "few", "many", "rows_in", "small_ones"]

_MANY = 32
"""Pieces beyond which some are joined."""
_LARGE = 8192
"""Rows for which one more piece may be: it costs little beside them, and large additions would be written anew often."""
_ROWS = 32_768
"""Rows that are joined in memory at most."""
_PLACES = 32
"""Bits of a row's address that say its place in its piece; those above are the piece's number."""


def many(rows: int) -> int:
    """More pieces than this, of so many rows in all, are worth joining."""
    return _MANY + rows // _LARGE


def few(rows: int) -> int:
    """Pieces that may be left, so that it is not soon done again."""
    return many(rows) - _MANY // 2


def counted(batches: Iterable[pa.RecordBatch]) -> Counter[int]:
    """Piece -> rows, from all rows' addresses (`_rowaddr`)."""
    found: Counter[int] = Counter()
    for batch in batches:
        pieces, rows = np.unique(batch.column(0).to_numpy() >> _PLACES, return_counts=True)
        found.update(dict(zip(pieces.tolist(), rows.tolist(), strict=True)))
    return found


def small_ones(rows: Mapping[int, int]) -> list[int]:
    """The pieces to join, given how many rows each has: the smallest ones, the last not larger than the others together.

    >>> small_ones({0: 60_000, 1: 500, 2: 8, 3: 8, 4: 8})
    [2, 3, 4]

    A row is so written anew about as often as the number of rows doubles.
    """
    ordered = sorted(rows, key=lambda piece: (rows[piece], piece))
    joined = total = 0
    for number, piece in enumerate(ordered, 1):
        if total + rows[piece] > _ROWS:
            break
        joined = number if rows[piece] <= total else joined
        total += rows[piece]
    return sorted(ordered[:joined])


def rows_in(pieces: Sequence[int]) -> str:
    """The condition that the rows of these pieces fulfil, for LanceDB.

    >>> rows_in([2])
    '(_rowaddr >= 8589934592 AND _rowaddr < 12884901888)'
    """
    ends = ((piece << _PLACES, piece + 1 << _PLACES) for piece in pieces)
    return " OR ".join(f"(_rowaddr >= {first} AND _rowaddr < {after})" for first, after in ends)
