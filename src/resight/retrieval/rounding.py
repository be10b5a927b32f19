"""How squared distances are kept from being rounded, where the features allow it.

Features on a grid (whole numbers, binary codes, int8, halves) have many distances that are exactly equal, and equal
distances are ordered by place: a last digit lost on one of them would change a rank. On a grid of step g all sums of a
squared distance are whole multiples of g², which are exact as long as the largest of them fits the type's digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resight.retrieval.arrays import Array, is_tensor, to_numpy

__all__ = ["exact_type", "middle_of"]

_BITS: dict[type[np.floating], int] = {np.float32: 24, np.float64: 53}
# More rows than this are looked at only where these lie on a grid.
_FIRST_ROWS = 16
_ROWS = 4096


def middle_of(features: Array) -> Array:
    """About the mean of features [N, D], N >= 1, as [D], on whatever binary grid they lie.

    The mean of each dimension is rounded to a power of two no greater than the dimension's range, and so no finer than
    the features' own grid. It misses the mean by at most half the range; a dimension without a range has its value.
    """
    low, high, mean = (np.asarray(to_numpy(of), np.float64) for of in _extent(features))
    width = high - low
    step = np.exp2(np.floor(np.log2(np.where(width > 0, width, 1))))
    middle = np.where(width > 0, np.rint(mean / step) * step, low)
    return features.new_tensor(middle).float() if is_tensor(features) else middle.astype(_wide(features))


def exact_type(query: Array, gallery: Array, middle: Array) -> type[np.floating]:
    """The type in which squared distances of features moved by `middle` are exact: float32 or else float64.

    Where they are exact in neither, or the features are tensors of an accelerator, float32.
    """
    if is_tensor(query):
        return np.float32
    sides = [side for side in (query, gallery) if len(side)]
    needed = _needed([side[:_FIRST_ROWS] for side in sides], middle)
    if needed <= _BITS[np.float64]:
        needed = _needed(sides, middle)
    return np.float64 if _BITS[np.float32] < needed <= _BITS[np.float64] else np.float32


def _extent(features: Array) -> tuple[Array, Array, Array]:
    if is_tensor(features):
        return features.amin(0), features.amax(0), features.float().mean(0)
    return features.min(0), features.max(0), features.mean(0)


def _wide(features: NDArray[np.generic]) -> type[np.floating]:
    """float32 where it holds every value of the features' type, so that moving them costs no more than it must."""
    return np.float32 if np.can_cast(features.dtype, np.float32) else np.float64


def _step(features: NDArray[np.generic]) -> float:
    """The exponent, to base two, of the step of the coarsest binary grid that all values lie on."""
    lowest = np.inf
    for start in range(0, len(features), _ROWS):
        part, exponent = np.frexp(features[start : start + _ROWS].astype(np.float64))
        whole = (part * 2.0**53).astype(np.int64)
        # The lowest bit that is set, as a power of two.
        last = (whole & -whole).astype(np.float64)
        places = np.frexp(last)[1] - 1 + exponent - 53
        lowest = min(lowest, float(places[whole != 0].min(initial=2**31 - 1)))
    return lowest


def _needed(sides: list[NDArray[np.generic]], middle: NDArray[np.floating]) -> float:
    """Digits, in bits, of the largest sum on the way to a squared distance, counted in squares of the grid's step."""
    step = min(map(_step, sides))
    longest = max(
        float(np.square(rows[start : start + _ROWS].astype(np.float64) - middle).sum(1).max())
        for rows in sides
        for start in range(0, len(rows), _ROWS)
    )
    # Both norms, and twice a product that is no longer than either.
    return float(np.log2(4 * longest)) - 2 * step if longest > 0 else 0.0
