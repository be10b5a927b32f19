"""Images to embeddings: the stage behind `resight embed`, evaluation and indexing.

Many images are embedded in the way that is fastest here and exact enough, which is measured on a few of them.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from time import perf_counter as clock
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from resight.data.loaders import Batch
from resight.errors import DataError, OptionError, none_readable
from resight.machine import LONG, Way, fastest, fewest_workers, machine, remembered, told, ways
from resight.models.folding import fold, fuse, halve
from resight.processors import cores
from resight.recognizer import FeaturesAndAttributes, Progress, Recognizer, comparable, joined
from resight.records import Embeddings, Record, as_records
from resight.runtimes.network import Exported

__all__ = ["PIECE", "Embedded", "embed", "in_bulk", "inexactness", "load_embeddings", "pieces"]


PIECE = 16_384
"""Images at most whose embeddings are held together where memory must not grow with their number."""
_SECONDS = 30
"""So long a piece is gathered: no more is lost where the work is stopped."""
_PROBED = 16
"""Images of which each way embeds two batches where ways are compared; on a GPU a whole batch, as it is idle at so few."""
_BULK = 2 * LONG * _PROBED
"""So few images are embedded by the model as it is."""
_LOADED = 6
"""Batches, about, that are embedded for each worker that is tried."""
_REPAID = 10
"""Workers are tried where there are so many times the images that this takes; what is found is kept for the next time."""
_INEXACT = 1e-3
"""How inexact embeddings may be, as `inexactness` counts: mAP then moves by less than 0.1 points (docs/log.md)."""
_ROUNDING = 1e-6
"""How inexact roundings of float32 make them at most."""


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
    precision that is exact enough; see `in_bulk`. Raises DataError when not one image could be read.
    """
    records = as_records(images)
    whole = next(_in_pieces(model, records, math.inf, math.inf, progress), None)
    if whole is None or not whole.embeddings.records:
        raise none_readable(len(records), [] if whole is None else whole.failed)
    return whole


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
    return _in_pieces(model, as_records(images), size, _SECONDS, progress)


def _in_pieces(
    model: Recognizer, records: Sequence[Record], size: float, seconds: float, progress: Progress | None
) -> Iterator[Embedded]:
    """Pieces of so many images at least, or those of so many seconds, and the last one; none where there are no records."""
    model = _in_bulk(model, records)
    held: list[tuple[list[Record], FeaturesAndAttributes]] = []
    failed: dict[str, None] = {}  # an ordered set: an image may occur in two batches
    count, began = 0, time.monotonic()
    for batch, found in model.embedded(model.batches(records)):
        failed |= dict.fromkeys(batch.failed)
        if found is not None:
            held.append(([records[place] for place in batch.index.tolist()], found))
        done = len(batch.images) + len(batch.failed)
        count += done
        if progress is not None:
            progress(done)
        if count >= size or time.monotonic() - began > seconds:
            yield _piece(model, held, list(failed))
            held, failed, count, began = [], {}, 0, time.monotonic()
    if count:
        yield _piece(model, held, list(failed))


def _in_bulk(model: Recognizer, records: Sequence[Record]) -> Recognizer:
    """The model as it embeds these records fastest, which the first batch that can be read decides."""
    if len(records) <= _BULK and "RESIGHT_PRECISION" not in os.environ:
        return model
    first = next((batch.images for batch in model.batches(records, workers=0) if len(batch.images)), None)
    return model if first is None else in_bulk(model, first, len(records), records)


def _piece(
    model: Recognizer, held: Sequence[tuple[list[Record], FeaturesAndAttributes]], failed: list[str]
) -> Embedded:
    if not held:
        attributes = np.empty((0, model.schema.width), np.float32) if model.weighs_attributes else None
        return Embedded(Embeddings(np.empty((0, model.width), np.float32), [], attributes), failed)
    features, attributes = joined([found for _, found in held])
    return Embedded(Embeddings(features, [one for records, _ in held for one in records], attributes), failed)


def in_bulk(model: Recognizer, images: Tensor, count: int, records: Sequence[Record] = ()) -> Recognizer:
    """The model as it embeds `count` images fastest; `images`, uint8 (batch, 3, height, width), are some of them.

    RESIGHT_PRECISION, of the environment, may say how: 32, bf16 or 16. Otherwise, where the work takes over fifty times
    as long as the probe, BatchNorms are folded, and the precisions are timed on the images, of which those count whose
    embeddings are near enough to float32's; `model.tell` gets a line. For few images it is the model itself. Of `records`,
    all images, the first are loaded and embedded to find the fewest workers that keep up.

    Raises OptionError for another RESIGHT_PRECISION.
    """
    asked = os.environ.get("RESIGHT_PRECISION") or "auto"
    if asked not in ("auto", "32", "bf16", "16"):
        raise OptionError(f"RESIGHT_PRECISION={asked}: it is auto, 32, bf16 or 16")
    if asked == "32" or not model.embeds or isinstance(model.model, Exported):
        return model
    if asked != "auto":
        return _computed_as(model, Way(asked), images)  # type: ignore[arg-type]  # one of these
    images = images if model.device.type == "cuda" else images[:_PROBED]
    known = ways(model.device, model.model, lambda: _embed_once(model, model.model, images[:1]))
    candidates = [way for way in known if way.channels_last]
    if model.device.type == "cuda" and Way("16") not in candidates:
        candidates.append(Way("16"))  # as fast as bfloat16 and nearer to float32, but for numbers over 65,504
    if count <= LONG * 2 * len(candidates) * min(len(images), _PROBED):
        return model
    made: dict[Way, Recognizer] = {}

    def step(way: Way) -> Callable[[], None]:
        fast = made.setdefault(way, _computed_as(model, way, images))
        return lambda: _timed(fast, images)

    def measure() -> tuple[Way, dict[Way, float]]:
        way, seconds = fastest(candidates, step, steps=1, clock=clock)
        exact = model.compare(images)[0]
        near = {one for one, fast in made.items() if inexactness(fast.compare(images)[0], exact) <= _INEXACT}
        seconds = {one: taken if one in near else math.inf for one, taken in seconds.items()}
        return (way if way in near else min(seconds, key=lambda one: seconds[one])), seconds

    facts = {"work": "embedding", "machine": machine(model.device), "model": model.fingerprint, "batch": len(images)}
    way, seconds, before = remembered(facts, measure)
    bulk = made.get(way) or _computed_as(model, way, images)
    if (
        records
        and model.recipe.loader.workers == "auto"
        and count > _REPAID * _LOADED * min(cores(), 8) * model.batch_size
    ):
        facts |= {"workers": way.to_json(), "cores": cores(), "loader": model.recipe.loader.model_dump()}
        bulk.way, more, kept = remembered(facts, lambda: _with_workers(bulk, records, len(images)))
        seconds, before = {**seconds, **more}, before and kept
    model.tell(f"embedding in {told(bulk.way, seconds, before, f'a batch of {len(images)} images')}")
    return bulk


def inexactness(features: Tensor, exact: Tensor) -> float:
    """The mean squared error of features [N, D], beside the mean squared distance of two images, half of it.

    Where features differ by a thousandth of what images differ by, their order is the same but for near ties. Infinite
    where a number is not finite.
    """
    features, exact = features.double(), exact.double()
    error = (features - exact).square().sum(1).mean()
    spread = exact.var(0, correction=0).sum().clamp(min=1e-30)
    return float(error / spread) if bool(torch.isfinite(features).all()) else math.inf


def _with_workers(model: Recognizer, records: Sequence[Record], timed: int) -> tuple[Way, dict[Way, float]]:
    """The way with the fewest workers that keep up, and the seconds for so many images as precisions were timed on."""

    def load(workers: int) -> Iterator[Batch]:
        # Other images for each, since those that were read once are read faster.
        part = records[4 * workers * model.batch_size :] or records
        return chain.from_iterable(model.batches(part, workers=workers) for _ in repeat(None))

    def compute(batch: Batch) -> None:
        if len(batch.images):
            model.embed_batch(batch.images)

    way, seconds = fewest_workers(model.way, load, compute, cores(), clock)
    return way, {one: taken * timed / model.batch_size for one, taken in seconds.items()}


def _computed_as(model: Recognizer, way: Way, images: Tensor) -> Recognizer:
    """A copy that computes in a way, BatchNorms folded where that changes nothing but roundings."""

    def once(network: nn.Module) -> None:
        _embed_once(model, network, images[:4])

    network, some = fold(model.model, once), images[:_PROBED]
    if inexactness(model.computed_as(network, Way()).compare(some)[0], model.compare(some)[0]) > _ROUNDING:
        network = copy.deepcopy(model.model)  # what a BatchNorm reads is read elsewhere too
    if way.precision != "32":
        network = halve(network, way.type)
    found = model.computed_as(network, way)
    if way.channels_last and (model.device.type == "cpu" or way.precision != "32"):
        return _fused(found, images[:4])
    return found


def _fused(model: Recognizer, images: Tensor) -> Recognizer:
    """The same with convolutions and ReLUs in one kernel, where that works."""
    fused = model.computed_as(copy.deepcopy(model.model), model.way)
    try:
        with model.way.autocast(model.device):
            fused.model = fuse(fused.model, lambda network: _embed_once(fused, network, images))
        near = inexactness(fused.compare(images)[0], model.compare(images)[0]) <= _INEXACT
    # Of cuDNN or oneDNN, for a layer that has no kernel, or where they are not.
    except (RuntimeError, AttributeError):
        near = False
    return fused if near else model


@torch.inference_mode()
def _embed_once(model: Recognizer, network: nn.Module, images: Tensor) -> None:
    comparable(network, model.recipe, model.prepare(images))


def _timed(model: Recognizer, images: Tensor) -> None:
    model.compare(images)
    if model.device.type == "cuda":
        torch.cuda.synchronize()


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
