"""Is a pair of images the same individual, and is an individual in the gallery at all: verification and open-set search.

Pairs are those that the protocol counts: each query with each gallery image that is not left out for it. A pair is accepted
where its distance is small. Counts are exact, over all pairs, whose distances are never in memory together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.retrieval.arrays import Array
from resight.retrieval.distance import Distance, checked_pair, the_metric
from resight.retrieval.protocol import Judgement
from resight.retrieval.ranks import at, parts_of
from resight.retrieval.tiles import Tiles, over_tiles

__all__ = ["FALSE_ALARMS", "FALSE_POSITIVES", "Verification", "verify"]

Floats = NDArray[np.float64]

FALSE_POSITIVES = (1e-4, 1e-3, 1e-2)
"""False positive rates at which the true positive rate is told."""
FALSE_ALARMS = (0.01, 0.1)
"""False alarm rates at which the detection and identification rate is told."""
_HELD = 2**27
"""Distances that are kept rather than computed twice."""


@dataclass(frozen=True, eq=False)
class Verification:
    """How well a threshold on the distance separates pairs of one individual from others."""

    matching: int
    """Pairs of one individual."""
    others: int
    """All other pairs that count."""
    false_positive: Floats
    """[P]: share of the other pairs that are accepted at the distance of each matching pair, ascending."""
    true_positive: Floats
    """[P]: share of the matching pairs that are accepted there."""
    area: float
    """ROC-AUC: the chance that a matching pair is nearer than another, equal distances counted half."""
    equal_error_rate: float
    """EER: where as large a share of the other pairs is accepted as of the matching ones is not."""
    false_alarm: Floats
    """[S]: share of the searches without a mate that are answered, ascending."""
    detection: Floats
    """[S]: share of the searches with a mate whose first answer is right and near enough, while so many are false alarms."""

    def true_positive_at(self, rate: float) -> float:
        """TPR at a false positive rate; nan where there are too few other pairs to tell."""
        if self.others * rate < 1:
            return float("nan")
        within = np.searchsorted(self.false_positive, rate, side="right")
        return float(self.true_positive[within - 1]) if within else 0.0

    def detection_at(self, rate: float) -> float:
        """DIR at a false alarm rate; nan where there are too few searches to tell."""
        if rate * (len(self.false_alarm) - 1) < 1:
            return float("nan")
        within = np.searchsorted(self.false_alarm, rate, side="right")
        return float(self.detection[within - 1]) if within else 0.0

    @property
    def figures(self) -> dict[str, float]:
        """ROC-AUC, EER, TPR and DIR by their names, shares in [0, 1]."""
        return {
            "ROC-AUC": self.area,
            "EER": self.equal_error_rate,
            **{f"TPR@FPR={rate:g}": self.true_positive_at(rate) for rate in FALSE_POSITIVES},
            **{f"DIR@FAR={rate:g}": self.detection_at(rate) for rate in FALSE_ALARMS},
        }

    def summary(self) -> dict[str, float | int | None]:
        """The figures and how many pairs they are of, as plain values; None where there are too few."""
        told = {name: None if np.isnan(value) else value for name, value in self.figures.items()}
        return {**told, "matching pairs": self.matching, "other pairs": self.others}


def verify(
    query_features: Array,
    gallery_features: Array,
    judgement: Judgement,
    metric: str | Distance = "cosine",
    *,
    threads: int | None = None,
) -> Verification | None:
    """Verification of all pairs that count, and identification where not everybody is in the gallery.

    >>> verify(q, g, evaluate(q, g, query_ids=ids, ...).judgement).figures["EER"]  # doctest: +SKIP

    `judgement` is that of an evaluation of the same features; its depth plays no part. For the open set (Phillips,
    Grother and Micheals 2011, "Evaluation methods in face recognition", sections 3.2 and 3.3) each query is searched
    twice: with its mates, and as a stranger, without them. DIR is the share of queries with a mate whose first answer
    is right and below a threshold, FAR the share of strangers who get an answer below it.
    None where there is no matching pair, or no other. Raises DataError for bad features.
    """
    query, gallery = checked_pair(query_features, gallery_features)
    metric = the_metric(metric)
    if not len(judgement.columns):
        return None
    keep = len(query) * len(judgement.columns) <= _HELD

    def look(keep: bool) -> Iterator[list[_Part]]:
        for tiles, some in parts_of(metric, query, gallery, judgement):
            yield over_tiles(_Look(tiles, some, keep), tiles.rows, tiles.columns, threads)

    looked = [*look(keep)]
    every = [part for parts in looked for part in parts]
    matching = np.sort(np.concatenate([part.matching for part in every]))
    others = sum(part.others for part in every)
    if not len(matching) or not others:
        return None
    values, counts = np.unique(matching, return_counts=True)
    sides = every if keep else (part for parts in look(keep=True) for part in parts)
    less, upto = sum(_counted(part.sorted, values) for part in sides)  # type: ignore[misc]  # of one part at least
    accepted = np.cumsum(counts)
    area = float((counts * ((others - upto) + (upto - less) / 2)).sum() / (len(matching) * others))
    nearest, right, alarms = (
        np.stack([np.concatenate([getattr(part, name) for part in parts]) for parts in looked])
        for name in ("nearest", "right", "stranger")
    )
    # Of equal ones the first, as within a part.
    chosen = nearest.argmin(0), np.arange(len(query))
    return Verification(
        len(matching),
        others,
        upto / others,
        accepted / len(matching),
        area,
        _equal_error(less / others, upto / others, accepted / len(matching)),
        *_detection(
            np.where(right[chosen], nearest[chosen], np.inf),
            alarms.min(0),
            np.array([len(places) > 0 for places in judgement.good]),
        ),
    )


@dataclass(frozen=True)
class _Part:
    """What is seen in some rows of the distances, or in a part of these."""

    matching: NDArray[np.floating]
    others: int
    sorted: NDArray[np.floating] | None
    """Finite distances of other pairs, ascending."""
    nearest: NDArray[np.floating]
    """[rows]: distance of the first answer."""
    right: NDArray[np.bool_]
    """[rows]: whether it is right."""
    stranger: NDArray[np.floating]
    """[rows]: distance of the first answer were its mates not there."""


@dataclass(frozen=True)
class _Look:
    tiles: Tiles
    judgement: Judgement
    keep: bool

    def __call__(self, start: int, stop: int) -> _Part:
        tile = self.tiles(start, stop)
        good, out = self.judgement.good[start:stop], self.judgement.left_out[start:stop]
        tile[at(out)] = np.inf
        first = tile.argmin(1)
        right = np.array([place in places for place, places in zip(first, good, strict=True)], bool)
        nearest = tile[np.arange(len(tile)), first]
        mates = at(good)
        matching = tile[mates]
        tile[mates] = np.inf
        stranger = tile.min(1)
        others = tile.size - len(matching) - sum(map(len, out))
        kept = None
        if self.keep:
            flat = tile.reshape(-1)
            flat.sort()
            kept = flat[: np.searchsorted(flat, np.inf)]
        return _Part(matching, others, kept, nearest, right, stranger)


def _counted(ascending: NDArray[np.floating] | None, values: NDArray[np.floating]) -> NDArray[np.int64]:
    """[2, V]: how many are below each value, and how many are not above it."""
    assert ascending is not None
    return np.stack([np.searchsorted(ascending, values, side) for side in ("left", "right")])  # type: ignore[call-overload]


def _equal_error(below: Floats, upto: Floats, accepted: Floats) -> float:
    """Where the line through the steps of the curve meets the other diagonal."""
    # A threshold just below a matching pair's distance, then one at it.
    false = np.stack([below, upto], 1).ravel()
    true = np.stack([np.concatenate([[0.0], accepted[:-1]]), accepted], 1).ravel()
    false, true = np.concatenate([[0.0], false, [1.0]]), np.concatenate([[0.0], true, [1.0]])
    gap = false - (1 - true)
    after = int(np.flatnonzero(gap >= 0)[0])
    if gap[after] == 0:
        return float(false[after])
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(false[after - 1] + share * (false[after] - false[after - 1]))


def _detection(
    first: NDArray[np.floating], stranger: NDArray[np.floating], mated: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """False alarm rates, 0 to 1 by strangers, and the detection and identification rate at each."""
    limits = np.append(np.sort(stranger), np.inf)  # below the next stranger's distance, so many are alarms
    near = np.sort(first[mated & np.isfinite(first)])
    found = np.searchsorted(near, limits, side="left")
    return np.arange(len(limits)) / max(1, len(stranger)), found / max(1, int(mated.sum()))
