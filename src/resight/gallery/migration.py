"""Galleries of formats 2 and 3, of faiss and Parquet files, become one of today's.

They held the features in a flat index of faiss, whose file is a short header before the numbers, and the records in a
Parquet file of the same generation. In format 2 the attributes' probabilities were the last columns of the features.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from resight.errors import DataError, RunError
from resight.files import locked
from resight.gallery.individual import unit
from resight.gallery.lance import FORMAT, LanceStore, read_document
from resight.gallery.rows import FIELDS, attribute_columns, rows_of
from resight.gallery.store import Schema
from resight.records import Embeddings, table_attributes, table_records

__all__ = ["migrate", "read_flat_index"]

OLD = (2, 3)
_PATIENCE = 600
_HEADER = struct.Struct("<4siqqqbiQ")
"""Kind, width, rows, two numbers without meaning, whether it is trained, metric, and how many float32 follow."""
_KINDS = {b"IxFI": 0, b"IxF2": 1, b"IxFl": 1}
"""Flat indexes by their first letters, and the number of their metric."""


def migrate(folder: Path) -> None:
    """Write the gallery in today's format, then delete the older files. A kill leaves the old gallery or the new one.

    Images without finite features, which no search ever found, are left out. Raises RunError where it is damaged, of a
    format that is not known, or cannot be written.
    """
    try:
        with locked(folder, RunError, _PATIENCE):
            facts = read_document(folder)
            if facts["format"] == FORMAT:  # another process has done it meanwhile
                return
            if facts["format"] not in OLD:
                raise RunError(
                    f"{folder} has gallery format {facts['format']}, this resight reads {FORMAT}; "
                    "make it anew with `resight index`"
                )
            _rewrite(folder, facts)
            for old in (*folder.glob("index-*.faiss"), *folder.glob("records-*.parquet")):
                old.unlink(missing_ok=True)
    except PermissionError as error:
        raise RunError(
            f"{folder} is of an older format and cannot be rewritten in today's ({error}); copy it"
        ) from None


def _rewrite(folder: Path, facts: dict[str, Any]) -> None:
    embeddings = _read(folder, facts)
    width = embeddings.features.shape[1]
    if facts["metric"] == "cosine":
        embeddings = Embeddings(unit(embeddings.features), embeddings.records, embeddings.attributes)
    columns = (*FIELDS, *attribute_columns(embeddings.records))
    schema = Schema(width, facts["metric"], columns, attributes=facts["attributes"])
    kept = {"model": facts["model"], "fingerprint": facts["fingerprint"], "classes": {}}
    rows = rows_of(embeddings)
    last = dict(zip(rows["id"].to_pylist(), range(len(rows)), strict=True))
    LanceStore.made(folder, schema, kept, rows.take(pa.array(sorted(last.values()), pa.int64())))


def _read(folder: Path, facts: dict[str, Any]) -> Embeddings:
    generation = int(facts["generation"])
    if not generation:
        raise RunError(f"{folder} is an empty gallery of an older format; remove it and index anew")
    files = [folder / f"index-{generation:06d}.faiss", folder / f"records-{generation:06d}.parquet"]
    for file in files:
        if not file.exists():
            raise RunError(
                f"{folder} is damaged: {file.name} is missing; put it back, or make the gallery anew with "
                "`resight index` in another folder"
            )
    try:
        features, table = read_flat_index(files[0]), pq.read_table(files[1])
        records, attributes = table_records(table), table_attributes(table)
        if facts["format"] == 2 and facts["attributes"]:
            features, attributes = np.split(features, [-facts["attributes"]], axis=1)
        if (0 if attributes is None else attributes.shape[1]) != facts["attributes"]:
            raise ValueError(f"its model makes {facts['attributes']} probabilities of attributes")
        whole = Embeddings(np.ascontiguousarray(features), records, attributes)
    except (OSError, ValueError, KeyError, DataError, struct.error, pa.ArrowException) as error:
        raise RunError(
            f"{folder} is damaged ({str(error).splitlines()[0]}); make it anew with `resight index`"
        ) from None
    return whole.select(np.flatnonzero(np.isfinite(whole.features).all(1)))


def read_flat_index(path: Path) -> NDArray[np.float32]:
    """The features [N, D] of a flat index that faiss wrote. Raises ValueError for any other file."""
    content = path.read_bytes()
    kind, width, rows, _, _, _, metric, numbers = _HEADER.unpack_from(content)
    whole = len(content) == _HEADER.size + 4 * numbers and numbers == rows * width and width > 0
    if not whole or _KINDS.get(kind) != metric:
        raise ValueError(f"{path.name} is no flat index of faiss")
    return np.frombuffer(content, "<f4", offset=_HEADER.size).reshape(rows, width).astype(np.float32)
