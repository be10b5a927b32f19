"""Projections: clusters stay apart, small and degenerate inputs work, the chosen identities are the largest."""

from __future__ import annotations

import numpy as np
import pytest

from resight.views import projections


@pytest.mark.parametrize("width", [3, 80])
def test_tsne_keeps_three_far_clusters_apart_and_repeats_itself(width: int) -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 12)
    features = 30 * random.normal(size=(3, width))[labels] + random.normal(size=(36, width))
    placed = projections.tsne(features.astype(np.float32))
    assert placed.shape == (36, 2)
    between = np.linalg.norm(placed[:, None] - placed[None], axis=2)
    np.fill_diagonal(between, np.inf)
    assert (labels[between.argmin(1)] == labels).all()
    np.testing.assert_array_equal(placed, projections.tsne(features.astype(np.float32)))


@pytest.mark.parametrize("shape", [(1, 8), (2, 8), (4, 8), (4, 1), (5, 8), (6, 1)])
def test_tsne_of_few_points_or_dimensions(shape: tuple[int, int]) -> None:
    placed = projections.tsne(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert placed.shape == (shape[0], 2)
    assert np.isfinite(placed).all()


def test_tsne_of_equal_points_is_finite() -> None:
    assert np.isfinite(projections.tsne(np.ones((20, 6), np.float32))).all()


def test_largest_identities() -> None:
    identities = np.array([5, 0, 2, 5, -1, 2, 9, 0, 0, 0, 5])
    np.testing.assert_array_equal(projections.largest_identities(identities, 1), [0, 3, 10])
    np.testing.assert_array_equal(projections.largest_identities(identities), [0, 2, 3, 5, 6, 10])
    assert len(projections.largest_identities(np.array([0, -1, -2]))) == 0
    crowded = np.repeat([1, 2], [100, 3])
    chosen = projections.largest_identities(crowded, count=2, most=10)
    np.testing.assert_array_equal(chosen, [0, 24, 49, 74, 99, 100, 101, 102])  # neither takes the other's place


def test_scatter_draws_every_point_and_names_identities_and_cameras() -> None:
    points = np.arange(12.0).reshape(6, 2)
    figure = projections.scatter(points, np.array([1, 1, 2, 2, 40, 40]), np.array([1, 3, 1, 3, 1, 2]))
    drawn = np.concatenate([dots.get_offsets() for dots in figure.axes[0].collections if len(dots.get_offsets())])
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, points))
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["id 1", "id 2", "id 40", "camera 1", "camera 2", "camera 3"]
