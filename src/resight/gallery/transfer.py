"""Galleries written to files and read from them: to move one, to merge several, to open one in a spreadsheet.

A feature file of `export_features` is one of `resight embed` with more: typed columns beside the records, and in its
metadata what the gallery knows of its model, so that it becomes a gallery again without that model. All that is read and
written goes through memory a piece at a time.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from resight.errors import DataError
from resight.files import written_whole
from resight.gallery.gallery import Gallery, Where, plan_of
from resight.gallery.rows import FIELDS, FILE, ids_of, records_of
from resight.gallery.store import PROBABILITIES, VECTOR, Column, Schema
from resight.recognizer import Progress, Recognizer
from resight.records import Embeddings, Record, features_written, table_attributes, table_records, vectors_of
from resight.words import counted

__all__ = [
    "Source",
    "export_features",
    "export_manifest",
    "export_table",
    "gallery_for",
    "import_into",
    "members_of",
    "origin_of",
    "source_of",
]

_PIECE = 8192
"""Images that are read, and committed, at a time."""
_BUFFER = 2**20
"""Bytes of a file that are read at a time."""
_METADATA = b"resight"
_PART = re.compile(r"part-(\d+)-of-([1-9]\d*)\.parquet")
_FIELDS = frozenset(column.name for column in FIELDS)
_MEMBERS = "tracklet_members"
_OURS = frozenset({"attributes", "feature", _MEMBERS})
"""Columns of a feature file that are its own: a gallery's of these names go along among the attributes, as text."""


class Piece(NamedTuple):
    """What is read and written together."""

    embeddings: Embeddings
    beside: dict[Column, pa.Array]
    """The columns that stand beside their records."""
    members: list[list[int]] | None = None
    """Of entries of tracklets, the ids of each one's images, where that is known."""


def origin_of(model: Recognizer) -> dict[bytes, bytes]:
    """What a feature file says of its model, as its metadata."""
    return _said(*plan_of(model))


def _said(schema: Schema, facts: Mapping[str, Any]) -> dict[bytes, bytes]:
    return {_METADATA: json.dumps({"schema": asdict(schema), "facts": dict(facts)}).encode()}


def members_of(tracklets: Sequence[Sequence[Record]]) -> dict[str, pa.Array]:
    """A feature file's column of the images of each entry's tracklet, by which it finds its former entry."""
    return {_MEMBERS: pa.array([ids_of(images).tolist() for images in tracklets], pa.list_(pa.int64()))}


def export_features(
    gallery: Gallery, path: str | os.PathLike[str], where: Where = None, progress: Progress | None = None
) -> int:
    """Write a Parquet file with the features and all columns of a gallery's images, whole or not at all; returns how many.

    `resight.records.Embeddings.load` reads it, `import_into` with everything. Raises DataError where no image fulfils the
    condition, as the others do.
    """
    count = 0
    with features_written(path, _said(gallery.schema, gallery.facts)) as write:
        for embeddings, beside, _ in _embedded(gallery, where):
            write(embeddings, {column.name: cells for column, cells in beside.items() if column.name not in _OURS})
            count += len(embeddings)
            _advance(progress, len(embeddings))
        _require_some(count, gallery)
    return count


def export_table(
    gallery: Gallery, path: str | os.PathLike[str], where: Where = None, progress: Progress | None = None
) -> int:
    """Write a CSV file with every column but the vectors, times as dates; returns how many images it has."""
    names = list(gallery.columns)
    return _written(
        path, gallery, (_readable(rows.select(names)) for rows in _pieces(gallery, where, vectors=False)), progress
    )


def export_manifest(
    gallery: Gallery, path: str | os.PathLike[str], where: Where = None, progress: Progress | None = None
) -> int:
    """Write a CSV file that `--data manifest:FILE` reads: the images as a dataset's gallery; returns how many."""
    kept = [
        column.name
        for column in gallery.schema.columns
        if column.name not in (FILE, "split") and (column.name in _FIELDS or column.kind == "text")
    ]

    def tables() -> Iterator[pa.Table]:
        for rows in _pieces(gallery, where, vectors=False):
            split = pa.array(["gallery"] * len(rows))
            yield rows.select(kept).add_column(0, "split", split)

    return _written(path, gallery, tables(), progress)


def _written(
    path: str | os.PathLike[str], gallery: Gallery, tables: Iterator[pa.Table], progress: Progress | None
) -> int:
    count = 0
    with written_whole(path) as partial, ExitStack() as opened:
        writer = None
        for table in tables:
            writer = writer or opened.enter_context(csv.CSVWriter(partial, table.schema))
            writer.write_table(table)
            count += len(table)
            _advance(progress, len(table))
        _require_some(count, gallery)
        opened.close()  # what it still writes must be there before the file is moved
    return count


def _require_some(count: int, gallery: Gallery) -> None:
    if not count:
        raise DataError(f"{gallery.where}: no image fulfils the condition, so there is nothing to write")


def _readable(rows: pa.Table) -> pa.Table:
    """Times as dates, in UTC."""
    place = rows.column_names.index("time")
    moments = pc.strftime(rows["time"].cast(pa.timestamp("ms")), format="%Y-%m-%dT%H:%M:%S")
    return rows.set_column(place, "time", moments)


def _embedded(gallery: Gallery, where: Where = None) -> Iterator[Piece]:
    """The images in pieces, with the columns that are not their records'."""
    own = _own(gallery.schema)
    for rows in _pieces(gallery, where):
        probabilities = vectors_of(rows[PROBABILITIES]) if gallery.schema.attributes else None
        beside = {column: rows[column.name] for column in own}
        yield Piece(Embeddings(vectors_of(rows[VECTOR]), records_of(rows), probabilities), beside)


def _own(schema: Schema) -> list[Column]:
    """The columns that not every gallery has."""
    return [column for column in schema.columns if column.name not in _FIELDS]


def _pieces(gallery: Gallery, where: Where, *, vectors: bool = True) -> Iterator[pa.Table]:
    """The rows, `_PIECE` at a time."""
    held: list[pa.RecordBatch] = []
    for batch in gallery.rows(where, vectors=vectors):
        while sum(map(len, held)) + len(batch) >= _PIECE:
            taken = _PIECE - sum(map(len, held))
            yield pa.Table.from_batches([*held, batch.slice(0, taken)])
            held, batch = [], batch.slice(taken)
        if len(batch):
            held.append(batch)
    if held:
        yield pa.Table.from_batches(held)


# Read


class Source(Protocol):
    """What can be read into a gallery."""

    @property
    def name(self) -> str: ...  # pragma: no cover

    @property
    def schema(self) -> Schema | None:
        """What its gallery was made of; None where it does not say."""
        ...  # pragma: no cover

    @property
    def facts(self) -> Mapping[str, Any] | None: ...  # pragma: no cover

    def __len__(self) -> int: ...  # pragma: no cover

    def pieces(self) -> Iterator[Piece]: ...  # pragma: no cover


@dataclass(frozen=True)
class _Another:
    """Another gallery."""

    gallery: Gallery

    @property
    def name(self) -> str:
        return self.gallery.where

    @property
    def schema(self) -> Schema:
        return self.gallery.schema

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.gallery.facts

    def __len__(self) -> int:
        return len(self.gallery)

    def pieces(self) -> Iterator[Piece]:
        return _embedded(self.gallery)


class _Files:
    """Feature files that one model made."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.name = str(files[0]) if len(files) == 1 else f"{files[0].parent}, {counted(len(files), 'file')}"
        self._count, origins = 0, []
        for file in files:  # not all are held open: of hundreds a system may not allow that
            with _opened(file) as reader:
                self._count += reader.metadata.num_rows
                origins.append(_origin(reader, file))
        self.schema, self.facts = origins[0]
        prints = {
            None if facts is None else facts["fingerprint"]: file
            for (_, facts), file in zip(origins, files, strict=True)
        }
        if len(prints) > 1:
            first, second = list(prints.values())[:2]
            raise DataError(f"{first} and {second} hold embeddings of two models, which cannot be compared")

    def __len__(self) -> int:
        return self._count

    def pieces(self) -> Iterator[Piece]:
        own = [] if self.schema is None else [one for one in _own(self.schema) if one.name not in _OURS]
        for file in self.files:
            try:
                with _opened(file) as reader:
                    for batch in reader.iter_batches(_PIECE):
                        table = pa.table(batch)
                        found = Embeddings(vectors_of(table["feature"]), table_records(table), table_attributes(table))
                        beside = {column: table[column.name] for column in own if column.name in table.column_names}
                        members = table[_MEMBERS].to_pylist() if _MEMBERS in table.column_names else None
                        yield Piece(found, beside, members)
            except (OSError, KeyError, ValueError, AttributeError, pa.ArrowException) as error:
                raise _no_features(file, error) from None


def source_of(place: str) -> Source:
    """What is at a place: a gallery, in a folder or on a server; a feature file; or a folder of part files.

    Part files are those of `resight embed --shard`, `part-1-of-8.parquet` and so on. Raises DataError where one is missing,
    and where nothing of these is there.
    """
    from resight.gallery.stores import store_exists

    if store_exists(place):
        return _Another(Gallery.open(place))
    folder = Path(place)
    if not folder.exists():
        raise DataError(f"{place}: no such file, folder or gallery")
    return _Files([folder] if folder.is_file() else _parts(folder))


def _parts(folder: Path) -> list[Path]:
    found = [name for file in folder.glob("part-*-of-*.parquet") if (name := _PART.fullmatch(file.name))]
    if not found:
        raise DataError(f"{folder} holds no gallery and no part-1-of-N.parquet; make these by `resight embed --shard`")
    counts = {int(name[2]) for name in found}
    if len(counts) > 1:
        several = " and of ".join(map(str, sorted(counts)))
        raise DataError(f"{folder} holds parts of two divisions, of {several}; remove the older")
    count = counts.pop()
    whole = [folder / f"part-{number}-of-{count}.parquet" for number in range(1, count + 1)]
    if missing := [file.name for file in whole if not file.exists()]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{folder}: {missing[0]}{more} is missing; run `resight embed --shard` for it first")
    return whole


def _opened(file: Path) -> pq.ParquetFile:
    if file.suffix.lower() == ".csv":
        raise DataError(
            f"{file}: a table has no features; import what `resight gallery export --out NAME.parquet` writes, or embed "
            f"the images of a manifest: resight index RUN manifest:{file} --out GALLERY"
        )
    try:
        reader = pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER)  # else it keeps all that it has read
        reader.schema_arrow.field("feature")
    except (OSError, KeyError, pa.ArrowException) as error:
        raise _no_features(file, error) from None
    return reader


def _no_features(file: Path, error: Exception) -> DataError:
    return DataError(f"{file}: not a feature file ({error}); make one with `resight embed` or `resight gallery export`")


def _origin(reader: pq.ParquetFile, file: Path) -> tuple[Schema | None, Mapping[str, Any] | None]:
    said = (reader.schema_arrow.metadata or {}).get(_METADATA)
    if said is None:
        return None, None
    try:
        stored = json.loads(said)
        columns = tuple(Column(**column) for column in stored["schema"].pop("columns"))
        facts: Mapping[str, Any] = stored["facts"]
        _ = facts["fingerprint"], facts["model"]
        return Schema(**stored["schema"], columns=columns), facts
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: what it says of its model is damaged ({error})") from None


def gallery_for(source: Source, where: str, model: Recognizer | None = None) -> Gallery:
    """The gallery at `where`, or a new one for what a source holds; nothing is there before the first images are.

    Raises DataError where the source's embeddings are another model's, or nobody says whose.
    """
    from resight.gallery.stores import store_exists

    if source.facts is None and model is None:
        raise DataError(f"{source.name} does not say which model made it; give its run: --model RUN")
    if store_exists(where):
        gallery = Gallery.open(where, model=model)
    elif model is not None:
        gallery = Gallery.create(where, model, empty=False)
    else:
        assert source.schema is not None
        assert source.facts is not None
        gallery = Gallery.planned(where, source.schema, source.facts)
    if source.facts is not None and source.facts["fingerprint"] != gallery.facts["fingerprint"]:
        raise DataError(
            f"{source.name} holds embeddings of another model than {gallery.where}, and they cannot be compared; "
            "choose another --out"
        )
    return gallery


def import_into(gallery: Gallery, source: Source, progress: Progress | None = None) -> int:
    """Put a source's images into a gallery, in place of those that it has already; returns how many were read.

    Entries of tracklets that `resight embed` made take the place of these tracklets' entries, whatever image was their best.
    Pieces are committed one by one: what a kill leaves is whole, and the same call again ends with the same gallery.
    """
    count = 0
    for embeddings, beside, members in source.pieces():
        gallery.add_embeddings(embeddings, beside, members)
        count += len(embeddings)
        _advance(progress, len(embeddings))
    return count


def _advance(progress: Progress | None, count: int) -> None:
    if progress is not None:
        progress(count)
