"""A tracklet as one entry: the mean of its images' features, in which sharp ones count more and junk not at all.

The entry's record is that of its best image; its attributes say when the tracklet begins and ends and how many images it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from resight.embedding import pieces
from resight.errors import DataError
from resight.recognizer import Progress, Recognizer
from resight.records import TRACKLET_IMAGES, Embeddings, Record
from resight.retrieval.pooling import pool
from resight.tasks.junk.evaluation import default_score, junk_scores, scan

__all__ = [
    "END",
    "IMAGES",
    "START",
    "Pooled",
    "entries_of",
    "groups",
    "members",
    "pool_tracklets",
    "qualities",
    "require_tracklets",
    "sharpness",
]

START, END, IMAGES = "tracklet_start", "tracklet_end", TRACKLET_IMAGES
"""Attributes of an entry: when its tracklet begins and ends, as `Record.time` or, of one without a time, as its frame;
and its images."""

_SURE_JUNK = 0.5
_MANY = 100
"""Images among which there is a highest hundredth."""


@dataclass(frozen=True)
class Pooled:
    """One entry for each tracklet, and for each image that belongs to none."""

    embeddings: Embeddings
    members: list[list[Record]]
    """Of each entry, the images of its tracklet, those that were left out too."""
    tracklets: int
    """Entries that are tracklets."""
    left_out: int
    """Images that were left out as junk."""
    lost: int
    """Tracklets of which nothing else was left."""

    @property
    def counts(self) -> tuple[int, int, int]:
        """`tracklets`, `left_out` and `lost`."""
        return self.tracklets, self.left_out, self.lost


def entries_of(
    model: Recognizer, records: Sequence[Record], junk: Recognizer | None = None, *, progress: Progress | None = None
) -> tuple[Pooled, list[str]]:
    """Embed images and pool those of each tracklet, sharp ones more, those that the run `junk` calls junk not at all.

    >>> pooled, failed = entries_of(model, records)

    `failed` has a line for each image that cannot be read. There may be no entry: where no image can be read, or all are
    junk. `progress` is called with the number of images done since the last call; each is done twice, with `junk` three
    times.
    """
    found = list(pieces(model, records, progress=progress))
    failed = [line for piece in found for line in piece.failed]
    parts = [piece.embeddings for piece in found if len(piece.embeddings)]
    if not parts:
        return Pooled(Embeddings(np.empty((0, model.width), np.float32), []), [], 0, 0, 0), failed
    attributes = None if parts[0].attributes is None else np.concatenate([part.attributes for part in parts])  # type: ignore[misc]
    features = np.concatenate([part.features for part in parts])
    embedded = Embeddings(features, [record for part in parts for record in part.records], attributes)
    weights = qualities(model, embedded.records, junk, progress=progress)
    return _pooled(embedded, weights, unit=model.metric == "cosine"), failed


def require_tracklets(records: Sequence[Record]) -> None:
    """Raises DataError when no image is in a tracklet."""
    if all(record.tracklet is None for record in records):
        raise DataError("no image says of which tracklet it is; `resight data crops` makes manifests that do")


def groups(records: Sequence[Record]) -> NDArray[np.int64]:
    """[N]: number of each image's tracklet, from 0 in order of appearance; an image of none has a number of its own.

    A tracklet is a number within a camera and a sequence.
    """
    numbers: dict[object, int] = {}
    return np.array(
        [
            numbers.setdefault(
                place if record.tracklet is None else (record.camera, record.sequence, record.tracklet), len(numbers)
            )
            for place, record in enumerate(records)
        ],
        np.int64,
    )


def members(records: Sequence[Record]) -> list[list[Record]]:
    """The records of each group, in order of appearance."""
    found: dict[int, list[Record]] = {}
    for number, record in zip(groups(records).tolist(), records, strict=True):
        found.setdefault(number, []).append(record)
    return list(found.values())


def pool_tracklets(embeddings: Embeddings, weights: NDArray[np.floating], *, unit: bool = True) -> Pooled:
    """Pool the images of each tracklet by weights, float [N]; an image of weight 0 is left out.

    >>> pool_tracklets(embedded, qualities(model, embedded.records)).embeddings

    Features have length one unless `unit` is False; attributes' probabilities are means. Raises DataError when no image
    is in a tracklet, or all are left out.
    """
    require_tracklets(embeddings.records)
    made = _pooled(embeddings, weights, unit)
    if not len(made.embeddings):
        raise DataError("every image is junk, so no tracklet is left")
    return made


def _pooled(embeddings: Embeddings, weights: NDArray[np.floating], unit: bool) -> Pooled:
    records = embeddings.records
    all_groups = groups(records)
    kept = np.flatnonzero(weights > 0)
    if not len(kept):
        return Pooled(embeddings.select(kept), [], 0, len(records), len(np.unique(all_groups)))
    names, places = np.unique(all_groups[kept], return_inverse=True)
    features = pool(embeddings.features[kept], places, weights[kept], unit=unit)
    attributes = embeddings.attributes
    if attributes is not None:
        attributes = pool(attributes[kept], places, weights[kept], unit=False)
    rows = np.split(kept[np.argsort(places, kind="stable")], np.cumsum(np.bincount(places))[:-1])
    found = [_entry(records, weights, of_one) for of_one in rows]
    whole = members(records)
    return Pooled(
        Embeddings(features, found, attributes),
        [whole[name] for name in names.tolist()],
        tracklets=sum(record.tracklet is not None for record in found),
        left_out=len(records) - len(kept),
        lost=len(np.unique(all_groups)) - len(names),
    )


def _entry(records: Sequence[Record], weights: NDArray[np.floating], rows: NDArray[np.int64]) -> Record:
    """The record of the best of some rows, with the tracklet's extent among its attributes."""
    best = records[int(rows[np.argmax(weights[rows])])]
    if best.tracklet is None:
        return best
    facts = {IMAGES: str(len(rows))}
    moments = [records[row].frame if best.time is None else records[row].time for row in rows.tolist()]
    if known := [moment for moment in moments if moment is not None]:
        facts |= {START: str(min(known)), END: str(max(known))}
    return replace(best, attributes={**best.attributes, **facts})


def qualities(
    model: Recognizer,
    records: Sequence[Record],
    junk: Recognizer | None = None,
    threshold: float | None = None,
    *,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Weights of images, float32 [N]: how sharp the model sees them, 0 for those that the run `junk` calls junk.

    Junk is what scores `threshold` or more; by default a probability of 0.5 or, of an autoencoder's error, the highest
    hundredth, as `resight junk scan` has it, and of fewer than a hundred images none. All images must be readable.
    `progress` is called with the number of images done since the last call; each is read once, and once more for `junk`.
    Raises RunError for a run that tells no junk.
    """
    seen = model.see(records, lambda batch: sharpness(batch.images), progress=progress)
    weights = np.concatenate(seen.found)
    if len(weights) != len(records):
        raise DataError(seen.failed[0])
    if junk is not None:
        name = default_score(junk)
        scored = junk_scores(junk, records, name, progress=progress)
        if scored.failed:
            raise DataError(scored.failed[0])
        chosen = _SURE_JUNK if threshold is None and name == "probability" else threshold
        if chosen is not None or len(records) >= _MANY:
            weights[scan(scored, name, threshold=chosen).suspects] = 0
    return weights


_LAPLACIAN = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
_LEAST = 1e-3


def sharpness(images: Tensor) -> NDArray[np.float32]:
    """How sharp images are, uint8 RGB (batch, 3, height, width) -> float32 [batch], over 0.

    The standard deviation of the Laplacian of the grey picture, at the size that a model sees: an image that was small
    and had to be enlarged is as smooth as a blurred one, so that this weighs size too (variance of the Laplacian: Pech-
    Pacheco et al. 2000).
    """
    grey = images.float().mean(1, keepdim=True) / 255
    edges = F.conv2d(grey, _LAPLACIAN.to(grey.device))
    return edges.flatten(1).std(1).clamp(min=_LEAST).cpu().numpy()
