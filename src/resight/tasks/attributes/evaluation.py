"""How well a run recognises attributes on training, validation and test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.data.attributes import MULTI
from resight.data.loaders import Batch, judged_loader
from resight.data.targets import class_counts, encode, is_further, shown_as_junk
from resight.errors import DataError, did_you_mean
from resight.recognizer import Progress, Recognizer, Seen, see
from resight.records import AttributeSchema, Record, ReidDataset
from resight.tasks.attributes.scores import AttributeScores, majority_guess, score
from resight.tasks.splits import by_split, first, judged

__all__ = ["PROTOCOLS", "Result", "Split", "count_images", "evaluate"]

PROTOCOLS = ("sources", "apr")
"""Which images and classes count.

`sources`: every annotated image, with nine classes of the upper and ten of the lower colour. `apr`, the protocol of the
annotations' authors (Lin et al. 2019): gallery images without junk and distractors; no image is recognised as multi-colour,
so that the colour of an identity annotated with none is always counted as wrong.
"""

FIGURES = ("accuracy", "precision", "recall")
INSTANCE_FIGURES = ("accuracy", "precision", "recall", "f1")


@dataclass(frozen=True)
class Split:
    """The scores of one split, with what they come from; N images, those made junk of last."""

    scores: AttributeScores
    majority: AttributeScores
    """Scores of the majority guess: always the class most frequent in training, or in this split on a dataset that was
    not trained on."""
    records: list[Record]
    """[N]"""
    probabilities: dict[str, NDArray[np.float32]]
    """Attribute -> [N, classes]."""
    targets: NDArray[np.int64]
    """Class numbers annotated, [N, attributes]; -1 unknown."""
    junk: NDArray[np.bool_]
    """Whether a random part of the image was shown, as junk; [N]."""


@dataclass(frozen=True)
class Result:
    """Scores of a run on a dataset, for each of its splits that has images: train, validation, test, or all."""

    splits: dict[str, Split]
    schema: AttributeSchema
    protocol: str
    failed: list[str]
    """A line for each image that could not be read."""
    source: str = ""
    """The built-in recipe that the run's recipe was made from; empty where there was none."""
    on: str | None = None
    """The split that was asked for, by which the model is judged; None where none was."""

    @property
    def judged(self) -> Split:
        """The split by which the model is judged: `on`, or by default test, else validation, else whatever there is."""
        return judged(self.splits, self.on)

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Split -> the number of images, the mean scores as plain numbers in [0, 1], None where undefined, and the number
        of attributes with an accuracy above 60 % and of the others."""
        return {name: _summary(split) for name, split in self.splits.items()}


def evaluate(
    model: Recognizer,
    dataset: ReidDataset,
    *,
    trained_here: bool,
    protocol: str = "sources",
    on: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Compare a model's attributes with a dataset's annotations.

    >>> evaluate(resight.load("runs/attributes"), dataset, trained_here=True).splits["validation"].scores.mean("accuracy")

    With `trained_here`, for a model that was trained on this dataset, training images are divided as its recipe divided
    them; otherwise the dataset is one split, `all`. `on` is the split by which the model is judged; it stands first, and
    DataError is raised when it has no images. Where the model knows junk, a random part of one image in twenty is
    evaluated as junk as well. Raises DataError for an unknown protocol or a dataset without images annotated with one of
    the model's attributes, RunError for a model that recognises no attributes.
    """
    if protocol not in PROTOCOLS:
        raise DataError(
            f"no protocol {protocol!r} for attributes{did_you_mean(protocol, PROTOCOLS)}; there is: {', '.join(PROTOCOLS)}"
        )
    splits, fitted = _splits(model, dataset, trained_here, protocol)
    if not splits:
        raise DataError(f"{dataset.name}: no image is annotated with attributes; see `resight data inspect`")
    _require_shared(model.schema, splits, dataset.name)
    counts = class_counts(encode(fitted, model.schema), model.schema) if fitted else None
    evaluated, failed = {}, []
    for name, records in first(splits, on, dataset.name).items():
        seen = _look(model, records, progress)
        failed += seen.failed
        evaluated[name] = _scored(seen, model.schema, protocol, counts)
    return Result(evaluated, model.schema, protocol, failed, model.recipe.source, on)


def count_images(
    model: Recognizer, dataset: ReidDataset, *, trained_here: bool, protocol: str = "sources", on: str | None = None
) -> int:
    """The number of images that `evaluate` will process, those made junk of included."""
    splits, _ = _splits(model, dataset, trained_here, protocol)
    return sum(len(records) + len(shown_as_junk(records, model.schema)) for records in splits.values())


def _splits(
    model: Recognizer, dataset: ReidDataset, trained_here: bool, protocol: str
) -> tuple[dict[str, list[Record]], list[Record]]:
    """Annotated records by split, and those that were trained on; none of a dataset that was not trained on."""

    def annotated(record: Record) -> bool:
        return record.identity > 0 and bool(record.attributes)

    splits = by_split(dataset, model.recipe, annotated, trained_here)
    fitted = splits.get("train", []) if trained_here else []
    if protocol == "apr":
        tested = [record for record in dataset.gallery if annotated(record)]
        splits = {"test" if trained_here else "all": tested} if tested else {}
    return splits, fitted


def _require_shared(schema: AttributeSchema, splits: Mapping[str, Sequence[Record]], where: str) -> None:
    """Raise DataError where the dataset's attributes are all others than the model's, as those of vehicles are."""
    own = [name for name in schema.names if not is_further(name)]
    theirs = dict.fromkeys(name for records in splits.values() for record in records for name in record.attributes)
    if own and not any(name in theirs for name in own):
        raise DataError(
            f"{where} has none of the run's attributes ({', '.join(own)}), but {', '.join(theirs)}; give the data of people "
            "or vehicles that the run was trained for"
        )


_Found = tuple[dict[str, NDArray[np.float32]], NDArray[np.int64], NDArray[np.bool_]]
"""Of one batch: probabilities, targets, and whether random parts were shown."""


def _look(model: Recognizer, records: Sequence[Record], progress: Progress | None) -> Seen[_Found]:
    """What the model says of the images, and then of those made junk of."""

    def look(batch: Batch) -> _Found:
        return model.recognise_batch(batch.images), batch.targets.numpy(), batch.junk

    return see(judged_loader(records, model.schema, model.recipe.image, model.recipe.loader), records, look, progress)


def _scored(seen: Seen[_Found], schema: AttributeSchema, protocol: str, counts: list[list[int]] | None) -> Split:
    """The scores of one split; `counts` are the images of each class in training, where the model was trained here."""
    said, known, parts = zip(*seen.found, strict=True)
    found = {name: np.concatenate([part[name] for part in said]) for name in schema.names}
    if protocol == "apr":
        found = _without_multi(found, schema)
    targets = np.concatenate(known)
    guess = majority_guess(dict(zip(schema.names, counts or class_counts(targets, schema), strict=True)), len(targets))
    scores, majority = score(found, targets, schema), score(guess, targets, schema)
    return Split(scores, majority, seen.records, found, targets, np.concatenate(parts))


def _without_multi(found: dict[str, NDArray[np.float32]], schema: AttributeSchema) -> dict[str, NDArray[np.float32]]:
    """The probabilities with those of multi-colour classes set to -1, so that no image is recognised as multi-colour."""
    changed = dict(found)
    for name, classes in schema.classes.items():
        if MULTI in classes:
            changed[name] = found[name].copy()
            changed[name][:, classes.index(MULTI)] = -1
    return changed


def _summary(split: Split) -> dict[str, float | None]:
    figures = {
        **{figure: split.scores.mean(figure) for figure in FIGURES},
        "majority accuracy": split.majority.mean("accuracy"),
        "majority balanced": split.majority.mean("recall"),
        "mA": split.scores.mean_balanced,
        **{f"instance {figure}": getattr(split.scores, f"instance_{figure}") for figure in INSTANCE_FIGURES},
    }
    counts = {"attributes above 60 %": len(split.scores.above), "attributes below": len(split.scores.below)}
    return {"images": split.scores.images, **{name: _plain(value) for name, value in figures.items()}, **counts}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)
