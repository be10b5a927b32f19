"""Associate tracklets over cameras: which are of one individual, and IDF1 where the images have identities."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resight.data.formats.manifest import write_manifest
from resight.errors import DataError
from resight.files import written_whole
from resight.records import NO_CAMERA, UNLABELLED, Embeddings, Record, ReidDataset
from resight.retrieval.association import Travel, associate, out_of_reach, threshold_between, together
from resight.retrieval.identity_scores import IdentityScores, score_identities
from resight.tasks.tracklets.pooling import END, START, groups, pool_tracklets

__all__ = ["Result", "Spans", "evaluate", "spans_of", "travel_of", "write_associations"]

_ABSOLUTE = 10**11
"""Milliseconds from which on a time is since 1970 (this is 1973) and not since a video's start."""


@dataclass(frozen=True, eq=False)
class Spans:
    """Where and when each of T tracklets is seen."""

    cameras: NDArray[np.int64]
    """[T]"""
    places: NDArray[np.int64]
    """[T]: numbers of cameras or, where clocks begin with each sequence, of a camera's sequences; -1 for no camera."""
    starts: NDArray[np.int64]
    """[T]: milliseconds, or frames where no time is known."""
    ends: NDArray[np.int64]
    timed: bool
    """Whether these are milliseconds."""


@dataclass(frozen=True)
class Result:
    """Tracklets, and the individual that each was given to."""

    images: Sequence[Record]
    """The images of the tracklets, without those left out as junk."""
    tracklets: Embeddings
    """One entry for each."""
    of_images: NDArray[np.int64]
    """[N]: the tracklet of each image."""
    labels: NDArray[np.int64]
    """[T]: the individual of each tracklet, from 0."""
    spans: Spans
    threshold: float
    learned: bool
    """Whether the threshold was told by tracklets that one camera sees at one time."""
    apart: int
    """Pairs of tracklets that exclude each other."""
    scores: IdentityScores | None
    """Of the images; None where none has an identity, as the next."""
    unjoined: IdentityScores | None
    """The scores with each tracklet an individual of its own."""
    failed: Sequence[str] = ()

    def summary(self) -> dict[str, float | int | None]:
        """The numbers of images, tracklets and individuals, and the scores in [0, 1]; None where no identity is known."""
        scores = self.scores
        return {
            "images": len(self.images),
            "tracklets": len(self.labels),
            "individuals": len(np.unique(self.labels)),
            "threshold": self.threshold,
            "IDF1": scores.f1 if scores else None,
            "IDP": scores.precision if scores else None,
            "IDR": scores.recall if scores else None,
        }


def evaluate(
    embeddings: Embeddings,
    weights: NDArray[np.floating],
    metric: str = "cosine",
    *,
    threshold: float | None = None,
    linkage: str = "average",
    travel: Travel | None = None,
    failed: Sequence[str] = (),
) -> Result:
    """Associate the tracklets of images over cameras, and score that where images have identities.

    >>> evaluate(embedded, qualities(model, embedded.records), "cosine", travel={(1, 2): (30_000, 120_000)}).labels

    `weights` [N] as `pool_tracklets` takes them. Two tracklets that a camera sees at one time are never joined, nor two
    that `travel` keeps apart. Without a `threshold` it is the distance within which only one in a hundred pairs lies of
    those that a camera sees at one time. Raises DataError when tracklets have neither times nor frames, when `travel`
    needs times and there are none, and as `associate` and `threshold_between` do.
    """
    pooled = pool_tracklets(embeddings, weights, unit=metric == "cosine").embeddings
    kept = np.flatnonzero(weights > 0)
    images = [embeddings.records[row] for row in kept.tolist()]
    of_images = np.unique(groups(embeddings.records)[kept], return_inverse=True)[1]
    spans = spans_of(images, of_images)
    if travel and not spans.timed:
        raise DataError(
            "travel times need images with times; give `resight data crops` the frame rate, or a column time"
        )
    at_once = together(spans.places, spans.starts, spans.ends)
    apart = at_once | out_of_reach(spans.cameras, spans.starts, spans.ends, travel or {})
    cut = threshold_between(pooled.features, at_once, metric) if threshold is None else threshold
    labels = associate(pooled.features, apart, cut, metric, linkage)
    identities = np.array([record.identity for record in images])
    known = bool((identities > 0).any())
    return Result(
        images=images,
        tracklets=pooled,
        of_images=of_images,
        labels=labels,
        spans=spans,
        threshold=cut,
        learned=threshold is None,
        apart=int(apart.sum()) // 2,
        scores=score_identities(labels[of_images] + 1, identities) if known else None,
        unjoined=score_identities(of_images + 1, identities) if known else None,
        failed=failed,
    )


def spans_of(images: Sequence[Record], of_images: NDArray[np.int64]) -> Spans:
    """When the tracklets of images are seen; `of_images` [N] numbers them from 0.

    Times where all images have one, else frames. Raises DataError where neither is known of all.
    """
    timed = all(record.time is not None for record in images)
    moments = [_extent(record, timed) for record in images]
    if any(None in moment for moment in moments):
        raise DataError("tracklets need the time or the frame of every image; `resight data crops` writes both")
    count = int(of_images.max()) + 1
    firsts, lasts = np.array(moments, np.int64).T
    starts, ends = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(starts, of_images, firsts)
    np.maximum.at(ends, of_images, lasts)
    one_clock = timed and bool(firsts.min() >= _ABSOLUTE)
    cameras, places, numbers = np.zeros(count, np.int64), np.zeros(count, np.int64), dict[object, int]()
    for record, tracklet in zip(images, of_images.tolist(), strict=True):
        cameras[tracklet] = record.camera
        place = (record.camera, None if one_clock else record.sequence)
        places[tracklet] = -1 if record.camera == NO_CAMERA else numbers.setdefault(place, len(numbers))
    return Spans(cameras, places, starts, ends, timed)


def _extent(record: Record, timed: bool) -> tuple[int | None, int | None]:
    """First and last moment, or frame, of an image, or of the tracklet that it stands for."""
    start, end = record.attributes.get(START), record.attributes.get(END)
    if start is not None and end is not None and timed == (record.time is not None):
        return int(start), int(end)
    return (record.time, record.time) if timed else (record.frame, record.frame)


def travel_of(options: Sequence[str]) -> dict[tuple[int, int], tuple[float, float]]:
    """Travel windows from `1,2=30..120`: cameras 1 and 2, from 30 to 120 seconds; either end may be absent.

    >>> travel_of(["1,2=30..120"])
    {(1, 2): (30000.0, 120000.0)}

    Raises DataError for anything else.
    """
    windows = {}
    for option in options:
        pair, _, window = option.partition("=")
        least, dots, most = window.partition("..")
        try:
            one, other = (int(camera) for camera in pair.split(","))
            low, high = float(least or "-inf") * 1000, float(most or "inf") * 1000
        except ValueError:
            dots = ""
        if not dots or not low <= high:
            raise DataError(f"{option!r} is no travel time; write two cameras and seconds, as 1,2=30..120")
        windows[one, other] = (low, high)
    return windows


def write_associations(folder: str | os.PathLike[str], result: Result) -> None:
    """Write manifest.csv, in which an image's individual (from 1) is its identity, and tracklets.csv, a line for each."""
    folder = Path(folder)
    numbers = (result.labels + 1).tolist()
    named = [
        replace(record, identity=numbers[tracklet])
        for record, tracklet in zip(result.images, result.of_images.tolist(), strict=True)
    ]
    write_manifest(folder / "manifest.csv", ReidDataset(folder.name, gallery=named))
    images = np.bincount(result.of_images)
    unit = "ms" if result.spans.timed else "frame"
    with written_whole(folder / "tracklets.csv") as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ("individual", "camera", "sequence", "tracklet", f"start_{unit}", f"end_{unit}", "images", "truth", "best")
        )
        for place in np.lexsort((result.spans.starts, result.labels)).tolist():
            writer.writerow(_row(result, place, numbers[place], int(images[place])))


def _row(result: Result, place: int, individual: int, images: int) -> tuple[object, ...]:
    record = result.tracklets.records[place]
    return (
        individual,
        record.camera,
        "" if record.sequence is None else record.sequence,
        "" if record.tracklet is None else record.tracklet,
        int(result.spans.starts[place]),
        int(result.spans.ends[place]),
        images,
        "" if record.identity == UNLABELLED else record.identity,
        os.path.abspath(record.path),
    )
