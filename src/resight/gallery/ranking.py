"""The hits of a search as the Trento course wants them handed in: a line of names for each query."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from resight.data.formats.course import hand_in_names, write_course_ranking
from resight.gallery.gallery import Gallery, Where
from resight.gallery.store import How
from resight.recognizer import Progress
from resight.records import Embeddings

__all__ = ["write_ranking"]


def write_ranking(
    path: str | os.PathLike[str],
    gallery: Gallery,
    queries: Embeddings,
    k: int | None = None,
    without: Sequence[int] | NDArray[np.int64] = (),
    *,
    where: Where = None,
    how: How = "auto",
    progress: Progress | None = None,
) -> int:
    """Write `reid_test.txt`, the `k` nearest images of each query or all of them; returns how many did not find themselves.

    >>> write_ranking("reid_test.txt", gallery, resight.embed(gallery.model, queries).embeddings)

    `k`, `without`, `where` and `how` are those of `Gallery.rank`. `progress` is called with the number of queries done since the last
    call. Raises DataError where two queries, or two images of the gallery, have one name, or one that the format cannot
    hold.
    """
    ids = gallery.ids()
    names = np.array(hand_in_names((record.path for record in gallery.fetch(ids)), ranking=True), object)
    themselves = 0

    def lines() -> Iterator[tuple[str, list[str]]]:
        nonlocal themselves
        for record, found in zip(queries.records, gallery.rank(queries, k, without, where, how=how), strict=True):
            yield record.path, names[np.searchsorted(ids, found.ids)].tolist()
            themselves += found.itself
            if progress is not None:
                progress(1)

    write_course_ranking(path, lines())
    return themselves
