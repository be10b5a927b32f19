"""The hits of a search as a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from resight.gallery.hit import Hit
from resight.views.grids import RankedList, Tile, found_caption, ranked_lists, save

__all__ = ["search_picture"]


def search_picture(answers: Mapping[str, Sequence[Hit]], path: str | os.PathLike[str]) -> None:
    """Draw ranked lists, a row for each query's path. Raises DataError when `path` does not end like a picture."""
    rows = [
        RankedList(
            query,
            Path(query).name,
            [Tile(hit.record.path, "unknown", found_caption(hit.score, hit.record.camera)) for hit in hits],
        )
        for query, hits in answers.items()
    ]
    save(ranked_lists(rows), path)
