from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.retrieval.association import associate, out_of_reach, threshold_between, together


def greedy(distances: np.ndarray, apart: np.ndarray, threshold: float, linkage: str) -> list[set[int]]:
    """Merge the nearest pair of clusters that do not exclude each other, until none is within the threshold."""
    clusters = [{place} for place in range(len(distances))]
    while True:
        best = None
        for one in range(len(clusters)):
            for other in range(one):
                block = np.ix_(sorted(clusters[one]), sorted(clusters[other]))
                if not apart[block].any():
                    values = distances[block]
                    height = values.mean() if linkage == "average" else values.max()
                    if height <= threshold and (best is None or height < best[0]):
                        best = (height, one, other)
        if best is None:
            return clusters
        clusters[best[2]] |= clusters.pop(best[1])


def groups(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


@pytest.mark.parametrize("linkage", ["average", "complete"])
@pytest.mark.parametrize("seed", range(8))
def test_equal_to_merging_the_nearest_that_may_be_merged(seed: int, linkage: str) -> None:
    random = np.random.default_rng(seed)
    features = random.normal(size=(24, 4)).astype(np.float32)
    apart = random.random((24, 24)) < 0.3
    apart = np.triu(apart, 1) | np.triu(apart, 1).T
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = 1 - unit.astype(np.float64) @ unit.T
    for threshold in (0.0, 0.3, 0.7, 2.0):
        labels = associate(features, apart, threshold, linkage=linkage)
        assert groups(labels) == set(map(frozenset, greedy(distances, apart, threshold, linkage)))
        assert not (apart & (labels[:, None] == labels)).any()
        counts = np.bincount(labels)
        assert (np.diff(counts) <= 0).all(), "the largest first"


def test_twins_seen_at_one_time_stay_two_whatever_the_threshold() -> None:
    features = np.ones((4, 3), np.float32)
    cameras, starts, ends = [1, 1, 2, 2], [0, 5, 100, 200], [9, 14, 109, 209]
    labels = associate(features, together(cameras, starts, ends), threshold=100)
    assert labels[0] != labels[1]
    assert len(set(labels.tolist())) == 2
    assert associate(features[:1], np.zeros((1, 1), bool), 0.5).tolist() == [0]


def test_together_is_one_camera_at_one_time() -> None:
    cameras, starts, ends = [1, 1, 1, 2, -1, -1], [0, 10, 11, 0, 0, 0], [10, 20, 30, 30, 30, 30]
    expected = np.zeros((6, 6), bool)
    expected[0, 1] = expected[1, 0] = True  # both at 10
    expected[1, 2] = expected[2, 1] = True
    np.testing.assert_array_equal(together(cameras, starts, ends), expected)


def test_out_of_reach_by_hand() -> None:
    """A way of 10 to 40 between cameras 1 and 2; cameras 1 and 3 overlap by 5 at most."""
    cameras, starts, ends = [1, 2, 2, 2, 3, 3], [0, 29, 31, 70, 16, 14], [20, 35, 40, 80, 30, 30]
    travel = {(1, 2): (10.0, 40.0), (3, 1): (-5.0, float("inf"))}
    found = out_of_reach(cameras, starts, ends, travel)
    np.testing.assert_array_equal(found, found.T)
    # Camera 2 after 9, 11 and 50; camera 3 after -4 and -6.
    assert found[0].tolist() == [False, True, False, True, False, True]
    assert not found[1:, 1:].any(), "nothing is said of cameras 2 and 3"
    assert out_of_reach([2, 1], [0, 25], [20, 30], travel)[0, 1], "5 on the way back"
    assert not out_of_reach([2, 1], [0, 30], [20, 40], travel)[0, 1]
    assert not out_of_reach(cameras, starts, ends, {}).any()


def test_a_threshold_from_those_who_are_seen_together() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 8)).astype(np.float32)
    apart = together([1] * 60, [0] * 60, [1] * 60)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = (1 - unit.astype(np.float64) @ unit.T)[np.triu_indices(60, 1)]
    threshold = threshold_between(features, apart, share=0.1)
    assert np.mean(distances <= threshold) == pytest.approx(0.1, abs=0.002)
    with pytest.raises(DataError, match="1 pairs of tracklets are seen at one time by one camera, too few"):
        threshold_between(features[:2], apart[:2, :2])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="linkage 'single': tracklets are associated with average or complete"):
        associate(np.eye(3), np.zeros((3, 3), bool), 0.5, linkage="single")
    with pytest.raises(DataError, match="threshold -1: a distance is expected"):
        associate(np.eye(3), np.zeros((3, 3), bool), -1)
    with pytest.raises(DataError, match="a tracklet ends before it starts"):
        together([1, 1], [5, 0], [4, 1])
