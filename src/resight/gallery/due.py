"""Which of some images a gallery has to embed: those that it lacks, and those whose files have changed since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from resight.gallery.filters import In
from resight.gallery.rows import FILE, STATE, file_number, file_state, ids_of
from resight.gallery.store import Store
from resight.records import TRACKLET_IMAGES, Record

__all__ = ["Due", "due_of", "names_of", "states_of"]

_AT_ONCE = 5000
"""Values in one condition."""
_UNKNOWN = -1
"""State of a file that is not there, or of which nobody noted it."""
_TRACKLET = -2
"""State of an entry that is a whole tracklet: it is there, whatever became of its best image."""
Numbers = NDArray[np.int64]


class Due(NamedTuple):
    """What is to be done with some records."""

    places: Numbers
    """Of the records that are to be embedded, in their order."""
    changed: NDArray[np.bool_]
    """[len(places)]: whether the gallery has the image as its file was before."""
    elsewhere: Numbers
    """Ids of images that came by another path than the gallery's, and whose file has changed."""
    unmarked: Numbers
    """Places of images of which nobody noted the state: an older gallery's."""


def states_of(records: Sequence[Record]) -> Numbers:
    """The states that the records' files are in now, [N]."""
    found = (file_state(record.path) for record in records)
    return np.fromiter((_UNKNOWN if one is None else one for one in found), np.int64, len(records))


def due_of(store: Store | None, records: Sequence[Record], states: Numbers) -> Due:
    """What a store lacks of records, whose files had these states, [N], before they were read.

    A file is wanted once, by whatever path.
    """
    ids = ids_of(records)
    files = np.fromiter((file_number(record.path) for record in records), np.int64, len(records))
    there, kept = (np.empty(0, np.int64),) * 2 if store is None else _kept(store.fetch(ids, names_of(store, "id")))
    known = np.isin(ids, there)
    before = np.full(len(ids), _TRACKLET)
    before[known] = kept[_places_in(there, ids[known])]
    by_file, elsewhere = _by_file(store, files[~known], states[~known])
    changed = _differ(before, states) & _firsts(ids)
    new = ~known & _firsts(files) & ~np.isin(files, by_file)
    places = np.flatnonzero(new | changed)
    unmarked = np.flatnonzero((before == _UNKNOWN) & (states >= 0) & _firsts(ids))
    return Due(places, changed[places], elsewhere[~np.isin(elsewhere, ids)], unmarked)


def _differ(before: Numbers, states: Numbers) -> NDArray[np.bool_]:
    """[N]: whether files have other states than before; not where either is unknown."""
    return (before >= 0) & (states >= 0) & (before != states)


def _firsts(numbers: Numbers) -> NDArray[np.bool_]:
    """[N]: whether a number comes there for the first time."""
    first = np.zeros(len(numbers), bool)
    first[np.unique(numbers, return_index=True)[1]] = True
    return first


def _places_in(numbers: Numbers, wanted: Numbers) -> Numbers:
    """Where the wanted ones are among numbers that have them all."""
    order = np.argsort(numbers, kind="stable")
    return order[np.searchsorted(numbers, wanted, sorter=order)]


def names_of(store: Store, *always: str) -> list[str]:
    """Columns to read: those of older galleries may lack some."""
    return [*always, *(name for name in (STATE, TRACKLET_IMAGES) if name in store.schema.kinds)]


def _kept(rows: pa.Table | pa.RecordBatch) -> tuple[Numbers, Numbers]:
    """Ids of rows, and the states that were noted of their files."""
    ids = rows["id"].to_numpy()
    states = np.full(len(ids), _UNKNOWN)
    if STATE in rows.schema.names:
        states = pc.fill_null(rows[STATE], _UNKNOWN).to_numpy().copy()
    if TRACKLET_IMAGES in rows.schema.names:
        states[pc.is_valid(rows[TRACKLET_IMAGES]).to_numpy(zero_copy_only=False)] = _TRACKLET
    return ids, states


def _by_file(store: Store | None, files: Numbers, states: Numbers) -> tuple[Numbers, Numbers]:
    """Those of the files that a path of the gallery leads to now, and the ids of these that have changed.

    Systems give numbers anew, so that a path may have another one than when it was added.
    """
    found, changed = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(files) if store is not None else 0, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        condition = In(FILE, tuple(files[some].tolist()))
        for batch in store.scan(names_of(store, "id", FILE, "path"), condition):  # type: ignore[union-attr, arg-type]
            now = np.array([file_number(path) for path in batch["path"].to_pylist()], np.int64)
            (ids, before), there = _kept(batch), batch[FILE].to_numpy()
            own = now == there
            found.append(there[own])
            changed.append(ids[own][_differ(before[own], states[some][_places_in(files[some], there[own])])])
    return np.concatenate(found), np.concatenate(changed)
