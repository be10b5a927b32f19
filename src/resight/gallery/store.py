"""What keeps a gallery's rows and finds the nearest: a protocol of few words, which each engine keeps.

`resight.gallery.lance` is a folder; `resight.gallery.postgres` is a table of a server. Both keep one contract, which
tests/support/store_contract.py states as tests. Rows go in and out as Arrow tables: `id`, the schema's columns, `vector`, and
`attribute_probabilities` where the metric weighs attributes. A value that is not known is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resight.errors import DataError
from resight.gallery.filters import Filter, Kind

__all__ = [
    "EXACT_ROWS",
    "KEPT",
    "PROBABILITIES",
    "SAMPLE",
    "VECTOR",
    "Column",
    "Found",
    "How",
    "IndexFacts",
    "Schema",
    "Storage",
    "Store",
    "Written",
]

How = Literal["auto", "exact", "ann"]
VECTOR = "vector"
PROBABILITIES = "attribute_probabilities"
KEPT = timedelta(hours=1)
"""How long compaction leaves a version to its readers."""
SAMPLE = 200
"""Rows on which an index is measured."""
EXACT_ROWS = 50_000
"""Rows that a search without an index is quick on: `auto` uses the index only where the condition leaves more."""
_TYPES = {"int": pa.int64(), "float": pa.float64(), "text": pa.string(), "time": pa.int64(), "bool": pa.bool_()}
_TAKEN = frozenset(
    [
        "id",
        "vector",
        "attribute_probabilities",
        "stamp",
        "_rowid",
        "_rowaddr",
        "_distance",
        "_score",
        "ctid",
        "xmin",
        "xmax",
        "cmin",
        "cmax",
        "tableoid",
    ]
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that conditions may read.

    Raises DataError for a name that an engine cannot hold: one of its own, or with a dot, a backtick or no character.
    """

    name: str
    kind: Kind

    def __post_init__(self) -> None:
        odd = any(sign in self.name for sign in ".`\0") or len(self.name.encode("utf-8", "replace")) > 63
        if not self.name or odd or self.name in _TAKEN:
            raise DataError(
                f"a gallery can have no column {self.name!r}; give it another name, without dots, up to 63 letters"
            )

    @property
    def type(self) -> pa.DataType:
        """Its type in Arrow: int64 for whole numbers and times, float64, string, bool."""
        return _TYPES[self.kind]


@dataclass(frozen=True)
class Schema:
    """What a row is made of.

    >>> Schema(512, "cosine", (Column("path", "text"), Column("camera", "int")))
    """

    width: int
    """Length of a vector, float32."""
    metric: str
    """cosine (vectors have length 1), euclidean, or attribute-weighted."""
    columns: tuple[Column, ...] = ()
    """Every column but `id` and the vectors. All but `path` may be null."""
    attributes: int = 0
    """Length of the attributes' probabilities, float32, that the metric weighs; 0 where it weighs none."""

    @property
    def kinds(self) -> dict[str, Kind]:
        """Column -> kind, for conditions; `id` among them."""
        return {"id": "int", **{column.name: column.kind for column in self.columns}}

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of the rows."""
        fields = [pa.field("id", pa.int64(), False), *(pa.field(column.name, column.type) for column in self.columns)]
        fields.append(pa.field(VECTOR, pa.list_(pa.float32(), self.width)))
        if self.attributes:
            fields.append(pa.field(PROBABILITIES, pa.list_(pa.float32(), self.attributes)))
        return pa.schema(fields)


class Written(NamedTuple):
    """What an upsert did."""

    inserted: int
    updated: int
    version: int


class Storage(NamedTuple):
    """What keeps a store, and how much it takes."""

    engine: str
    """Its name and version."""
    bytes: int
    """On disk, with indexes, caches and versions that are kept for readers."""
    pieces: int
    """Files that the newest version's rows are in: many small ones are slower, and joined by `compact`."""


class Found(NamedTuple):
    """The nearest rows of each query, best first, equal scores by id."""

    ids: list[NDArray[np.int64]]
    """[Q] of [min(k, matching)]."""
    scores: list[NDArray[np.float64]]
    """[Q] of the same: cosine similarity, or minus the (attribute-weighted) Euclidean distance."""
    how: Literal["exact", "ann"]
    """How it was done."""
    matching: int
    """Rows that fulfil the condition."""


@dataclass(frozen=True)
class IndexFacts:
    """An index, and what was measured of it. Shares are of the rows that a condition leaves: 1.0, 0.5, 0.1, 0.01."""

    kind: str
    """The engine's name of it."""
    promised: float
    """The recall that was asked for."""
    effort: Mapping[float, int] = field(default_factory=dict)
    """Share -> how many partitions (Lance) or candidates (pgvector) a search looks at."""
    recall: Mapping[float, float] = field(default_factory=dict)
    """Share -> recall at 10 against exact search, measured on `sample` rows as queries, themselves not counted."""
    sample: int = 0
    rows: int = 0
    """Rows when it was measured."""
    version: int = 0
    """The store's version at which it was measured."""
    partitions: int = 0
    """Partitions of the rows; 0 where the engine has none."""

    @property
    def sample_again(self) -> int:
        """Rows to measure on after more have come: as many, or SAMPLE where there were no more."""
        return SAMPLE if self.sample == self.rows else self.sample

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it; shares become text."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            name: {str(share): value for share, value in plain[name].items()} for name in ("effort", "recall")
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_json` made."""
        shares = {name: {float(share): value for share, value in plain[name].items()} for name in ("effort", "recall")}
        return cls(**{**plain, **shares})

    def effort_for(self, share: float) -> int:
        """What a search needs whose condition leaves this share of the rows: that of the next smaller share measured."""
        smaller = [measured for measured in self.effort if measured <= share]
        return self.effort[max(smaller)] if smaller else self.effort[min(self.effort)]


class Store(Protocol):
    """Rows by id, one batch a commit. Several threads may search one store at once.

    A handle reads the version that it was opened at, or last wrote or refreshed; others write meanwhile. All that change
    rows take turns with other processes, wait for one another, and raise RunError, which names the other process, where
    that takes longer than ten minutes. What they return from is on disk: it outlives a kill and a power cut.
    """

    @property
    def where(self) -> str:
        """Its folder, or its address without a password."""
        ...  # pragma: no cover

    @property
    def schema(self) -> Schema: ...  # pragma: no cover

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the gallery keeps beside its rows, as JSON: model, fingerprint, calibration."""
        ...  # pragma: no cover

    @property
    def index(self) -> IndexFacts | None:
        """The index of this version; None where there is none or it was not measured."""
        ...  # pragma: no cover

    @property
    def version(self) -> int:
        """The version that is read. It grows with each commit."""
        ...  # pragma: no cover

    @property
    def storage(self) -> Storage: ...  # pragma: no cover

    @classmethod
    def create(cls, where: str, schema: Schema, facts: Mapping[str, Any]) -> Self:
        """A new store without rows. Raises RunError where there is one already."""
        ...  # pragma: no cover

    @classmethod
    def open(cls, where: str) -> Self:
        """Raises RunError where there is none, and where it is damaged."""
        ...  # pragma: no cover

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Put these facts in place of the stored ones."""
        ...  # pragma: no cover

    def add_columns(self, columns: Sequence[Column]) -> None:
        """Columns that are not there yet, null in every row. Raises DataError for one that is there with another kind."""
        ...  # pragma: no cover

    def upsert(self, rows: pa.Table) -> Written:
        """Insert rows, or put them in the place of those with their ids. All or none, and on disk when it returns.

        Columns that `rows` lacks become null. Raises DataError where columns or widths do not fit the schema, an id comes
        twice, and where a row of the same id has another `path`: then the ids collide, and nothing is written.
        """
        ...  # pragma: no cover

    def update(self, ids: Sequence[int] | NDArray[np.int64], columns: pa.Table) -> int:
        """New values of some columns of the rows with these ids, a row of `columns` each; returns how many were there."""
        ...  # pragma: no cover

    def delete(self, where: Filter | Sequence[int] | NDArray[np.int64]) -> int:
        """Delete the rows that fulfil a condition, or have these ids; returns how many."""
        ...  # pragma: no cover

    def compact(self, keep: timedelta = KEPT) -> None:
        """Join small pieces, take in what the index lacks, measure it again; versions younger than `keep` stay readable."""
        ...  # pragma: no cover

    def build_index(self, recall: float = 0.99, sample: int = SAMPLE) -> IndexFacts:
        """An index of the vectors; measures what a search needs for this recall, and stores that."""
        ...  # pragma: no cover

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        where: Filter | None = None,
        how: How = "auto",
        *,
        attributes: NDArray[np.float32] | None = None,
    ) -> Found:
        """The `k` nearest rows to each query of [Q, D] that fulfil a condition; exactly min(k, matching) of them.

        `exact` compares every row, in float64 wherever float32 cannot tell. `ann` uses the index, and raises RunError
        where there is none; its scores are exact. `auto` is `ann` where there is an index, more than EXACT_ROWS rows match,
        and the index is the quicker. `attributes` [Q, A] are needed where the metric weighs them; such a search is always exact.
        """
        ...  # pragma: no cover

    def fetch(self, ids: Sequence[int] | NDArray[np.int64], columns: Sequence[str] | None = None) -> pa.Table:
        """The rows with these ids, in this order; those that are not there are left out.

        `columns` are the schema's names, `id`, VECTOR or PROBABILITIES; all but the last two where None.
        """
        ...  # pragma: no cover

    def scan(self, columns: Sequence[str], where: Filter | None = None) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows that fulfil a condition, in any order, a batch at a time."""
        ...  # pragma: no cover

    def count(self, where: Filter | None = None) -> int: ...  # pragma: no cover

    def refresh(self) -> int:
        """Read what others have written since; returns the version."""
        ...  # pragma: no cover

    def close(self) -> None: ...  # pragma: no cover
