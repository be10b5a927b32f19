"""New values for images of a gallery, as a user writes them: NAME=VALUE, or a table with a column of paths or ids."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast, get_args

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from resight.errors import DataError
from resight.gallery.filters import Kind, value_of_text
from resight.gallery.gallery import Gallery
from resight.gallery.rows import shown
from resight.records import milliseconds

__all__ = ["Edits", "edits_of", "values_of_options"]

_AT_ONCE = 5000
"""Paths that a gallery is asked for together."""


class Edits(NamedTuple):
    """What a table changes."""

    ids: NDArray[np.int64]
    values: Mapping[str, Sequence[object]]
    """Column -> a value for each id."""
    unknown: list[str]
    """Paths, or ids, of the table that are not in the gallery."""


def values_of_options(options: Sequence[str], columns: Mapping[str, Kind]) -> dict[str, object]:
    """Column -> value, from NAME=VALUE; None where the value is empty.

    >>> values_of_options(["name=Ann", "camera=3", "visits:int=2", "identity="], {"camera": "int", "identity": "int"})
    {'name': 'Ann', 'camera': 3, 'visits': 2, 'identity': None}

    A column that is not there yet holds text unless NAME:KIND says int, float, text or bool. Raises DataError.
    """
    return dict(_option(option, columns) for option in options)


def _option(option: str, columns: Mapping[str, Kind]) -> tuple[str, object]:
    name, sign, written = option.partition("=")
    if not sign or not name:
        raise DataError(f"{option!r} is no new value; write NAME=VALUE, such as name=Ann or camera=3")
    kind = columns.get(name)
    if kind is None:
        plain, colon, said = name.rpartition(":")
        if colon and said in get_args(Kind) and said != "time":
            return plain, _value(plain, _agreed(plain, cast(Kind, said), columns), written)
    return name, _value(name, kind or "text", written)


def _agreed(name: str, said: Kind, columns: Mapping[str, Kind]) -> Kind:
    if columns.get(name, said) != said:
        raise DataError(f"column {name} holds {columns[name]}, not {said}")
    return said


def _value(name: str, kind: Kind, written: str) -> object:
    if not written:
        return None
    if kind != "time":
        return value_of_text(name, kind, written)
    return int(written) if written.isdecimal() else milliseconds(written)


def edits_of(path: str | os.PathLike[str], gallery: Gallery) -> Edits:
    """What a .csv or .parquet changes: a column `path` or `id` names the images, the others are new values, empty for none.

    A relative path starts at the table's folder, as in a manifest. Columns that the gallery does not have are made, of the
    kind that their values are of. Raises DataError for a table that cannot be read, and for two rows of one image.
    """
    file = Path(path)
    table = _read(file, gallery)
    if twice := [name for name, count in Counter(table.column_names).items() if count > 1]:
        raise DataError(f"{file}: column {twice[0]} comes twice; give each once")
    key = next((name for name in ("id", "path") if name in table.column_names), None)
    if key is None:
        raise DataError(f"{file}: no column path or id, by which an image would be known")
    wanted = table[key].to_pylist()
    if key == "path":
        wanted = [os.path.abspath(os.path.join(file.parent, one or "")) for one in wanted]
    if len(set(wanted)) < len(wanted):
        raise DataError(f"{file}: an image comes twice in column {key}; give each once")
    rows: list[int] = []
    ids: list[int] = []
    for number, place in _places(gallery, key, wanted):
        ids.append(number)
        rows.append(place)
    changed = table.take(pa.array(rows, pa.int64()))
    values = {
        name: _cells(changed[name], gallery.columns.get(name), name)
        for name in changed.column_names
        if name not in ("id", "path")
    }
    if not values:
        raise DataError(f"{file}: no column but {key}, so there is nothing to change")
    there = set(rows)
    return Edits(np.array(ids, np.int64), values, [str(one) for place, one in enumerate(wanted) if place not in there])


def _places(gallery: Gallery, key: str, wanted: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Ids of the gallery, and the row of the table that names each."""
    place_of = {one: place for place, one in enumerate(wanted)}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        for rows in gallery.rows({key: list(some)}, vectors=False):
            for number, one in zip(rows["id"].to_pylist(), rows[key].to_pylist(), strict=True):
                yield number, place_of[one]


def _read(file: Path, gallery: Gallery) -> pa.Table:
    try:
        if file.suffix.lower() in (".parquet", ".pq"):
            return pq.read_table(file)
        texts = {name: pa.string() for name in shown(gallery.columns) if name != "id"}
        options = csv.ConvertOptions(
            column_types={**texts, "id": pa.int64()}, strings_can_be_null=True, null_values=[""]
        )  # by default somebody called NA would be nobody
        return csv.read_csv(file, convert_options=options)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a table that can be read ({error})") from None


def _cells(column: pa.ChunkedArray, kind: Kind | None, name: str) -> list[object]:
    if kind is not None and pa.types.is_string(column.type):
        return [None if cell is None else _value(name, kind, cell) for cell in column.to_pylist()]
    if pa.types.is_temporal(column.type):
        moments = column.cast(pa.timestamp("ms")).cast(pa.int64())
        return (moments if kind == "time" else column.cast(pa.string())).to_pylist()
    return [None if cell != cell else cell for cell in column.to_pylist()]  # NaN is no value
