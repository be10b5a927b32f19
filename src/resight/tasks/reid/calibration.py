"""Fitting a run's calibration: half of the people to fit it, the others to say how good it is."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resight.embedding import embed
from resight.errors import DataError
from resight.files import written_whole
from resight.recognizer import Progress, Recognizer, calibration_file
from resight.records import JUNK, NO_CAMERA, Embeddings, ReidDataset
from resight.retrieval import nearest
from resight.retrieval.calibration import (
    Calibration,
    FittedOn,
    brier_score,
    expected_calibration_error,
    growth_between,
)
from resight.retrieval.pooling import pool
from resight.tasks.answers import own_positions
from resight.tasks.reid.evaluation import distance_between, searchable
from resight.views.tables import Table
from resight.words import counted

__all__ = ["CANDIDATES", "Calibrated", "calibrate"]

CANDIDATES = 10
"""Nearest images of each query whose pairs with it are fitted: as many as a search shows. Of fifty, the first are too sure."""


_PARTITIONS = 4
"""Times that the gallery is divided into halves, to see how wrong images come nearer as it grows."""


_SPLITS = frozenset({"train", "test", "query", "gallery", "images"})
"""Names of folders that say nothing of where their images are from."""


class Pairs(NamedTuple):
    """Queries with their candidates, [N]."""

    scores: NDArray[np.float64]
    """As a gallery has them (`Hit.score`)."""
    same: NDArray[np.bool_]
    near: NDArray[np.bool_]
    """Whether of one camera."""
    person: NDArray[np.int64]
    """The query's identity."""

    def of(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Some of them, by bool [N]."""
        return Pairs(self.scores[chosen], self.same[chosen], self.near[chosen], self.person[chosen])


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A calibration, and how good it is for people that it was not fitted on."""

    calibration: Calibration
    figures: dict[str, dict[str, float]]
    """Of "base rate" (the share of right pairs among those fitted), "calibrated", and what was fitted beside: ECE, Brier."""
    judged_people: int
    told: NDArray[np.float64]
    """[N]: the probability of each pair of theirs."""
    same: NDArray[np.bool_]
    """[N]: whether it shows one person."""
    failed: list[str]
    """A line for each image that could not be read."""

    def summary(self) -> dict[str, Any]:
        """What it was fitted on, and the figures."""
        return {
            "fitted on": asdict(self.calibration.fitted_on) if self.calibration.fitted_on else None,
            "judged people": self.judged_people,
            "growth": self.calibration.growth,
            "figures": self.figures,
        }

    def save(self, source: Path) -> Path:
        """Write a file, whole or not at all, into a run folder or beside an exported file: `Recognizer.calibration` finds it."""
        content = {**self.summary(), **json.loads(self.calibration.to_json())}
        file = calibration_file(source)
        with written_whole(file) as partial:
            partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return file

    def table(self) -> Table:
        """A row for the base rate and one for the calibration."""
        columns = list(self.figures["calibrated"])
        rows = [[name, *(f"{row[key]:.4f}" for key in columns)] for name, row in self.figures.items()]
        return Table(
            ["", *columns],
            rows,
            note=f"On {counted(self.judged_people, 'individual')} that nothing was fitted on. {_NOTE}",
        )


_NOTE = (
    "ECE: how far a probability is from the share that is right, on average. Brier: its mean squared error, which is lower "
    "for probabilities that also tell right from wrong. The base rate is the share of right pairs, told of every pair: "
    "true on average, and of no use; compare the Brier scores."
)


def calibrate(
    model: Recognizer, dataset: ReidDataset, *, seed: int = 0, progress: Progress | None = None
) -> Calibrated:
    """Fit a calibration on the searches of half of the people of a dataset, and judge it by those of the others.

    Each query is paired with its `CANDIDATES` nearest images of the whole gallery, without junk and its own file. How the
    probabilities fall in larger galleries is told by searches of its halves. Galleries of tracklets, and several pictures of a
    person together, are fitted beside, where there are such. Raises DataError for a dataset without a
    labelled query and gallery, or with fewer than four people.
    """
    query, gallery = searchable(dataset)
    asked, failed = embed(model, query, progress=progress)
    shown, more = embed(model, [record for record in gallery if record.identity != JUNK], progress=progress)
    if not len(asked) or not len(shown):
        raise DataError(f"{dataset.name}: no query or no gallery image could be read")
    people = np.unique(asked.identities)
    if len(people) < 4:
        raise DataError(f"{dataset.name}: {len(people)} people among its queries; a calibration needs four or more")
    random = np.random.default_rng(seed)
    half = random.permutation(people)[: len(people) // 2]
    about = FittedOn(
        dataset=dataset.name,
        fingerprint=model.fingerprint,
        folder=_folder(dataset),
        cameras=tuple(np.unique(np.concatenate([asked.cameras, shown.cameras])).tolist()),
        people=len(half),
        candidates=CANDIDATES,
        date=datetime.now(UTC).date().isoformat(),
    )
    made, base = _fit(model, asked, shown, half, random, about)
    figures = {"base rate": _figures(np.full(len(made.told), base), made.same), "calibrated": _figures(*made[1:])}
    others: dict[str, Calibration] = {}
    for name, sides in _others(model, asked, shown).items():
        try:
            beside = _fit(model, *sides, half, random, about)[0]
        except DataError:  # nobody has several pictures, or no pair differs from the others
            continue
        others[name], figures[_ROWS[name]] = beside.calibration, _figures(*beside[1:])
    calibration = replace(made.calibration, tracklets=others.get("tracklets"), together=others.get("together"))
    return Calibrated(calibration, figures, len(people) - len(half), made.told, made.same, [*failed, *more])


_ROWS = {"tracklets": "in galleries of tracklets", "together": "of pictures together"}


class _Fitted(NamedTuple):
    """A calibration, and the pairs of the people that it was not fitted on: their probabilities, and whether they match."""

    calibration: Calibration
    told: NDArray[np.float64]
    same: NDArray[np.bool_]


def _fit(
    model: Recognizer,
    query: Embeddings,
    gallery: Embeddings,
    half: NDArray[np.int64],
    random: np.random.Generator,
    about: FittedOn,
) -> tuple[_Fitted, float]:
    """Fit one on the queries of `half`; with it the share of right pairs among them."""
    if not len(query):
        raise DataError("no queries to fit")
    pairs = _pairs(model, query, gallery)
    fits = np.isin(pairs.person, half)
    fitted, judged = pairs.of(fits), pairs.of(~fits)
    calibration = replace(
        Calibration.fit(*fitted[:3]),
        growth=_growth(model, query.select(np.flatnonzero(np.isin(query.identities, half))), gallery, fitted, random),
        fitted_on=replace(about, pairs=len(fitted.scores), images=len(gallery)),
    )
    told = calibration.probability(judged.scores, judged.near)
    known = ~np.isnan(told)
    return _Fitted(calibration, told[known], judged.same[known]), float(fitted.same.mean())


def _figures(told: NDArray[np.float64], same: NDArray[np.bool_]) -> dict[str, float]:
    return {"ECE": expected_calibration_error(told, same), "Brier": brier_score(told, same)}


def _others(model: Recognizer, query: Embeddings, gallery: Embeddings) -> dict[str, tuple[Embeddings, Embeddings]]:
    """Queries and galleries of the other calibrations: tracklets, as a tracker without fault makes them, and people."""
    passages: list[object] = [
        place
        if record.identity <= 0 or record.camera == NO_CAMERA
        else (record.identity, record.camera, record.sequence)
        for place, record in enumerate(gallery.records)
    ]
    several = query.select(np.flatnonzero(np.isin(query.identities, _repeated(query.identities))))
    people = [replace(record, camera=NO_CAMERA) for record in several.records]
    together = Embeddings(several.features, people, several.attributes)
    found = {}
    if len({*passages}) < len(gallery):
        found["tracklets"] = (query, _means(model, gallery, passages))
    if len(several):
        found["together"] = (_means(model, together, several.identities.tolist()), gallery)
    return found


def _repeated(values: NDArray[np.int64]) -> NDArray[np.int64]:
    names, counts = np.unique(values, return_counts=True)
    return names[counts > 1]


def _means(model: Recognizer, embeddings: Embeddings, names: Sequence[object]) -> Embeddings:
    """One entry for each name, the mean of those that have it, with the record of the first."""
    numbers: dict[object, int] = {}
    groups = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    first = np.unique(groups, return_index=True)[1]
    attributes = embeddings.attributes
    return Embeddings(
        pool(embeddings.features, groups, unit=model.metric == "cosine"),
        [embeddings.records[place] for place in first.tolist()],
        None if attributes is None else pool(attributes, groups, unit=False),
    )


def _growth(
    model: Recognizer, query: Embeddings, gallery: Embeddings, whole: Pairs, random: np.random.Generator
) -> float:
    """How probabilities fall as the gallery grows: from its halves, each with half of the people, to the whole."""
    people = np.unique(gallery.identities[gallery.identities > 0])
    found: list[Pairs] = []
    for _ in range(_PARTITIONS):
        some = random.permutation(people)[: len(people) // 2]
        # Images of nobody in particular fall to either side one by one.
        nobody = (gallery.identities <= 0) & (random.random(len(gallery)) < 0.5)
        asks, shows = np.isin(query.identities, some), np.isin(gallery.identities, some) | nobody
        for asked, shown in ((asks, shows), (~asks, ~shows)):
            if asked.any() and shown.any():
                sides = (query.select(np.flatnonzero(asked)), gallery.select(np.flatnonzero(shown)))
                found.append(_pairs(model, *sides))
    try:
        smaller = Calibration.fit(*(np.concatenate(parts) for parts in list(zip(*found, strict=True))[:3]))
    except DataError:  # so few people that no pair differs from the others
        return 1.0
    return growth_between(smaller, *whole[:3], times=2)


def _folder(dataset: ReidDataset) -> str | None:
    """The name of the folder that holds all images, or the folder of the split; None where that is the disk's root."""
    paths = [record.path for side in (dataset.train, dataset.query, dataset.gallery) for record in side]
    whole = Path(os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths]))
    return (whole.parent if whole.name.lower() in _SPLITS else whole).name or None


def _pairs(model: Recognizer, query: Embeddings, gallery: Embeddings) -> Pairs:
    """The pairs of each query and its candidates."""
    distance = distance_between(query, gallery, model.metric, None)
    values, places = nearest(query.features, gallery.features, CANDIDATES + 1, distance)
    kept = places != own_positions(query.records, gallery.records)[:, None]
    kept &= np.cumsum(kept, axis=1) <= CANDIDATES
    scores = (1.0 if model.metric == "cosine" else 0.0) - values.astype(np.float64)
    person = np.broadcast_to(query.identities[:, None], places.shape)
    camera = query.cameras[:, None]
    near = (gallery.cameras[places] == camera) & (camera != NO_CAMERA)
    return Pairs(scores[kept], (gallery.identities[places] == person)[kept], near[kept], person[kept])
