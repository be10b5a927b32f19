"""Tracklets as entries of a gallery: which are to be embedded, and which entries they take the place of.

An entry's row bears the number of its best image, which may be another one once the tracklet has grown. What tells that
it is the same tracklet is that the entry's image is one of the tracklet's. An entry whose image is no longer among them is
not known again: it stays until somebody deletes it, since another recording may use the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from resight.gallery.due import names_of
from resight.gallery.rows import STATE, file_state, ids_of
from resight.gallery.store import Store
from resight.records import TRACKLET_IMAGES, Record

__all__ = ["Tracklet", "formers_of", "tracklets_due"]


class Tracklet(NamedTuple):
    """A tracklet that is to be embedded, or an image of none."""

    images: Sequence[Record]
    state: int | None
    """Of all its images' files, before they are read; see `resight.gallery.rows.file_state`."""
    former: list[int]
    """Ids of the entries that a gallery has of it."""


def tracklets_due(store: Store | None, tracklets: Sequence[Sequence[Record]], way: str = "") -> list[Tracklet]:
    """Those of the tracklets of which a store has no entry, or one of other images, of files since changed, or made
    another `way`."""
    ids = [ids_of(images).tolist() for images in tracklets]
    there = _rows(store, [number for of_one in ids for number in of_one])
    found = []
    for images, numbers in zip(tracklets, ids, strict=True):
        state = _state(images, numbers, way)
        former = [number for number in numbers if _is_entry(there.get(number), images)]
        if len(former) != 1 or state is None or there[former[0]].get(STATE) != state:
            found.append(Tracklet(images, state, former))
    return found


def formers_of(store: Store | None, tracklets: Sequence[Sequence[int]]) -> list[list[int]]:
    """Ids of the entries that a store has of each tracklet, which is given as the ids of its images."""
    there = _rows(store, [number for of_one in tracklets for number in of_one])
    entries = {number for number, row in there.items() if row.get(TRACKLET_IMAGES) is not None}
    return [[number for number in of_one if number in entries] for of_one in tracklets]


def _rows(store: Store | None, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Id -> what is kept of its files, of the ids that are there."""
    if store is None:
        return {}
    return {row["id"]: row for row in store.fetch(np.array(ids, np.int64), names_of(store, "id")).to_pylist()}


def _is_entry(row: Mapping[str, Any] | None, images: Sequence[Record]) -> bool:
    """Whether a row is the entry of the tracklet; not where it is one of its images alone."""
    return row is not None and (images[0].tracklet is None or row.get(TRACKLET_IMAGES) is not None)


def _state(images: Sequence[Record], ids: Sequence[int], way: str) -> int | None:
    states = [file_state(image.path) for image in images]
    if images[0].tracklet is None:
        return states[0]
    said = repr((sorted(zip(ids, (state or 0 for state in states), strict=True)), way))
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest()) >> 1
