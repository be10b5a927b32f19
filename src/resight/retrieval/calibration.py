"""From the score of a pair to the probability that both images show the same individual.

The probability is that of the population that was fitted, and of no other: the candidates that searches show first. A
pair drawn at random from two cameras shows the same individual far less often than such a candidate of equal rank.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.retrieval.arrays import Array, to_numpy

__all__ = ["Calibration", "Curve", "FittedOn", "brier_score", "expected_calibration_error", "growth_between"]

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

    def reaching(self, probability: float) -> float | None:
        """The lowest score that has at least this probability; None where it is above all."""
        over = np.flatnonzero(np.asarray(self.probabilities) >= probability)
        if not len(over):
            return None
        pair = slice(max(0, over[0] - 1), over[0] + 1)
        return float(np.interp(probability, self.probabilities[pair], self.scores[pair]))


def _rising(values: Floats) -> bool:
    return bool((values >= 0).all() and (values <= 1).all() and (np.diff(values) >= 0).all())


@dataclass(frozen=True)
class FittedOn:
    """What a calibration was fitted on. What older versions did not keep is None, or empty."""

    dataset: str
    """Its name."""
    fingerprint: str
    """That of the model."""
    folder: str | None = None
    """The name, without its place, of the folder that holds all of its images."""
    cameras: tuple[int, ...] = ()
    people: int | None = None
    pairs: int | None = None
    candidates: int | None = None
    """Nearest images of each query that were paired with it."""
    images: int | None = None
    """Of the gallery that was searched."""
    date: str | None = None
    """YYYY-MM-DD."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """From JSON; what it says beside is left out. Raises KeyError without a dataset or a fingerprint."""
        known = {field.name: told[field.name] for field in fields(cls) if field.name in told}
        return cls(told["dataset"], told["fingerprint"], **_others(known))


def _others(known: Mapping[str, Any]) -> dict[str, Any]:
    others = {name: value for name, value in known.items() if name not in ("dataset", "fingerprint")}
    return {**others, "cameras": tuple(map(int, others.get("cameras", ())))}


@dataclass(frozen=True)
class Calibration:
    """Score -> probability of the same individual, for pairs of one camera apart from pairs of two.

    >>> calibration = Calibration.fit(scores, same_identity, same_camera)  # doctest: +SKIP
    >>> calibration.probability([0.71], [False])  # doctest: +SKIP

    Fit it on the first candidates of searches by people that the model was not trained on. A probability then says what
    share of such candidates, with this score, show the person searched for, in a gallery that holds each person as often
    as that one did. Where the person is not there at all it is too high.
    """

    within: Curve | None
    """Of two images of one camera; None where no such pair was fitted that matches, or none that does not."""
    across: Curve | None
    """Of images of two cameras, or of cameras that are not known; None as above."""
    growth: float = 0.0
    """In a gallery of n times the images, the odds are divided by n to this power; see `growth_between`."""
    fitted_on: FittedOn | None = None
    tracklets: Calibration | None = None
    """For galleries whose entries are means of tracklets; None where that was not fitted, as the next."""
    together: Calibration | None = None
    """For several pictures of one person that are searched for by their mean."""

    @classmethod
    def fit(cls, scores: Array, same_identity: Array, same_camera: Array) -> Calibration:
        """Isotonic regression (Zadrozny and Elkan 2002) of pairs: scores float [N], higher is better, and bool [N] each.

        One more pair that does not match has the highest score, and one that matches the lowest: what was never seen to
        fail may fail, so that no probability is 0 or 1. Raises DataError for shapes that do not fit, scores that are not
        finite, and unless one of the two populations has pairs that match and pairs that do not.
        """
        values, same, near = _pairs(scores, same_identity, same_camera)
        found = cls(_curve(values[near], same[near]), _curve(values[~near], same[~near]))
        if found.within is None and found.across is None:
            raise DataError("a calibration needs pairs that match and pairs that do not; give more labelled images")
        return found

    def probability(self, scores: Array, same_camera: Array, images: int | None = None) -> Floats:
        """The probability of each pair, float64 [N]; nan where pairs of its kind were not fitted.

        `images` are those of the gallery that was searched. In a larger one than the calibration was fitted in, wrong
        images come nearer, and the odds fall by `growth`. In a smaller one they do not rise: whether the person is there
        at all is not known.
        """
        values, near = _pairs(scores, same_camera)
        found = np.full(len(values), np.nan)
        for curve, chosen in ((self.within, near), (self.across, ~near)):
            if curve is not None:
                found[chosen] = curve(values[chosen])
        return _with_odds(found, self.times(images) ** -self.growth)

    def of(self, *, tracklets: bool = False, together: bool = False) -> Calibration:
        """The one for such a gallery, or for such a query; itself where none was fitted. Of both, that of the gallery."""
        return (self.tracklets if tracklets else None) or (self.together if together else None) or self

    def score(self, probability: float, images: int | None = None) -> float:
        """The lowest score with at least this probability, of pairs of two cameras; of one where no others were fitted.

        Raises DataError where the probability is above all.
        """
        curve = self.across or self.within
        if curve is None:
            raise DataError("nothing was fitted; run `resight calibrate` again")
        factor = self.times(images) ** -self.growth
        wanted = float(_with_odds(np.array(probability), 1 / factor))
        found = curve.reaching(wanted)
        if found is None:
            most = float(_with_odds(np.array(curve.probabilities[-1]), factor))
            raise DataError(f"no score has a probability of {probability:g}; the highest is {most:.3f}")
        return found

    def times(self, images: int | None) -> float:
        """How many times as large a gallery of `images` is as the one that was fitted; 1 where smaller, or not known."""
        fitted = None if self.fitted_on is None else self.fitted_on.images
        return 1.0 if not (images and fitted) else max(1.0, images / fitted)

    def to_json(self) -> str:
        """The calibration as JSON text; `from_json` gives the same one to the last bit."""
        return json.dumps(_told(asdict(self)))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """The calibration of `to_json`, or of a run's calibration.json. Raises DataError for other text."""
        try:
            return _read(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError("a calibration is damaged; make it again with resight calibrate") from error


_OTHERS = ("tracklets", "together")


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    others = {name: fields.pop(name) for name in _OTHERS}
    told = {"fitted on": fields.pop("fitted_on"), "curves": fields}
    return told | {name: _told(other) for name, other in others.items() if other is not None}


def _read(told: Mapping[str, Any]) -> Calibration:
    curves = told.get("curves", told)  # alone, in galleries of older versions
    origin, growth = told.get("fitted on"), float(curves.get("growth", 0.0))
    if not 0 <= growth <= 1:
        raise ValueError(f"growth {growth}")
    within, across = (
        None if curves[name] is None else Curve(*(tuple(map(float, curves[name][key])) for key in _KEYS))
        for name in ("within", "across")
    )
    return Calibration(
        within,
        across,
        growth,
        None if origin is None else FittedOn.of(origin),
        **{name: _read(told[name]) for name in _OTHERS if told.get(name) is not None},
    )


def growth_between(
    smaller: Calibration, scores: Array, same_identity: Array, same_camera: Array, times: float
) -> float:
    """The `growth`, in [0, 1], with which a calibration fitted in a smaller gallery fits best in one `times` as large.

    Pairs of the larger one as `Calibration.fit` takes them; best by the Brier score. If searches showed every image, it
    would be 1: `times` as many wrong images reach each score, and as many right ones. As they show the first few alone,
    wrong ones crowd each other out, and it is less.
    """
    from scipy.optimize import minimize_scalar

    told, same = smaller.probability(scores, same_camera), to_numpy(same_identity).astype(bool)
    known = ~np.isnan(told)
    if not known.any():
        return 1.0

    def score(growth: float) -> float:
        return brier_score(_with_odds(told[known], times**-growth), same[known])

    return float(minimize_scalar(score, bounds=(0.0, 1.0), method="bounded").x)


def _with_odds(probabilities: Floats, factor: float) -> Floats:
    """Probabilities whose odds are `factor` times as high."""
    return probabilities if factor == 1 else probabilities * factor / (1 - probabilities + probabilities * factor)


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
    values, truth = np.append(scores, [scores.max(), scores.min()]), np.append(same, [False, True])
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(values, truth)
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
