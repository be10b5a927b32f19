"""Images to embeddings: the stage behind `resight embed`, evaluation and indexing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from resight.data.loaders import Batch
from resight.errors import DataError
from resight.recognizer import FeaturesAndAttributes, Progress, Recognizer, joined
from resight.records import Embeddings, Record, as_records

__all__ = ["Embedded", "embed", "load_embeddings"]


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
    bulk: list[Recognizer] = []

    def look(batch: Batch) -> FeaturesAndAttributes:
        if not bulk:
            bulk.append(model.in_bulk(batch.images, len(records)))
        return bulk[0].embed_batch(batch.images)

    seen = model.see(records, look, progress=progress)
    features, attributes = joined(seen.found)
    return Embedded(Embeddings(features, seen.records, attributes), seen.failed)


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
