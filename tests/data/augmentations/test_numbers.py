"""Random numbers without a state: the published generator's, even, independent, and each seed's own."""

from __future__ import annotations

import numpy as np
from scipy import stats

from resight.data.augmentations.numbers import between, normal, uniform, whole


def splitmix(state: int) -> int:
    """One number of SplitMix64, as published (Vigna's splitmix64.c), of a state that has moved on already."""
    mask = 2**64 - 1
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


def test_numbers_are_splitmix64s_started_at_the_seeds_hash() -> None:
    gamma, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    # The generator's published first numbers of seed 1234567.
    assert [splitmix((1234567 + gamma * step) & mask) for step in (1, 2)] == [6457827717110365317, 3203168211198807973]
    for seed in (0, 1, 2**62 - 1, 123456789):
        start = splitmix((seed + gamma) & mask)
        wanted = [(splitmix((start + gamma * step) & mask) >> 11) / 2**53 for step in (1, 2, 3)]
        assert uniform(np.array([seed]), 3)[0].tolist() == wanted


def test_a_seeds_numbers_do_not_depend_on_the_others_or_on_how_many_are_asked_for() -> None:
    seeds = np.random.default_rng(0).integers(2**62, size=50)
    all_of_them = uniform(seeds, 40)
    assert np.array_equal(uniform(seeds[::-1], 40), all_of_them[::-1])
    assert np.array_equal(uniform(seeds[7:9], 5), all_of_them[7:9, :5])


def test_numbers_are_even_and_independent_within_and_between_neighbouring_seeds() -> None:
    numbers = uniform(np.arange(20_000), 4)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert all(stats.kstest(column, "uniform").pvalue > 0.001 for column in numbers.T)
    assert all(stats.kstest(numbers[row : row + 500].ravel(), "uniform").pvalue > 0.001 for row in (0, 9_000))
    neighbours = np.corrcoef([*numbers.T, np.roll(numbers[:, 0], 1)])
    assert np.abs(neighbours - np.eye(5)).max() < 4 / np.sqrt(len(numbers))


def test_ranges_whole_numbers_and_the_normal_distribution() -> None:
    numbers = uniform(np.arange(5_000), 1)[:, 0]
    assert (between(numbers, -3, 5).min().round(1), between(numbers, -3, 5).max().round(1)) == (-3, 5)
    counts = np.bincount(whole(numbers, 7), minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts).pvalue > 0.001
    assert whole(np.array([0.0, 1 - 2**-53]), 441).tolist() == [0, 440]
    assert stats.kstest(normal(numbers), "norm").pvalue > 0.001
    assert np.isfinite(normal(np.array([0.0, 1 - 2**-53]))).all()
