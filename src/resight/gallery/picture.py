"""The hits of a search as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from resight.gallery.hit import Hit
from resight.views.grids import RankedList, Tile, found_caption, ranked_lists, save

__all__ = ["search_picture"]


def search_picture(answers: Sequence[tuple[Sequence[str], Sequence[Hit]]], path: str | os.PathLike[str]) -> None:
    """Draw ranked lists, a row for each query: the paths of its pictures, and what they found.

    Further pictures of one query stand below its first, without hits. Raises DataError when `path` does not end like a
    picture.
    """
    rows = []
    for (first, *others), hits in answers:
        found = [Tile(hit.record.path, "unknown", found_caption(hit.score, hit.record.camera)) for hit in hits]
        rows += [RankedList(first, Path(first).name, found)]
        rows += [RankedList(other, f"+ {Path(other).name}", []) for other in others]
    save(ranked_lists(rows), path)
