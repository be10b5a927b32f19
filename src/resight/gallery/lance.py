"""A gallery's rows in a folder: a table of LanceDB, which many processes read while one writes.

```
gallery/
  gallery.json          format version, metric, widths, columns, what the gallery keeps beside its rows, the index's facts
  rows.lance/           LanceDB's: the only truth
  cache/                vectors of one version, to compare them quickly (`resight.gallery.cache`); can be deleted
  .lock                 there while one writes; readers take none
```

LanceDB commits a batch whole but leaves it to the system when it reaches the disk; here it is there before a call returns.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lancedb.index import Bitmap, BTree, IvfSq
from numpy.typing import NDArray

from resight.errors import DataError, RunError
from resight.files import disk_named, locked, written_whole
from resight.gallery import pieces
from resight.gallery.cache import STAMP, Vectors
from resight.gallery.calibrated import measured
from resight.gallery.filters import Filter, In, sql
from resight.gallery.neighbours import Neighbours, squared_lengths
from resight.gallery.store import (
    EXACT_ROWS,
    KEPT,
    PROBABILITIES,
    SAMPLE,
    VECTOR,
    Column,
    Found,
    How,
    IndexFacts,
    Schema,
    Storage,
    Written,
)
from resight.records import NO_CAMERA, vectors_of
from resight.retrieval import metric_between, nearest

__all__ = ["FORMAT", "LanceStore", "read_document"]

FORMAT = 4
_PATIENCE = 600
"""Seconds that a change waits for another one to be written."""
_QUERIES = 100
"""Queries that are asked of the index, or compared by attributes, at a time."""
_SPARE = 32
"""Candidates of the index beyond `k`, among which float64 decides."""
_DEEP = 100
"""Beyond so many hits `auto` is exact: the index was measured at 10."""
_QUICK = 10**8
"""Numbers that exact search compares in less time than the index takes: of 100,000 vectors of 512, 6 ms and 25, or 44 and
177 on a busy machine (benchmarks/gallery.py)."""
_IDS = 2000
"""Ids in one question to the table."""
_DELETED = 10_000
"""Ids in one deletion: a condition of 100,000 takes 110 MB and four seconds, and ever more beyond."""
_VERSIONS = 100
"""Versions of longer ago, and a thousandth of the rows, beyond which small additions have a gallery compacted."""
_INDEXED = 10_000
"""Rows from which on compaction indexes columns."""
_KINDS: dict[str, Literal["l2", "dot"]] = {"euclidean": "l2", "cosine": "dot"}
"""Metrics in LanceDB's words; cosine is the product of vectors of length 1."""
_RESERVED = ("format", "store", "metric", "width", "attributes", "columns", "index")
_OLDER = ("metric", "attributes", "model", "fingerprint", "generation")
_Answer = TypeVar("_Answer")
_Nearest = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Scores and ids, best first."""


class LanceStore:
    """See `resight.gallery.store.Store`."""

    def __init__(self, folder: Path, version: _Version) -> None:
        self.folder, self._now = folder, version
        self._known: dict[str, set[str]] | None = None
        self._turn, self._change = threading.Lock(), threading.Lock()

    @classmethod
    def create(cls, where: str | os.PathLike[str], schema: Schema, facts: Mapping[str, Any]) -> Self:
        """A new store without rows. Raises RunError where the folder is a gallery already."""
        folder = Path(where)
        with locked(folder, RunError, _PATIENCE):
            if (folder / "gallery.json").exists():
                raise RunError(f"{folder} is a gallery already; open it with Gallery.open, or choose another folder")
            cls.made(folder, schema, facts)
        return cls.open(folder)

    @classmethod
    def made(cls, folder: Path, schema: Schema, facts: Mapping[str, Any], rows: pa.Table | None = None) -> None:
        """Write a store with these rows, whose ids differ, in place of what is there; gallery.json last. The caller has the lock."""
        with disk_named(folder, folder / "rows.lance"):
            shutil.rmtree(folder / "rows.lance", ignore_errors=True)
            table = lancedb.connect(folder).create_table("rows", schema=_stored(schema))
            if rows is not None and len(rows):
                table.add(_conforming(rows, schema, 1))
        _sync(folder / "rows.lance", {})
        _write_document(folder, {**facts, **_described(schema), "index": None})

    @classmethod
    def open(cls, where: str | os.PathLike[str]) -> Self:
        """Raises RunError where the folder is no gallery, of another format, or damaged."""
        folder = Path(where)
        return cls(folder, _Version.newest(folder))

    @property
    def where(self) -> str:
        return str(self.folder)

    @property
    def schema(self) -> Schema:
        return self._now.schema

    @property
    def facts(self) -> Mapping[str, Any]:
        return {name: value for name, value in self._now.document.items() if name not in _RESERVED}

    @property
    def index(self) -> IndexFacts | None:
        return self._now.index

    @property
    def version(self) -> int:
        return self._now.number

    @property
    def storage(self) -> Storage:
        size = 0
        for place, _, files in os.walk(self.folder):
            for name in files:
                with suppress(FileNotFoundError):  # another process has compacted meanwhile
                    size += os.stat(os.path.join(place, name)).st_size
        count = self._reading(lambda now: now.table.stats()["fragment_stats"]["num_fragments"])
        return Storage(f"LanceDB {lancedb.__version__}", size, count)

    def describe(self, facts: Mapping[str, Any]) -> None:
        with self._writing():
            ours = {name: value for name, value in self._now.document.items() if name in _RESERVED}
            _write_document(self.folder, {**facts, **ours})

    def add_columns(self, columns: Sequence[Column]) -> None:
        with self._writing() as table:
            missing = [column for column in columns if _is_missing(column, self.schema)]
            if not missing:
                return
            wider = replace(self.schema, columns=(*self.schema.columns, *missing))
            _write_document(self.folder, {**self._now.document, **_described(wider)})
            there = set(table.schema.names)
            fields = [pa.field(column.name, column.type) for column in missing if column.name not in there]
            if fields:
                table.add_columns(pa.schema(fields))

    def upsert(self, rows: pa.Table) -> Written:
        with self._writing() as table:
            batch = _conforming(rows, self.schema, table.version + 1)
            _require_distinct(batch)
            self._require_no_collision(batch)
            if not len(batch):
                return Written(0, 0, table.version)
            done = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(batch)
            self._tidied(table)
            return Written(done.num_inserted_rows, done.num_updated_rows, table.version)

    def _require_no_collision(self, batch: pa.Table) -> None:
        """Raises DataError where a row of the same id has another path."""
        there = self._now.fetched(_ids_of(batch), ["id", "path"])
        paths = dict(zip(batch["id"].to_pylist(), batch["path"].to_pylist(), strict=True))
        for number, path in zip(there["id"].to_pylist(), there["path"].to_pylist(), strict=True):
            if paths[number] != path:
                raise DataError(f"{paths[number]} and {path} have one number, {number}; rename one of them")

    def update(self, ids: Sequence[int] | NDArray[np.int64], columns: pa.Table) -> int:
        with self._writing() as table:
            numbers = np.asarray(ids, np.int64)
            kinds = {column.name: column for column in self.schema.columns}
            if unknown := [name for name in columns.column_names if name not in kinds]:
                raise DataError(f"no column {unknown[0]!r} to update; add it first")
            cells = {name: columns[name].cast(kinds[name].type) for name in columns.column_names}
            batch = pa.table({"id": pa.array(numbers), **cells})
            _require_distinct(batch)
            if not len(batch):
                return 0
            updated: int = table.merge_insert("id").when_matched_update_all().execute(batch).num_updated_rows
            self._tidied(table)
            return updated

    def delete(self, where: Filter | Sequence[int] | NDArray[np.int64]) -> int:
        with self._writing() as table:
            if isinstance(where, Sequence | np.ndarray):
                ids = np.unique(np.asarray(where, np.int64))
                parts = [_one_of(ids[at : at + _DELETED]) for at in range(0, len(ids), _DELETED)]
            else:
                parts = [sql(where, self.schema.kinds)]
            return sum(table.delete(part).num_deleted_rows for part in parts if table.count_rows(part))

    def compact(self, keep: timedelta = KEPT) -> None:
        with self._writing() as table:
            self._compact(table, keep)

    def _compact(self, table: Any, keep: timedelta) -> None:
        before = self._now.index
        self._forget_index()
        with warnings.catch_warnings():  # of readers, which `keep` says more about
            warnings.simplefilter("ignore", UserWarning)
            table.optimize(cleanup_older_than=keep)
            if before is not None:  # pieces that the index lacked were not joined with those that it had
                table.optimize(cleanup_older_than=keep)
        self._index_columns(table)
        count = table.count_rows()
        if before is not None and count:
            grown = not before.rows / 2 <= count <= 2 * before.rows
            self._measure(table, before.promised, before.sample_again, anew=grown)

    def _tidied(self, table: Any) -> None:
        """`_tidy`, where it can be done: the rows are stored without it, and the next change tries again."""
        try:
            self._tidy(table)
        except Exception as error:  # LanceDB raises whatever its parts do
            warnings.warn(
                f"{self.folder}: what was written is there, small pieces are not joined ({error})", stacklevel=4
            )

    def _tidy(self, table: Any) -> None:
        """Join small pieces where there are many; where that does not leave few, or old versions are many, compact.

        Readers keep what they read: versions of the last hour stay.
        """
        count = table.count_rows()
        if table.stats()["fragment_stats"]["num_fragments"] <= pieces.many(count):
            return
        rows = pieces.counted(table.search().select(["_rowaddr"]).to_batches())
        small = pieces.small_ones(rows)
        left = len(rows) - len(small)
        if not left or left > pieces.few(count) or self._outdated(KEPT) > _VERSIONS + count // 1000:
            self._compact(table, KEPT)
        else:
            joined = table.search().where(pieces.rows_in(small)).to_arrow()
            table.merge_insert("id").when_matched_update_all().execute(joined)

    def _outdated(self, keep: timedelta) -> int:
        """Versions that a compaction takes away."""
        since = time.time() - keep.total_seconds()
        with os.scandir(self.folder / "rows.lance" / "_versions") as found:
            return sum(version.stat().st_mtime < since for version in found)

    def build_index(self, recall: float = 0.99, sample: int = SAMPLE) -> IndexFacts:
        if not 0 < recall <= 1:
            raise DataError(f"recall {recall}: give a share above 0, at most 1")
        if self.schema.attributes:
            raise DataError("a gallery whose metric weighs attributes is always searched exactly; it takes no index")
        with self._writing() as table:
            if not len(self):
                raise DataError(f"{self.folder} is empty; add images with `resight index`")
            self._forget_index()
            self._index_columns(table)
            return self._measure(table, recall, sample, anew=True)

    def __len__(self) -> int:
        return self._now.rows

    def _forget_index(self) -> None:
        """What was measured is of no use once the index changes; a kill must not leave it."""
        _write_document(self.folder, {**self._now.document, "index": None})

    def _index_columns(self, table: Any) -> None:
        """Indexes of the columns that conditions mostly read, where there are none yet."""
        if table.count_rows() < _INDEXED:
            return
        there = {index.columns[0] for index in table.list_indices()}
        for column in (Column("key", "int"), *self.schema.columns):
            name = "id" if column.name == "key" else column.name
            if name in there or column.kind in ("float", "bool") or name in ("path", "frame", "sequence", "file_state"):
                continue
            few = column.kind == "text" or name == "camera"
            table.create_index(name, config=Bitmap() if few else BTree())

    def _measure(self, table: Any, recall: float, sample: int, *, anew: bool) -> IndexFacts:
        rows = table.count_rows()
        partitions = max(1, round(rows**0.5))
        if anew:
            table.create_index(
                VECTOR, config=IvfSq(distance_type=_KINDS[self.schema.metric], num_partitions=partitions)
            )
        self.refresh()
        now = self._now
        facts = measured(
            now.exactly,
            now.by_index,
            now.vectors,
            IndexFacts(
                "IVF_SQ", recall, sample=min(sample, rows), rows=rows, version=now.number, partitions=partitions
            ),
            self._groups(),
        )
        _write_document(self.folder, {**now.document, "index": {**facts.to_json(), "uuid": now.index_uuid}})
        return facts

    def _groups(self) -> NDArray[np.int64] | None:
        """The camera of each row, by id; conditions on it leave rows that lie together."""
        if "camera" not in self.schema.kinds:
            return None
        found = self._now.table.search().select(["id", "camera"]).to_arrow()
        cameras = pc.fill_null(found["camera"], NO_CAMERA).to_numpy()
        return cameras[np.argsort(_ids_of(found), kind="stable")]

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        where: Filter | None = None,
        how: How = "auto",
        *,
        attributes: NDArray[np.float32] | None = None,
    ) -> Found:
        asked = np.ascontiguousarray(queries, np.float32)
        condition = None if where is None else sql(where, self.schema.kinds)
        return self._reading(lambda now: self._searched(now, asked, k, condition, how, attributes))

    def _searched(
        self,
        now: _Version,
        queries: NDArray[np.float32],
        k: int,
        condition: str | None,
        how: How,
        attributes: NDArray[np.float32] | None,
    ) -> Found:
        matching = now.rows if condition is None else now.table.count_rows(condition)
        if how == "ann" and now.index is None:
            raise RunError(f"{self.folder} has no index; make one with `resight gallery reindex`, or search exactly")
        index = now.index if how != "exact" else None
        effort = 0 if index is None else index.effort_for(matching / max(1, now.rows))
        if index is None or (how == "auto" and self._is_quick(matching, k)):
            return _found(now.exactly(queries, k, now.matching(condition), attributes), "exact", matching)
        answers = now.by_index(queries, k, condition, effort)
        for place, (_, ids) in enumerate(answers):
            if len(ids) < min(k, matching):  # the partitions that were looked at had no more
                answers[place] = now.exactly(queries[[place]], k, now.matching(condition), None)[0]
        return _found(answers, "ann", matching)

    def _is_quick(self, matching: int, k: int) -> bool:
        """Whether exact search is the quicker one, or the only one that is known to be right."""
        return matching <= EXACT_ROWS or matching * self.schema.width <= _QUICK or k > _DEEP

    def fetch(self, ids: Sequence[int] | NDArray[np.int64], columns: Sequence[str] | None = None) -> pa.Table:
        names = list(self.schema.kinds) if columns is None else list(columns)
        numbers = np.asarray(ids, np.int64)
        return self._reading(lambda now: now.fetched(numbers, names))

    def scan(self, columns: Sequence[str], where: Filter | None = None) -> Iterator[pa.RecordBatch]:
        condition = None if where is None else sql(where, self.schema.kinds)
        return self._reading(lambda now: _begun(now.scanned(columns, condition)))

    def count(self, where: Filter | None = None) -> int:
        condition = None if where is None else sql(where, self.schema.kinds)
        return self._reading(lambda now: now.rows if condition is None else now.table.count_rows(condition))

    def refresh(self) -> int:
        with self._turn:
            self._now = _Version.newest(self.folder, self._now)
        return self.version

    def close(self) -> None:
        """Nothing is held that would have to be given back."""

    def _reading(self, ask: Callable[[_Version], _Answer]) -> _Answer:
        """The answer of the version that is read; of the newest, where that one's files are gone."""
        try:
            return ask(self._now)
        except Exception as error:
            if isinstance(error, DataError | RunError) or "not found" not in str(error).lower():
                raise
            self.refresh()
            return ask(self._now)

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """The newest version's table while no other writes; what was changed is on disk, and read, when the block ends."""
        rows = self.folder / "rows.lance"
        with self._change, locked(self.folder, RunError, _PATIENCE):
            self.refresh()
            self._known = _listed(rows) if self._known is None else self._known
            with disk_named(self.folder, rows):
                yield self._now.table
            self._known = _sync(rows, self._known)
            self.refresh()


class _Version:
    """One version of a gallery's table and of its document, which does not change."""

    def __init__(self, folder: Path, table: Any, document: dict[str, Any], before: _Version | None) -> None:
        self.folder, self.table, self.document, self.number = folder, table, document, table.version
        self.rows: int = table.count_rows()
        self._before: Vectors | None = None if before is None else before.__dict__.get("vectors") or before._before
        self._turn = threading.Lock()

    @classmethod
    def newest(cls, folder: Path, before: _Version | None = None) -> _Version:
        """Raises RunError where the folder is no gallery, of another format, or damaged."""
        document = read_document(folder)
        if document["format"] != FORMAT:
            raise RunError(
                f"{folder} has gallery format {document['format']}, this resight reads {FORMAT}; "
                "make it anew with `resight index`"
            )
        if not (folder / "rows.lance").exists():
            raise RunError(
                f"{folder} is damaged: rows.lance is missing; put it back, or make the gallery anew with "
                "`resight index` in another folder"
            )
        try:
            table = lancedb.connect(folder).open_table("rows")
            if before is not None and (before.number, before.document) == (table.version, document):
                return before
            return cls(folder, table, document, before)
        except Exception as error:  # LanceDB raises whatever its parts do
            raise RunError(
                f"{folder} is damaged ({str(error).splitlines()[0][:200]}); make it anew with `resight index`"
            ) from None

    @cached_property
    def schema(self) -> Schema:
        there = set(self.table.schema.names)
        columns = [Column(**column) for column in self.document["columns"] if column["name"] in there]
        return Schema(
            self.document["width"], self.document["metric"], tuple(columns), attributes=self.document["attributes"]
        )

    @cached_property
    def index_uuid(self) -> str | None:
        return next((index.index_uuid for index in self.table.list_indices() if index.columns == [VECTOR]), None)

    @cached_property
    def index(self) -> IndexFacts | None:
        stored = self.document["index"]
        if stored is None or stored["uuid"] != self.index_uuid:
            return None
        return IndexFacts.from_json({name: value for name, value in stored.items() if name != "uuid"})

    @property
    def vectors(self) -> Vectors:
        """All of them; read when first asked for."""
        with self._turn:
            if "vectors" not in self.__dict__:
                self.__dict__["vectors"] = self._read_vectors()
                self._before = None
            return self.__dict__["vectors"]

    def _read_vectors(self) -> Vectors:
        cache = self.folder / "cache"
        if self._before is not None:
            return self._before.brought_to(self.number, self._all_ids, self._later, cache)
        widths = self.schema.width, self.schema.attributes
        return Vectors.read(cache, self.number, self._all_ids, self._later, self.rows, widths)

    def _later(self, stamp: int) -> Iterator[pa.RecordBatch]:
        columns = ["id", STAMP, VECTOR, *([PROBABILITIES] if self.schema.attributes else [])]
        return self.scanned(columns, None if stamp < 0 else f'"{STAMP}" > {stamp}')

    def _all_ids(self) -> NDArray[np.int64]:
        return _numbers(self.scanned(["id"], None))

    def matching(self, condition: str | None) -> NDArray[np.int64] | None:
        """Ids of the rows that fulfil a condition; None for all."""
        return None if condition is None else _numbers(self.scanned(["id"], condition))

    def exactly(
        self,
        queries: NDArray[np.float32],
        k: int,
        ids: NDArray[np.int64] | None,
        attributes: NDArray[np.float32] | None = None,
    ) -> list[_Nearest]:
        """Scores and ids of the nearest, for each query; of these `ids`, or all."""
        places = self.vectors.places(ids)
        if not self.rows or (places is not None and not len(places)):
            return [(np.empty(0), np.empty(0, np.int64)) for _ in queries]
        if self.schema.attributes:
            return self._weighed(queries, attributes, k, places)
        answers = self.vectors.neighbours(products=self.schema.metric == "cosine").of(queries, k, places)
        return [(scores, self.vectors.rows["id"][rows]) for scores, rows in answers]

    def _weighed(
        self,
        queries: NDArray[np.float32],
        attributes: NDArray[np.float32] | None,
        k: int,
        places: NDArray[np.int64] | None,
    ) -> list[_Nearest]:
        """A product of two distances, compared block by block."""
        rows = self.vectors.by_id(places)
        features, beside = self.vectors.of(rows), self.vectors.attributes_of(rows)
        answers: list[_Nearest] = []
        for start in range(0, len(queries), _QUERIES):
            some = slice(start, start + _QUERIES)
            asked = None if attributes is None else attributes[some]
            metric = metric_between(self.schema.metric, asked, beside)
            distances, found = nearest(queries[some], features, k, metric)
            answers += zip(-distances.astype(np.float64), self.vectors.rows["id"][rows[found]], strict=True)
        return answers

    def by_index(self, queries: NDArray[np.float32], k: int, condition: str | None, effort: int) -> list[_Nearest]:
        """Scores and ids of the nearest that the index finds in `effort` partitions, for each query."""
        answers: list[_Nearest] = []
        for start in range(0, len(queries), _QUERIES):
            some = queries[start : start + _QUERIES]
            asked = self.table.search(list(some) if len(some) > 1 else some[0], vector_column_name=VECTOR)
            asked = (
                asked.distance_type(_KINDS[self.schema.metric])
                .nprobes(effort)
                .limit(k + _SPARE)
                .select(["id", VECTOR, "_distance"])
            )
            found = (asked if condition is None else asked.where(condition)).to_arrow()
            owner = found["query_index"].to_numpy() if len(some) > 1 else np.zeros(len(found), np.int64)
            vectors, ids = vectors_of(found[VECTOR]), _ids_of(found)
            for number, query in enumerate(some):
                mine = np.flatnonzero(owner == number)
                answers.append(self._decided(query, k, vectors[mine], ids[mine]))
        return answers

    def _decided(
        self, query: NDArray[np.float32], k: int, vectors: NDArray[np.float32], ids: NDArray[np.int64]
    ) -> _Nearest:
        if not len(ids):
            return np.empty(0), ids
        neighbours = Neighbours([vectors], squared_lengths(vectors), ids, products=self.schema.metric == "cosine")
        scores, rows = next(neighbours.of(query[None], k))
        return scores, ids[rows]

    def fetched(self, ids: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Columns of the rows with these ids, in this order."""
        names = list(dict.fromkeys(["id", *columns]))
        parts = [self._asked(names, _one_of(ids[at : at + _IDS])).to_arrow() for at in range(0, len(ids), _IDS)]
        table = pa.concat_tables(parts) if parts else self._empty(names)
        there = _ids_of(table)
        if not len(there):
            return table.select(list(columns))
        order = np.argsort(there, kind="stable")
        at = np.minimum(np.searchsorted(there[order], ids), len(there) - 1)
        found = order[at][there[order][at] == ids]
        return table.take(found).select(list(columns))

    def scanned(self, columns: Sequence[str], condition: str | None) -> Iterator[pa.RecordBatch]:
        yield from self._asked(list(columns), condition).to_batches()

    def _asked(self, columns: list[str], condition: str | None) -> Any:
        asked = self.table.search().select(columns)
        return asked if condition is None else asked.where(condition)

    def _empty(self, names: Sequence[str]) -> pa.Table:
        return self.table.schema.empty_table().select(names)


def read_document(folder: Path) -> dict[str, Any]:
    """gallery.json. Raises RunError where the folder is no gallery, and where the file is damaged."""
    try:
        document = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
        version = document["format"]
        _ = [document[name] for name in (_RESERVED if version == FORMAT else _OLDER if version in (2, 3) else ())]
    except NotADirectoryError:
        raise RunError(f"{folder} is a file, perhaps of a gallery; give its folder: {folder.parent}") from None
    except FileNotFoundError:
        raise RunError(f"{folder} is no gallery (gallery.json is missing); make one with `resight index`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder / 'gallery.json'} is damaged: {error}") from None
    return document


def _write_document(folder: Path, document: Mapping[str, Any]) -> None:
    with written_whole(folder / "gallery.json") as partial:
        partial.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    _sync_folder(folder)


def _described(schema: Schema) -> dict[str, Any]:
    """What gallery.json says of a schema."""
    columns = [{"name": column.name, "kind": column.kind} for column in schema.columns]
    return {
        "format": FORMAT,
        "store": "lance",
        "metric": schema.metric,
        "width": schema.width,
        "attributes": schema.attributes,
        "columns": columns,
    }


def _stored(schema: Schema) -> pa.Schema:
    return schema.arrow.append(pa.field(STAMP, pa.int64()))


def _conforming(rows: pa.Table, schema: Schema, stamp: int) -> pa.Table:
    """The rows with every column of the schema, and their stamp. Raises DataError where they do not fit."""
    wanted = schema.arrow
    if unknown := [name for name in rows.column_names if name not in wanted.names]:
        raise DataError(f"no column {unknown[0]!r} in the gallery; add it first")
    cells = {}
    for field in wanted:
        if field.name in rows.column_names:
            cells[field.name] = _cast(rows[field.name], field)
        elif field.name in ("id", VECTOR, PROBABILITIES):
            raise DataError(f"rows of a gallery need {field.name}")
        else:
            cells[field.name] = pa.nulls(len(rows), field.type)
    return pa.table({**cells, STAMP: pa.array(np.full(len(rows), stamp, np.int64))}, schema=_stored(schema))


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if field.name in (VECTOR, PROBABILITIES):
        width = getattr(column.type, "list_size", None)
        if width != field.type.list_size:
            raise DataError(f"the gallery holds {field.name} of {field.type.list_size} numbers, these have {width}")
        if not np.isfinite(vectors_of(column)).all():
            raise DataError(f"{field.name} has numbers that are not finite and compare with nothing")
    if pa.types.is_floating(field.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column)
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise DataError(f"the column {field.name} takes {field.type}: {error}") from None


def _is_missing(column: Column, schema: Schema) -> bool:
    there = schema.kinds.get(column.name)
    if there is not None and there != column.kind:
        raise DataError(f"the gallery has a column {column.name} of kind {there}, not {column.kind}; use another name")
    return there is None


def _require_distinct(batch: pa.Table) -> None:
    ids, counts = np.unique(_ids_of(batch), return_counts=True)
    if (counts > 1).any():
        raise DataError(f"the id {ids[counts > 1][0]} comes {counts.max()} times in one batch; give each once")


def _found(answers: Sequence[_Nearest], how: Literal["exact", "ann"], matching: int) -> Found:
    return Found([ids for _, ids in answers], [scores for scores, _ in answers], how, matching)


def _one_of(ids: NDArray[np.int64]) -> str:
    return sql(In("id", tuple(ids.tolist())), {"id": "int"})


def _ids_of(table: pa.Table) -> NDArray[np.int64]:
    return table["id"].to_numpy()


def _begun(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches, the first of which has been read."""
    return itertools.chain(list(itertools.islice(batches, 1)), batches)


def _numbers(batches: Iterator[pa.RecordBatch]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *(batch.column(0).to_numpy() for batch in batches)])


def _listed(folder: Path) -> dict[str, set[str]]:
    """The names in a folder and in those below it."""
    return {place: set(files) for place, _, files in os.walk(folder)}


def _sync(folder: Path, known: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Files below a folder that are not `known`, and the folders they are in, reach the disk; returns what is known now."""
    there = _listed(folder)
    changed = False
    for place, files in there.items():
        new = files - known.get(place, set())
        for name in new:
            with suppress(FileNotFoundError), open(os.path.join(place, name), "rb+") as file:
                os.fsync(file.fileno())
        if new or place not in known:
            _sync_folder(Path(place))
            changed = True
    if changed:
        _sync_folder(folder)
        _sync_folder(folder.parent)
    return there


def _sync_folder(folder: Path) -> None:
    """The names in a folder reach the disk. Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
