"""Ranks of right answers: how many images are nearer. Counted, so that no gallery need be sorted.

Of a gallery that is wider than memory should be, they are counted a part at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from resight.retrieval.arrays import Array
from resight.retrieval.distance import Cosine, Distance, Euclidean, Fixed, tiles_among
from resight.retrieval.protocol import Judgement, Positions, among
from resight.retrieval.tiles import PAD, Tiles, over_tiles

__all__ = ["Ranks", "at", "ends_of", "parts_of", "ranks_in", "ranks_of", "right_ranks", "row_of_each"]

# Gallery images beyond which they are compared a part at a time, and those of a part.
WIDE, PART = 2**17, 2**15
# Queries that are compared with all their right answers at once.
_TOGETHER = 2 * PAD
# Distances that are looked at in one go: few enough for a core's cache.
_LOOKED_AT = 2**20
# More than this share of a row is sorted faster with the rest than picked out of it.
_FEW = 0.2

Ranks = tuple[Positions, int]
"""Ranks from 1 of a query's right answers, ascending, and how many there are."""


def right_ranks(
    tile: NDArray[np.floating],
    good: Sequence[Positions],
    left_out: Sequence[Positions],
    tracks: Positions | None = None,
) -> list[Ranks]:
    """Ranks of each query's right answers, at the places `good` of its row of distances, without the images `left_out`.

    With `tracks` a track counts once, at its nearest image. Equal distances are ordered by place. Writes into `tile`.
    """
    tile[at(left_out)] = np.inf
    if tracks is not None:
        return [_ranks_of_tracks(row, places, tracks) for row, places in zip(tile, good, strict=True)]
    right = at(good)
    values = tile[right]
    tile[right] = np.inf
    return _ranked(_ahead(tile, values, good), good)


def ranks_of(
    metric: Distance,
    query: Array,
    gallery: Array,
    judgement: Judgement,
    tracks: Positions | None = None,
    threads: int | None = None,
) -> list[Ranks]:
    """The ranks of each query's right answers, by a metric; of a wide gallery's images a part at a time."""
    if tracks is None and _is_wide(metric, judgement):
        return _ranks_in_parts(metric, query, gallery, judgement, threads)
    return ranks_in(tiles_among(metric, query, gallery, judgement.columns), judgement, tracks, threads)


def ranks_in(
    tiles: Tiles, judgement: Judgement, tracks: Positions | None = None, threads: int | None = None
) -> list[Ranks]:
    """As `ranks_of`, by the distances to the gallery images that count."""

    def look(start: int, stop: int) -> list[Ranks]:
        asked = slice(start, stop)
        return right_ranks(tiles(start, stop), judgement.good[asked], judgement.left_out[asked], tracks)

    return [ranks for part in over_tiles(look, tiles.rows, tiles.columns, threads) for ranks in part]


def parts_of(metric: Distance, query: Array, gallery: Array, judgement: Judgement) -> Iterator[tuple[Tiles, Judgement]]:
    """The distances to the gallery images that count and their judgement, of a wide gallery's a part at a time."""
    if not _is_wide(metric, judgement):
        yield tiles_among(metric, query, gallery, judgement.columns), judgement
        return
    yield from _parts(metric.fixed(query, gallery), query, gallery, judgement)


def _parts(fixed: Fixed, query: Array, gallery: Array, judgement: Judgement) -> Iterator[tuple[Tiles, Judgement]]:
    count = len(judgement.columns)
    for first in range(0, count, PART):
        some = among(judgement, np.arange(first, min(first + PART, count)))
        yield fixed.tiles(query, _rows(gallery, some.columns)), some


def _is_wide(metric: Distance, judgement: Judgement) -> TypeGuard[Cosine | Euclidean]:
    """Whether not all of the distances of some queries are to be held at once, which other metrics than these need."""
    return isinstance(metric, Cosine | Euclidean) and len(judgement.columns) > WIDE


def _ranks_in_parts(
    metric: Cosine | Euclidean, query: Array, gallery: Array, judgement: Judgement, threads: int | None
) -> list[Ranks]:
    """As `ranks_of`; neither the gallery nor its distances are held whole.

    The same as of whole rows, since no distance depends on what else a product computes.
    """
    good, fixed = judgement.good, metric.fixed(query, gallery)
    values = _of_right_answers(fixed, query, gallery, judgement)
    ends = ends_of(good)
    ahead = np.zeros(len(values), np.int64)

    def count(tiles: Tiles, some: Judgement, first: int, start: int, stop: int) -> None:
        tile, asked = tiles(start, stop), slice(start, stop)
        for places in (some.left_out[asked], some.good[asked]):
            tile[at(places)] = np.inf
        mine = slice(ends[start], ends[stop])
        ahead[mine] += _ahead(tile, values[mine], [places - first for places in good[asked]])

    for number, (tiles, some) in enumerate(_parts(fixed, query, gallery, judgement)):
        over_tiles(partial(count, tiles, some, number * PART), tiles.rows, tiles.columns, threads)
    return _ranked(ahead, good)


def _of_right_answers(fixed: Fixed, query: Array, gallery: Array, judgement: Judgement) -> NDArray[np.floating]:
    """The distances of all queries' right answers, by products of some queries with all their answers."""
    found: list[NDArray[np.floating]] = []
    for start, stop in _groups([len(places) for places in judgement.good]):
        good = judgement.good[start:stop]
        union = np.unique(np.concatenate(good))
        parts = np.split(union, range(PART, len(union), PART))
        rows = [
            fixed.tiles(query[start:stop], _rows(gallery, judgement.columns[part]))(0, stop - start) for part in parts
        ]
        found.append(np.concatenate(rows, axis=1)[at([np.searchsorted(union, places) for places in good])])
    return np.concatenate(found)


def _groups(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Queries that are compared together: a tile of them, with no more than a part's right answers or one alone."""
    start, held = 0, 0
    for number, count in enumerate(counts):
        if number > start and (held + count > PART or number - start == _TOGETHER):
            yield start, number
            start, held = number, 0
        held += count
    yield start, len(counts)


def _rows(gallery: Array, places: Positions) -> Array:
    """The images at ascending places, not copied where they lie side by side."""
    if len(places) and places[-1] - places[0] == len(places) - 1:
        return gallery[places[0] : places[-1] + 1]
    return gallery[places]


def at(places: Sequence[Positions]) -> tuple[Positions, Positions]:
    """The rows and columns of a tile at the places of each row."""
    return row_of_each(ends_of(places)), np.concatenate([np.empty(0, np.int64), *places])


def _ranked(ahead: Positions, good: Sequence[Positions]) -> list[Ranks]:
    """Ranks of all queries' right answers, before each of which so many others are ahead."""
    ends = ends_of(good)
    rows = row_of_each(ends)
    # The right answers that are nearer are ahead as well.
    ranks = ahead[np.lexsort((ahead, rows))] + np.arange(1, len(rows) + 1) - ends[rows]
    return [(ranks[first:last], last - first) for first, last in pairwise(ends.tolist())]


def ends_of(places: Sequence[Positions]) -> Positions:
    """Where each row's places begin when those of all rows follow each other, and where the last ones end."""
    return np.cumsum([0, *map(len, places)])


def row_of_each(ends: Positions) -> Positions:
    """The row of each place, of rows whose places end there; see `ends_of`."""
    return np.repeat(np.arange(len(ends) - 1), np.diff(ends))


def _ahead(tile: NDArray[np.floating], values: NDArray[np.floating], places: Sequence[Positions]) -> Positions:
    """How many of its row's images are nearer than each value, or as near and before its place.

    The values of one row follow those of the row before. A place below 0 is before the row, one beyond its end behind it.
    """
    # What is farther than a row's last right answer is ahead of none, and of a good model that is nearly all.
    ends = ends_of(places)
    reach = np.full((len(tile), 1), -np.inf, tile.dtype)
    np.maximum.at(reach[:, 0], row_of_each(ends), values)
    step = max(1, _LOOKED_AT // max(1, tile.shape[1]))
    found = [np.empty(0, np.int64)]
    for start in range(0, len(tile), step):
        some = slice(start, start + step)
        for number, (distances, near) in enumerate(_within(tile[some], reach[some]), start):
            found.append(_ahead_in_row(distances, near, values[ends[number] : ends[number + 1]], places[number]))
    return np.concatenate(found)


def _within(
    tile: NDArray[np.floating], reach: NDArray[np.floating]
) -> Iterator[tuple[NDArray[np.floating], Positions]]:
    """Of each row [N, G] the distances that are within its reach [N, 1], and their places; or all where most are."""
    near = tile <= reach
    if np.count_nonzero(near) > _FEW * near.size:
        every = np.arange(tile.shape[1])
        return ((row, every) for row in tile)
    # Of one axis, which NumPy looks through far faster than two.
    flat = np.flatnonzero(near)
    ends = np.searchsorted(flat, np.arange(len(tile) + 1) * tile.shape[1])
    rows = row_of_each(ends)
    places = flat - rows * tile.shape[1]
    distances = tile[rows, places]
    return ((distances[first:last], places[first:last]) for first, last in pairwise(ends.tolist()))


def _ahead_in_row(
    distances: NDArray[np.floating], near: Positions, values: NDArray[np.floating], places: Positions
) -> Positions:
    """As `_ahead`, of a row of which only the distances at the ascending places `near` are looked at."""
    ordered = np.sort(distances)
    ahead, upto = ordered.searchsorted(values), ordered.searchsorted(values, side="right")
    if (upto > ahead).any():
        for number in np.flatnonzero(upto > ahead):
            ahead[number] += np.count_nonzero(distances[near < places[number]] == values[number])
    return ahead


def _ranks_of_tracks(row: NDArray[np.floating], good: Positions, tracks: Positions) -> Ranks:
    nearest, right = _nearest_of_tracks(row, good, tracks)
    return right_ranks(nearest[None], [right], [np.empty(0, np.int64)])[0]


def _nearest_of_tracks(
    row: NDArray[np.floating], good: Positions, tracks: Positions
) -> tuple[NDArray[np.floating], Positions]:
    """One distance per track: that of its nearest image that is not left out."""
    kept = np.flatnonzero(np.isfinite(row))
    order = kept[np.lexsort((kept, row[kept], tracks[kept]))]
    firsts = np.unique(tracks[order], return_index=True)[1]
    nearest = np.sort(order[firsts])
    return row[nearest], np.flatnonzero(np.isin(nearest, good))
