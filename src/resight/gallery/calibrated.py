"""How thoroughly an index must be searched for the recall that was asked for: measured against exact search.

Engines' own defaults find 40 to 60 % of the nearest rows and do not say so. Conditions make it worse: neighbours that
fulfil one are further away, in more partitions. So it is measured for all rows and where 50, 10 and 1 % are left, both by
chance and, where there are cameras, by camera.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from resight.gallery.cache import Vectors
from resight.gallery.filters import Between, Filter, In, sql
from resight.gallery.store import IndexFacts

__all__ = ["DEPTH", "SHARES", "measured"]

SHARES = (1.0, 0.5, 0.1, 0.01)
DEPTH = 10
"""Neighbours among which recall is measured."""
_FIRST = 32
"""The search for what is needed begins at this part of the partitions."""
_SURE = 0.5
"""Part of the hits allowed to be missing that may be missing in the sample, as another sample may miss more."""
Answers = list[tuple[NDArray[np.float64], NDArray[np.int64]]]


def measured(
    exactly: Callable[[NDArray[np.float32], int, NDArray[np.int64] | None], Answers],
    by_index: Callable[[NDArray[np.float32], int, str | None, int], Answers],
    vectors: Vectors,
    facts: IndexFacts,
    cameras: NDArray[np.int64] | None,
) -> IndexFacts:
    """The facts with, for each share of the rows, the fewest partitions tried that reach the promised recall.

    Queries are `facts.sample` of the rows, which are not counted as their own neighbours. `cameras` are those of
    `vectors.ids`.
    """
    ids = vectors.ids
    chosen = np.sort(np.random.default_rng(facts.version).choice(ids, facts.sample, replace=False))
    places = vectors.by_id(vectors.places(chosen))
    queries = vectors.of(places)
    effort: dict[float, int] = {}
    recall: dict[float, float] = {}
    needed = max(1, facts.partitions // _FIRST)
    for share in SHARES:
        for kept, condition in _conditions(ids, cameras, share):
            true = _others(exactly(queries, DEPTH + 1, kept), chosen)
            search = partial(by_index, queries, DEPTH + 1, condition)
            needed, found = _needed(search, true, chosen, facts, needed)
            effort[share], recall[share] = needed, min(found, recall.get(share, 1.0))
    return replace(facts, effort=effort, recall=recall)


def _needed(
    search: Callable[[int], Answers],
    true: list[NDArray[np.int64]],
    chosen: NDArray[np.int64],
    facts: IndexFacts,
    first: int,
) -> tuple[int, float]:
    """Partitions, and the recall that they gave."""
    wanted = 1 - (1 - facts.promised) * _SURE
    while True:
        recall = _recall(_others(search(first), chosen), true)
        if recall >= wanted or first >= facts.partitions:
            return first, recall
        first = min(facts.partitions, 2 * first)


def _others(answers: Answers, chosen: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The answers without the query itself, DEPTH at most."""
    return [ids[ids != own][:DEPTH] for (_, ids), own in zip(answers, chosen, strict=True)]


def _recall(found: list[NDArray[np.int64]], true: list[NDArray[np.int64]]) -> float:
    hits = sum(int(np.isin(right, given).sum()) for given, right in zip(found, true, strict=True))
    count = sum(map(len, true))
    return hits / count if count else 1.0


def _conditions(
    ids: NDArray[np.int64], cameras: NDArray[np.int64] | None, share: float
) -> Iterator[tuple[NDArray[np.int64] | None, str | None]]:
    """Ids that are left, and the condition that leaves them; None for all."""
    if share == 1:
        yield None, None
        return
    last = int(ids[max(0, round(share * len(ids)) - 1)])
    yield ids[ids <= last], _text(Between("id", None, last))
    some = _some_cameras(cameras, share) if cameras is not None else ()
    if cameras is not None and some:
        yield ids[np.isin(cameras, some)], _text(In("camera", some))


def _some_cameras(cameras: NDArray[np.int64], share: float) -> tuple[int, ...]:
    """Cameras that together took about this share of the rows; none where that cannot be."""
    values, counts = np.unique(cameras[cameras >= 0], return_counts=True)
    order = np.argsort(counts, kind="stable")
    shares = np.cumsum(counts[order]) / max(1, len(cameras))
    if not len(shares):
        return ()
    last = int(np.argmin(np.abs(shares - share)))
    return tuple(values[order[: last + 1]].tolist()) if share / 2 <= shares[last] <= 2 * share else ()


def _text(where: Filter) -> str:
    return sql(where, {"id": "int", "camera": "int"})
