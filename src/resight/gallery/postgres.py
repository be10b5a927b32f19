"""A gallery's rows in a table of a PostgreSQL server, their vectors as pgvector's.

    store = PostgresStore.create("postgresql://me@localhost/db?table=crops", schema, facts)

The table has a column for each of the schema's; `resight_galleries`, beside it, a row for each gallery: schema, facts,
version. A change is one transaction. Readers are never blocked; each call reads what was committed when it began, so that
`refresh` has nothing to fetch. [docs/scale.md](../../../docs/scale.md) says how to run it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resight.errors import DataError, RunError
from resight.gallery.address import read_address
from resight.gallery.database import Database, named, quoted
from resight.gallery.filters import Filter, sql_bound
from resight.gallery.hnsw import SPARE, Hnsw
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
from resight.records import vectors_of
from resight.retrieval import AttributeWeighted, metric_between, nearest

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["PostgresStore"]

FORMAT = 1
_TYPES = {"int": "bigint", "float": "double precision", "text": 'text COLLATE "C"', "time": "bigint", "bool": "boolean"}
"""Collation C orders texts by code points, as conditions do."""
_BINARY = {"int": "int8", "float": "float8", "text": "text", "time": "int8", "bool": "bool"}
_SYSTEM = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
_IN_LINE = 1024
"""Numbers of a vector that is stored in its row: pages have 8 KiB, and a vector elsewhere is slower to read."""
_BATCH = 2048
_Nearest = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Ids and scores, best first."""


class PostgresStore:
    """See `resight.gallery.store.Store`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = database.address.table
        with database.reading() as connection:
            self._state = self._read(connection)

    @property
    def where(self) -> str:
        return str(self._database.address)

    @property
    def schema(self) -> Schema:
        return self._state.schema

    @property
    def facts(self) -> Mapping[str, Any]:
        return self._state.facts

    @property
    def index(self) -> IndexFacts | None:
        return self._state.index

    @property
    def version(self) -> int:
        return self._state.version

    @property
    def storage(self) -> Storage:
        """One piece: the server cares for its own."""
        asked = (
            "SELECT current_setting('server_version'), pg_total_relation_size(%s::regclass), "
            "(SELECT extversion FROM pg_extension WHERE extname = 'vector')"
        )
        with self._database.reading() as connection:
            version, size, vector = connection.execute(asked, (named(self._table),)).fetchone() or ("", 0, "")
        return Storage(f"PostgreSQL {version.split()[0]}, pgvector {vector}", size, 1)

    @classmethod
    def create(cls, where: str, schema: Schema, facts: Mapping[str, Any]) -> Self:
        """A new table without rows. Raises RunError where there is a table of this name."""
        _require_storable(schema)
        address = read_address(where)
        database = Database(address)
        database.open(extension=True)
        with database.connection() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(0x72730003)")  # else two make the list of galleries
            connection.execute(_GALLERIES)
            if connection.execute("SELECT to_regclass(%s)", (named(address.table),)).fetchone() != (None,):  # fmt: skip
                raise RunError(f"{address} is there already; open it with Gallery.open, or name another table")
            for statement in _made(address.table, schema):
                connection.execute(statement, ())
            connection.execute(
                "INSERT INTO resight_galleries VALUES (%s, %s, %s, %s, NULL, 0, 0)",
                (address.table, FORMAT, json.dumps(asdict(schema)), json.dumps(dict(facts))),
            )
        return cls(database)

    @classmethod
    def open(cls, where: str) -> Self:
        """Raises RunError where there is no such gallery, the server does not answer, or has no pgvector."""
        database = Database(read_address(where))
        database.open()
        try:
            return cls(database)
        except BaseException:
            database.close()
            raise

    @classmethod
    def exists(cls, where: str) -> bool:
        """Whether there is such a gallery. Raises RunError where the server does not answer."""
        database = Database(read_address(where))
        with database.alone() as connection:
            return bool(_row(connection, database.address.table))

    def close(self) -> None:
        self._database.close()

    def refresh(self) -> int:
        with self._database.reading() as connection:
            self._read(connection)
        return self.version

    # What is written

    def describe(self, facts: Mapping[str, Any]) -> None:
        with self._database.writing(self._table) as connection:
            self._commit(connection, facts=json.dumps(dict(facts)))

    def add_columns(self, columns: Sequence[Column]) -> None:
        with self._database.writing(self._table) as connection:
            schema = self._read(connection).schema
            new = [column for column in columns if schema.kinds.get(column.name, column.kind) != column.kind]
            if new:
                raise DataError(f"column {new[0].name} is there already and holds {schema.kinds[new[0].name]} values")
            new = [column for column in columns if column.name not in schema.kinds]
            if not new:
                return
            schema = replace(schema, columns=(*schema.columns, *new))
            _require_storable(schema)
            for column in new:
                connection.execute(f"ALTER TABLE {self._quoted} ADD COLUMN {_declared(column)}", ())
                for statement in _indexed(self._table, column):
                    connection.execute(statement, ())
            self._commit(connection, schema=json.dumps(asdict(schema)))

    def upsert(self, rows: pa.Table) -> Written:
        with self._database.writing(self._table) as connection:
            fitted = _fitted(rows, self._read(connection).schema)
            updated = self._require_same_paths(connection, fitted)
            self._put(connection, fitted)
            inserted = len(fitted) - updated
            version = self._commit(connection, added=inserted)
        return Written(inserted, updated, version)

    def update(self, ids: Sequence[int] | NDArray[np.int64], columns: pa.Table) -> int:
        if len(ids) != len(columns):
            raise DataError(f"{len(ids)} ids do not fit {len(columns)} rows of new values")
        with self._database.writing(self._table) as connection:
            self._read(connection)
            known = self._fetched(connection, ids, self.schema.arrow.names)
            places = {each: place for place, each in enumerate(np.asarray(ids, np.int64).tolist())}
            changed = columns.take(pa.array([places[each] for each in known["id"].to_pylist()], pa.int64()))
            for name in changed.column_names:
                if name not in self.schema.arrow.names or name == "id":
                    raise DataError(f"no column {name!r} to change; there is: {', '.join(self.schema.arrow.names[1:])}")
                known = known.set_column(known.column_names.index(name), name, changed[name])
            self._put(connection, _fitted(known, self.schema))
            self._commit(connection)
        return len(known)

    def delete(self, where: Filter | Sequence[int] | NDArray[np.int64]) -> int:
        with self._database.writing(self._table) as connection:
            self._read(connection)
            text, values = self._condition(where)
            deleted = connection.execute(f"DELETE FROM {self._quoted} WHERE {text}", values).rowcount
            self._commit(connection, added=-deleted)
        return deleted

    def compact(self, keep: timedelta = KEPT) -> None:
        """Frees the places of deleted rows and measures the index again. The server itself keeps what readers read."""
        with self._database.connection() as connection:
            connection.execute(f"VACUUM (ANALYZE) {self._quoted}", ())
        if self.index is not None:
            with self._database.building(self._table):
                self._indexed(self._hnsw.measured(self.index.promised, self.index.sample_again))

    def build_index(self, recall: float = 0.99, sample: int = SAMPLE) -> IndexFacts:
        """Builds an HNSW of half precision beside the present one, which it then replaces; rows may be written meanwhile."""
        with self._database.building(self._table) as connection:
            self._hnsw.build(connection)
            return self._indexed(self._hnsw.measured(recall, sample))

    # What is read

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        where: Filter | None = None,
        how: How = "auto",
        *,
        attributes: NDArray[np.float32] | None = None,
    ) -> Found:
        _require_queries(queries, k, self.schema)
        with self._database.reading() as connection:
            state = self._read(connection)
            text, values = self._condition(where)
            matching = self._matching(connection, state, text, values)
            if self.schema.metric == AttributeWeighted.name:
                return self._weighted(connection, queries, attributes, min(k, matching), matching, text, values)
            effort = self._effort(how, matching, state)
            found = [self._nearest(connection, query, min(k, matching), text, values, effort) for query in queries]
        return Found([ids for ids, _ in found], [scores for _, scores in found], "ann" if effort else "exact", matching)

    def fetch(self, ids: Sequence[int] | NDArray[np.int64], columns: Sequence[str] | None = None) -> pa.Table:
        wanted = ["id", *(column.name for column in self.schema.columns)] if columns is None else list(columns)
        with self._database.reading() as connection:
            return self._fetched(connection, ids, wanted)

    def scan(self, columns: Sequence[str], where: Filter | None = None) -> Iterator[pa.RecordBatch]:
        self._require_columns(columns)
        with self._database.reading() as connection:
            yield from self._scanned(connection, columns, *self._condition(where))

    def count(self, where: Filter | None = None) -> int:
        with self._database.reading() as connection:
            return self._matching(connection, self._read(connection), *self._condition(where))

    # The row of this gallery

    def _read(self, connection: Connection[Any]) -> _State:
        """What a transaction sees; several threads may each see another."""
        row = _row(connection, self._table)
        if not row:
            raise RunError(f"{self.where} is no gallery; make one with `resight index`")
        number, schema, facts, index, version, rows = row
        if number != FORMAT:
            raise RunError(
                f"{self.where} has format {number}, this version of resight reads {FORMAT}; install the newer"
            )
        columns = tuple(Column(**column) for column in schema.pop("columns"))
        measured = IndexFacts.from_json(index) if index else None
        self._state = _State(Schema(**schema, columns=columns), facts, measured, version, rows)
        return self._state

    def _commit(self, connection: Connection[Any], added: int = 0, **changed: str | None) -> int:
        """The next version, within the transaction that makes it."""
        sets = "".join(f", {name} = %s" for name in changed)
        connection.execute(
            f"UPDATE resight_galleries SET version = version + 1, rows = rows + %s{sets} WHERE name = %s",
            (added, *changed.values(), self._table),
        )
        return self._read(connection).version

    def _indexed(self, facts: IndexFacts) -> IndexFacts:
        with self._database.writing(self._table) as connection:
            measured = replace(facts, version=self._read(connection).version + 1)
            self._commit(connection, index=json.dumps(measured.to_json()))
        return measured

    @property
    def _quoted(self) -> str:
        return quoted(self._table)

    @property
    def _hnsw(self) -> Hnsw:
        return Hnsw(self._database, self._table, self.schema.width, self.schema.metric)

    # Rows

    def _require_same_paths(self, connection: Connection[Any], rows: pa.Table) -> int:
        """How many of the rows are there already. Raises DataError where one has another path."""
        path = "path" if "path" in self.schema.kinds else "NULL"
        known = dict(connection.execute(f"SELECT id, {path} FROM {self._quoted} WHERE id = ANY(%s)", (rows["id"].to_pylist(),)))  # fmt: skip
        if path == "path":
            for each, new in zip(rows["id"].to_pylist(), rows["path"].to_pylist(), strict=True):
                if known.get(each, new) != new:
                    raise DataError(f"{new} and {known[each]} have the same id, {each}; rename one of them")
        return len(known)

    def _put(self, connection: Connection[Any], rows: pa.Table) -> None:
        """Insert or replace, through a table of this transaction alone."""
        names = rows.column_names
        listed = ", ".join(map(quoted, names))
        connection.execute(f"CREATE TEMP TABLE resight_batch (LIKE {self._quoted}) ON COMMIT DROP", ())
        copied = ", ".join(map(named, names))  # a COPY takes no parameters
        with connection.cursor().copy(f"COPY resight_batch ({copied}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([self._binary(name) for name in names])
            for row in zip(*(_cells(rows[name]) for name in names), strict=True):
                copy.write_row(row)
        sets = ", ".join(f"{quoted(name)} = EXCLUDED.{quoted(name)}" for name in names if name != "id")
        connection.execute(
            f"INSERT INTO {self._quoted} ({listed}) SELECT {listed} FROM resight_batch ON CONFLICT (id) DO UPDATE SET {sets}",
            (),
        )

    def _binary(self, name: str) -> str:
        return "vector" if name in (VECTOR, PROBABILITIES) else _BINARY[self.schema.kinds[name]]

    def _require_columns(self, names: Sequence[str]) -> None:
        known = self.schema.arrow.names
        if unknown := [name for name in names if name not in known]:
            raise DataError(f"no column {unknown[0]!r}; the gallery has: {', '.join(known)}")

    def _fetched(
        self, connection: Connection[Any], ids: Sequence[int] | NDArray[np.int64], names: Sequence[str]
    ) -> pa.Table:
        self._require_columns(names)
        wanted = _plain(ids)
        every = ["id", *(name for name in names if name != "id")]
        batches = list(self._scanned(connection, every, "id = ANY(%s)", [wanted]))
        table = pa.Table.from_batches(batches, self._arrow(every))
        place = {each: place for place, each in enumerate(table["id"].to_pylist())}
        return table.take(pa.array([place[each] for each in wanted if each in place], pa.int64())).select(list(names))

    def _scanned(
        self, connection: Connection[Any], names: Sequence[str], text: str, values: Sequence[Any]
    ) -> Iterator[pa.RecordBatch]:
        listed = ", ".join(map(quoted, names))
        with connection.cursor(name="rows") as cursor:
            cursor.execute(f"SELECT {listed} FROM {self._quoted} WHERE {text}", values, binary=True)
            while rows := cursor.fetchmany(_BATCH):
                schema = self._arrow(names)
                columns = [
                    _column(list(cells), field) for cells, field in zip(zip(*rows, strict=True), schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _arrow(self, names: Sequence[str]) -> pa.Schema:
        return pa.schema([self.schema.arrow.field(name) for name in names])

    def _condition(self, where: Filter | Sequence[int] | NDArray[np.int64] | None) -> tuple[str, Sequence[Any]]:
        if isinstance(where, Sequence | np.ndarray):
            return "id = ANY(%s)", [_plain(where)]
        return ("TRUE", ()) if where is None else sql_bound(where, self.schema.kinds)

    def _matching(self, connection: Connection[Any], state: _State, text: str, values: Sequence[object]) -> int:
        if text == "TRUE":
            return state.rows
        row = connection.execute(f"SELECT count(*) FROM {self._quoted} WHERE {text}", values).fetchone()
        assert row is not None
        return row[0]

    # The nearest

    def _effort(self, how: How, matching: int, state: _State) -> int:
        """How many candidates the index looks at; 0 for an exact search."""
        if how == "exact" or (how == "auto" and (matching <= EXACT_ROWS or not _keeps_promise(state.index))):
            return 0
        if state.index is None:
            raise RunError(f"{self.where} has no index; make one with Gallery.build_index(), or search exactly")
        return state.index.effort_for(matching / max(state.rows, 1))

    def _nearest(
        self,
        connection: Connection[Any],
        query: NDArray[np.float32],
        k: int,
        text: str,
        values: Sequence[object],
        effort: int,
    ) -> _Nearest:
        """The `k` nearest of at least `k` that match, best first, compared in float64."""
        if k == 0:
            return np.empty(0, np.int64), np.empty(0)
        ids = self._hnsw.candidates(connection, query, k + SPARE, text, values, effort) if effort else []
        if len(ids) < k:  # the index has given up before it had enough
            ids = self._exactly(connection, query, k + SPARE, text, values)
        rows = self._fetched(connection, ids, ["id", VECTOR])
        found, scores = rows["id"].to_numpy(), self._scores(query, vectors_of(rows[VECTOR]))
        order = np.lexsort((found, -scores))[:k]
        return found[order], scores[order]

    def _exactly(
        self, connection: Connection[Any], query: NDArray[np.float32], k: int, text: str, values: Sequence[object]
    ) -> list[int]:
        """Every matching row's distance first, so that no index is of use; then the best of them."""
        distance = f"{VECTOR} {self._hnsw.operator} %s::vector"
        statement = (
            f"WITH compared AS MATERIALIZED (SELECT id, {distance} AS distance FROM {self._quoted} WHERE {text}) "
            "SELECT id FROM compared ORDER BY distance, id LIMIT %s"
        )
        return [each for (each,) in connection.execute(statement, (query, *values, k))]

    def _scores(self, query: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        left, right = query.astype(np.float64), vectors.astype(np.float64)
        if self.schema.metric == "cosine":
            return np.einsum("d,nd->n", left, right)
        return 0.0 - np.sqrt(np.square(right - left).sum(axis=1))

    def _weighted(
        self,
        connection: Connection[Any],
        queries: NDArray[np.float32],
        attributes: NDArray[np.float32] | None,
        k: int,
        matching: int,
        text: str,
        values: Sequence[object],
    ) -> Found:
        """A product of two distances, which no index and no operator of the server knows: the rows come here."""
        found = [(np.empty(0, np.int64), np.empty(0)) for _ in queries]
        for batch in self._scanned(connection, ["id", VECTOR, PROBABILITIES], text, values):
            metric = metric_between(self.schema.metric, attributes, vectors_of(batch[PROBABILITIES]))
            distances, places = nearest(queries, vectors_of(batch[VECTOR]), min(k, len(batch)), metric)
            ids = batch["id"].to_numpy()[places]
            found = [
                _best(one, new, theirs, k)
                for one, new, theirs in zip(found, ids, -distances.astype(np.float64), strict=True)
            ]
        return Found([ids for ids, _ in found], [scores for _, scores in found], "exact", matching)


def _row(connection: Connection[Any], table: str) -> tuple[Any, ...] | None:
    """What `resight_galleries` says of a gallery; None where there is no such list, or nothing in it."""
    if connection.execute("SELECT to_regclass('resight_galleries') IS NULL").fetchone() == (True,):
        return None
    statement = "SELECT format, schema, facts, index, version, rows FROM resight_galleries WHERE name = %s"
    return connection.execute(statement, (table,)).fetchone()


@dataclass(frozen=True)
class _State:
    """The row of `resight_galleries`."""

    schema: Schema
    facts: Mapping[str, Any]
    index: IndexFacts | None
    version: int
    rows: int


def _keeps_promise(index: IndexFacts | None) -> bool:
    """Whether an index reached, where `auto` uses it, the recall that was asked of it."""
    used = [] if index is None else [found for share, found in index.recall.items() if share * index.rows > EXACT_ROWS]
    return index is not None and all(found >= index.promised for found in used)


_GALLERIES = """
CREATE TABLE IF NOT EXISTS resight_galleries (
    name text PRIMARY KEY, format int NOT NULL, schema json NOT NULL, facts json NOT NULL,
    index json, version bigint NOT NULL, rows bigint NOT NULL
)"""


def _made(table: str, schema: Schema) -> Iterator[str]:
    """The statements that make a gallery's table."""
    columns = ["id bigint PRIMARY KEY", *map(_declared, schema.columns), f"{VECTOR} vector({schema.width}) NOT NULL"]
    columns += [f"{PROBABILITIES} vector({schema.attributes}) NOT NULL"] if schema.attributes else []
    yield f"CREATE TABLE {quoted(table)} ({', '.join(columns)})"
    if schema.width <= _IN_LINE:
        yield f"ALTER TABLE {quoted(table)} ALTER COLUMN {VECTOR} SET STORAGE PLAIN"
    for column in schema.columns:
        yield from _indexed(table, column)


def _declared(column: Column) -> str:
    return f"{quoted(column.name)} {_TYPES[column.kind]}"


def _indexed(table: str, column: Column) -> Iterator[str]:
    """Numbers by order; text by its hash, since text too long for an index by order may come."""
    if column.kind in ("int", "time", "text") and column.name not in ("path", "file", "file_state"):
        way = "hash" if column.kind == "text" else "btree"
        yield f"CREATE INDEX ON {quoted(table)} USING {way} ({quoted(column.name)})"


def _require_storable(schema: Schema) -> None:
    for column in schema.columns:
        if column.name in _SYSTEM:
            raise DataError(f"PostgreSQL has a column {column.name!r} of its own; give yours another name")
    if not 0 < schema.width <= 16_000 or schema.attributes > 16_000:
        raise DataError(
            f"PostgreSQL stores vectors of 1 to 16000 numbers, not of {max(schema.width, schema.attributes)}"
        )


def _fitted(rows: pa.Table, schema: Schema) -> pa.Table:
    """Rows with every column of the schema, in its order. Raises DataError where they do not fit it."""
    if unknown := set(rows.column_names) - set(schema.arrow.names):
        raise DataError(f"no column {min(unknown)!r}; the gallery has: {', '.join(schema.arrow.names)}")
    columns = []
    for field in schema.arrow:
        given = rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        try:
            columns.append(given.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            raise DataError(f"column {field.name} holds {field.type}, which {given.type} does not fit") from None
    fitted = pa.table(columns, schema=schema.arrow)
    _require_whole(fitted)
    return fitted


def _require_whole(rows: pa.Table) -> None:
    ids = rows["id"]
    if ids.null_count or len(set(ids.to_pylist())) != len(rows):
        raise DataError("every row needs an id of its own; one is missing or comes twice")
    for name in (VECTOR, PROBABILITIES):
        if name in rows.column_names and (rows[name].null_count or not np.isfinite(vectors_of(rows[name])).all()):
            raise DataError(
                f"a row's {name} is missing or has numbers that are not finite; the model diverged: train it anew"
            )


def _require_queries(queries: NDArray[np.float32], k: int, schema: Schema) -> None:
    if k < 1:
        raise DataError(f"k = {k}: ask for at least one hit")
    if queries.ndim != 2 or queries.shape[1] != schema.width or not np.isfinite(queries).all():
        raise DataError(f"queries of shape {queries.shape} do not fit vectors of {schema.width} finite numbers")


def _plain(ids: Sequence[int] | NDArray[np.int64]) -> list[int]:
    return np.asarray(ids, np.int64).tolist()


def _cells(column: pa.ChunkedArray) -> Sequence[object]:
    if pa.types.is_fixed_size_list(column.type):
        return list(vectors_of(column))
    if pa.types.is_floating(column.type):
        return [None if value is None or value != value else value for value in column.to_pylist()]  # NaN is no value
    return column.to_pylist()


def _column(cells: list[Any], field: pa.Field) -> pa.Array:
    if not pa.types.is_fixed_size_list(field.type):
        return pa.array(cells, field.type)
    flat = np.concatenate([np.asarray(cell.to_numpy(), np.float32) for cell in cells])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=field.type)


def _best(one: _Nearest, ids: NDArray[np.int64], scores: NDArray[np.float64], k: int) -> _Nearest:
    """The best of those found so far and of others."""
    ids, scores = np.concatenate([one[0], ids]), np.concatenate([one[1], scores])
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]
