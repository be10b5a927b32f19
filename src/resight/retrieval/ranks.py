"""Ranks of right answers: how many images are nearer. Counted, so that no gallery need be sorted.

Of a gallery that is wider than memory should be, they are counted a part at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from resight.retrieval.arrays import Array
from resight.retrieval.distance import Cosine, Distance
from resight.retrieval.protocol import Judgement, Positions
from resight.retrieval.tiles import ROWS, Tiles, over_tiles

__all__ = ["Ranks", "is_wide", "ranks_in_parts", "right_ranks"]

# Gallery images beyond which they are compared a part at a time, and those of a part.
WIDE, PART = 2**17, 2**15
# With more right answers than this, sorting the distances is faster than counting for each.
_COUNTED = 48

Ranks = tuple[Positions, int]
"""Ranks from 1 of a query's right answers, ascending, and how many there are."""


def right_ranks(
    row: NDArray[np.floating], good: Positions, left_out: Positions, tracks: Positions | None = None
) -> Ranks:
    """Ranks of the right answers at the places `good` of a query's distances, without the images `left_out`.

    With `tracks` a track counts once, at its nearest image. Equal distances are ordered by place. Writes into `row`.
    """
    row[left_out] = np.inf
    if tracks is not None:
        row, good = _nearest_of_tracks(row, good, tracks)
    values = row[good]
    row[good] = np.inf
    return _among(values, good, _ahead(row, values, good))


def is_wide(metric: Distance, images: int, tracks: object) -> bool:
    """Whether ranks among so many images are to be counted in parts: by cosine, and of images rather than tracks."""
    return isinstance(metric, Cosine) and images > WIDE and tracks is None


def ranks_in_parts(query: Array, gallery: Array, judgement: Judgement, threads: int | None = None) -> list[Ranks]:
    """The ranks of each query's right answers by cosine; neither the gallery nor its distances are held whole.

    The same as of whole rows, since no similarity depends on what else a product computes.
    """
    good, columns = judgement.good, judgement.columns
    values = _of_right_answers(query, gallery, judgement)
    ahead = [np.zeros(len(places), np.int64) for places in good]

    def count(tiles: Tiles, first: int, start: int, stop: int) -> None:
        for number, row in enumerate(tiles(start, stop), start):
            for places in (judgement.left_out[number], good[number]):
                row[_within(places, first, len(row))] = np.inf
            ahead[number] += _ahead(row, values[number], good[number] - first)

    for first in range(0, len(columns), PART):
        tiles = Cosine().tiles(query, _rows(gallery, columns[first : first + PART]))
        over_tiles(partial(count, tiles, first), tiles.rows, tiles.columns, threads)
    return [_among(*three) for three in zip(values, good, ahead, strict=True)]


def _of_right_answers(query: Array, gallery: Array, judgement: Judgement) -> list[NDArray[np.floating]]:
    """The distances of each query's right answers, by products of some queries with all their answers."""
    found: list[NDArray[np.floating]] = []
    for start, stop in _groups([len(places) for places in judgement.good]):
        good = judgement.good[start:stop]
        union = np.unique(np.concatenate(good))
        rows = np.zeros((stop - start, len(union)), np.float32)
        for first in range(0, len(union), PART):
            some = _rows(gallery, judgement.columns[union[first : first + PART]])
            rows[:, first : first + PART] = Cosine().tiles(query[start:stop], some)(0, stop - start)
        found += [row[np.searchsorted(union, places)] for row, places in zip(rows, good, strict=True)]
    return found


def _groups(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Queries that are compared together: a tile of them, with no more than a part's right answers or one alone."""
    start, held = 0, 0
    for number, count in enumerate(counts):
        if number > start and (held + count > PART or number - start == ROWS):
            yield start, number
            start, held = number, 0
        held += count
    yield start, len(counts)


def _rows(gallery: Array, places: Positions) -> Array:
    """The images at ascending places, not copied where they lie side by side."""
    if len(places) and places[-1] - places[0] == len(places) - 1:
        return gallery[places[0] : places[-1] + 1]
    return gallery[places]


def _within(places: Positions, first: int, length: int) -> Positions:
    """Those of ascending places that lie within a part, counted from its first image."""
    return places[slice(*np.searchsorted(places, (first, first + length)))] - first


def _among(values: NDArray[np.floating], places: Positions, ahead: Positions) -> Ranks:
    """Ranks of right answers, before each of which so many others are ahead."""
    order = np.lexsort((places, values))
    return ahead[order] + np.arange(1, len(order) + 1), len(order)


def _ahead(row: NDArray[np.floating], values: NDArray[np.floating], places: Positions) -> Positions:
    """How many of a row's images are nearer than each value, or as near and before its place.

    A place below 0 is before the row, one beyond its end behind it.
    """
    bounds = np.clip(places, 0, len(row)).tolist()
    if len(values) <= _COUNTED:
        counts = [
            np.count_nonzero(row[:bound] <= value) + np.count_nonzero(row[bound:] < value)
            for bound, value in zip(bounds, values, strict=True)
        ]
        return np.array(counts, np.int64)
    ordered = np.sort(row)
    nearer = np.searchsorted(ordered, values)
    for number in np.flatnonzero(np.searchsorted(ordered, values, side="right") > nearer):
        nearer[number] += np.count_nonzero(row[: bounds[number]] == values[number])
    return nearer


def _nearest_of_tracks(
    row: NDArray[np.floating], good: Positions, tracks: Positions
) -> tuple[NDArray[np.floating], Positions]:
    """One distance per track: that of its nearest image that is not left out."""
    kept = np.flatnonzero(np.isfinite(row))
    order = kept[np.lexsort((kept, row[kept], tracks[kept]))]
    firsts = np.unique(tracks[order], return_index=True)[1]
    nearest = np.sort(order[firsts])
    return row[nearest], np.flatnonzero(np.isin(nearest, good))
