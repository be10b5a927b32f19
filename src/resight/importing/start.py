"""The weights that a training starts from: a run's, or a file's under our names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from resight.errors import WeightsError
from resight.importing.sources import find, sha256
from resight.models.abilities import Embeds
from resight.models.weights import KeyReport, fit, read_checkpoint
from resight.recipe import ImageOptions, Recipe
from resight.run import Origin, Run

__all__ = ["Start", "start_from"]


class Start(NamedTuple):
    """What became of each key, where the weights come from, and what the user is told."""

    report: KeyReport
    origin: Origin
    notes: list[str]


def start_from(source: str, model: nn.Module, recipe: Recipe, classes: int) -> Start:
    """Load weights into a new model: a run folder, a file, or what `hf:` names. Only the classifier may be another one.

    >>> start_from("runs/osnet", model, recipe, classes=751).report.missing
    ['classifier.weight', 'classifier.bias']

    `classes` is the number of identities of the new training; where the weights are of another number, their classifier
    is left out and the new one starts at random. Raises WeightsError, and changes nothing, when anything else does not
    fit.
    """
    found = find(source)
    donor = None if found.run is None else Run.open(found.run)
    tensors = read_checkpoint(found.file).tensors
    beside = _classifiers(model, recipe.image, classes)
    dropped = _of_others(model, tensors, beside)
    try:
        report = fit(model, tensors, dropped=dropped, left_out=beside, source=source)
    except WeightsError as error:
        raise WeightsError(f"{error}; a file of another layout comes in by `resight import`") from None
    origin = donor.origin if donor is not None and donor.origin is not None else None
    notes = [
        f"from {source}: {len(report.loaded)} weights loaded, {len(report.dropped)} dropped and "
        f"{len(report.missing)} at random" + (f" ({', '.join(report.missing)})" if report.missing else "")
    ]
    if donor is not None and (others := _otherwise(donor.recipe.image, recipe.image)):
        notes.append(f"note: {source} was trained on images prepared otherwise: {', '.join(others)}")
    return Start(report, origin or Origin(_full(source), sha256(found.file), recipe.model["name"]), notes)


def _full(source: str) -> str:
    return source if source.startswith(("hf:", "hf-hub:")) else os.path.abspath(source)


def _classifiers(model: nn.Module, image: ImageOptions, classes: int) -> tuple[str, ...]:
    """Names of parameters that tell identities apart: one row for each, and no embedding depends on them."""
    if not isinstance(model, Embeds):
        return ()
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    with torch.enable_grad():
        embeddings = model.embed(torch.zeros(1, 3, image.height, image.width, device=device))
        parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
        used = torch.autograd.grad(embeddings.sum(), list(parameters.values()), allow_unused=True)
    model.train(was_training)
    return tuple(
        name
        for (name, value), gradient in zip(parameters.items(), used, strict=True)
        if gradient is None and value.ndim and value.shape[0] == classes
    )


def _of_others(model: nn.Module, tensors: Mapping[str, Tensor], beside: tuple[str, ...]) -> dict[str, str]:
    """Keys of classifiers with another number of identities -> why they are left out."""
    state = model.state_dict()
    return {
        name: f"of {tensors[name].shape[0]} other identities"
        for name in beside
        if name in tensors and tensors[name].shape[:1] != state[name].shape[:1]
    }


def _otherwise(theirs: ImageOptions, ours: ImageOptions) -> list[str]:
    """In what the preparation of pixels differs, size apart."""
    before, now = theirs.model_dump(exclude={"height", "width"}), ours.model_dump(exclude={"height", "width"})
    return [f"{key} {before[key]}, here {now[key]}" for key in before if before[key] != now[key]]
