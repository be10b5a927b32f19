"""pgvector's index, an HNSW of half-precision vectors, and what a search must ask of it to reach a recall.

Half precision halves the index and takes up to 4,000 dimensions, where full precision ends at 2,000 (a ResNet-50 has
2,048). It only chooses candidates; their distances are computed from the vectors themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.gallery.database import Database, named, quoted
from resight.gallery.store import VECTOR, IndexFacts

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["EFFORTS", "SPARE", "Hnsw"]

EFFORTS = (40, 80, 160, 320, 640, 1000)
"""`hnsw.ef_search`, up to the most that pgvector takes."""
SHARES = (1.0, 0.5, 0.1, 0.01)
WIDEST = 4000
_NEIGHBOURS, _BUILD_EFFORT = 16, 128
_DEPTH = 10
SPARE = 32
"""Candidates beyond k whose distances are computed anew, in float64."""
_SCAN = 1_000_000
"""`hnsw.max_scan_tuples`: rows that a search may pass over because they do not match."""
_MEMORY = 16
"""`hnsw.scan_mem_multiplier`: what a search may use for that, in times of the server's `work_mem`."""
_SEED = 20
_NEAR = {"cosine": ("<#>", "halfvec_ip_ops"), "euclidean": ("<->", "halfvec_l2_ops"), "attribute-weighted": ("<->", "halfvec_l2_ops")}  # fmt: skip


class Hnsw:
    """The index of one table."""

    def __init__(self, database: Database, table: str, width: int, metric: str) -> None:
        self._database, self._table, self._width = database, table, width
        self.operator, self._class = _NEAR[metric]

    def build(self, connection: Connection[Any]) -> None:
        """A new index beside the present one, which is then removed. Pieces that a kill left are removed first."""
        if self._width > WIDEST:
            raise DataError(f"pgvector indexes vectors of up to {WIDEST} numbers, not of {self._width}; search exactly")
        for piece, whole in self._names(connection).items():
            if not whole:
                connection.execute(f"DROP INDEX CONCURRENTLY {quoted(piece)}", ())
        old = self._names(connection)
        name = next(name for number in range(len(old) + 1) if (name := f"{self._table}_hnsw_{number}") not in old)
        connection.execute(
            f"CREATE INDEX CONCURRENTLY {quoted(name)} ON {quoted(self._table)} USING hnsw ({self._indexed} {self._class}) "
            f"WITH (m = {_NEIGHBOURS}, ef_construction = {_BUILD_EFFORT})",
            (),
        )
        for each in old:
            connection.execute(f"DROP INDEX CONCURRENTLY {quoted(each)}", ())

    def _names(self, connection: Connection[Any]) -> dict[str, bool]:
        """The indexes of this kind, and whether each is whole: a kill leaves one that is written to but not read."""
        found = connection.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            "JOIN pg_am ON pg_am.oid = relam WHERE indrelid = %s::regclass AND amname = 'hnsw'",
            (named(self._table),),
        )
        return dict(found.fetchall())

    @property
    def _indexed(self) -> str:
        return f"({VECTOR}::halfvec({self._width}))"

    def candidates(
        self,
        connection: Connection[Any],
        query: NDArray[np.float32],
        k: int,
        text: str,
        values: Sequence[object],
        effort: int,
    ) -> list[int]:
        """Ids of up to `k` near rows, within a transaction.

        The settings are the transaction's, by SET LOCAL: nothing else reaches the workers of Citus. Without
        `iterative_scan` a condition would be applied to `effort` rows alone, and leave fewer than `k`.
        """
        connection.execute(
            f"SET LOCAL hnsw.ef_search = {effort:d}; SET LOCAL hnsw.iterative_scan = relaxed_order; "
            f"SET LOCAL hnsw.max_scan_tuples = {_SCAN:d}; SET LOCAL hnsw.scan_mem_multiplier = {_MEMORY:d}"
        )
        statement = (
            f"SELECT id FROM {quoted(self._table)} WHERE {text} "
            f"ORDER BY {self._indexed} {self.operator} %s::vector::halfvec({self._width}) LIMIT %s"
        )
        return [each for (each,) in connection.execute(statement, (*values, query, k))]

    # What it finds

    def measured(self, recall: float, sample: int) -> IndexFacts:
        """The least effort with which each share of the rows is found to this recall at 10, or else the most."""
        with self._database.reading() as connection:
            ids, queries = self._sample(connection, sample)
            truth, rows = self._truth(connection, ids, queries)
            effort: dict[float, int] = {}
            reached: dict[float, float] = {}
            for share in SHARES:
                for effort[share] in EFFORTS:
                    reached[share] = self._recall(connection, ids, queries, truth[share], share, effort[share])
                    if reached[share] >= recall:
                        break
        return IndexFacts("hnsw", recall, effort, reached, len(ids), rows)

    def _sample(self, connection: Connection[Any], count: int) -> tuple[list[int], NDArray[np.float32]]:
        """Rows as queries: those whose ids' hashes are lowest, which is by chance and repeatable."""
        rows = connection.execute(
            f"SELECT id, {VECTOR} FROM {quoted(self._table)} ORDER BY hashint8extended(id, %s) LIMIT %s",
            (_SEED, count),
            binary=True,
        ).fetchall()
        vectors = [np.asarray(vector.to_numpy(), np.float32) for _, vector in rows]
        return [each for each, _ in rows], np.stack(vectors) if vectors else np.empty((0, self._width), np.float32)

    def _truth(
        self, connection: Connection[Any], ids: list[int], queries: NDArray[np.float32]
    ) -> tuple[dict[float, list[tuple[set[int], int]]], int]:
        """For each share: the ids of each query's nearest, exactly, itself left out; and how many rows there are."""
        best = {share: _Best(len(queries), _DEPTH + 1) for share in SHARES}
        count = 0
        with connection.cursor(name="truth") as cursor:
            cursor.execute(f"SELECT id, {VECTOR}, {_PART} FROM {quoted(self._table)}", (), binary=True)
            while rows := cursor.fetchmany(2048):
                count += len(rows)
                numbers, vectors, parts = zip(*rows, strict=True)
                matrix = np.stack([np.asarray(vector.to_numpy(), np.float32) for vector in vectors])
                scores = self._compared(queries, matrix)
                for share, kept in best.items():
                    some = np.array(parts) < share * 100
                    kept.take(np.array(numbers)[some], scores[:, some])
        return {share: kept.without(ids, _DEPTH) for share, kept in best.items()}, count

    def _compared(self, queries: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        products = queries @ matrix.T
        if self.operator == "<#>":
            return products
        return 2 * products - np.square(matrix).sum(axis=1)  # further from 0 by the same for all rows of a query

    def _recall(
        self,
        connection: Connection[Any],
        ids: list[int],
        queries: NDArray[np.float32],
        truth: list[tuple[set[int], int]],
        share: float,
        effort: int,
    ) -> float:
        # As a search does it, which asks for spare ones.
        text, values = ("TRUE", []) if share == 1 else (f"{_PART} < %s", [share * 100])
        found = wanted = 0
        for each, query, (nearest, count) in zip(ids, queries, truth, strict=True):
            near = self.candidates(connection, query, _DEPTH + SPARE, text, values, effort)
            found += len(nearest.intersection(near) - {each})
            wanted += count
        return found / wanted if wanted else 1.0


_PART = f"abs(hashint8extended(id, {_SEED + 1}) % 100)".replace("%", "%%")
"""A number under 100 that cuts the rows into shares, whatever the ids are."""


class _Best:
    """The best scores of each query so far."""

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._ids = np.full((queries, 0), -1, np.int64)
        self._scores = np.full((queries, 0), -np.inf, np.float32)

    def take(self, ids: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        everything = np.concatenate([self._scores, scores], axis=1)
        numbers = np.concatenate([self._ids, np.broadcast_to(ids, scores.shape)], axis=1)
        best = np.argsort(-everything, axis=1, kind="stable")[:, : self._k]
        self._scores, self._ids = np.take_along_axis(everything, best, 1), np.take_along_axis(numbers, best, 1)

    def without(self, queries: list[int], k: int) -> list[tuple[set[int], int]]:
        kept = [[each for each in row if each != own][:k] for own, row in zip(queries, self._ids.tolist(), strict=True)]
        return [(set(row), len(row)) for row in kept]
