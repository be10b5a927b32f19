"""What camera mining chose from, as a picture: a batch's masked distance matrices without the bias and with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from resight.data.loaders import Batch
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import DataError
from resight.losses import LOSSES
from resight.losses.base import Loss
from resight.losses.mining import CameraBatchHard, Choice
from resight.losses.triplet import TripletLoss
from resight.recognizer import Recognizer
from resight.records import NO_CAMERA, UNLABELLED, Record
from resight.tasks.reid.held_out import drawn_batches
from resight.views.matrices import MaskedMatrix, masked_matrices

__all__ = ["first_batch", "last_batch"]


def last_batch(losses: Iterable[Loss], records: Sequence[Record]) -> Figure | None:
    """The matrices of the last batch, whose images are `records`; None where no loss mines by camera, or none was given one."""
    for loss in losses:
        if isinstance(loss, TripletLoss) and isinstance(loss.mining, CameraBatchHard) and loss.mining.last is not None:
            return _drawn(loss.mining.last, records)
    return None


def first_batch(model: Recognizer, records: Sequence[Record]) -> Figure | None:
    """The matrices of a batch that the recipe's sampler draws of the records, with the bias that a training begins with.

    The images are as in evaluation, not augmented; of few identities the batch is smaller. None where the recipe has no
    camera mining, and where the records make no batch or none of its images can be read.
    """
    sections = {
        label: told for label, told in model.recipe.losses.items() if "mining" in told and told.get("weight", 1)
    }
    mining = [loss for loss in WeightedLosses(sections, LOSSES).values() if loss.needs_cameras] if sections else []
    if not mining:
        return None

    def look(batch: Batch) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return tuple(feature.float().cpu() for feature in model.model(model.prepare(batch.images)).features)

    known = [record for record in records if record.identity > UNLABELLED]
    batches = drawn_batches(model.recipe, known)
    if not batches:
        return None
    try:
        seen = model.see([known[place] for place in batches[0]], look)
    except DataError:
        return None
    labels = [torch.tensor([getattr(record, name) for record in seen.records]) for name in ("identity", "camera")]
    for features in zip(*seen.found, strict=True):  # a branch each
        for loss in mining:
            loss(torch.cat(features), *labels)
    return last_batch(mining, seen.records)


def _drawn(choice: Choice, records: Sequence[Record]) -> Figure:
    rows = [
        _row("same identity", "greatest", choice.distances.positives, choice.adjusted.positives),
        _row("other identities", "least", choice.distances.negatives, choice.adjusted.negatives),
    ]
    cameras = np.array([record.camera for record in records])
    shared = (cameras[:, None] == cameras[None, :]) & (cameras != NO_CAMERA)[:, None]
    labels = [f"{record.identity} c{record.camera}" for record in records]
    return masked_matrices(rows, [record.path for record in records], labels, shared, "both images of the same camera")


def _row(name: str, hardest: Literal["greatest", "least"], plain: Tensor, adjusted: Tensor) -> list[MaskedMatrix]:
    """One of the masked matrices, plain and adjusted."""
    before, after = (values.double().cpu().numpy() for values in (plain, adjusted))
    valid = np.isfinite(before)
    bias = (after[valid] - before[valid]).tolist()
    told = f"same camera {max(bias, key=abs):+.3g}" if any(bias) else "no bias"
    return [
        MaskedMatrix(f"{name}: {title}, the {hardest} of a row framed", np.where(valid, values, np.nan), chosen)
        for title, values in (("distances", before), (told, after))
        for chosen in [np.where(valid.any(1), values.argmax(1) if hardest == "greatest" else values.argmin(1), -1)]
    ]
