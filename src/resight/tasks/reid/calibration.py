"""Fitting a run's calibration: half of the people to fit it, the others to say how good it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resight.embedding import embed
from resight.errors import DataError
from resight.files import written_whole
from resight.recognizer import CALIBRATION, Progress, Recognizer
from resight.records import JUNK, NO_CAMERA, Embeddings, ReidDataset
from resight.retrieval import nearest
from resight.retrieval.calibration import Calibration, brier_score, expected_calibration_error
from resight.tasks.answers import own_positions
from resight.tasks.reid.evaluation import distance_between, searchable
from resight.views.tables import Table

__all__ = ["CANDIDATES", "Calibrated", "calibrate"]

CANDIDATES = 10
"""Nearest images of each query whose pairs with it are fitted: as many as a search shows. Of fifty, the first are too sure."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A calibration, what it was fitted on, and how good it is for people that it was not fitted on."""

    calibration: Calibration
    facts: dict[str, Any]
    """The model's fingerprint, the dataset's name, its cameras, and counts of people and pairs."""
    figures: dict[str, dict[str, float]]
    """Of "base rate" (the share of right pairs among those fitted) and "calibrated": ECE and Brier score."""
    failed: list[str]
    """A line for each image that could not be read."""

    def summary(self) -> dict[str, Any]:
        """What it was fitted on, and the figures."""
        return {"fitted on": self.facts, "figures": self.figures}

    def save(self, folder: Path) -> Path:
        """Write calibration.json, whole or not at all, into a run folder, where `Recognizer.calibration` finds it."""
        content = {**self.summary(), "curves": json.loads(self.calibration.to_json())}
        with written_whole(folder / CALIBRATION) as partial:
            partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return folder / CALIBRATION

    def table(self) -> Table:
        """A row for the base rate and one for the calibration."""
        columns = list(self.figures["calibrated"])
        rows = [[name, *(f"{row[key]:.4f}" for key in columns)] for name, row in self.figures.items()]
        return Table(["", *columns], rows, note=f"On {self.facts['judged people']} people that nothing was fitted on.")


def calibrate(
    model: Recognizer, dataset: ReidDataset, *, seed: int = 0, progress: Progress | None = None
) -> Calibrated:
    """Fit a calibration on the searches of half of the people of a dataset, and judge it by those of the others.

    Each query is paired with its `CANDIDATES` nearest images of the whole gallery, without junk and its own file.
    Raises DataError for a dataset without a labelled query and gallery, or with fewer than four people.
    """
    query, gallery = searchable(dataset)
    asked, failed = embed(model, query, progress=progress)
    shown, more = embed(model, [record for record in gallery if record.identity != JUNK], progress=progress)
    if not len(asked) or not len(shown):
        raise DataError(f"{dataset.name}: no query or no gallery image could be read")
    people = np.unique(asked.identities)
    if len(people) < 4:
        raise DataError(f"{dataset.name}: {len(people)} people among its queries; a calibration needs four or more")
    half = np.random.default_rng(seed).permutation(people)[: len(people) // 2]
    scores, same, near, person = _pairs(model, asked, shown)
    fits = np.isin(person, half)
    calibration = Calibration.fit(scores[fits], same[fits], near[fits])
    facts = {
        "fingerprint": model.fingerprint,
        "dataset": dataset.name,
        "cameras": np.unique(np.concatenate([asked.cameras, shown.cameras])).tolist(),
        "fitted people": len(half),
        "judged people": len(people) - len(half),
        "fitted pairs": int(fits.sum()),
        "candidates": CANDIDATES,
    }
    figures = _figures(calibration, float(same[fits].mean()), scores[~fits], same[~fits], near[~fits])
    return Calibrated(calibration, facts, figures, [*failed, *more])


def _pairs(
    model: Recognizer, query: Embeddings, gallery: Embeddings
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Score, whether of one identity, whether of one camera, and the query's identity, of each query's candidates."""
    distance = distance_between(query, gallery, model.metric, None)
    values, places = nearest(query.features, gallery.features, CANDIDATES + 1, distance)
    kept = places != own_positions(query.records, gallery.records)[:, None]
    kept &= np.cumsum(kept, axis=1) <= CANDIDATES
    # The scores of a gallery (`Hit.score`).
    scores = (1.0 if model.metric == "cosine" else 0.0) - values.astype(np.float64)
    person = np.broadcast_to(query.identities[:, None], places.shape)
    camera = query.cameras[:, None]
    near = (gallery.cameras[places] == camera) & (camera != NO_CAMERA)
    return scores[kept], (gallery.identities[places] == person)[kept], near[kept], person[kept]


def _figures(
    calibration: Calibration,
    base: float,
    scores: NDArray[np.float64],
    same: NDArray[np.bool_],
    near: NDArray[np.bool_],
) -> dict[str, dict[str, float]]:
    told = calibration.probability(scores, near)
    known = ~np.isnan(told)
    rows = {"base rate": np.full(int(known.sum()), base), "calibrated": told[known]}
    return {
        name: {"ECE": expected_calibration_error(row, same[known]), "Brier": brier_score(row, same[known])}
        for name, row in rows.items()
    }
