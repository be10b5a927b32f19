"""The vectors of one version of a store, so that all of them are compared quickly: a file mapped into memory.

```
cache/
  vectors-000000000012.f32     float32, one row below the other; attributes-….f32 is empty where none are weighed
  rows-000000000012.npy        each row's id, stamp and squared length; written last
```

The files can be deleted; they are made anew from the store. A newer version is read as an older one's file and what came
after it: rows are stamped with the version that wrote their vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resight.files import written_whole
from resight.gallery.neighbours import Neighbours, gathered, squared_lengths
from resight.gallery.store import PROBABILITIES, VECTOR
from resight.records import vectors_of

__all__ = ["STAMP", "Vectors"]

STAMP = "stamp"
_Kind = TypeVar("_Kind", bound="Vectors")
_ROW = np.dtype([("id", "<i8"), ("stamp", "<i8"), ("squared", "<f8")])
_WORTH = 2**24
"""Bytes of vectors that are worth a file; fewer are read as quickly from the store."""
_TAIL = 0.2
"""Share of rows that came after the file was made, or are gone from it, from which on it is made anew."""
Batches = Callable[[int], Iterable[pa.RecordBatch]]
"""Rows of a later stamp than this: id, stamp, and vectors."""
Piece = tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.void]]
"""Vectors [n, D], their attributes' probabilities [n, A], and their rows [n]."""


@dataclass(frozen=True)
class Vectors:
    """Every vector of a store's version."""

    version: int
    parts: list[NDArray[np.float32]]
    """Matrices [N_i, D], one below the other."""
    attributes: list[NDArray[np.float32]]
    """The same, [N_i, A], of the attributes' probabilities; none where the metric weighs none."""
    rows: NDArray[np.void]
    """[N] with id, stamp and squared length."""
    live: NDArray[np.bool_]
    """[N]: which rows are in this version."""
    widths: tuple[int, int]
    """D and A."""

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Places of live rows by id."""
        places = np.flatnonzero(self.live)
        return places[np.argsort(self.rows["id"][places], kind="stable")]

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the live rows, ascending."""
        return np.ascontiguousarray(self.rows["id"][self._order])

    def places(self, ids: NDArray[np.int64] | None = None) -> NDArray[np.int64] | None:
        """Where these ids are, or all live rows; None where every row is meant. Ids that are not there are left out."""
        if ids is None:
            return None if self.live.all() else np.flatnonzero(self.live)
        if not len(self.ids):
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.sort(self._order[at[self.ids[at] == ids]])

    def by_id(self, places: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Places, all live ones for None, in the order of their ids."""
        if places is None:
            return self._order
        return places[np.argsort(self.rows["id"][places], kind="stable")]

    def of(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors at these places, [len(places), D]."""
        return gathered(self.parts, places)

    def attributes_of(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        return gathered(self.attributes, places)

    def neighbours(self, *, products: bool) -> Neighbours:
        """A search of them whose equal answers are ordered by id."""
        return Neighbours(self.parts, self.rows["squared"], self.rows["id"], products=products)

    @classmethod
    def read(
        cls,
        folder: Path,
        version: int,
        ids: Callable[[], NDArray[np.int64]],
        batches: Batches,
        rows: int,
        widths: tuple[int, int],
    ) -> Self:
        """The vectors of `version`, which has these `ids`: from the newest file in `folder` that is not newer, and the store.

        They are `rows` vectors of these widths. Where that is much, and the file is old or missing, a new one is written;
        where that cannot be, they are held in memory.
        """
        before = _newest(cls, folder, version, widths)
        if before is not None:
            return before.brought_to(version, ids, batches, folder)
        if 4 * rows * sum(widths) >= _WORTH:
            with suppress(OSError):  # a full or read-only disk
                return cls._written(folder, version, map(_piece, batches(-1)), widths)
        parts, attributes, read = _joined(map(_piece, batches(-1)))
        return cls(version, parts, attributes, read, np.ones(len(read), bool), widths)

    def brought_to(self, version: int, ids: Callable[[], NDArray[np.int64]], batches: Batches, folder: Path) -> Self:
        """The vectors of a later version, which has these `ids`. Raises nothing that `read` does not."""
        if version == self.version:
            return self
        parts, attributes, rows = _joined(map(_piece, batches(self.version)))
        kept = self.live & np.isin(self.rows["id"], ids()) & ~np.isin(self.rows["id"], rows["id"])
        together, live = np.concatenate([self.rows, rows]), np.concatenate([kept, np.ones(len(rows), bool)])
        found = type(self)(
            version, _few(self.parts, parts), _few(self.attributes, attributes), together, live, self.widths
        )
        return found._kept(folder) if found._stale else found

    @property
    def _stale(self) -> bool:
        """Whether much came after the file was made, or is gone from it, and the rest is worth a file."""
        first = len(self.parts[0]) if self.parts else 0
        size = sum(part.nbytes for part in (*self.parts, *self.attributes))
        return size >= _WORTH and int(self.live[:first].sum()) < (1 - _TAIL) * len(self.live)

    def _kept(self, folder: Path) -> Self:
        """The same from a new file, where it can be written."""
        with suppress(OSError):
            return self._written(folder, self.version, self._pieces(), self.widths)
        return self

    def _pieces(self) -> Iterator[Piece]:
        places = np.flatnonzero(self.live)
        for start in range(0, len(places), 4096):
            some = places[start : start + 4096]
            yield self.of(some), self.attributes_of(some) if self.attributes else None, self.rows[some]

    @classmethod
    def _written(cls, folder: Path, version: int, pieces: Iterable[Piece], widths: tuple[int, int]) -> Self:
        """Written to files of this version and mapped from there; older files are deleted. Raises OSError."""
        folder.mkdir(exist_ok=True)
        rows = []
        with (
            written_whole(_file(folder, "vectors", version)) as partial,
            written_whole(_file(folder, "attributes", version)) as beside,
            open(partial, "wb") as vectors,
            open(beside, "wb") as attributes,
        ):
            for vector, attribute, row in pieces:
                vectors.write(vector.tobytes())
                attributes.write(b"" if attribute is None else attribute.tobytes())
                rows.append(row)
        with written_whole(_file(folder, "rows", version)) as partial, open(partial, "wb") as file:
            np.save(file, np.concatenate(rows))
        for old in folder.iterdir():
            if 0 < _version(old) < version:
                with suppress(OSError):  # another process has it mapped, on Windows
                    old.unlink()
        return cls._mapped(folder, version, np.concatenate(rows), widths)

    @classmethod
    def _mapped(cls, folder: Path, version: int, rows: NDArray[np.void], widths: tuple[int, int]) -> Self:
        """Raises OSError or ValueError where files are missing or not whole."""
        names = ("vectors", "attributes")
        vectors, attributes = (
            _map(_file(folder, name, version), len(rows), width) for name, width in zip(names, widths, strict=True)
        )
        return cls(version, vectors, attributes, rows, np.ones(len(rows), bool), widths)


def _newest(kind: type[_Kind], folder: Path, version: int, widths: tuple[int, int]) -> _Kind | None:
    files = sorted((file for file in folder.glob("rows-*.npy") if 0 < _version(file) <= version), key=_version)
    for file in reversed(files):
        with suppress(OSError, ValueError, EOFError):
            rows = np.load(file, allow_pickle=False)
            if rows.dtype == _ROW:
                return kind._mapped(folder, _version(file), rows, widths)
    return None


def _map(file: Path, rows: int, width: int) -> list[NDArray[np.float32]]:
    """The file as a matrix; none where it is empty."""
    if file.stat().st_size != 4 * rows * width:
        raise ValueError(f"{file} is not whole")
    return [np.memmap(file, np.float32, "r", shape=(rows, width))] if rows * width else []


def _file(folder: Path, name: str, version: int) -> Path:
    return folder / f"{name}-{version:012d}.{'npy' if name == 'rows' else 'f32'}"


def _version(file: Path) -> int:
    number = file.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _piece(batch: pa.RecordBatch) -> Piece:
    vectors = vectors_of(batch.column(VECTOR))
    rows = np.empty(len(batch), _ROW)
    rows["id"], rows[STAMP] = batch.column("id").to_numpy(), batch.column(STAMP).to_numpy()
    rows["squared"] = squared_lengths(vectors)
    weighed = PROBABILITIES in batch.schema.names
    return vectors, vectors_of(batch.column(PROBABILITIES)) if weighed else None, rows


def _joined(
    pieces: Iterable[Piece],
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]], NDArray[np.void]]:
    """One matrix of each, or none where there is nothing."""
    found = list(pieces)
    vectors, attributes = [piece[0] for piece in found], [piece[1] for piece in found if piece[1] is not None]
    rows = np.concatenate([np.empty(0, _ROW), *(piece[2] for piece in found)])
    return _one(vectors), _one(attributes), rows


def _one(parts: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    return [np.concatenate(parts)] if parts else []


def _few(parts: list[NDArray[np.float32]], more: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Not more than the mapped file and one matrix behind it."""
    return [*parts[:1], *_one([*parts[1:], *more])]
