"""Records as rows of a gallery, and back: which columns there are, and what stands in them.

A record's own fields are columns; each of its attributes is one more, of its name, and beside it NAME_probability where
the model says how sure it is. What is not known is null.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from resight.errors import DataError
from resight.files import file_key
from resight.gallery.filters import Kind
from resight.gallery.store import PROBABILITIES, VECTOR, Column
from resight.records import NO_ATTRIBUTES, NO_CAMERA, UNLABELLED, AttributeSchema, Embeddings, Record, vector_column

__all__ = [
    "FIELDS",
    "FILE",
    "PROBABILITY",
    "STATE",
    "attribute_columns",
    "certainties",
    "file_number",
    "file_state",
    "ids_of",
    "records_of",
    "row_id",
    "rows_of",
    "shown",
    "with_kept",
]

FILE = "file"
"""Column of the number of the file that the path named when it was added: it finds the same file by another path."""
STATE = "file_state"
"""Column of the state that the file was in when it was embedded, by which a change is noticed; galleries get it with the
first images that are added by their paths."""
FIELDS: tuple[Column, ...] = (
    Column("path", "text"),
    Column("identity", "int"),
    Column("camera", "int"),
    Column("time", "time"),
    Column("tracklet", "int"),
    Column("frame", "int"),
    Column("sequence", "int"),
    Column(FILE, "int"),
)
"""The columns of every gallery."""
PROBABILITY = "_probability"
_NAMES = frozenset(column.name for column in FIELDS)
_HIDDEN = frozenset([FILE, STATE])


def row_id(path: str | os.PathLike[str], frame: int | None = None, box: Sequence[float] | None = None) -> int:
    """The stable number of an image, 63 bits: of its absolute path, and of the frame and the box where it is part of one.

    >>> row_id("/crops/a.jpg") == row_id("/crops/./a.jpg")
    True
    """
    return _number(f"{os.path.abspath(path)}\0{'' if frame is None else frame}\0{'' if box is None else list(box)}")


def ids_of(records: Sequence[Record]) -> NDArray[np.int64]:
    """The numbers of the records' images, [N]."""
    return np.fromiter((row_id(record.path, record.frame) for record in records), np.int64, len(records))


def file_number(path: str | os.PathLike[str]) -> int:
    """63 bits of `file_key`: the same for all paths of one file."""
    return _number(file_key(path))


def file_state(path: str | os.PathLike[str]) -> int | None:
    """63 bits of a file's size and the date of its contents: another number once these have changed.

    None where there is no such file. Links, permissions and copies that keep dates change nothing.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return _number(f"{status.st_size}:{status.st_mtime_ns}")


def _number(text: str) -> int:
    # A name that is not UTF-8 stands in no gallery, which it takes a number to find out.
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()) >> 1


def shown(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """The columns that users see."""
    return {name: kind for name, kind in kinds.items() if name not in _HIDDEN}


def attribute_columns(records: Sequence[Record], schema: AttributeSchema = NO_ATTRIBUTES) -> list[Column]:
    """The columns of the records' attributes, and of those that the model weighs, with its probabilities.

    Raises DataError for an attribute that has the name of a field.
    """
    names = dict.fromkeys(name for record in records for name in record.attributes)
    if taken := sorted((_NAMES | _HIDDEN) & {*names, *schema.names}):
        raise DataError(f"the attribute {taken[0]!r} has the name of a column that every gallery has; rename it")
    columns = [Column(name, "text") for name in names | dict.fromkeys(schema.names)]
    return columns + [Column(name + PROBABILITY, "float") for name in schema.names]


def rows_of(embeddings: Embeddings, schema: AttributeSchema = NO_ATTRIBUTES) -> pa.Table:
    """A row for each embedding, paths absolute.

    `schema` is that of the attributes' probabilities. The value of an attribute is the record's own, else what the model
    holds most probable; its probability is the model's of that value.
    """
    records = embeddings.records
    cells: dict[str, pa.Array] = {"id": pa.array(ids_of(records))}
    for column in FIELDS:
        cells[column.name] = pa.array([_field(record, column.name) for record in records], column.type)
    cells |= _attributes(embeddings, schema)
    cells[VECTOR] = vector_column(embeddings.features)
    if embeddings.attributes is not None:
        cells[PROBABILITIES] = vector_column(embeddings.attributes)
    return pa.table(cells)


def _field(record: Record, name: str) -> object:
    if name == FILE:
        return file_number(record.path)
    if name == "path":
        return os.path.abspath(record.path)
    value = getattr(record, name)
    return None if (name, value) in (("identity", UNLABELLED), ("camera", NO_CAMERA)) else value


def _attributes(embeddings: Embeddings, schema: AttributeSchema) -> dict[str, pa.Array]:
    cells: dict[str, pa.Array] = {}
    for column in attribute_columns(embeddings.records, schema):
        if column.kind == "text":
            own = [record.attributes.get(column.name) for record in embeddings.records]
            cells[column.name] = pa.array(own, column.type)
    if embeddings.attributes is not None:
        for name in schema.names:
            cells |= _weighed(name, cells[name], embeddings.attributes[:, schema.columns(name)], schema.classes[name])
    return cells


def _weighed(
    name: str, own: pa.Array, probabilities: NDArray[np.float32], classes: Sequence[str]
) -> dict[str, pa.Array]:
    """An attribute's values and probabilities; a value that the model does not know has none."""
    numbers = {value: number for number, value in enumerate(classes)}
    likely = probabilities.argmax(1).tolist()
    values = [classes[best] if value is None else value for value, best in zip(own.to_pylist(), likely, strict=True)]
    sure = [
        float(row[numbers[value]]) if value in numbers else None
        for value, row in zip(values, probabilities, strict=True)
    ]
    return {name: pa.array(values, pa.string()), name + PROBABILITY: pa.array(sure, pa.float64())}


def with_kept(rows: pa.Table, before: pa.Table) -> pa.Table:
    """Rows, their empty cells filled from the rows `before` that have the same ids; of several, from the first that has a value.

    What a model recognised in the picture before is not kept, only what was given.
    """
    cells = {name: rows[name] for name in rows.column_names}
    place = pc.index_in(rows["id"], before["id"])
    for name in set(before.column_names) - _HIDDEN - _beside(before) - {"id", "path"}:
        cells[name] = _filled(cells.get(name), _given(before, name).take(place))
    filled, further = pa.table(cells), _further(before)
    return with_kept(filled, further) if len(further) else filled


def _further(rows: pa.Table) -> pa.Table:
    """The rows whose ids have come before."""
    first = np.unique(rows["id"].to_numpy(), return_index=True)[1]
    return rows.take(np.delete(np.arange(len(rows)), first))


def _beside(rows: pa.Table) -> set[str]:
    """The columns that are probabilities of others."""
    return {name + PROBABILITY for name in rows.column_names} & set(rows.column_names)


def _given(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """A column without the values that a model recognised."""
    if name + PROBABILITY not in rows.column_names:
        return rows[name]
    return pc.if_else(pc.is_valid(rows[name + PROBABILITY]), pa.scalar(None, rows[name].type), rows[name])


def _filled(new: pa.ChunkedArray | None, kept: pa.ChunkedArray) -> pa.ChunkedArray:
    return kept if new is None else pc.coalesce(new, kept)


def records_of(rows: pa.Table) -> list[Record]:
    """The records of rows that have every field. Columns of users' own are attributes, as text."""
    names = [column.name for column in FIELDS if column.name != FILE]
    own = [name for name in rows.column_names if name not in _NAMES | _HIDDEN | {"id", VECTOR, PROBABILITIES}]
    own = [name for name in own if not (name.endswith(PROBABILITY) and name.removesuffix(PROBABILITY) in own)]
    return [_record(row, own) for row in rows.select([*names, *own]).to_pylist()]


def certainties(rows: pa.Table) -> list[dict[str, float]]:
    """Attribute -> probability of its value, for each row; a value that nobody recognised has none."""
    names = [name for name in rows.column_names if name + PROBABILITY in rows.column_names]
    found = rows.select([name + PROBABILITY for name in names]).to_pylist() if names else [{}] * len(rows)
    return [
        {name.removesuffix(PROBABILITY): value for name, value in row.items() if value is not None} for row in found
    ]


def _record(row: dict[str, object], own: Sequence[str]) -> Record:
    attributes = {name: _word(row[name]) for name in own if row[name] is not None}
    known = {name: row[name] for name in _NAMES - {FILE} if row[name] is not None}
    return Record(**known, attributes=attributes)  # type: ignore[arg-type]


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
