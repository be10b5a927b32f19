"""Images to embeddings: the stage behind `resight embed`, evaluation and indexing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from resight.errors import none_readable
from resight.recognizer import Progress, Recognizer
from resight.records import Embeddings, Record, as_records

__all__ = ["Embedded", "embed"]


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
    """Embed every image, given by its record or path, batch by batch; those that cannot be read are left out and named.

    >>> embedded = embed(resight.load("runs/street"), dataset.gallery)

    `progress` is called with the number of images done since the last call. Raises DataError when not one image
    could be read.
    """
    records = as_records(images)
    features, kept, failed = [], [], []
    for batch in model.batches(records, progress=progress):
        if len(batch.images):
            features.append(model.embed_batch(batch.images))
        kept += [records[position] for position in batch.index.tolist()]
        failed += batch.failed
    if not kept:
        raise none_readable(len(records), failed)
    return Embedded(Embeddings(np.concatenate(features), kept), failed)
