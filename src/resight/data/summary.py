"""What a dataset holds, as plain values: counts, attribute classes, images per identity, problems."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from resight.records import DISTRACTOR, JUNK, NO_CAMERA, UNLABELLED, AttributeSchema, Record, ReidDataset
from resight.words import counted

__all__ = ["SplitSummary", "attribute_counts", "find_problems", "images_per_identity", "summarise"]

_WITHOUT_CAMERAS = ("course", "vehicleid")
"""Protocols that do not ask for cameras."""


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """Counts of one split. `identities` counts those from 1; `fewest`, `median` and `most` are of their images."""

    split: str
    images: int
    identities: int
    cameras: int
    junk: int
    distractors: int
    unlabelled: int
    fewest: int
    """Images of the identity with the fewest; 0 where there is no identity."""
    median: float
    most: int


def summarise(dataset: ReidDataset) -> list[SplitSummary]:
    """One row per split that has images: train, query, gallery."""
    return [_summary(split, records) for split, records in dataset.splits.items() if records]


def find_problems(dataset: ReidDataset) -> list[str]:
    """One line for each kind of problem to know of before training or evaluating; empty when there is none.

    First what the reader noted. Looked for: training identities with one image, identities trained on and also searched for, queries
    without a match under the dataset's own protocol (explicit answers where it has them), and missing
    labels.
    """
    problems = list(dataset.notes)
    train = images_per_identity(dataset.train)
    single = [identity for identity, images in train.items() if images == 1]
    if single:
        problems.append(
            f"train: {counted(len(single), 'identity has', 'identities have')} one image only, so no positive pair: {_some(single)}"
        )
    unlabelled = sum(record.identity == UNLABELLED for record in dataset.query)
    if unlabelled:
        problems.append(
            f"query: {counted(unlabelled, 'image')} without identity, which can be searched for but not evaluated"
        )
    unmatched = _queries_without_match(dataset)
    if unmatched:
        problems.append(
            f"query: {counted(len(unmatched), 'image has', 'images have')} no match in the gallery, not counted in an evaluation: "
            f"{_some([record.path for record in unmatched], 3)}"
        )
    both = sorted(train.keys() & images_per_identity(dataset.query).keys())
    if both:
        problems.append(
            f"train and query share {counted(len(both), 'identity', 'identities')}, so the evaluation is too favourable: {_some(both)}"
        )
    searched = [record for record in (*dataset.query, *dataset.gallery) if record.identity >= 1]
    unknown = sum(record.camera == NO_CAMERA for record in searched)
    if unknown and dataset.protocol not in _WITHOUT_CAMERAS and dataset.relevance is None:
        problems.append(
            f"query and gallery: the camera of {unknown:,} of {counted(len(searched), 'image')} with an identity is unknown, so "
            "none of these is left out for being of the query's own camera"
        )
    own = {os.path.realpath(record.path) for record in dataset.gallery}
    themselves = sum(os.path.realpath(record.path) in own for record in dataset.query)
    if themselves:
        problems.append(
            f"query: {counted(themselves, 'image is', 'images are')} in the gallery too, left out there in a search for the same file"
        )
    bare = sum(not record.attributes for record in dataset.train)
    if dataset.schema.classes and bare:
        problems.append(f"train: {bare:,} of {counted(len(dataset.train), 'image')} without attributes")
    return problems


def attribute_counts(
    records: Iterable[Record], schema: AttributeSchema, unit: Literal["images", "identities"] = "images"
) -> dict[str, dict[str, int]]:
    """Attribute -> class -> how many images (or identities) have it; 0 for a class that does not occur.

    An identity whose images disagree counts for each class that one of its images has.
    """
    if unit == "images":
        found = Counter(item for record in records for item in record.attributes.items())
    else:
        held: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
        for record in records:
            if record.identity >= 1:
                held[record.identity].update(record.attributes.items())
        found = Counter(item for items in held.values() for item in items)
    return {name: {value: found[name, value] for value in values} for name, values in schema.classes.items()}


def images_per_identity(records: Iterable[Record]) -> dict[int, int]:
    """Real identity -> number of its images, sorted (junk, distractors and unlabelled left out)."""
    return dict(sorted(Counter(record.identity for record in records if record.identity >= 1).items()))


def _summary(split: str, records: Sequence[Record]) -> SplitSummary:
    kinds = Counter(record.identity for record in records if record.identity < 1)
    images = list(images_per_identity(records).values())
    return SplitSummary(
        split=split,
        images=len(records),
        identities=len(images),
        cameras=len({record.camera for record in records} - {NO_CAMERA}),
        junk=kinds[JUNK],
        distractors=kinds[DISTRACTOR],
        unlabelled=kinds[UNLABELLED],
        fewest=min(images, default=0),
        median=float(np.median(images)) if images else 0.0,
        most=max(images, default=0),
    )


def _queries_without_match(dataset: ReidDataset) -> list[Record]:
    labelled = any(record.identity != UNLABELLED for record in dataset.gallery)
    if dataset.relevance is not None:
        good: Sequence[NDArray[np.int64]] = dataset.relevance.good
        return [query for query, answers in zip(dataset.query, good, strict=True) if not len(answers)]
    if not labelled:
        return []
    cameras: defaultdict[int, set[int]] = defaultdict(set)
    for record in dataset.gallery:
        cameras[record.identity].add(record.camera)
    return [
        query
        for query in dataset.query
        if query.identity != UNLABELLED and not _has_match(query, cameras[query.identity], dataset.protocol)
    ]


def _has_match(query: Record, cameras: set[int], protocol: str) -> bool:
    if query.identity < 1 or not cameras:
        return False
    # An unknown camera excludes no match.
    return protocol in _WITHOUT_CAMERAS or query.camera == NO_CAMERA or bool(cameras - {query.camera})


def _some(items: Sequence[object], most: int = 5) -> str:
    return ", ".join(map(str, items[:most])) + (", …" if len(items) > most else "")
