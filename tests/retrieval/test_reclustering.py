"""Each query clustered anew with the gallery, against SciPy run from scratch for each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from resight.errors import DataError
from resight.retrieval.clusters import Hierarchical
from resight.retrieval.reclustering import companions, search_anew
from tests.support import brute

# As in test_clusters: two groups on a line.
LINE = np.array([[0, 0], [1, 0], [2, 0], [10, 0], [11, 0], [12, 0]], np.float32)
IDS = np.array([1, 1, 2, 1, 2, -1])


def test_a_query_between_two_groups_by_hand() -> None:
    queries, ids, own = np.array([[5.5, 0], [9, 0], [1, 0]], "f"), np.array([1, 2, 1]), np.array([-1, -1, 1])
    method = Hierarchical(threshold=4.6, linkage="average")
    # Average linkage: 5.5 is at 4.5 from 0, 1, 2 on average, at 5.5 from 10, 11, 12: it joins the first, below 4.6.
    # 9 joins 10; the third query is the gallery's second image, which is not there twice.
    found = companions(method, queries, LINE, metric="euclidean", own=own)
    assert [positions.tolist() for positions in found] == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]
    result = search_anew(method, queries, LINE, metric="euclidean", own=own, query_ids=ids, gallery_ids=IDS)
    # 5.5 sees 2, 1, 0: right at ranks 2 and 3 of three: (1/2 + 2/3) / 3. 9 sees 10, 11: (1/2) / 2. The third sees 0 and 2,
    # of which 0 is first and right; the other right one, at 10, is not found: 1 / 2.
    np.testing.assert_allclose(result.average_precision, [(1 / 2 + 2 / 3) / 3, 1 / 4, 1 / 2])
    assert result.metric == "euclidean, within clusters"


@pytest.mark.parametrize("way", ["ward", "average"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("cut", [{"clusters": 9}, {"threshold": 0.9}])
def test_every_query_equals_scipy_from_scratch(way: str, metric: str, cut: dict) -> None:
    rng = np.random.default_rng(3)
    gallery, queries = rng.normal(size=(70, 5)).astype("f"), rng.normal(size=(12, 5)).astype("f")
    names, ids, own = rng.integers(-1, 6, 70), rng.integers(1, 6, 12), np.full(12, -1)
    own[4], queries[4] = 33, gallery[33]
    ticks: list[int] = []
    given = {"metric": metric, "own": own, "progress": ticks.append}
    result = search_anew(Hierarchical(**cut, linkage=way), queries, gallery, query_ids=ids, gallery_ids=names, **given)
    assert ticks == [1] * 12
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    for number in range(12):
        rows = gallery if own[number] >= 0 else np.vstack((queries[number], gallery))
        if way == "ward":
            tree = linkage(pdist(unit(rows) if metric == "cosine" else rows), way)
        else:
            tree = linkage(pdist(rows, metric), way)
        how = ("maxclust", cut["clusters"]) if "clusters" in cut else ("distance", cut["threshold"])
        labels = fcluster(tree, how[1], how[0])
        mine = labels[own[number]] if own[number] >= 0 else labels[0]
        inside = np.flatnonzero(labels[-70:] == mine)
        counted = [g for g in inside if names[g] != -1 and g != own[number]]
        if metric == "cosine":
            near = 1 - unit(gallery) @ unit(queries[number : number + 1])[0]
        else:
            near = np.linalg.norm(gallery - queries[number], axis=1)
        counted.sort(key=lambda g: near[g])
        hits = [names[g] == ids[number] for g in counted]
        relevant = sum(names[g] == ids[number] for g in range(70) if g != own[number])
        # What the cluster does not hold comes after everything that is looked at.
        missed = relevant - sum(hits)
        expected = brute.measures(hits + [False] * 70 + [True] * missed, len(hits) + 70)[0]
        assert result.average_precision[number] == pytest.approx(expected, abs=1e-6)


def test_what_would_take_too_long_is_refused() -> None:
    own = np.full(6, -1)
    words = "6 queries among 6 images takes a hierarchy for each: 36 queries × images, over the limit of 35; give fewer"
    with pytest.raises(DataError, match=words):
        companions(Hierarchical(clusters=2), LINE, LINE, metric="euclidean", own=own, most=35)
    assert len(companions(Hierarchical(clusters=2), LINE, LINE, metric="euclidean", own=own, most=36)) == 6
    with pytest.raises(DataError, match="compares all pairs; leave out the neighbours"):
        companions(Hierarchical(clusters=2, neighbours=2), LINE, LINE, metric="euclidean", own=own)
    with pytest.raises(DataError, match="over the limit of 0"):
        companions(Hierarchical(clusters=2, memory=0), LINE, LINE, metric="euclidean", own=own)
