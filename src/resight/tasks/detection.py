"""Detection of rare images, such as junk, by a score: thresholds, precision, recall, ROC-AUC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.records import Record

__all__ = ["Detection", "JunkFigures", "detection", "junk_figures", "threshold_for_precision"]


@dataclass(frozen=True, slots=True)
class Detection:
    """How well a threshold detects the wanted images. Shares are in [0, 1], and nan where they are of no image."""

    images: int
    wanted: int
    """Images that should be found."""
    found: int
    """Images whose score reaches the threshold."""
    precision: float
    recall: float
    auc: float
    """Area under the ROC curve, which does not depend on the threshold; 0.5 by chance."""


def detection(scores: NDArray[np.floating], wanted: NDArray[np.bool_], threshold: float) -> Detection:
    """Compare the images whose scores [N] reach the threshold with those that are wanted, bool [N].

    >>> detection(np.array([0.9, 0.8, 0.1]), np.array([True, False, False]), 0.5).precision
    0.5
    """
    found = scores >= threshold
    right = int((found & wanted).sum())
    both = wanted.any() and not wanted.all()
    if both:
        from sklearn.metrics import roc_auc_score
    return Detection(
        images=len(scores),
        wanted=int(wanted.sum()),
        found=int(found.sum()),
        precision=right / found.sum() if found.any() else float("nan"),
        recall=right / wanted.sum() if wanted.any() else float("nan"),
        auc=float(roc_auc_score(wanted, scores)) if both else float("nan"),
    )


def threshold_for_precision(scores: NDArray[np.floating], wanted: NDArray[np.bool_], precision: float) -> float:
    """The lowest threshold that reaches a precision: the one that finds most among those that are precise enough.

    Raises DataError when no image is wanted, or no threshold reaches the precision.
    """
    if not wanted.any():
        raise DataError("none of the labelled images is junk (identity -1), so no threshold can be chosen from them")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    share = np.cumsum(wanted[order]) / np.arange(1, len(order) + 1)
    # Images of equal score are found together: only the last of them can be a threshold.
    share[:-1][ranked[:-1] == ranked[1:]] = -1
    enough = np.flatnonzero(share >= precision)
    if not len(enough):
        raise DataError(
            f"no threshold has precision {precision:g} on the labelled images; the best is {share.max():.3f}"
        )
    return float(ranked[enough[-1]])


class JunkFigures(NamedTuple):
    """How well a score tells one kind of junk from the images that are no junk. Both are in [0, 1]."""

    images: int
    """Images of this kind of junk."""
    auc: float
    """Area under the ROC curve; 0.5 by chance."""
    average_precision: float


def junk_figures(records: Sequence[Record], scores: NDArray[np.floating]) -> dict[str, JunkFigures]:
    """Kind of junk -> how well high scores [N] tell it from all images that are no junk.

    Junk has identity -1, or an attribute `junk_kind` that names its kind. Where there are several kinds, the first entry
    is `all`. The result is empty when no image is labelled junk, or all are.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # late: slow to import

    kinds = np.array([record.junk_kind for record in records])
    good = scores[kinds == ""]
    members = {kind: kinds == kind for kind in sorted(set(kinds.tolist()) - {""})}
    if not len(good) or not members:
        return {}
    if len(members) > 1:
        members = {"all": kinds != "", **members}
    figures = {}
    for kind, member in members.items():
        truth, values = np.repeat([0, 1], [len(good), member.sum()]), np.concatenate([good, scores[member]])
        figures[kind] = JunkFigures(
            int(member.sum()), float(roc_auc_score(truth, values)), float(average_precision_score(truth, values))
        )
    return figures
