"""Recognise the attributes of images, for `resight predict` and for galleries that store them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resight.data.attributes import MARKET_SCHEMA, write_annotation_rows
from resight.data.formats.course import hand_in_names, write_course_classification
from resight.errors import DataError, none_readable
from resight.files import written_whole
from resight.recognizer import Progress, Recognizer
from resight.records import AttributeSchema, Record
from resight.tasks.written import Written, common_folder

__all__ = ["Annotated", "Predicted", "annotate", "predict", "write_predictions"]


class Predicted(NamedTuple):
    """What a model says of one batch: `probabilities`, attribute -> float32 [N, classes], of N `records`.

    `failed` has a line for each image of the batch that could not be read.
    """

    records: list[Record]
    probabilities: dict[str, NDArray[np.float32]]
    failed: list[str]

    def classes(self, schema: AttributeSchema) -> list[dict[str, str]]:
        """[N]: for each image, attribute -> its most probable class."""
        best = {name: values.argmax(1).tolist() for name, values in self.probabilities.items()}
        return [{name: schema.classes[name][best[name][row]] for name in best} for row in range(len(self.records))]


def predict(model: Recognizer, records: Sequence[Record], *, progress: Progress | None = None) -> Iterator[Predicted]:
    """Recognise the attributes of each record's image, batch by batch, so that memory does not grow with their number.

    >>> for batch in predict(resight.load("runs/attributes"), records):
    ...     print(batch.classes(model.schema))

    Images that cannot be read are left out and named in `failed`. Raises RunError when the model recognises no attributes.
    """
    for batch in model.batches(records, progress=progress):
        found = model.recognise_batch(batch.images) if len(batch.images) else {}
        yield Predicted([records[position] for position in batch.index.tolist()], found, batch.failed)


class Annotated(NamedTuple):
    """What `annotate` found."""

    records: list[Record]
    """Those that could be read, with the recognised attributes in place of their own of the same name."""
    failed: list[str]
    """A line for each that could not."""
    sure: dict[str, dict[str, float]]
    """Path -> attribute -> the probability of the recognised class."""


def annotate(model: Recognizer, records: Sequence[Record], *, progress: Progress | None = None) -> Annotated:
    """Recognise the attributes of each record's image, and how sure the model is."""
    annotated = Annotated([], [], {})
    for batch in predict(model, records, progress=progress):
        annotated.failed.extend(batch.failed)
        best = {name: values.max(1).tolist() for name, values in batch.probabilities.items()}
        for row, (record, seen) in enumerate(zip(batch.records, batch.classes(model.schema), strict=True)):
            annotated.records.append(replace(record, attributes={**record.attributes, **seen}))
            annotated.sure[record.path] = {name: best[name][row] for name in best}
    return annotated


def write_predictions(
    path: str | os.PathLike[str],
    model: Recognizer,
    records: Sequence[Record],
    *,
    multi: bool = False,
    course: bool = False,
    progress: Progress | None = None,
) -> Written:
    """Recognise the attributes of each record's image and write them to a file, whole or not at all.

    The file's format follows from its ending. `.csv` has the course's 27 columns and codes where the model knows
    Market-1501's twelve attributes, and with `multi` the two multi-colour columns as well; of other attributes it has a
    column each with the class's name. It calls an image by its path below the deepest folder that holds all images, and
    with `course`, as the course wants it handed in, by its name alone. `.parquet` and `.json` have whole paths, the class
    names and the probability of every class.
    Raises DataError for another ending, for two images of one name where names are written alone, or when no image could
    be read; RunError when the model recognises no attributes.
    """
    ending = Path(path).suffix.lower()
    if ending not in _WRITERS:
        raise DataError(f"{path}: name a file that ends in {', '.join(_WRITERS)}")
    for wanted, what in ((multi, "the multi-colour columns need"), (course, "the course's hand-in needs")):
        if wanted and ending != ".csv":
            raise DataError(f"{path}: {what} a .csv; name one")
        if wanted and model.recognises and not _knows_market(model.schema):
            raise DataError(f"{what} Market-1501's twelve attributes; this run recognises others")
    if course:
        hand_in_names(record.path for record in records)
    count = 0
    failed: list[str] = []

    def batches() -> Iterator[Predicted]:
        nonlocal count
        for batch in predict(model, records, progress=progress):
            failed.extend(batch.failed)
            count += len(batch.records)
            if batch.records:
                yield batch
        if not count:
            raise none_readable(len(records), failed)

    below = common_folder(records) if records and not course else None
    _WRITERS[ending](Path(path), batches(), model.schema, multi, below)
    return Written(count, failed)


def _write_csv(
    path: Path, batches: Iterator[Predicted], schema: AttributeSchema, multi: bool, below: str | None
) -> None:
    rows = (row for batch in batches for row in zip(batch.records, batch.classes(schema), strict=True))
    if _knows_market(schema):
        targets = ((record.path, classes) for record, classes in rows)
        if below is None:
            write_course_classification(path, targets, multi)
        else:
            write_annotation_rows(path, ((os.path.relpath(image, below), said) for image, said in targets), multi)
        return
    with written_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["path", *schema.names], lineterminator="\n")
        writer.writeheader()
        for record, classes in rows:
            writer.writerow({"path": os.path.relpath(record.path, below), **classes})


def _write_parquet(
    path: Path, batches: Iterator[Predicted], schema: AttributeSchema, multi: bool, below: str | None
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    labels = [(f"{name}={value}", name, number) for name in schema.names for number, value in _numbered(schema, name)]
    fields = [("path", pa.string()), *((name, pa.string()) for name in schema.names)]
    layout = pa.schema([*fields, *((label, pa.float32()) for label, _, _ in labels)])
    with written_whole(path) as partial, pq.ParquetWriter(partial, layout, compression="zstd") as writer:
        for batch in batches:
            classes = batch.classes(schema)
            columns: dict[str, Any] = {"path": [record.path for record in batch.records]}
            columns |= {name: [row[name] for row in classes] for name in schema.names}
            columns |= {label: batch.probabilities[name][:, number] for label, name, number in labels}
            writer.write_table(pa.table(columns, schema=layout))


def _write_json(
    path: Path, batches: Iterator[Predicted], schema: AttributeSchema, multi: bool, below: str | None
) -> None:
    with written_whole(path) as partial, open(partial, "w", encoding="utf-8") as file:
        before = "["
        for batch in batches:
            for row, (record, classes) in enumerate(zip(batch.records, batch.classes(schema), strict=True)):
                chances = {
                    name: {
                        value: round(float(batch.probabilities[name][row, number]), 6)
                        for number, value in _numbered(schema, name)
                    }
                    for name in schema.names
                }
                entry = {"path": record.path, "attributes": classes, "probabilities": chances}
                file.write(f"{before}\n{json.dumps(entry, ensure_ascii=False)}")
                before = ","
        file.write("\n]\n")


def _numbered(schema: AttributeSchema, name: str) -> list[tuple[int, str]]:
    return list(enumerate(schema.classes[name]))


def _knows_market(schema: AttributeSchema) -> bool:
    return all(schema.classes.get(name) == values for name, values in MARKET_SCHEMA.classes.items())


_WRITERS: dict[str, Callable[[Path, Iterator[Predicted], AttributeSchema, bool, str | None], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".json": _write_json,
}
