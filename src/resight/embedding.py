"""Images to embeddings: the stage behind `resight embed`, evaluation and indexing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from resight.errors import DataError
from resight.recognizer import BULK, FeaturesAndAttributes, Progress, Recognizer, joined
from resight.records import Embeddings, Record, as_records

__all__ = ["PIECE", "Embedded", "embed", "load_embeddings", "pieces"]


PIECE = 16_384
"""Images at most whose embeddings are held together where memory must not grow with their number."""
_SECONDS = 30
"""So long a piece is gathered: no more is lost where the work is stopped."""


class Embedded(NamedTuple):
    """`embeddings` of the images that could be read; `failed` has one line for each that could not."""

    embeddings: Embeddings
    failed: list[str]


def embed(
    model: Recognizer,
    images: Sequence[Record | str | os.PathLike[str]],
    *,
    progress: Progress | None = None,
) -> Embedded:
    """Embed images, given as records or paths, batch by batch; unreadable ones are left out and listed in `failed`.

    >>> embedded = embed(resight.load("runs/street"), dataset.gallery)

    `progress` is called with the number of images done since the last call. Many images are embedded in the fastest
    precision that is exact enough; see `Recognizer.in_bulk`. Raises DataError when not one image
    could be read.
    """
    records = as_records(images)
    model = _in_bulk(model, records)
    seen = model.see(records, lambda batch: model.embed_batch(batch.images), progress=progress)
    features, attributes = joined(seen.found)
    return Embedded(Embeddings(features, seen.records, attributes), seen.failed)


def pieces(
    model: Recognizer,
    images: Sequence[Record | str | os.PathLike[str]],
    *,
    size: int = PIECE,
    progress: Progress | None = None,
) -> Iterator[Embedded]:
    """As `embed`, about `size` images at a time, or those of half a minute, in their order.

    Features are not held beyond their piece. What grows with the number of images are their records, in this process and
    its workers: about a kilobyte each (benchmarks/growth.py).

    >>> for piece in pieces(model, records):
    ...     print(len(piece.embeddings), piece.failed)

    A piece whose images cannot be read is empty; no error is raised where that is so of all.
    """
    records = as_records(images)
    model = _in_bulk(model, records)
    held: list[tuple[list[Record], FeaturesAndAttributes]] = []
    failed: dict[str, None] = {}
    count, began = 0, time.monotonic()
    for batch in model.batches(records):
        failed |= dict.fromkeys(batch.failed)
        if len(batch.images):
            held.append(([records[place] for place in batch.index.tolist()], model.embed_batch(batch.images)))
        done = len(batch.images) + len(batch.failed)
        count += done
        if progress is not None:
            progress(done)
        if count >= size or time.monotonic() - began > _SECONDS:
            yield _piece(model, held, list(failed))
            held, failed, count, began = [], {}, 0, time.monotonic()
    if count:
        yield _piece(model, held, list(failed))


def _in_bulk(model: Recognizer, records: Sequence[Record]) -> Recognizer:
    """The model as it embeds these records fastest, which the first batch that can be read decides."""
    if len(records) <= BULK and "RESIGHT_PRECISION" not in os.environ:
        return model
    first = next((batch.images for batch in model.batches(records, workers=0) if len(batch.images)), None)
    return model if first is None else model.in_bulk(first, len(records), records)


def _piece(
    model: Recognizer, held: Sequence[tuple[list[Record], FeaturesAndAttributes]], failed: list[str]
) -> Embedded:
    if not held:
        attributes = np.empty((0, model.schema.width), np.float32) if model.weighs_attributes else None
        return Embedded(Embeddings(np.empty((0, model.width), np.float32), [], attributes), failed)
    features, attributes = joined([found for _, found in held])
    return Embedded(Embeddings(features, [one for records, _ in held for one in records], attributes), failed)


def load_embeddings(model: Recognizer, path: str | os.PathLike[str]) -> Embeddings:
    """Embeddings of `model` from a file that `resight embed` wrote.

    Older files of a model whose metric weighs attributes have the probabilities as the last columns of the features;
    they are separated. Raises DataError when the features' width is not the model's: another model made the file.
    """
    embeddings = Embeddings.load(path)
    if model.weighs_attributes and embeddings.attributes is None:
        embeddings = _taken_apart(embeddings, model)
    width = embeddings.features.shape[1]
    if width != model.width:
        raise DataError(
            f"{path} holds features of {width} numbers, this run makes {model.width}: another model made them; "
            "make the file anew with `resight embed`"
        )
    return embeddings


def _taken_apart(embeddings: Embeddings, model: Recognizer) -> Embeddings:
    """An older file's embeddings, the attributes separated from the features; those of another width, unchanged."""
    if embeddings.features.shape[1] != model.width + model.schema.width:
        return embeddings
    features, attributes = np.split(embeddings.features, [model.width], axis=1)
    return Embeddings(features, embeddings.records, attributes)
