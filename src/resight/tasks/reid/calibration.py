"""Fitting a run's calibration: half of the people to fit it, the others to say how good it is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resight.embedding import embed
from resight.errors import DataError
from resight.files import written_whole
from resight.recognizer import CALIBRATION, Progress, Recognizer
from resight.records import JUNK, NO_CAMERA, Embeddings, ReidDataset
from resight.retrieval import nearest
from resight.retrieval.calibration import (
    Calibration,
    FittedOn,
    brier_score,
    expected_calibration_error,
    growth_between,
)
from resight.tasks.answers import own_positions
from resight.tasks.reid.evaluation import distance_between, searchable
from resight.views.tables import Table

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
    """Of "base rate" (the share of right pairs among those fitted) and "calibrated": ECE and Brier score."""
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

    def save(self, folder: Path) -> Path:
        """Write calibration.json, whole or not at all, into a run folder, where `Recognizer.calibration` finds it."""
        content = {**self.summary(), **json.loads(self.calibration.to_json())}
        with written_whole(folder / CALIBRATION) as partial:
            partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return folder / CALIBRATION

    def table(self) -> Table:
        """A row for the base rate and one for the calibration."""
        columns = list(self.figures["calibrated"])
        rows = [[name, *(f"{row[key]:.4f}" for key in columns)] for name, row in self.figures.items()]
        return Table(["", *columns], rows, note=f"On {self.judged_people} people that nothing was fitted on. {_NOTE}")


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
    probabilities fall in larger galleries is told by searches of its halves. Raises DataError for a dataset without a
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
    pairs = _pairs(model, asked, shown)
    fits = np.isin(pairs.person, half)
    fitted, judged = pairs.of(fits), pairs.of(~fits)
    calibration = replace(
        Calibration.fit(*fitted[:3]),
        growth=_growth(model, asked.select(np.flatnonzero(np.isin(asked.identities, half))), shown, fitted, random),
        fitted_on=FittedOn(
            dataset=dataset.name,
            fingerprint=model.fingerprint,
            folder=_folder(dataset),
            cameras=tuple(np.unique(np.concatenate([asked.cameras, shown.cameras])).tolist()),
            people=len(half),
            pairs=len(fitted.scores),
            candidates=CANDIDATES,
            images=len(shown),
            date=datetime.now(UTC).date().isoformat(),
        ),
    )
    told = calibration.probability(judged.scores, judged.near)
    known = ~np.isnan(told)
    told, same = told[known], judged.same[known]
    figures = {"base rate": np.full(len(told), fitted.same.mean()), "calibrated": told}
    return Calibrated(
        calibration,
        {
            name: {"ECE": expected_calibration_error(row, same), "Brier": brier_score(row, same)}
            for name, row in figures.items()
        },
        len(people) - len(half),
        told,
        same,
        [*failed, *more],
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
