"""The evaluator against its definition, and against each mistake that evaluators of the field have made."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.errors import DataError
from resight.records import Relevance
from resight.retrieval import (
    KReciprocal,
    evaluate,
    evaluate_distances,
    single_shot_cmc,
    tiles,
    true_positive_rate,
)
from resight.retrieval import scores as metrics
from tests.support import brute

# Four queries against eight gallery images, worked by hand below. Camera 1 for every query.
DISTANCES = np.array(
    [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [3, 1, 2, 5, 4, 8, 6, 7],
        [1, 1, 1, 1, 1, 1, 1, 1],
        [8, 7, 6, 5, 4, 3, 2, 1],
    ],
    np.float32,
)
QUERY_IDS = [1, 2, 3, 9]
GALLERY_IDS = [1, 2, 1, -1, 0, 2, 3, 1]
GALLERY_CAMERAS = [1, 2, 2, 2, 2, 2, 2, 3]
HAND = {
    # 1: image 0 is in the own camera, 3 is junk; left 1 2 4 5 6 7 -> hits at ranks 2 and 6.
    # 2: order 1 2 0 4 6 7 5 (3 is junk) -> hits at ranks 1 and 7.
    # 3: all equal, so by index 0 1 2 4 5 6 7 -> the hit 6 at rank 6.
    # 9: no match: not counted.
    "precision": [(1 / 2 + 2 / 6) / 2, (1 + 2 / 7) / 2, 1 / 6],
    "trapezoid": [
        ((0 + 1 / 2) / 2 + (1 / 5 + 2 / 6) / 2) / 2,
        ((1 + 1) / 2 + (1 / 6 + 2 / 7) / 2) / 2,
        (0 + 1 / 6) / 2,
    ],
    "mINP": [2 / 6, 2 / 7, 1 / 6],
}


def by_hand(**options):
    return evaluate_distances(
        DISTANCES,
        query_ids=np.array(QUERY_IDS),
        gallery_ids=np.array(GALLERY_IDS),
        query_cameras=np.ones(4, int),
        gallery_cameras=np.array(GALLERY_CAMERAS),
        **options,
    )


@pytest.mark.parametrize("definition", ["precision", "trapezoid"])
def test_four_by_eight_by_hand(definition: str) -> None:
    result = by_hand(average_precision=definition, max_rank=8)
    np.testing.assert_allclose(result.average_precision[:3], HAND[definition])
    assert np.isnan(result.average_precision[3])
    assert result.mean_average_precision == pytest.approx(np.mean(HAND[definition]))
    assert result.mean_inp == pytest.approx(np.mean(HAND["mINP"]))
    np.testing.assert_allclose(result.cmc, [1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 1, 1, 1])
    assert result.first_rank.tolist() == [2, 1, 6, 0]
    assert result.without_match == 1
    assert result.summary()["average precision"] == result.definition == definition


cases = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "queries": st.integers(1, 9),
        "gallery": st.integers(1, 140),
        "identities": st.integers(1, 6),
        "levels": st.sampled_from([1, 2, 5, 1000]),  # few levels: many equal distances
        "protocol": st.sampled_from(["market1501", "veri776", "course"]),
        "depth": st.sampled_from([None, 1, 80]),
        "max_rank": st.integers(1, 60),
    }
)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_equals_the_definition(case: dict) -> None:
    rng = np.random.default_rng(case["seed"])
    shape = (case["queries"], case["gallery"])
    distances = rng.integers(0, case["levels"], shape).astype(np.float32)
    labels = {
        "query_ids": rng.integers(1, case["identities"] + 1, shape[0]),
        "gallery_ids": rng.integers(-1, case["identities"] + 1, shape[1]),
        "query_cameras": rng.integers(-1, 3, shape[0]),
        "gallery_cameras": rng.integers(-1, 3, shape[1]),
    }
    course = case["protocol"] == "course"
    rows, cmc = brute.evaluate(
        distances,
        *labels.values(),
        max_rank=case["max_rank"],
        depth=case["depth"],
        cameras=not course,
    )
    for column, definition in enumerate(("precision", "trapezoid")):
        result = evaluate_distances(
            distances,
            **labels,
            protocol=case["protocol"],
            depth=case["depth"],
            max_rank=case["max_rank"],
            average_precision=definition,
        )
        for name, place in (("average_precision", column), ("inverse_negative_penalty", 2)):
            wanted = [np.nan if row is None else row[place] for row in rows]
            np.testing.assert_allclose(getattr(result, name), wanted, atol=1e-12)
        assert result.first_rank.tolist() == [0 if row is None else row[3] for row in rows]
        if cmc is None:
            assert np.isnan(result.mean_average_precision)
            assert np.isnan(result.cmc).all()
        else:
            np.testing.assert_allclose(result.cmc, cmc)


def crowd(queries: int = 300, gallery: int = 900, width: int = 37, seed: int = 0):
    """Features with many exact copies, so that ties are everywhere."""
    rng = np.random.default_rng(seed)
    pool = rng.normal(size=(60, width)).astype(np.float32)
    labels = {
        "query_ids": rng.integers(1, 30, queries),
        "gallery_ids": rng.integers(-1, 30, gallery),
        "query_cameras": rng.integers(1, 5, queries),
        "gallery_cameras": rng.integers(1, 5, gallery),
    }
    return pool[rng.integers(0, 60, queries)], pool[rng.integers(0, 60, gallery)], labels


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_no_figure_depends_on_tiles_threads_or_place(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery, labels = crowd()
    wanted = evaluate(query, gallery, **labels, metric=metric, threads=1)
    for rows in (tiles.PAD, 2 * tiles.PAD, 4 * tiles.PAD):
        for threads in (1, 2, 5):
            monkeypatch.setattr(tiles, "ROWS", rows)
            result = evaluate(query, gallery, **labels, metric=metric, threads=threads)
            np.testing.assert_array_equal(result.average_precision, wanted.average_precision)
    # Copies tie exactly, wherever they stand: the definition on exact distances between the few originals agrees.
    originals, which = np.unique(gallery, axis=0, return_inverse=True)
    exact = metrics.the_metric(metric).tiles(query, originals)(0, len(query))
    rows_, _ = brute.evaluate(exact[:, which.ravel()], *labels.values())
    np.testing.assert_allclose(wanted.average_precision, [np.nan if r is None else r[0] for r in rows_], atol=1e-12)


def test_numpy_and_torch_and_half_precision_features() -> None:
    query, gallery, labels = crowd(40, 120)
    wanted = evaluate(query, gallery, **labels).mean_average_precision
    tensors = {name: torch.from_numpy(values) for name, values in labels.items()}
    as_torch = evaluate(torch.from_numpy(query).requires_grad_(), torch.from_numpy(gallery), **tensors)
    assert as_torch.mean_average_precision == wanted
    half = evaluate(torch.from_numpy(query).bfloat16(), torch.from_numpy(gallery).half(), **tensors)
    assert half.mean_average_precision == pytest.approx(wanted, abs=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_features_on_a_gpu_give_the_same_figures() -> None:
    query, gallery, labels = crowd(width=128)
    wanted = evaluate(query, gallery, **labels).mean_average_precision
    moved = evaluate(torch.from_numpy(query).cuda(), torch.from_numpy(gallery).cuda(), **labels)
    assert moved.mean_average_precision == pytest.approx(wanted, abs=1e-3)


def test_fewer_gallery_images_than_max_rank() -> None:
    """torchreid and FastReID carry the previous query's curve over here, or crash."""
    result = evaluate_distances(
        np.array([[1.0, 2, 3], [1, 2, 3]]),
        query_ids=[1, 2],
        gallery_ids=[1, 3, 2],
        query_cameras=[1, 1],
        gallery_cameras=[2, 2, 2],
        max_rank=50,
    )
    np.testing.assert_array_equal(result.cmc, [0.5, 0.5] + [1.0] * 48)


def test_true_positive_rate_accepts_the_small_distances() -> None:
    """An evaluator of the field labels the matching pairs 0 and so measures the opposite."""
    distances = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    same = np.array([1, 1, 0, 1, 0, 0])
    np.testing.assert_allclose(true_positive_rate(distances, same, np.array([0.0, 0.34, 1.0])), [2 / 3, 1, 1])
    assert true_positive_rate(distances, same, 0.0)[0] == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="pairs that do not"):
        true_positive_rate(distances, np.ones(6), 0.1)


def test_single_shot_cmc_is_the_mean_over_all_draws() -> None:
    rng = np.random.default_rng(3)
    distances = rng.normal(size=(5, 10))
    labels = (
        [1, 2, 3, 3, 4],
        [1, 1, 2, 2, 2, 3, 3, 0, 0, -1],
        [1, 1, 1, 2, 1],
        [1, 2, 2, 3, 1, 2, 2, 1, 2, 2],
    )
    wanted = brute.single_shot(distances, *labels, max_rank=6)
    names = ("query_ids", "gallery_ids", "query_cameras", "gallery_cameras")
    found = single_shot_cmc(distances, **dict(zip(names, map(np.array, labels), strict=True)), max_rank=6, repeats=4000)
    np.testing.assert_allclose(found, wanted, atol=0.03)


@pytest.mark.parametrize(("depth", "found"), [(80, 1 / 2), (None, (1 + 2 / 100) / 2)])
def test_a_depth_divides_by_all_relevant_images(depth: int | None, found: float) -> None:
    """Right answers beyond the 80 nearest lose recall; nothing is left out for its camera."""
    distances = np.arange(100, dtype=np.float32)[None]
    ids = np.full(100, 7)
    ids[[0, 99]] = 1
    result = evaluate_distances(
        distances,
        query_ids=[1],
        gallery_ids=ids,
        query_cameras=[1],
        gallery_cameras=np.ones(100, int),
        protocol="course",
        depth=depth,
    )
    assert result.mean_average_precision == pytest.approx(found)
    assert result.mean_inp == (0 if depth else 2 / 100)
    assert result.summary()["depth"] == depth


def test_a_dataset_s_own_lists() -> None:
    lists = Relevance([np.array([2, 0]), np.array([1])], [np.array([1, 2]), np.array([], int)])
    result = evaluate_distances(
        np.array([[1.0, 2, 3], [1, 2, 3]]), query_ids=[1, 1], gallery_ids=[5, 5, 5], protocol=lists
    )
    # Image 2 is on both lists of the first query, so junk; image 1 is second for the second query.
    np.testing.assert_allclose(result.average_precision, [1, 1 / 2])
    assert result.protocol == "lists"
    with pytest.raises(DataError, match="gallery image 9; there are 0 to 2"):
        evaluate_distances(np.ones((1, 3)), query_ids=[1], gallery_ids=[1, 1, 1], protocol=Relevance([[9]], [[]]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("way", [{"metric": "cosine"}, {"metric": "euclidean"}, {"rerank": KReciprocal()}], ids=str)
def test_a_gallery_of_junk_alone_has_no_match(way: dict) -> None:
    features = np.eye(2, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32)
    result = evaluate(*features, query_ids=[1, 2], gallery_ids=[-1, -1, -1], protocol="course", **way)
    assert result.without_match == 2
    assert np.isnan(result.mean_average_precision)
    assert result.first_rank.tolist() == [0, 0]


def test_image_to_track_counts_a_track_once() -> None:
    result = evaluate_distances(
        np.array([[1.0, 1.5, 2, 9, 3]]),
        query_ids=[1],
        gallery_ids=[2, 2, 1, 1, 3],
        query_cameras=[1],
        gallery_cameras=[2, 2, 2, 2, 3],
        gallery_tracks=np.array([4, 4, 8, 8, 9]),
    )
    # Tracks by nearest image: 4 (wrong), 8 (right), 9 (wrong).
    np.testing.assert_allclose(result.average_precision, [1 / 2])


def test_an_unknown_camera_leaves_nothing_out() -> None:
    labels = {"query_ids": [1], "gallery_ids": [1, 2], "query_cameras": [-1], "gallery_cameras": [-1, -1]}
    assert evaluate_distances(np.array([[1.0, 2]]), **labels).mean_average_precision == 1


GOOD = {"query_ids": [1, 2], "gallery_ids": [1, 2, 3], "query_cameras": [1, 1], "gallery_cameras": [2, 2, 2]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_ids": [1]}, r"query_ids has shape \(1,\)"),
        ({"gallery_ids": [1.0, 2.0, 3.0]}, "must be integers"),
        ({"gallery_cameras": None}, "leaves out the query's own camera"),
        ({"query_ids": [1, -1]}, "a query has identity -1"),
        ({"metric": "cosin"}, r"unknown metric 'cosin' \(did you mean 'cosine'\?\); known are cosine, euclidean"),
        ({"protocol": "market"}, r"unknown protocol 'market' \(did you mean 'market1501'\?\); known are market1501"),
        ({"average_precision": "area"}, "unknown definition"),
        ({"max_rank": 0}, "max_rank = 0"),
        ({"threads": 0}, "threads = 0"),
    ],
)
def test_wrong_arguments_are_named(change: dict, message: str) -> None:
    features = np.ones((2, 4), np.float32), np.ones((3, 4), np.float32)
    evaluate(*features, **GOOD)
    with pytest.raises(DataError, match=message):
        evaluate(*features, **{**GOOD, **change})


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_values_that_cannot_be_ranked_are_refused(value: float) -> None:
    features = np.ones((2, 4), np.float32), np.ones((3, 4), np.float32)
    features[1][1, 2] = value
    with pytest.raises(DataError, match="gallery features holds nan, infinity or numbers as large"):
        evaluate(*features, **GOOD)
    if not np.isfinite(value):
        with pytest.raises(DataError, match="nan or infinity"):
            evaluate_distances(np.full((2, 3), value), **GOOD)


def test_inputs_are_not_changed() -> None:
    distances = DISTANCES.copy()
    by_hand()
    query, gallery, labels = crowd(30, 64, 64)
    copies = query.copy(), gallery.copy()
    evaluate(query, gallery, **labels)
    np.testing.assert_array_equal(DISTANCES, distances)
    np.testing.assert_array_equal(query, copies[0])
    np.testing.assert_array_equal(gallery, copies[1])
