"""The nouns everyone shares: Record, AttributeSchema, ReidDataset, Embeddings.

Nothing here reads images or trains; readers (`resight.data.formats`) make these and every stage consumes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from resight.errors import DataError, did_you_mean
from resight.files import written_whole

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "DISTRACTOR",
    "JUNK",
    "JUNK_KIND",
    "NO_ATTRIBUTES",
    "NO_CAMERA",
    "TRACKLET_IMAGES",
    "UNLABELLED",
    "AttributeSchema",
    "Embeddings",
    "Record",
    "ReidDataset",
    "Relevance",
    "as_records",
    "features_written",
    "milliseconds",
    "nameable",
    "vector_column",
    "vectors_of",
]

UNLABELLED = -2
"""Identity of an image whose identity is unknown."""
JUNK = -1
"""Identity of junk, an image that shows no individual well (Market-1501's `-1`); the evaluation leaves it out."""
DISTRACTOR = 0
"""Identity of a distractor, whose individual is no query (Market-1501's `0000`); it counts as a wrong answer."""
NO_CAMERA = -1
"""Camera of an image whose camera is unknown."""
TRACKLET_IMAGES = "tracklet_images"
"""The attribute of an entry that is a whole tracklet: how many images it is the mean of."""
JUNK_KIND = "junk_kind"
"""Attribute that says what is wrong with an image; `resight data synthesize` lists it in pictures.csv."""


@dataclass(frozen=True, slots=True)
class Record:
    """One image and what is known of it.

    >>> Record("0002_c1s1_000451_03.jpg", identity=2, camera=1, frame=451)

    Raises DataError when a number is impossible (identity under -2, camera under -1) or the path is empty.
    """

    path: str
    identity: int = UNLABELLED
    camera: int = NO_CAMERA
    frame: int | None = None
    """Frame number within the video; its unit is the dataset's own."""
    sequence: int | None = None
    """Video sequence within the camera (Market-1501's `s1`)."""
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Attribute name -> class name, e.g. `{"upper_color": "red"}`."""
    mask: str | None = None
    """Path of the mask, a picture of the same size: individual or background. It is used in training and not stored."""
    time: int | None = None
    """When it was taken: milliseconds since 1970 (UTC) where the clock is known, else since the video's start."""
    tracklet: int | None = None
    """Number of the track, an unbroken sight of one individual, within the camera and its sequence."""

    def __post_init__(self) -> None:
        if not self.path:
            raise DataError("a record needs the path of its image")
        if self.identity < UNLABELLED or self.camera < NO_CAMERA:
            raise DataError(
                f"{self.path}: identity {self.identity} / camera {self.camera} is impossible; "
                "identities start at 1 (0 distractor, -1 junk, -2 unlabelled), cameras at 0 (-1 unknown)"
            )

    @property
    def junk_kind(self) -> str:
        """What is wrong with a junk image; empty for any other."""
        return self.attributes.get(JUNK_KIND, "junk" if self.identity == JUNK else "")


@dataclass(frozen=True, slots=True)
class AttributeSchema:
    """Which attributes exist and the classes of each, in the order that a classifier numbers them.

    >>> AttributeSchema({"gender": ("male", "female")}).classes["gender"]
    ('male', 'female')
    """

    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, values in self.classes.items():
            if len(set(values)) != len(values) or not values:
                raise DataError(f"attribute {name}: classes must be present and distinct, got {list(values)}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.classes)

    @property
    def width(self) -> int:
        """Number of classes of all attributes together: the length of their concatenated probabilities."""
        return sum(map(len, self.classes.values()))

    def columns(self, name: str) -> slice:
        """An attribute's columns in the concatenated probabilities. Raises DataError for an unknown attribute."""
        if name not in self.classes:
            raise DataError(
                f"unknown attribute {name!r}{did_you_mean(name, self.classes)}; there is: {', '.join(self.classes)}"
            )
        before = sum(len(self.classes[other]) for other in self.names[: self.names.index(name)])
        return slice(before, before + len(self.classes[name]))

    def index(self, name: str, value: str) -> int:
        """Number of a class within its attribute. Raises DataError, with the valid names, for an unknown one."""
        try:
            return self.classes[name].index(value)
        except KeyError:
            raise DataError(
                f"unknown attribute {name!r}{did_you_mean(name, self.classes)}; the data has: {', '.join(self.classes)}"
            ) from None
        except ValueError:
            raise DataError(
                f"attribute {name!r} has no class {value!r}{did_you_mean(value, self.classes[name])}; it has: {', '.join(self.classes[name])}"
            ) from None

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> Self:
        """The attributes and classes that occur, names in order of appearance, classes sorted."""
        found: dict[str, set[str]] = {}
        for record in records:
            for name, value in record.attributes.items():
                found.setdefault(name, set()).add(value)
        return cls({name: tuple(sorted(values)) for name, values in found.items()})


NO_ATTRIBUTES = AttributeSchema()
"""The schema without attributes."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """Explicit answers per query, for datasets that ship them (VeRi-776's `gt_index`, `jk_index`).

    `good[i]` and `junk[i]` are 0-based positions in the gallery for query i.
    """

    good: Sequence[NDArray[np.int64]]
    junk: Sequence[NDArray[np.int64]]


def milliseconds(text: str) -> int:
    """A date with a time of day as milliseconds since 1970, in UTC unless the text says otherwise.

    >>> milliseconds("1970-01-01T00:00:01.5")
    1500

    Raises DataError for what is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"{text!r} is no time; write it as 2026-05-31T08:30:00, or as whole milliseconds") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def as_records(images: Sequence[Record | str | os.PathLike[str]]) -> list[Record]:
    """Records unchanged; paths as records without labels."""
    return [image if isinstance(image, Record) else Record(os.path.abspath(image)) for image in images]


def nameable(records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """The records whose paths can be written to CSV and Parquet, and a line for each other one.

    Names of files are bytes; those that are not UTF-8, such as names from an older Windows, are read and trained on but
    stand in no file.
    """
    failed = {place: line for place, record in enumerate(records) if (line := _unwritable(record))}
    return [record for place, record in enumerate(records) if place not in failed], list(failed.values())


def _unwritable(record: Record) -> str | None:
    for path in (record.path, record.mask or ""):
        try:
            path.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            return f"{shown}: its name is not UTF-8; rename it"
    return None


@dataclass(frozen=True, slots=True)
class ReidDataset:
    """A dataset in the splits that re-identification needs.

    `gallery` includes junk (identity -1) and distractors (identity 0); the evaluation handles both.
    """

    name: str
    train: Sequence[Record] = ()
    query: Sequence[Record] = ()
    gallery: Sequence[Record] = ()
    schema: AttributeSchema = field(default_factory=AttributeSchema)
    relevance: Relevance | None = None
    protocol: str = "market1501"
    """Evaluation protocol that the dataset's literature uses: a key of `resight.retrieval.PROTOCOLS`."""
    notes: Sequence[str] = ()
    """A line for each thing that its reader took in another way than the files have it, or left aside."""

    @property
    def splits(self) -> dict[str, Sequence[Record]]:
        return {"train": self.train, "query": self.query, "gallery": self.gallery}

    def __iter__(self) -> Iterator[Record]:
        for records in self.splits.values():
            yield from records


@dataclass(frozen=True, slots=True)
class Embeddings:
    """A model's embeddings of images, with the images' records.

    `features` is float32 `[N, D]`, `records` has length N. `attributes` is float32 `[N, A]`: the probabilities of all
    attributes' classes, concatenated in the order of the model's schema; None if its metric weighs no attributes.
    """

    features: NDArray[np.float32]
    records: Sequence[Record]
    attributes: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) != len(self.records):
            raise DataError(f"{len(self.records)} records do not fit features of shape {self.features.shape}")
        if self.attributes is not None and (self.attributes.ndim != 2 or len(self.attributes) != len(self.records)):
            raise DataError(f"{len(self.records)} records do not fit attributes of shape {self.attributes.shape}")

    def __len__(self) -> int:
        return len(self.records)

    @property
    def identities(self) -> NDArray[np.int64]:
        return np.fromiter((record.identity for record in self.records), np.int64, len(self.records))

    @property
    def cameras(self) -> NDArray[np.int64]:
        return np.fromiter((record.camera for record in self.records), np.int64, len(self.records))

    def select(self, rows: slice | NDArray[np.int64]) -> Self:
        """The embeddings of some rows, given as a slice or as positions, in that order."""
        positions = np.arange(len(self))[rows]
        attributes = None if self.attributes is None else self.attributes[rows]
        return type(self)(self.features[rows], [self.records[position] for position in positions], attributes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a Parquet file, whole or not at all."""
        with features_written(path) as write:
            write(self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. Raises DataError when the file is no feature file.

        Older files of runs whose metric weighs attributes have the probabilities as the last columns of the features:
        `resight.embedding.load_embeddings` separates them.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
            features = vectors_of(table["feature"])
        except (OSError, KeyError, AttributeError, pa.ArrowException) as error:
            raise DataError(f"{path}: not a feature file ({error}); make one with `resight embed`") from error
        return cls(features, table_records(table), table_attributes(table))


@contextmanager
def features_written(
    path: str | os.PathLike[str], metadata: Mapping[bytes, bytes] | None = None
) -> Iterator[Callable[..., None]]:
    """Write a file that `Embeddings.load` reads, a piece at a time; there is none where the block ends with an error.

    >>> with features_written("features.parquet") as write:
    ...     write(embeddings)

    `write(embeddings, {name: cells})` adds further columns, the same for each piece. The pieces are of one model;
    `metadata` stands at the file's end.
    """
    import pyarrow.parquet as pq

    with written_whole(path) as partial, ExitStack() as opened:
        writer: list[pq.ParquetWriter] = []

        def write(piece: Embeddings, beside: Mapping[str, Any] | None = None) -> None:
            table = record_table(piece.records, piece.attributes).append_column(
                "feature", vector_column(piece.features)
            )
            for name, cells in (beside or {}).items():
                table = table.append_column(name, cells)
            if not writer:
                schema = table.schema.with_metadata(metadata)
                writer.append(opened.enter_context(pq.ParquetWriter(partial, schema, compression="zstd")))
            writer[0].write_table(table.replace_schema_metadata(metadata))

        yield write
        opened.close()  # what it still writes must be there before the file is moved


def record_table(records: Sequence[Record], probabilities: NDArray[np.float32] | None = None):  # type: ignore[no-untyped-def]  # -> pyarrow.Table, imported late
    """Records as a pyarrow Table, attributes as one JSON column so that any schema fits.

    The attributes' `probabilities`, float32 [N, A], become a column of their own, if given.
    """
    import pyarrow as pa

    if unwritable := nameable(records)[1]:
        raise DataError(unwritable[0])
    table = pa.table(
        {
            "path": pa.array([r.path for r in records], pa.string()),
            "identity": pa.array([r.identity for r in records], pa.int64()),
            "camera": pa.array([r.camera for r in records], pa.int64()),
            "frame": pa.array([r.frame for r in records], pa.int64()),
            "sequence": pa.array([r.sequence for r in records], pa.int64()),
            "attributes": pa.array([json.dumps(dict(r.attributes)) for r in records], pa.string()),
            "time": pa.array([r.time for r in records], pa.int64()),
            "tracklet": pa.array([r.tracklet for r in records], pa.int64()),
        }
    )
    return table if probabilities is None else table.append_column(_PROBABILITIES, vector_column(probabilities))


def table_records(table) -> list[Record]:  # type: ignore[no-untyped-def]
    """Records from a Table that `record_table` made (further columns are ignored)."""
    columns = ("path", "identity", "camera", "frame", "sequence", "attributes")
    rows = zip(*(table[name].to_pylist() for name in columns), *(_later(table, name) for name in _LATER), strict=True)
    return [
        Record(*known, json.loads(attributes), time=time, tracklet=tracklet)  # type: ignore[call-arg, misc]
        for *known, attributes, time, tracklet in rows
    ]


_LATER = ("time", "tracklet")
"""Columns that tables of older versions do not have."""


def _later(table, name: str) -> list[int | None]:  # type: ignore[no-untyped-def]
    return table[name].to_pylist() if name in table.column_names else [None] * len(table)


def table_attributes(table) -> NDArray[np.float32] | None:  # type: ignore[no-untyped-def]
    """The attributes' probabilities, float32 [N, A], from a Table that `record_table` made; None where it has none."""
    return vectors_of(table[_PROBABILITIES]) if _PROBABILITIES in table.column_names else None


_PROBABILITIES = "attribute_probabilities"


def vector_column(values: NDArray[np.float32]) -> pa.FixedSizeListArray:
    """[N, D] -> a column of lists of D numbers."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def vectors_of(column: pa.ChunkedArray | pa.Array) -> NDArray[np.float32]:
    """A column of lists of D numbers -> [N, D]."""
    import pyarrow as pa

    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = lists.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values.reshape(len(lists), lists.type.list_size), np.float32)
