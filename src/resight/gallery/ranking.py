"""The hits of a search as the Trento course wants them handed in: a line of names for each query."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

import numpy as np

from resight.data.formats.course import hand_in_names, write_course_ranking
from resight.gallery.gallery import Gallery
from resight.recognizer import Progress
from resight.records import Embeddings

__all__ = ["write_ranking"]


def write_ranking(
    path: str | os.PathLike[str],
    gallery: Gallery,
    queries: Embeddings,
    k: int | None = None,
    without: Collection[int] = (),
    *,
    progress: Progress | None = None,
) -> int:
    """Write `reid_test.txt`, the `k` nearest images of each query or all of them; returns how many did not find themselves.

    >>> write_ranking("reid_test.txt", gallery, resight.embed(gallery.model, queries).embeddings)

    `k` and `without` are those of `Gallery.rank`. `progress` is called with the number of queries done since the last
    call. Raises DataError where two queries, or two images of the gallery, have one name, or one that the format cannot
    hold.
    """
    names = np.array(hand_in_names((record.path for record in gallery.records), ranking=True), object)
    themselves = 0

    def lines() -> Iterator[tuple[str, list[str]]]:
        nonlocal themselves
        for record, found in zip(queries.records, gallery.rank(queries, k, without), strict=True):
            yield record.path, names[found.places].tolist()
            themselves += found.itself
            if progress is not None:
                progress(1)

    write_course_ranking(path, lines())
    return themselves
