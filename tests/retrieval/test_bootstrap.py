"""Intervals over identities: against a literal loop, and against what is known of means."""

from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.retrieval.bootstrap import interval


def test_an_interval_is_that_of_a_literal_loop() -> None:
    random = np.random.default_rng(3)
    identities = random.integers(1, 30, 200)
    values = random.random(200)
    means = []
    names = np.unique(identities)
    for _ in range(3000):
        drawn = random.choice(names, len(names))
        means.append(np.concatenate([values[identities == name] for name in drawn]).mean())
    low, high = np.percentile(means, [2.5, 97.5])
    found = interval(values, identities)
    assert found.low == pytest.approx(low, abs=0.005)
    assert found.high == pytest.approx(high, abs=0.005)


def test_queries_of_one_identity_make_a_figure_no_surer() -> None:
    """Ten copies of each query tell nothing new."""
    random = np.random.default_rng(0)
    values, identities = random.random(40), np.arange(40)
    once, often = interval(values, identities), interval(np.repeat(values, 10), np.repeat(identities, 10))
    assert once == pytest.approx(often)


def test_an_interval_is_near_two_standard_errors_of_many_independent_values() -> None:
    values = np.random.default_rng(1).random(2000)
    low, high = interval(values, np.arange(2000))
    error = values.std() / 2000**0.5
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.06)
    assert low < values.mean() < high


def test_queries_without_a_match_do_not_count_and_one_identity_has_no_interval() -> None:
    values = np.array([0.5, np.nan, 0.25, np.nan])
    assert interval(values, [1, 1, 2, 3]) == interval([0.5, 0.25], [1, 2])
    assert np.isnan(interval([0.5, 0.7], [1, 1])).all()


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(DataError, match="identities has shape"):
        interval([0.5, 0.7], [1])
