"""Several datasets as one, for training on their union: the numbers of identities and cameras are kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from resight.data.formats import absolute_spec, read_dataset
from resight.errors import DataError
from resight.records import AttributeSchema, Record, ReidDataset, Relevance

__all__ = ["join_datasets", "read_datasets"]


def read_datasets(specs: Sequence[str]) -> ReidDataset:
    """Read every dataset named, as `read_dataset` does, and join them.

    Raises DataError as the readers do, and for a dataset that is named twice: its people would get two identities each.
    """
    places = [absolute_spec(spec) for spec in specs]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise DataError(f"{twice[0]} is given twice; each dataset once")
    return join_datasets([read_dataset(spec) for spec in specs])


def join_datasets(datasets: Sequence[ReidDataset]) -> ReidDataset:
    """Join train, query and gallery of several datasets, in their order.

    `join_datasets([read_dataset("market1501:/data/market"), read_dataset("folders:/data/ours")])`

    The first dataset keeps its numbers; identities (1 and up) and known cameras of each further one are
    raised above the highest so far. Junk, distractors, unlabelled images and unknown cameras keep theirs.
    Attributes of one name share their classes, those of the first dataset first. Explicit answers
    (`relevance`) are kept when every dataset with queries has them. Raises DataError when no dataset is given.
    """
    if not datasets:
        raise DataError("no dataset given; name at least one as FORMAT:PATH")
    if len(datasets) == 1:
        return datasets[0]
    identity, camera = 0, -1
    moved: list[ReidDataset] = []
    for number, dataset in enumerate(datasets):
        identities = {record.identity for record in dataset if record.identity >= 1}
        cameras = {record.camera for record in dataset if record.camera >= 0}
        if number:
            dataset = _moved(dataset, identity + 1 - min(identities, default=1), camera + 1 - min(cameras, default=0))
        moved.append(dataset)
        identity = max((record.identity for record in dataset), default=identity) if identities else identity
        camera = max((record.camera for record in dataset), default=camera) if cameras else camera
    protocols = {dataset.protocol for dataset in datasets}
    return ReidDataset(
        name="+".join(dataset.name for dataset in datasets),
        train=[record for dataset in moved for record in dataset.train],
        query=[record for dataset in moved for record in dataset.query],
        gallery=[record for dataset in moved for record in dataset.gallery],
        schema=_join_schemas(dataset.schema for dataset in datasets),
        relevance=_join_relevance(datasets),
        notes=[note for dataset in datasets for note in dataset.notes],
        protocol=protocols.pop() if len(protocols) == 1 else "market1501",
    )


def _moved(dataset: ReidDataset, identities: int, cameras: int) -> ReidDataset:
    """The same records with `identities` added to identities from 1 and `cameras` to known cameras."""

    def move(records: Sequence[Record]) -> list[Record]:
        return [
            replace(
                record,
                identity=record.identity + identities if record.identity >= 1 else record.identity,
                camera=record.camera + cameras if record.camera >= 0 else record.camera,
            )
            for record in records
        ]

    return replace(dataset, train=move(dataset.train), query=move(dataset.query), gallery=move(dataset.gallery))


def _join_schemas(schemas: Iterable[AttributeSchema]) -> AttributeSchema:
    classes: dict[str, dict[str, None]] = {}
    for schema in schemas:
        for name, values in schema.classes.items():
            classes.setdefault(name, {}).update(dict.fromkeys(values))
    return AttributeSchema({name: tuple(values) for name, values in classes.items()})


def _join_relevance(datasets: Sequence[ReidDataset]) -> Relevance | None:
    searched = [dataset for dataset in datasets if dataset.query]
    if not searched or any(dataset.relevance is None for dataset in searched):
        return None
    good: list[NDArray[np.int64]] = []
    junk: list[NDArray[np.int64]] = []
    before = 0
    for dataset in datasets:
        if dataset.query and dataset.relevance is not None:
            good.extend(positions + before for positions in dataset.relevance.good)
            junk.extend(positions + before for positions in dataset.relevance.junk)
        before += len(dataset.gallery)
    return Relevance(good, junk)
