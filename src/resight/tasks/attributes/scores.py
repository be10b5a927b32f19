"""Scores of attribute recognition: of each attribute, and over all of them as the pedestrian-attribute field has them.

A target of -1 is unknown and is not counted. A score that is undefined (precision of a class that was never predicted,
recall of a class that does not occur) is nan and left out of means; it is never taken as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.data.targets import is_further
from resight.errors import DataError
from resight.records import AttributeSchema

__all__ = ["AttributeFigures", "AttributeScores", "majority_guess", "score"]

UNKNOWN = -1
ABOVE = 0.6
"""The accuracy that every attribute of the two-branch report's classifier is above (section 3)."""


@dataclass(frozen=True)
class AttributeFigures:
    """The scores of one attribute, all in [0, 1]."""

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    """[true, predicted]: numbers of images."""

    @property
    def images(self) -> int:
        """The number of images whose class is known."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        return _ratio(np.trace(self.confusion), self.images)

    @property
    def precisions(self) -> NDArray[np.float64]:
        """[classes]: of the images predicted as a class, the share that belongs to it."""
        return _ratios(np.diag(self.confusion), self.confusion.sum(0))

    @property
    def recalls(self) -> NDArray[np.float64]:
        """[classes]: of a class's images, the share predicted as it."""
        return _ratios(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def precision(self) -> float:
        """Mean over the classes that were predicted (macro)."""
        return _mean(self.precisions)

    @property
    def recall(self) -> float:
        """Mean over the classes that occur (macro): the balanced accuracy."""
        return _mean(self.recalls)

    @property
    def f1(self) -> float:
        """Mean of the classes' F1 (macro), without classes that neither occur nor are predicted."""
        return _mean(_ratios(2 * np.diag(self.confusion), self.confusion.sum(0) + self.confusion.sum(1)))


@dataclass(frozen=True)
class AttributeScores:
    """The scores of all attributes on one set of images."""

    attributes: dict[str, AttributeFigures]
    images: int
    mean_balanced: float
    """mA (Li et al. 2016): mean over the attributes of two classes of (TPR + TNR) / 2, at probability 0.5."""
    instance_accuracy: float
    """Mean over images of |true ∩ predicted| / |true ∪ predicted|, sets of the labels of `label_columns`."""
    instance_precision: float
    """Mean over images of |true ∩ predicted| / |predicted|."""
    instance_recall: float
    """Mean over images of |true ∩ predicted| / |true|."""

    @property
    def instance_f1(self) -> float:
        """Harmonic mean of `instance_precision` and `instance_recall`."""
        both = self.instance_precision + self.instance_recall
        return _ratio(2 * self.instance_precision * self.instance_recall, both)

    @property
    def own(self) -> list[str]:
        """The attributes of the individual: all but cameras and junk."""
        return [name for name in self.attributes if not is_further(name)]

    @property
    def above(self) -> list[str]:
        """Those of `own` with an accuracy above `ABOVE`."""
        return [name for name in self.own if self.attributes[name].accuracy > ABOVE]

    @property
    def below(self) -> list[str]:
        """Those of `own` with an accuracy of `ABOVE` or less; one of which no image is annotated is in neither."""
        return [name for name in self.own if self.attributes[name].accuracy <= ABOVE]

    def mean(self, figure: str, names: Sequence[str] | None = None) -> float:
        """Mean of a score (`accuracy`, `precision`, `recall` or `f1`) over the attributes named, by default all."""
        chosen = [self.attributes[name] for name in names or self.attributes]
        return _mean(np.array([getattr(attribute, figure) for attribute in chosen]))


def score(
    probabilities: Mapping[str, NDArray[np.floating]], targets: NDArray[np.int64], schema: AttributeSchema
) -> AttributeScores:
    """Compare probabilities, attribute -> [N, classes], with class numbers [N, attributes], -1 where unknown.

    >>> score({"hat": np.array([[0.9, 0.1]])}, np.array([[0]]), AttributeSchema({"hat": ("no", "yes")})).mean("accuracy")
    1.0

    The predicted class is the one with the highest probability, so that of two classes the threshold is 0.5. Raises
    DataError when shapes do not fit.
    """
    if targets.ndim != 2 or targets.shape[1] != len(schema.names):
        raise DataError(f"targets of shape {targets.shape} do not fit {len(schema.names)} attributes")
    predicted = np.empty_like(targets)
    attributes: dict[str, AttributeFigures] = {}
    for column, name in enumerate(schema.names):
        classes = schema.classes[name]
        if probabilities[name].shape != (len(targets), len(classes)):
            raise DataError(
                f"{name}: probabilities of shape {probabilities[name].shape} for {len(targets)} images, {len(classes)} classes"
            )
        predicted[:, column] = probabilities[name].argmax(1)
        attributes[name] = AttributeFigures(classes, confusion(targets[:, column], predicted[:, column], len(classes)))
    right, found, known = (label_columns(targets, schema), label_columns(predicted, schema), _known(targets, schema))
    found &= known
    both = (right & found).sum(1)
    pairs = [_binary(figures) for figures in attributes.values() if len(figures.classes) == 2]
    return AttributeScores(
        attributes,
        images=len(targets),
        mean_balanced=_mean(np.array(pairs, float)),
        instance_accuracy=_mean(_ratios(both, (right | found).sum(1))),
        instance_precision=_mean(_ratios(both, found.sum(1))),
        instance_recall=_mean(_ratios(both, right.sum(1))),
    )


def confusion(targets: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Numbers of images [true, predicted] from class numbers [N]; unknown targets are left out."""
    known = targets != UNKNOWN
    flat = np.bincount(targets[known] * classes + predicted[known], minlength=classes * classes)
    return flat.reshape(classes, classes)


def majority_guess(counts: Mapping[str, Sequence[int]], images: int) -> dict[str, NDArray[np.float64]]:
    """Probabilities, attribute -> [images, classes], of always guessing the most frequent class: what a model must beat.

    `counts` is attribute -> images of each class in training.
    """
    return {
        name: np.tile(np.eye(len(numbers))[int(np.argmax(numbers))], (images, 1)) for name, numbers in counts.items()
    }


def label_columns(numbers: NDArray[np.int64], schema: AttributeSchema) -> NDArray[np.bool_]:
    """Class numbers [N, attributes] as the labels that instance scores count, bool [N, labels].

    An attribute of two classes is one label, true for its second class; of more classes, one label for each.
    """
    columns = [
        numbers[:, [column]] == (np.arange(len(schema.classes[name])) if len(schema.classes[name]) > 2 else [1])
        for column, name in enumerate(schema.names)
    ]
    return np.concatenate(columns, axis=1)


def _known(targets: NDArray[np.int64], schema: AttributeSchema) -> NDArray[np.bool_]:
    widths = [len(schema.classes[name]) if len(schema.classes[name]) > 2 else 1 for name in schema.names]
    return np.repeat(targets != UNKNOWN, widths, axis=1)


def _binary(figures: AttributeFigures) -> float:
    # Defined only where both classes occur.
    recalls = figures.recalls
    return float("nan") if np.isnan(recalls).any() else float(recalls.mean())


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float("nan")


def _ratios(parts: NDArray[np.generic], wholes: NDArray[np.generic]) -> NDArray[np.float64]:
    result = np.full(len(wholes), np.nan)
    np.divide(parts, wholes, out=result, where=wholes != 0)  # type: ignore[arg-type]
    return result


def _mean(values: NDArray[np.floating]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
