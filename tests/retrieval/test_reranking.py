"""Sparse k-reciprocal re-ranking against the paper's dense one, and each mistake seen in other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from resight.errors import DataError
from resight.retrieval import (
    KReciprocal,
    evaluate,
    evaluate_distances,
    neighbours,
    rerank,
    rerank_distances,
    reranking,
    tiles,
)
from tests.support import brute


def features(kind: str, count: int = 240, width: int = 16, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, width))
    if kind == "clustered":
        values = rng.normal(size=(count // 8, width))[rng.integers(0, count // 8, count)] + 0.3 * values
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def squared(values: np.ndarray) -> np.ndarray:
    return cdist(values, values, "sqeuclidean").astype(np.float32)


SETTINGS = [(20, 6, 0.3), (7, 3, 0.3), (5, 1, 0.0), (1, 1, 0.5), (6, 10, 0.9), (20, 6, 1.0)]


@pytest.mark.parametrize("kind", ["random", "clustered"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_equals_the_dense_definition_for_the_same_distances(kind: str, settings: tuple) -> None:
    original = squared(features(kind))
    wanted = brute.rerank(original, 40, *settings)
    np.testing.assert_allclose(rerank_distances(original, 40, *settings), wanted, atol=1e-4)


@pytest.mark.parametrize("kind", ["random", "clustered"])
def test_equals_the_dense_definition_for_features(kind: str) -> None:
    values = features(kind)
    wanted = brute.rerank(squared(values), 40)
    # 3·features: the original distance is that of the normalised ones.
    found = rerank(3 * values[:40], 3 * values[40:])
    # A near-tie may put another image at the edge of a neighbourhood; hardly any entry is touched by one.
    assert np.mean(np.abs(found - wanted) > 1e-4) < 0.001


def test_squares_once_and_takes_k1_neighbours_besides_oneself() -> None:
    """torchreid squares squared distances again; FastReID takes k1 neighbours including oneself. Both differ here."""
    original = squared(features("clustered"))
    right = rerank_distances(original, 40, 7, 3, 0.3)
    assert np.abs(right - brute.rerank(original**2, 40, 7, 3, 0.3)).max() > 0.01
    assert np.abs(right - brute.rerank(original, 40, 6, 3, 0.3)).max() > 0.01


def test_lambda_one_is_the_original_distance_scaled_per_query() -> None:
    """Not a cosine distance mixed with the Jaccard one, as FastReID has it."""
    original = squared(features("random"))
    wanted = original[:40, 40:] / original[:40].max(1, keepdims=True)
    np.testing.assert_allclose(rerank_distances(original, 40, lambda_value=1.0), wanted, atol=1e-6)


def test_independent_of_threads_and_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    values = features("clustered", 600)
    wanted = rerank(values[:100], values[100:], threads=1)
    monkeypatch.setattr(tiles, "ROWS", tiles.PAD)
    monkeypatch.setattr(neighbours, "BLOCK", tiles.PAD)
    np.testing.assert_array_equal(rerank(values[:100], values[100:], threads=3), wanted)


def test_an_evaluation_that_cannot_hold_the_distances_computes_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    values = features("clustered", 500)
    rng = np.random.default_rng(1)
    labels = {"query_ids": rng.integers(1, 20, 300), "gallery_ids": rng.integers(0, 20, 200), "protocol": "course"}
    held = evaluate(values[:300], values[300:], **labels, rerank=KReciprocal(7, 3))
    monkeypatch.setattr(reranking, "HELD_BYTES", 0)
    anew = evaluate(values[:300], values[300:], **labels, rerank=KReciprocal(7, 3))
    np.testing.assert_array_equal(anew.average_precision, held.average_precision)
    expected = evaluate_distances(rerank(values[:300], values[300:], 7, 3), **labels)
    np.testing.assert_array_equal(held.average_precision, expected.average_precision)


def test_fewer_images_than_neighbours_and_copies_of_one_image() -> None:
    values = features("random", 6)
    np.testing.assert_allclose(rerank_distances(squared(values), 2), brute.rerank(squared(values), 2), atol=1e-4)
    assert np.isfinite(rerank(np.ones((3, 4)), np.ones((30, 4)))).all()


def test_evaluation_leaves_junk_out_before_re_ranking() -> None:
    values = features("clustered", 240)
    rng = np.random.default_rng(1)
    labels = {
        "query_ids": rng.integers(1, 20, 40),
        "gallery_ids": rng.integers(-1, 20, 200),
        "query_cameras": rng.integers(1, 4, 40),
        "gallery_cameras": rng.integers(1, 4, 200),
    }
    result = evaluate(values[:40], values[40:], **labels, rerank=KReciprocal(7, 3))
    kept = labels["gallery_ids"] != -1
    distances = np.full((40, 200), 9, np.float32)
    distances[:, kept] = rerank(values[:40], values[40:][kept], 7, 3)
    expected = evaluate_distances(distances, **labels)
    np.testing.assert_array_equal(result.average_precision, expected.average_precision)
    assert result.reranked
    assert "k1=7" in result.metric


def test_re_ranking_raises_the_figure_where_neighbours_help() -> None:
    """Identities as arcs: far ends match only through what lies between them."""
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(1, 21), 15)
    angle = rng.uniform(-1, 1, len(ids))[:, None]
    ends = rng.normal(size=(2, 20, 24))
    values = (ends[0][ids - 1] + angle * ends[1][ids - 1] + 0.25 * rng.normal(size=(len(ids), 24))).astype(np.float32)
    query = rng.permutation(len(ids)) < 40
    labels = {"query_ids": ids[query], "gallery_ids": ids[~query], "protocol": "course"}
    plain = evaluate(values[query], values[~query], **labels).mean_average_precision
    better = evaluate(values[query], values[~query], **labels, rerank=KReciprocal(12, 4)).mean_average_precision
    assert better > plain + 0.03


def test_wrong_settings_are_named() -> None:
    for wrong, message in (
        ({"k1": 0}, "k1 = 0"),
        ({"lambda_value": 1.2}, "lambda = 1.2"),
        ({"k2": 0}, "k2 = 0"),
    ):
        with pytest.raises(DataError, match=message):
            KReciprocal(**wrong)
    with pytest.raises(DataError, match=r"\[Q \+ G, Q \+ G\]"):
        rerank_distances(np.ones((4, 5)), 2)
    with pytest.raises(DataError, match="nan or infinity"):
        rerank_distances(np.full((4, 4), np.nan), 2)
