"""Query expansion against a loop over queries and neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest

from resight.errors import DataError
from resight.retrieval import AttributeWeighted, evaluate, expand
from resight.retrieval.expansion import blend


def crowd(queries: int = 20, gallery: int = 150, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(queries, width)).astype(np.float32), rng.normal(size=(gallery, width)).astype(np.float32)


def by_loop(
    query: list[float], gallery: list[list[float]], k: int, alpha: float, cosine: bool, own: int
) -> list[float]:
    """One query, without NumPy."""

    def length(row: list[float]) -> float:
        return math.sqrt(sum(value * value for value in row))

    def similarity(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True)) / length(one) / length(other)

    def farness(place: int) -> float:
        return -similarity(query, gallery[place]) if cosine else math.dist(query, gallery[place])

    order = sorted((place for place in range(len(gallery)) if place != own), key=farness)
    rows, weights = [query], [1.0]
    for place in order[:k]:
        rows.append(gallery[place])
        weights.append(max(similarity(query, gallery[place]), 0) ** alpha)
    if cosine:
        rows = [[value / length(row) for value in row] for row in rows]
    return [
        sum(weight * row[column] for weight, row in zip(weights, rows, strict=True)) / sum(weights)
        for column in range(len(query))
    ]


@pytest.mark.parametrize(("k", "alpha"), [(1, 3), (5, 1), (5, 3), (500, 3)])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("themselves", [False, True])
def test_equals_a_loop(k: int, alpha: float, metric: str, themselves: bool) -> None:
    query, gallery = crowd()
    own = np.full(len(query), -1)
    if themselves:  # every other query lies in the gallery
        own[::2] = np.arange(0, len(query), 2) + 3
        gallery[own[::2]] = query[::2]
    wanted = [
        by_loop(row.tolist(), gallery.tolist(), k, alpha, metric == "cosine", place)
        for row, place in zip(query, own, strict=True)
    ]
    found = expand(query, gallery, k, metric, alpha=alpha, own=own)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    if not themselves:
        np.testing.assert_array_equal(expand(query, gallery, k, metric, alpha=alpha), found)


def test_queries_do_not_see_each_other() -> None:
    query, gallery = crowd()
    together = expand(query, gallery, 5)
    for number in (0, 7, 19):
        np.testing.assert_allclose(expand(query[number : number + 1], gallery, 5)[0], together[number], atol=1e-6)


def test_a_neighbour_that_points_away_has_no_weight() -> None:
    query = np.array([1.0, 0])
    np.testing.assert_array_equal(blend(query, np.array([[-1.0, 0]])), [1, 0])
    np.testing.assert_array_equal(blend(query, np.array([[1.0, 0], [0, 1]])), [1, 0])
    np.testing.assert_allclose(blend(query, np.array([[0.6, 0.8]]), alpha=1), [(1 + 0.36) / 1.6, 0.48 / 1.6])


def test_finds_what_only_a_neighbour_resembles() -> None:
    """Images along an arc: the far end is found by way of the middle, before an image of somebody else."""
    angles = np.radians([[0], [40], [75], [-50]])
    arc = np.concatenate((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)
    labels = {"query_ids": [1], "gallery_ids": [1, 1, 2], "protocol": "course"}
    plain = evaluate(arc[:1], arc[1:], **labels)
    moved = evaluate(expand(arc[:1], arc[1:], 1, alpha=1), arc[1:], **labels)
    assert plain.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert moved.mean_average_precision == 1


def test_neighbours_are_those_of_the_distance_given() -> None:
    """The nearest by features is not the nearest once attributes are weighed."""
    query, gallery = np.array([[1.0, 0]], np.float32), np.array([[0.9, 0], [0.5, 0]], np.float32)
    weighed = AttributeWeighted(np.array([[1.0, 0]]), np.array([[0.0, 1], [1, 0]]))
    np.testing.assert_allclose(expand(query, gallery, 1, "euclidean"), [[0.95, 0]])
    np.testing.assert_allclose(expand(query, gallery, 1, weighed), [[0.75, 0]])


def test_no_neighbours_are_refused() -> None:
    with pytest.raises(DataError, match="k = 0 neighbours"):
        expand(*crowd(), 0)
