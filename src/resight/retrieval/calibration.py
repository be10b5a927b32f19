"""From the score of a pair to the probability that both images show the same individual.

The probability is that of the population that was fitted, and of no other: the candidates that searches show first. A
pair drawn at random from two cameras shows the same individual far less often than such a candidate of equal rank.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.retrieval.arrays import Array, to_numpy

__all__ = ["Calibration", "Curve", "brier_score", "expected_calibration_error"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A probability that never falls as the score grows: straight between knots, level beyond the first and the last."""

    scores: tuple[float, ...]
    """Ascending."""
    probabilities: tuple[float, ...]
    """Ascending, in [0, 1]; one for each score."""

    def __post_init__(self) -> None:
        knots, values = np.asarray(self.scores, np.float64), np.asarray(self.probabilities, np.float64)
        sound = knots.ndim == 1 and len(knots) > 0 and knots.shape == values.shape
        if not (sound and np.isfinite(knots).all() and (np.diff(knots) > 0).all() and _rising(values)):
            raise DataError(
                "a calibration's scores and probabilities must ascend, the latter from 0 to 1; fit it again"
            )

    def __call__(self, scores: Floats) -> Floats:
        return np.interp(scores, self.scores, self.probabilities)


def _rising(values: Floats) -> bool:
    return bool((values >= 0).all() and (values <= 1).all() and (np.diff(values) >= 0).all())


@dataclass(frozen=True)
class Calibration:
    """Score -> probability of the same individual, for pairs of one camera apart from pairs of two.

    >>> calibration = Calibration.fit(scores, same_identity, same_camera)  # doctest: +SKIP
    >>> calibration.probability([0.71], [False])  # doctest: +SKIP

    Fit it on the first candidates of searches by people that the model was not trained on. A probability then says what
    share of such candidates, with this score, show the person searched for, in a gallery that holds each person as often
    as that one did. In a larger gallery, or where fewer are there at all, it is too high.
    """

    within: Curve | None
    """Of two images of one camera; None where no such pair was fitted that matches, or none that does not."""
    across: Curve | None
    """Of images of two cameras, or of cameras that are not known; None as above."""

    @classmethod
    def fit(cls, scores: Array, same_identity: Array, same_camera: Array) -> Calibration:
        """Isotonic regression (Zadrozny and Elkan 2002) of pairs: scores float [N], higher is better, and bool [N] each.

        Raises DataError for shapes that do not fit, scores that are not finite, and unless one of the two populations
        has pairs that match and pairs that do not.
        """
        values, same, near = _pairs(scores, same_identity, same_camera)
        found = cls(_curve(values[near], same[near]), _curve(values[~near], same[~near]))
        if found.within is None and found.across is None:
            raise DataError("a calibration needs pairs that match and pairs that do not; give more labelled images")
        return found

    def probability(self, scores: Array, same_camera: Array) -> Floats:
        """The probability of each pair, float64 [N]; nan where pairs of its kind were not fitted."""
        values, near = _pairs(scores, same_camera)
        found = np.full(len(values), np.nan)
        for curve, chosen in ((self.within, near), (self.across, ~near)):
            if curve is not None:
                found[chosen] = curve(values[chosen])
        return found

    def to_json(self) -> str:
        """The curves as JSON text; `from_json` gives the same calibration to the last bit."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """The calibration of `to_json`. Raises DataError for other text."""
        try:
            curves = json.loads(text)
            within, across = (
                None if curves[name] is None else Curve(*(tuple(map(float, curves[name][key])) for key in _KEYS))
                for name in ("within", "across")
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("a calibration is damaged; make it again with resight calibrate") from error
        return cls(within, across)


_KEYS = ("scores", "probabilities")


def brier_score(probabilities: Array, same: Array) -> float:
    """Mean squared difference of probabilities [N] and truth, bool [N]; 0 is best (Brier 1950)."""
    values, truth = _pairs(probabilities, same)
    return float(np.square(values - truth).mean())


def expected_calibration_error(probabilities: Array, same: Array, bins: int = 10) -> float:
    """How far probabilities [N] lie from the share that is true, bool [N], on average; 0 is best.

    Of `bins` of equal width, weighted by the number of pairs in each (Guo et al. 2017, eq. 3).
    """
    values, truth = _pairs(probabilities, same)
    places = np.minimum((values * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(places, values - truth, minlength=bins)
    return float(np.abs(gaps).sum() / len(values))


def _curve(scores: Floats, same: NDArray[np.bool_]) -> Curve | None:
    from sklearn.isotonic import IsotonicRegression

    if not same.any() or same.all():
        return None
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, same)
    # Rounding may leave a step down of 1e-17 between equal steps.
    values = np.clip(np.maximum.accumulate(fitted.y_thresholds_), 0, 1)
    return Curve(tuple(fitted.X_thresholds_.tolist()), tuple(values.tolist()))


def _pairs(scores: Array, *flags: Array) -> tuple[Any, ...]:
    """Checked: float64 [N], and each flag as bool [N]."""
    values = to_numpy(scores).astype(np.float64)
    told = [to_numpy(flag).astype(bool) for flag in flags]
    if values.ndim != 1 or any(flag.shape != values.shape for flag in told):
        raise DataError(f"scores have shape {values.shape}, with {[flag.shape for flag in told]}; they must be [pairs]")
    if not np.isfinite(values).all() or not len(values):
        raise DataError("there are no pairs, or their scores hold nan or infinity; see which images gave them")
    return (values, *told)
