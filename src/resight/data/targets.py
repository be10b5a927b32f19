"""Attributes as numbers that a network learns: which there are, each image's classes, how often each occurs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.records import JUNK, NO_CAMERA, AttributeSchema, Record, ReidDataset

__all__ = [
    "JUNK_TARGET",
    "UNKNOWN_CLASS",
    "check_learnable",
    "class_counts",
    "encode",
    "is_further",
    "junk_targets",
    "shown_as_junk",
    "target_schema",
    "weak_images",
]

UNKNOWN_CLASS = -1
"""Class number of an attribute that is not annotated."""
JUNK_TARGET = "junk"
"""Name of the target that says whether an image is junk; its classes are no and yes."""
_CAMERA = "camera-"
_JUNK_EVERY = 20
_NO_YES = ("no", "yes")


def target_schema(
    dataset: ReidDataset,
    names: Sequence[str] | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
    cameras: Sequence[int] = (),
    junk: bool = False,
) -> AttributeSchema:
    """The targets to learn on a dataset: its own attributes, or those in `names`, and Bruna's further targets.

    `classes` replaces an attribute's classes, in the order given; `cameras` adds a target such as `camera-4` (no, yes)
    for each number, `junk` the target `junk`. Raises DataError when the dataset has no attributes, or lacks one of
    `names`.
    """
    own = {name: tuple(values) for name, values in dataset.schema.classes.items()}
    own |= {name: tuple(map(str, values)) for name, values in (classes or {}).items()}
    if not own:
        raise DataError(
            f"{dataset.name} has no attributes to learn; give market1501 with market_attribute.mat, a manifest with "
            "attribute columns, or another dataset (see `resight data inspect`)"
        )
    missing = [name for name in names or () if name not in own]
    if missing:
        raise DataError(f"{dataset.name} has no attribute {', '.join(missing)}; it has: {', '.join(own)}")
    chosen = {name: own[name] for name in names or own}
    further = [*(f"{_CAMERA}{number}" for number in cameras), *([JUNK_TARGET] if junk else [])]
    return AttributeSchema(chosen | dict.fromkeys(further, _NO_YES))


def encode(records: Sequence[Record], schema: AttributeSchema) -> NDArray[np.int64]:
    """Class numbers int64 [N, attributes]; -1 where an image's class is unknown.

    Raises DataError that names the image when a value is not among its attribute's classes.
    """
    numbers = {name: {value: i for i, value in enumerate(values)} for name, values in schema.classes.items()}
    targets = np.full((len(records), len(schema.names)), UNKNOWN_CLASS)
    for row, record in enumerate(records):
        for column, name in enumerate(schema.names):
            value = _value(record, name)
            if value is None:
                continue
            if value not in numbers[name]:
                raise DataError(
                    f"{record.path}: {name} is {value!r}; its classes are {', '.join(schema.classes[name])}"
                )
            targets[row, column] = numbers[name][value]
    return targets


def junk_targets(targets: NDArray[np.int64], schema: AttributeSchema) -> NDArray[np.int64]:
    """Targets of the same images when each shows a random part only: junk is yes, cameras stay, all else is unknown."""
    changed = np.full_like(targets, UNKNOWN_CLASS)
    for column, name in enumerate(schema.names):
        if name == JUNK_TARGET:
            changed[:, column] = 1
        elif name.startswith(_CAMERA):
            changed[:, column] = targets[:, column]
    return changed


def shown_as_junk(records: Sequence[Record], schema: AttributeSchema) -> list[int]:
    """Positions of the images of which a random part is judged as junk as well; none where `schema` has no junk.

    One image in twenty in the order of their paths, so that validation and evaluation, which have the images in another
    order, choose the same.
    """
    if JUNK_TARGET not in schema.names:
        return []
    return sorted(range(len(records)), key=lambda place: records[place].path)[_JUNK_EVERY - 1 :: _JUNK_EVERY]


def class_counts(targets: NDArray[np.int64], schema: AttributeSchema) -> list[list[int]]:
    """Images per class of each attribute."""
    return [
        np.bincount(column[column >= 0], minlength=len(values)).tolist()
        for column, values in zip(targets.T, schema.classes.values(), strict=True)
    ]


def weak_images(targets: NDArray[np.int64], identities: NDArray[np.int64], fewest: int) -> NDArray[np.int64]:
    """Positions of images with a class that fewer than `fewest` identities have (Bruna's "weak" set)."""
    weak = np.zeros(len(targets), bool)
    for column in targets.T:
        for number in np.unique(column[column >= 0]):
            members = column == number
            if len(np.unique(identities[members])) < fewest:
                weak |= members
    return np.flatnonzero(weak)


def check_learnable(targets: NDArray[np.int64], schema: AttributeSchema, where: str) -> None:
    """Raises DataError for an attribute of which the training images have one class only, or none.

    `where` names the training images in the message.
    """
    for name, counts in zip(schema.names, class_counts(targets, schema), strict=True):
        present = [value for value, count in zip(schema.classes[name], counts, strict=True) if count]
        # Junk images are made during training.
        if len(present) < 2 and name != JUNK_TARGET:
            found = f"only {present[0]!r}" if present else "no value"
            others = [other for other in schema.names if other != name and not is_further(other)]
            remedy = "attributes.cameras=[]" if name.startswith(_CAMERA) else f"attributes.names=[{','.join(others)}]"
            raise DataError(
                f"attribute {name} has {found} in {where}, so there is nothing to learn; leave it out: {remedy}"
            )


def is_further(name: str) -> bool:
    """Whether a target is one of Bruna's further ones, a camera or junk, and no attribute of the individual."""
    return name == JUNK_TARGET or name.startswith(_CAMERA)


def _value(record: Record, name: str) -> str | None:
    given = record.attributes.get(name)
    if given is not None:
        return given
    if name == JUNK_TARGET:
        return _NO_YES[record.identity == JUNK]
    if name.startswith(_CAMERA) and name[len(_CAMERA) :].isdigit():
        return None if record.camera == NO_CAMERA else _NO_YES[record.camera == int(name[len(_CAMERA) :])]
    return None
