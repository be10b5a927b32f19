"""Evaluate an attribute run: on the images it was trained on, on those it was validated on, and on test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.data.loaders import ImageDataset, drawn_loader
from resight.data.samplers import Draw
from resight.data.splits import held_out
from resight.data.targets import JUNK_TARGET, class_counts, encode, junk_targets
from resight.errors import DataError, none_readable
from resight.recognizer import Progress, Recognizer
from resight.records import AttributeSchema, Record, ReidDataset
from resight.tasks.attributes.scores import AttributeScores, majority_guess, score

__all__ = ["PROTOCOLS", "Assessed", "Assessment", "assess"]

PROTOCOLS = ("sources", "apr")
"""`sources`: our nine and ten colour classes, every annotated image. `apr`: the annotation authors' own (Lin et al. 2019):
gallery images without junk and distractors, and no multi-colour class, so that identities without a colour are always
counted as wrong."""

_JUNK_EVERY = 20
"""One image in so many is shown a second time as a random part, where a model knows junk."""


@dataclass(frozen=True)
class Assessed:
    """One set of images."""

    scores: AttributeScores
    majority: AttributeScores
    """Those of always naming the class most frequent in training (of these images, where the training's is unknown)."""
    records: list[Record]
    probabilities: dict[str, NDArray[np.float32]]
    targets: NDArray[np.int64]
    """Class numbers of the records, [N, attributes], -1 unknown."""


@dataclass(frozen=True)
class Assessment:
    """A run on a dataset; `splits` holds train, validation and test, as far as there are images of each."""

    splits: dict[str, Assessed]
    schema: AttributeSchema
    protocol: str
    failed: list[str]

    @property
    def judged(self) -> Assessed:
        """The images to judge the model by: test, else validation, else what there is."""
        return next(self.splits[name] for name in ("test", "validation", "train", "all") if name in self.splits)


def assess(
    model: Recognizer,
    dataset: ReidDataset,
    *,
    trained_here: bool,
    protocol: str = "sources",
    progress: Progress | None = None,
) -> Assessment:
    """Compare a model's attributes with a dataset's annotations.

    >>> assess(resight.load("runs/attributes"), dataset, trained_here=True).splits["validation"].scores.mean("accuracy")

    With `trained_here` the training images are split as the recipe did it; a dataset that the model has never seen is
    one set, `all`. Where the model knows junk, random parts of one image in twenty are shown as junk besides. Raises
    DataError when no image of the dataset is annotated, RunError when the model recognises no attributes.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"no protocol {protocol!r} for attributes; there is: {', '.join(PROTOCOLS)}")
    splits, fitted = _splits(model, dataset, trained_here, protocol)
    if not splits:
        raise DataError(f"{dataset.name}: no image is annotated with attributes; see `resight data inspect`")
    counts = class_counts(encode(fitted, model.schema), model.schema) if fitted else None
    assessed, failed = {}, []
    for name, records in splits.items():
        found, targets, kept, bad = _look(model, records, progress)
        failed += bad
        if protocol == "apr":
            found = _without_multi(found, model.schema)
        guess = majority_guess(
            dict(zip(model.schema.names, counts or class_counts(targets, model.schema), strict=True)), len(targets)
        )
        schema = model.schema
        assessed[name] = Assessed(score(found, targets, schema), score(guess, targets, schema), kept, found, targets)
    return Assessment(assessed, model.schema, protocol, failed)


def images_to_assess(model: Recognizer, dataset: ReidDataset, trained_here: bool, protocol: str) -> int:
    """How many pictures `assess` will look at."""
    splits, _ = _splits(model, dataset, trained_here, protocol)
    extra = _JUNK_EVERY if JUNK_TARGET in model.schema.names else 0
    return sum(len(records) + (len(records) // extra if extra else 0) for records in splits.values())


def _splits(
    model: Recognizer, dataset: ReidDataset, trained_here: bool, protocol: str
) -> tuple[dict[str, list[Record]], list[Record]]:
    """Annotated records by split, and those that training fitted."""
    train = [record for record in dataset.train if record.identity > 0 and record.attributes]
    sides = [dataset.gallery] if protocol == "apr" else [dataset.query, dataset.gallery]
    test = [record for side in sides for record in side if record.identity > 0 and record.attributes]
    if not trained_here:
        whole = test if protocol == "apr" else train + test
        return ({"all": whole} if whole else {}), []
    fitted, held = held_out(train, model.recipe.validation.ratio, model.recipe.seed) if train else ([], [])
    named = {"train": fitted, "validation": held, "test": test}
    if protocol == "apr":
        named = {"test": test}
    return {name: list(records) for name, records in named.items() if records}, fitted


def _look(
    model: Recognizer, records: Sequence[Record], progress: Progress | None
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int64], list[Record], list[str]]:
    """Probabilities, targets and records of every image that could be read, junk made of some at the end."""
    targets = encode(records, model.schema)
    junk = junk_targets(targets, model.schema)
    dataset = ImageDataset(records, model.recipe.image, augment=lambda image: image, targets=targets, junk_targets=junk)
    draws = [Draw(position, position) for position in range(len(records))]
    if JUNK_TARGET in model.schema.names:
        draws += [Draw(position, position, junk=True) for position in range(_JUNK_EVERY - 1, len(records), _JUNK_EVERY)]
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in model.schema.names}
    seen: list[NDArray[np.int64]] = []
    kept: list[Record] = []
    failed: dict[str, None] = {}
    for batch in drawn_loader(dataset, draws, model.recipe.loader):
        failed |= dict.fromkeys(batch.failed)
        if len(batch.images):
            for name, values in model.recognise_batch(batch.images).items():
                found[name].append(values)
            seen.append(batch.targets.numpy())
            kept += [records[position] for position in batch.index.tolist()]
        if progress is not None:
            progress(len(batch.images) + len(batch.failed))
    if not kept:
        raise none_readable(len(records), list(failed))
    return {name: np.concatenate(parts) for name, parts in found.items()}, np.concatenate(seen), kept, list(failed)


def _without_multi(found: dict[str, NDArray[np.float32]], schema: AttributeSchema) -> dict[str, NDArray[np.float32]]:
    """No image is said to be of several colours."""
    from resight.data.attributes import MULTI

    changed = dict(found)
    for name, classes in schema.classes.items():
        if MULTI in classes:
            changed[name] = found[name].copy()
            changed[name][:, classes.index(MULTI)] = -1
    return changed
