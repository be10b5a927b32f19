"""Rocchio's formula, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.retrieval.feedback import rocchio

NONE = np.empty((0, 2), np.float32)


def test_a_query_moves_towards_right_and_away_from_wrong_answers() -> None:
    found = rocchio(np.array([1.0, 0.0]), np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]))
    # (1, 0) + 0.75 (0, 1) - 0.15 (1, 0)
    expected = np.array([0.85, 0.75])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-6)
    assert found.dtype == np.float32


def test_right_answers_alone_are_a_query_and_nothing_changes_without_any() -> None:
    np.testing.assert_allclose(rocchio(None, np.array([[0.0, 1.0], [1.0, 0.0]]), NONE), [0.5**0.5] * 2, rtol=1e-6)
    np.testing.assert_allclose(rocchio(np.array([0.6, 0.8]), NONE, NONE), [0.6, 0.8], rtol=1e-6)


def test_by_euclidean_distance_the_moved_query_is_a_weighted_mean_wherever_the_origin_is() -> None:
    query, right, wrong = np.array([1.0, 0.0]), np.array([[0.0, 1.0], [0.0, 3.0]]), np.array([[1.0, 0.0]])
    found = rocchio(query, right, wrong, unit=False)
    np.testing.assert_allclose(found, np.array([0.85, 1.5]) / 1.6, rtol=1e-6)
    away = np.array([100.0, -20.0])
    np.testing.assert_allclose(rocchio(query + away, right + away, wrong + away, unit=False), found + away, rtol=1e-6)
    np.testing.assert_allclose(rocchio(None, right, NONE, unit=False), [0, 2])


def test_what_cannot_be_searched_for_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to search for"):
        rocchio(None, NONE, np.array([[1.0, 0.0]]))
    with pytest.raises(DataError, match="cancel out"):
        rocchio(np.array([0.15, 0.0]), NONE, np.array([[1.0, 0.0]]))
    with pytest.raises(DataError, match="cancel out"):
        rocchio(np.array([9.0, 0.0]), NONE, np.array([[1.0, 0.0]]), unit=False, weights=(1.0, 1.0, 1.0))
