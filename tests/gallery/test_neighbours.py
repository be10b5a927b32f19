"""The nearest features are those of the definition in float64, in the gallery's order where equally near."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from resight.gallery.neighbours import Neighbours, gathered, squared_lengths


def over(features: NDArray[np.float32], metric: str) -> Neighbours:
    """In two parts, as a memory map and what came after it are."""
    parts = [features[: len(features) // 3], features[len(features) // 3 :]]
    return Neighbours(parts, squared_lengths(features), np.arange(len(features)), products=metric == "cosine")


def exactly(query: NDArray[np.float32], features: NDArray[np.float32], metric: str) -> list[Fraction]:
    """By the definition, in fractions: products, or minus the squared distances."""
    pairs = [[(Fraction(float(a)), Fraction(float(b))) for a, b in zip(query, row, strict=True)] for row in features]
    if metric == "cosine":
        return [sum((a * b for a, b in row), Fraction(0)) for row in pairs]
    return [-sum(((a - b) ** 2 for a, b in row), Fraction(0)) for row in pairs]


def sample(kind: str, rows: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Features on which float32 goes wrong, or at which distances are equal."""
    found = {
        "far off": lambda: 1e6 + random.integers(0, 3, (rows, 8)),
        "wide": lambda: random.integers(-(2**20), 2**20, (rows, 8)) // 2**18 * 2**18 + random.integers(0, 2, (rows, 8)),
        "binary": lambda: random.integers(0, 2, (rows, 8)),
        "halves": lambda: random.integers(-3, 4, (rows, 8)) / 2,
        "mirrored": lambda: random.choice([-0.7, 0.7], (rows, 8)),
        "scales": lambda: np.exp(random.normal(0, 8, (rows, 8))),
    }[kind]()
    return found.astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("kind", ["far off", "wide", "binary", "halves", "mirrored", "scales"])
def test_nearest_is_as_defined_and_equals_keep_their_order(kind: str, metric: str) -> None:
    random = np.random.default_rng(0)
    features, queries = (sample(kind, rows, random) for rows in (300, 12))
    if kind == "mirrored":
        queries[:] = 0  # equally far from all
    features[150:] = features[random.integers(0, 150, 150)]  # copies
    neighbours = over(features, metric)
    answers = {k: list(neighbours.of(queries, k)) for k in (1, 5, 40, 300)}
    for number, query in enumerate(queries):
        true = exactly(query, features, metric)
        order = sorted(range(len(features)), key=lambda row: (-true[row], row))
        for k, found in answers.items():
            scores, rows = found[number]
            wanted = [float(true[row]) for row in order[:k]]
            np.testing.assert_allclose(scores if metric == "cosine" else -(scores**2), wanted, rtol=1e-9)
            if kind != "scales":  # of these, sums differ in float64's last digits
                assert rows.tolist() == order[:k]
            for one, next_one in pairwise(rows.tolist()):
                assert one < next_one or (features[one] != features[next_one]).any(), "copies are in their order"


def test_what_float32_cannot_tell_apart_is_told_apart() -> None:
    features = np.full((400, 2), 9000, np.float32)
    features[[7, 8]] = [[4096, 1], [4096, 0]]  # at squared distances 2**24 + 1 and 2**24
    neighbours, query = over(features, "euclidean"), np.zeros((1, 2), np.float32)
    assert next(neighbours.of(query, 2))[1].tolist() == [8, 7]
    assert next(neighbours.of(query, 1))[1].tolist() == [8]


def test_all_equal_are_in_order_however_many() -> None:
    features = np.ones((5000, 4), np.float32)
    for metric, score in (("euclidean", -1.0), ("cosine", 3.0)):
        found, rows = next(over(features, metric).of(np.array([[0, 1, 1, 1]], np.float32), 3))
        assert rows.tolist() == [0, 1, 2]
        assert found.tolist() == [score] * 3


def test_a_distance_of_nothing_is_no_minus_zero_and_nan_is_no_neighbour() -> None:
    features = np.array([[1, 2], [np.nan, 0], [1, 2], [np.inf, 0]], np.float32)
    found, rows = next(over(features, "euclidean").of(features[:1], 4))
    assert rows.tolist() == [0, 2]
    assert [f"{score:.3f}" for score in found] == ["0.000", "0.000"]
    stored = np.vstack([features, np.full((200, 2), np.nan)]).astype(np.float32)
    assert next(over(stored, "cosine").of(features[:1], 3))[1].tolist() == [0, 2]


def test_features_beyond_float32_are_compared() -> None:
    features = np.zeros((200, 2), np.float32)
    features[:, 0] = 3e38
    features[150, 0] = 1e38
    found, rows = next(over(features, "euclidean").of(np.zeros((1, 2), np.float32), 2))
    assert rows.tolist() == [150, 0]
    np.testing.assert_allclose(found, [-1e38, -3e38], rtol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.6])
def test_only_some_rows_may_be_found_and_keys_order_equal_ones(share: float, metric: str) -> None:
    random = np.random.default_rng(1)
    features, queries = random.integers(-1, 2, (900, 3)).astype(np.float32), np.ones((70, 3), np.float32)
    rows, keys = np.flatnonzero(random.random(900) < share), random.permutation(900)
    parts = [features[:100], features[100:]]
    neighbours = Neighbours(parts, squared_lengths(features), keys, products=metric == "cosine")
    near = features[rows] @ queries[0] if metric == "cosine" else -((features[rows] - 1) ** 2).sum(1)
    wanted = rows[np.lexsort((keys[rows], -near))]
    for k in (1, 7, 2000):
        answers = list(neighbours.of(queries, k, rows))
        assert len(answers) == 70
        assert all(found.tolist() == wanted[:k].tolist() for _, found in answers)


def test_rows_are_gathered_from_parts_in_the_order_asked() -> None:
    parts = [np.zeros((2, 1), np.float32), np.zeros((0, 1), np.float32), np.arange(3, dtype=np.float32)[:, None]]
    assert gathered(parts, np.array([4, 0, 2])).ravel().tolist() == [2, 0, 0]
