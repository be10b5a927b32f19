"""What a recipe makes of a dataset's training split: who trains, who is held out, what is to be learned."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resight.data.splits import held_out, query_gallery_split
from resight.data.targets import check_learnable, class_counts, encode, target_schema
from resight.errors import DataError, RecipeError
from resight.recipe import AttributeOptions, Recipe
from resight.records import AttributeSchema, Record, ReidDataset
from resight.words import counted

__all__ = ["Learned", "TrainingSet", "divide"]

Learned = Literal["identities", "attributes", "masks"]
"""What a system may learn of an image; one that learns nothing of this kind learns from the pixels alone."""


class TrainingSet(NamedTuple):
    """Records of a training split, divided: all that a system, its batches and its validation are made from."""

    fitted: list[Record]
    query: list[Record]
    gallery: list[Record]
    """Held-out images, all of them where their identities are unknown."""
    schema: AttributeSchema
    """The attributes to learn; none for a system that learns none."""
    targets: NDArray[np.int64]
    """Class numbers of the fitted records: [N, attributes], -1 where unknown."""
    learns: frozenset[Learned]
    """What a system is to learn of the records."""
    protocol: str = "market1501"
    """The dataset's evaluation protocol: a key of `resight.retrieval.PROTOCOLS`."""

    @property
    def validation(self) -> list[Record]:
        """The held-out images, queries first."""
        return self.query + self.gallery

    @property
    def classes(self) -> int:
        """How many identities are trained on."""
        return len({record.identity for record in self.fitted})

    @property
    def labels(self) -> list[int]:
        """Class number of each fitted record's identity, from 0 in ascending order of the identities."""
        numbers = {identity: number for number, identity in enumerate(sorted({r.identity for r in self.fitted}))}
        return [numbers[record.identity] for record in self.fitted]

    @property
    def digest(self) -> str:
        """Tells this training set from others: images by file name and size in bytes, identities and class numbers.

        Folders play no part, so that data may be moved, nor does the order of the images. Of what is learned from masks,
        their sizes in bytes count as well. An image that was replaced by as many other bytes is not noticed.
        """
        return _SIZED + self._digest(self._sizes)

    def has_digest(self, digest: str) -> bool:
        """Whether `digest`, which may be of an earlier version that did not look at sizes, is of this training set."""
        return digest == (self.digest if digest.startswith(_SIZED) else self._digest(lambda record: ()))

    def _digest(self, sizes: Callable[[Record], Iterable[object]]) -> str:
        fitted = zip(self.fitted, self.labels, self.targets.tolist(), strict=True)
        lines = [_line(record, label, *targets, *sizes(record)) for record, label, targets in fitted]
        lines += [_line(record, "held out", *sizes(record)) for record in self.validation]
        return hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()

    def _sizes(self, record: Record) -> list[int | None]:
        masks = [record.mask] if record.mask is not None and "masks" in self.learns else []
        return [_size(path) for path in (record.path, *masks)]

    @property
    def class_counts(self) -> list[list[int]]:
        """Fitted images per class of each attribute."""
        return class_counts(self.targets, self.schema)


_SIZED = "2:"
"""Begins digests that know sizes; those of earlier versions have no mark."""


def _size(path: str) -> int | None:
    """A file's size in bytes; None where there is no such file, as training leaves it out."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return None


def _line(record: Record, *numbers: object) -> bytes:
    said = (os.path.basename(record.path), record.identity, *numbers)
    return "\t".join(map(str, said)).encode("utf-8", "surrogateescape")


def divide(
    recipe: Recipe,
    dataset: ReidDataset,
    learns: Collection[Learned],
    tell: Callable[[str], None] = lambda line: None,
) -> TrainingSet:
    """Divide a dataset's training split for a system that `learns` so much of it.

    `tell` gets a line when images are left out. Raises DataError when the split has nothing of what is to be
    learned, RecipeError when attributes are described that are not.
    """
    records = _labelled(dataset, learns, tell)
    schema = AttributeSchema()
    if "attributes" in learns:
        options = recipe.attributes
        schema = target_schema(dataset, options.names, options.classes, options.cameras, options.junk)
        records = _annotated(records, dataset.name, tell)
    elif recipe.attributes != AttributeOptions():
        raise RecipeError(f"attributes: the system {recipe.system['name']} learns none; leave the section out")
    fitted, held = held_out(records, recipe.validation.ratio, recipe.seed)
    encode(held, schema)  # so that an unknown value is named before anything is written
    targets = encode(fitted, schema)
    check_learnable(targets, schema, f"the training split of {dataset.name}")
    query, gallery = _sides(recipe, held)
    return TrainingSet(fitted, query, gallery, schema, targets, frozenset(learns), dataset.protocol)


def _sides(recipe: Recipe, held: list[Record]) -> tuple[list[Record], list[Record]]:
    """Held-out records as queries and gallery; no queries where identities are unknown."""
    if not held or any(record.identity < 1 for record in held):
        return [], held
    split = query_gallery_split(held, ratio=recipe.validation.query_ratio, seed=recipe.seed)
    return list(split.query), list(split.gallery)


def _labelled(dataset: ReidDataset, learns: Collection[Learned], tell: Callable[[str], None]) -> list[Record]:
    """The training images with what is to be learned; images without an identity only where none is learned."""
    records = list(dataset.train)
    if "identities" in learns or "attributes" in learns:
        records = [record for record in records if record.identity > 0]
        if 0 < len(records) < len(dataset.train):
            nameless = len(dataset.train) - len(records)
            tell(f"{dataset.name}: {counted(nameless, 'training image')} without an identity left out")
    if "masks" in learns:
        _check_masks(records, dataset.name)
    if not records:
        with_what = " with identities" if dataset.train else ""
        raise DataError(f"{dataset.name} has no training split{with_what}; see it with `resight data inspect`")
    return records


def _check_masks(records: list[Record], name: str) -> None:
    bare = [record.path for record in records if record.mask is None]
    if bare:
        raise DataError(
            f"{name}: {counted(len(bare), 'training image has', 'training images have')} no mask (the first: {bare[0]}); give masks:PATH, folders images/ "
            "and masks/, or a manifest with a column mask"
        )


def _annotated(records: list[Record], name: str, tell: Callable[[str], None]) -> list[Record]:
    """The records of identities with attributes; the others are named and left out."""
    bare = sorted({record.identity for record in records if not record.attributes})
    if not bare:
        return records
    kept = [record for record in records if record.attributes]
    if not kept:
        raise DataError(f"{name}: none of its training identities is annotated; see `resight data inspect`")
    some = ", ".join(map(str, bare[:5])) + (", …" if len(bare) > 5 else "")
    tell(f"{name}: {counted(len(bare), 'identity', 'identities')} without attributes left out: {some}")
    return kept
