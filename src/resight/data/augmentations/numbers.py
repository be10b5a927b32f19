"""Random numbers that a seed and a place in its sequence alone decide: no state, any order, any number of seeds at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["between", "normal", "uniform", "whole"]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def uniform(seeds: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The first `count` numbers of each seed, evenly from [0, 1), float64 (seeds, count).

    >>> uniform(np.array([7, 8]), 3)[1]  # the numbers of seed 8, whoever else is asked for

    SplitMix64 (Steele, Lea and Flood 2014), started at the seed's own hash, so that neighbouring seeds share no sequence.
    """
    starts = _mixed(seeds.astype(np.uint64) + _GAMMA)
    steps = np.arange(1, count + 1, dtype=np.uint64) * _GAMMA
    return (_mixed(starts[:, None] + steps) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(states: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Arithmetic of arrays wraps at 2^64, as is meant.
    states = (states ^ (states >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    states = (states ^ (states >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return states ^ (states >> np.uint64(31))


def between(numbers: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Numbers from [0, 1) spread over [low, high)."""
    return low + (high - low) * numbers


def whole(numbers: NDArray[np.float64], count: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Numbers from [0, 1) as whole ones from 0 to `count` - 1, each as often."""
    return (numbers * count).astype(np.int64)


def normal(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers from [0, 1) as those of the standard normal distribution."""
    return ndtri(np.maximum(numbers, 2.0**-54))  # of 0 it would be minus infinity
