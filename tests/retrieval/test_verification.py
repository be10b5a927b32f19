"""Verification against scikit-learn over all pairs, and the open set against a search one query at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from resight.retrieval import evaluate, metric_between, ranks, verification, verify
from resight.retrieval.distance import JunkLast, the_metric

Made = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


def made(seed: int, queries: int = 12, gallery: int = 60, grid: bool = False) -> Made:
    rng = np.random.default_rng(seed)
    ids = rng.integers(-1, 7, gallery)
    labels = {
        "query_ids": rng.integers(1, 7, queries),
        "gallery_ids": ids,
        "query_cameras": rng.integers(1, 4, queries),
        "gallery_cameras": rng.integers(1, 4, gallery),
    }
    centres = rng.normal(size=(9, 5))
    sides = [centres[of] + rng.normal(size=(len(of), 5)) for of in (labels["query_ids"], ids)]
    if grid:  # distances tie
        sides = [np.round(side) for side in sides]
    return sides[0].astype(np.float32), sides[1].astype(np.float32), labels


def pairs(query: np.ndarray, gallery: np.ndarray, labels: dict[str, np.ndarray], metric: str) -> tuple[np.ndarray, ...]:
    """Distances, whether a pair matches and whether it counts, [Q, G], from the protocol's words."""
    same = labels["query_ids"][:, None] == labels["gallery_ids"]
    own = same & (labels["query_cameras"][:, None] == labels["gallery_cameras"])
    # Not `distances`: 1 - similarity rounds away what tells two apart.
    between = the_metric(metric).tiles(query, gallery)(0, len(query))
    return between, same, ~own & (labels["gallery_ids"] != -1)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("grid", [False, True])
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_all_pairs_by_scikit_learn(metric: str, grid: bool, seed: int) -> None:
    query, gallery, labels = made(seed, grid=grid)
    between, same, counts = pairs(query, gallery, labels, metric)
    true, score = same[counts], -between[counts].astype(np.float64)
    found = verify(query, gallery, evaluate(query, gallery, **labels, metric=metric).judgement, metric)
    if not true.any() or true.all():
        assert found is None
        return
    assert found is not None
    assert (found.matching, found.others) == (true.sum(), (~true).sum())
    assert found.area == pytest.approx(roc_auc_score(true, score), abs=1e-9)
    false_positive, true_positive, _ = roc_curve(true, score, drop_intermediate=False)
    for rate in (0.003, 0.01, 0.05, 0.3):
        best = true_positive[false_positive <= rate].max()
        told = found.true_positive_at(rate)
        assert np.isnan(told) == (rate * found.others < 1)
        assert np.isnan(told) or told == pytest.approx(best)
    # The equal error rate lies on the curve, and on the other diagonal.
    eer = found.equal_error_rate
    assert np.interp(eer, false_positive, true_positive) == pytest.approx(1 - eer, abs=0.2)
    steps = np.linspace(0, 1, 20_001)
    on_curve = np.stack([np.interp(steps, np.linspace(0, 1, len(c)), c) for c in (false_positive, true_positive)])
    closest = np.abs(on_curve[0] - (1 - on_curve[1])).argmin()
    assert eer == pytest.approx(on_curve[0][closest], abs=2e-3)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_the_open_set_one_search_at_a_time(seed: int) -> None:
    query, gallery, labels = made(seed)
    between, same, counts = pairs(query, gallery, labels, "cosine")
    found = verify(query, gallery, evaluate(query, gallery, **labels).judgement)
    if found is None:
        return
    strangers = [row[kept & ~mates].min() for row, mates, kept in zip(between, same, counts, strict=True)]
    for rate in (0.1, 0.25, 0.5):
        allowed = int(rate * len(query) + 1e-9)
        limit = np.sort(strangers)[allowed]
        right = with_mate = 0
        for row, mates, kept in zip(between, same, counts, strict=True):
            if not (mates & kept).any():
                continue
            with_mate += 1
            order = np.argsort(np.where(kept, row, np.inf), kind="stable")
            right += mates[order[0]] and row[order[0]] < limit
        assert found.detection_at(rate) == pytest.approx(right / with_mate)
    assert np.isnan(found.detection_at(0.01))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("held", [0, 2**27])
def test_a_wide_gallery_in_parts_gives_the_figures_of_the_whole(
    metric: str, grid: bool, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, gallery, labels = made(5, queries=40, gallery=700, grid=grid)
    judgement = evaluate(query, gallery, **labels, metric=metric).judgement
    wanted = verify(query, gallery, judgement, metric)
    for module, name, value in ((ranks, "WIDE", 0), (ranks, "PART", 90), (verification, "_HELD", held)):
        monkeypatch.setattr(module, name, value)
    found = verify(query, gallery, judgement, metric)
    assert found is not None
    assert found.summary() == wanted.summary()
    for name in ("false_positive", "true_positive", "false_alarm", "detection"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


def test_by_hand() -> None:
    """Two queries; matching pairs at 1 and 4, others at 2, 3, 5 and 6."""
    query = np.array([[0.0], [100.0]], np.float32)
    gallery = np.array([[1.0], [2.0], [3.0], [104.0], [105.0], [106.0]], np.float32)
    ids = np.array([1, 3, 4, 2, 5, 6])
    labels = {"query_ids": np.array([1, 2]), "gallery_ids": ids}
    found = verify(
        query, gallery, evaluate(query, gallery, **labels, protocol="course", metric="euclidean").judgement, "euclidean"
    )
    assert found is not None
    # The pairs between the groups are around 100 apart: ten others in all, of which 2 and 3 are nearer than 4.
    assert (found.matching, found.others) == (2, 10)
    assert found.area == pytest.approx((10 + 8) / 20)
    assert found.true_positive_at(0.1) == 0.5
    assert found.true_positive_at(0.2) == 1.0
    # Accepting up to 3 takes 2 of 10 others and loses 1 of 2 matching; from there TPR rises to 1 at the same FPR.
    assert found.equal_error_rate == pytest.approx(0.2)
    # One of the two strangers may be answered, whose nearest are at 2 and 5: 1 and 4 are below 5.
    assert found.detection_at(0.5) == 1.0
    assert set(found.summary()) == {*found.figures, "matching pairs", "other pairs"}


def test_where_all_of_the_gallery_is_junk_there_is_nothing_to_tell() -> None:
    query, gallery = np.eye(2, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32)
    judgement = evaluate(query, gallery, query_ids=[1, 2], gallery_ids=[-1, -1, -1], protocol="course").judgement
    assert verify(query, gallery, judgement) is None


def test_junk_that_is_ranked_last_is_never_accepted() -> None:
    query, gallery, labels = made(3)
    junk = np.random.default_rng(0).random(len(gallery)) < 0.3
    judgement = evaluate(query, gallery, **labels).judgement
    metric = JunkLast(metric_between("cosine", None, None), junk)
    found = verify(query, gallery, judgement, metric)
    between, same, counts = pairs(query, gallery, labels, "cosine")
    between = np.where(junk, 10 + between, between)  # behind all others, in their order
    assert found is not None
    assert found.area == pytest.approx(roc_auc_score(same[counts], -between[counts]))


def test_distances_that_do_not_fit_in_memory_are_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery, labels = made(5, 500, 700)
    judgement = evaluate(query, gallery, **labels).judgement
    kept = verify(query, gallery, judgement)
    monkeypatch.setattr("resight.retrieval.verification._HELD", 0)
    again = verify(query, gallery, judgement, threads=1)
    assert kept is not None
    assert again is not None
    assert kept.figures == again.figures
    np.testing.assert_array_equal(kept.false_positive, again.false_positive)
