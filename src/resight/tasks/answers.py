"""What queries can find in a gallery: whether they lie in it themselves, and why none of them has a right answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.files import file_key
from resight.records import Record
from resight.retrieval import Evaluation

__all__ = ["own_positions", "require_answers"]


def own_positions(query: Sequence[Record], gallery: Sequence[Record]) -> NDArray[np.int64]:
    """[Q]: where in the gallery each query's own file lies, the same on disk by whatever path; -1 where it does not."""
    places = {file_key(record.path): place for place, record in enumerate(gallery)}
    return np.array([places.get(file_key(record.path), -1) for record in query], np.int64)


def require_answers(found: Evaluation, query: Sequence[Record], gallery: Sequence[Record]) -> None:
    """Raises DataError that says why, when none of the queries has a right answer in the gallery."""
    if found.without_match < len(query):
        return
    known = {record.identity for record in gallery}
    there = sum(record.identity in known for record in query)
    asked = "the query has no" if len(query) == 1 else f"none of the {len(query):,} queries has a"
    nothing = f"{asked} right answer in the gallery"
    if found.protocol == "lists":
        why = "the dataset's own lists name none"
    elif not there:
        why = "no image there has the identity of a query; check that both sides name people alike"
    elif there == len(query):
        why = f"{_LEFT_OUT}; give images of other cameras, or evaluate with protocol course"
    else:
        why = f"{len(query) - there} have an identity that is not there, and of the other {there} {_LEFT_OUT}"
    raise DataError(f"{nothing}: {why}")


_LEFT_OUT = "all images of their identity are of the query's own camera or the query's own file"
