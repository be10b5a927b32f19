"""How well identities are kept over time and cameras: IDF1, IDP and IDR (Ristani et al. 2016, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.retrieval.arrays import Array, as_labels

__all__ = ["IdentityScores", "score_identities"]


@dataclass(frozen=True, slots=True)
class IdentityScores:
    """Detections whose computed identity is that of the true one which it is matched with, and the two errors."""

    true_positives: int
    """IDTP: detections that lie in both identities of a matched pair."""
    false_positives: int
    """IDFP: detections with a computed identity that are not among these."""
    false_negatives: int
    """IDFN: detections with a true identity that are not among these."""

    @property
    def precision(self) -> float:
        """IDP = IDTP / (IDTP + IDFP)."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """IDR = IDTP / (IDTP + IDFN)."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """IDF1 = 2 IDTP / (2 IDTP + IDFP + IDFN)."""
        found = 2 * self.true_positives
        return _share(found, found + self.false_positives + self.false_negatives)


def score_identities(computed: Array, true: Array) -> IdentityScores:
    """Compare computed identities with true ones, int [N], a value for each detection of all cameras together.

    >>> score_identities([1, 1, 1, 2], [7, 7, 8, 8]).f1
    0.75

    Each true identity is matched with one computed identity at most, and the other way round, so that as many detections
    as possible lie in both (the assignment that minimises IDFP + IDFN). Below 1 a detection has no such identity: without
    a computed one it is missed, without a true one a false alarm. Raises DataError when none has a true identity.
    """
    found = as_labels(computed, "computed identities", len(computed), "the detections")
    names = as_labels(true, "true identities", len(found), f"the {len(found)} detections")
    if not (names > 0).any():
        raise DataError("no detection has a true identity from 1, so identities cannot be scored")
    shared = _matched(_overlaps(found, names))
    return IdentityScores(shared, int((found > 0).sum()) - shared, int((names > 0).sum()) - shared)


def _overlaps(found: NDArray[np.int64], names: NDArray[np.int64]) -> NDArray[np.int64]:
    """[computed, true]: detections that have both identities."""
    both = (found > 0) & (names > 0)
    _, rows = np.unique(found[both], return_inverse=True)
    _, columns = np.unique(names[both], return_inverse=True)
    table = np.zeros((rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), np.int64)
    np.add.at(table, (rows, columns), 1)
    return table


def _matched(overlaps: NDArray[np.int64]) -> int:
    """The most detections that a one-to-one match of identities can have in common.

    IDFP + IDFN is what a match does not have in common, so that this is the least of both.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    return int(overlaps[rows, columns].sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
