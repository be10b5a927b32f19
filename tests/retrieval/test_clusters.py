"""Clusters, their centroids, their scores, and searches that stay within them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist

from resight.errors import DataError
from resight.retrieval import evaluate
from resight.retrieval.clusters import (
    FIGURES,
    Clusters,
    Density,
    GaussianMixture,
    Hierarchical,
    LearnedCut,
    assign,
    carried,
    cluster,
    cluster_as_learned,
    has_company,
    hierarchy,
    learn_cut,
    majorities,
    score_clusters,
    search_within,
)
from resight.retrieval.scores import evaluate_clusters
from tests.support import brute

# Two groups on a line: 0, 1, 2 and 10, 11, 12; their means are 1 and 11.
LINE = np.array([[0, 0], [1, 0], [2, 0], [10, 0], [11, 0], [12, 0]], np.float32)
IDS = np.array([1, 1, 2, 1, 2, -1])


def blobs(
    groups: int = 6, each: int = 8, spread: float = 0.1, width: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(1, groups + 1), each)
    return (rng.normal(size=(groups, width))[ids - 1] + rng.normal(size=(len(ids), width)) * spread).astype("f"), ids


def test_two_groups_on_a_line_by_hand() -> None:
    found = cluster(LINE, Hierarchical(clusters=2, linkage="average"), "euclidean")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(found.centroids, [[1, 0], [11, 0]])
    # Average linkage: 0-1 at 1, with 2 at 1.5; the groups, all nine pairs averaged, at 10. Two clusters: cut between.
    np.testing.assert_allclose(found.hierarchy.heights, [1, 1, 1.5, 1.5, 10])
    assert found.threshold == pytest.approx(5.75)
    assert cluster(LINE, Hierarchical(1.2, linkage="average"), "euclidean").sizes.tolist() == [2, 2, 1, 1]
    assert cluster(LINE, Hierarchical(10, linkage="average"), "euclidean").sizes.tolist() == [6]
    assert len(cluster(LINE, Hierarchical(clusters=6), "euclidean").centroids) == 6


def test_clusters_are_numbered_by_size_then_by_first_image() -> None:
    points = np.array([[50], [0], [1], [20], [2], [21]], np.float32)
    assert cluster(points, Hierarchical(threshold=3), "euclidean").labels.tolist() == [2, 0, 0, 1, 0, 1]


def test_new_images_go_to_the_nearest_centroid() -> None:
    found = assign(np.array([[4, 0], [6.5, 0]], "f"), np.array([[1, 0], [11, 0]], "f"), "euclidean")
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.distances, [3, 4.5])
    np.testing.assert_allclose(found.margins, [1 - 3 / 7, 1 - 4.5 / 5.5], rtol=1e-6)
    # Kept labels: an image nearer to another cluster than to its own has a margin below 0, one in none has none.
    kept = assign(LINE[[2, 3]], np.array([[1, 0], [11, 0]], "f"), "euclidean", np.array([1, -1]))
    np.testing.assert_allclose(kept.distances, [9, 1])
    assert kept.margins[0] == pytest.approx(1 - 9 / 1)
    assert math.isnan(kept.margins[1])
    alone = assign(LINE, np.array([[1, 0]], "f"), "euclidean")
    assert alone.margins.tolist() == [1] * 6


def test_search_within_the_nearest_cluster_by_hand() -> None:
    found = cluster(LINE, Hierarchical(clusters=2), "euclidean")
    queries, ids = np.array([[0.4, 0], [9, 0], [6.5, 0], [0, 0]], "f"), np.array([1, 2, 1, 9])
    result = search_within(found, LINE, IDS, queries, ids)
    # 0.4 (person 1) sees 0, 1, 2: right at ranks 1 and 2, the image at 10 is lost: (1 + 1) / 3.
    # 9 (person 2) sees 10, 11, junk left out: right at rank 2 of two right ones: (1/2) / 2.
    # 6.5 is nearer to 11 than to 1, so it sees 10 first: 1 / 3. Nobody is person 9.
    np.testing.assert_allclose(result.average_precision, [2 / 3, 1 / 4, 1 / 3, np.nan])
    assert result.mean_average_precision == pytest.approx((2 / 3 + 1 / 4 + 1 / 3) / 3)
    assert result.first_rank.tolist() == [1, 2, 1, 0]
    # Each gallery image a query that does not find itself: 0 sees 1 then 2; 1 sees 0 (first of two at distance 1).
    own = search_within(found, LINE, IDS)
    np.testing.assert_allclose(own.average_precision, [1 / 2, 1 / 2, 0, 0, 0])
    assert own.mean_average_precision == pytest.approx(0.2)
    # Of five such queries three: the first, the middle one and the last.
    np.testing.assert_allclose(search_within(found, LINE, IDS, most=3).average_precision, [1 / 2, 0, 0])


def test_one_cluster_of_all_is_the_plain_evaluation() -> None:
    rng = np.random.default_rng(1)
    sides = rng.normal(size=(20, 6)).astype("f"), rng.normal(size=(60, 6)).astype("f")
    names = {"query_ids": rng.integers(1, 6, 20), "gallery_ids": rng.integers(-1, 6, 60)}
    whole = evaluate(*sides, **names, protocol="course")
    within = evaluate_clusters(*sides, **names, query_clusters=np.zeros(20, int), gallery_clusters=np.zeros(60, int))
    np.testing.assert_array_equal(within.average_precision, whole.average_precision)
    np.testing.assert_array_equal(within.cmc, whole.cmc)
    assert within.mean_inp == whole.mean_inp


@pytest.mark.parametrize("depth", [None, 10])
@pytest.mark.parametrize("seed", range(5))
def test_search_within_clusters_equals_a_loop(seed: int, depth: int | None) -> None:
    rng = np.random.default_rng(seed)
    # Twenty places for 120 images make ties; labels of -1 are images in no cluster.
    places = rng.normal(size=(20, 3)).astype("f")
    queries, gallery = places[rng.integers(0, 20, 15)], places[rng.integers(0, 20, 120)]
    ids, names = rng.integers(1, 5, 15), rng.integers(-1, 5, 120)
    of_query, of_gallery = rng.integers(-1, 3, 15), rng.integers(-1, 3, 120)
    result = evaluate_clusters(
        queries, gallery, query_ids=ids, gallery_ids=names, query_clusters=of_query, gallery_clusters=of_gallery,
        metric="euclidean", depth=depth,
    )  # fmt: skip
    for q in range(15):
        relevant = sum(name == ids[q] for name in names)
        seen = [g for g in range(120) if of_gallery[g] == of_query[q] >= 0 and names[g] != -1]
        seen.sort(key=lambda g: (float(((queries[q] - gallery[g]) ** 2).sum()), g))
        hits = [names[g] == ids[q] for g in seen]
        # What the cluster does not hold comes after everything that is looked at.
        looked = hits[: depth or 120]
        hits = [*looked, *[False] * 120, *[True] * (relevant - sum(looked))]
        assert result.average_precision[q] == pytest.approx(brute.measures(hits, 120 if depth is None else depth)[0])


def test_scores_by_hand() -> None:
    labels, ids = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([1, 1, 2, 2, 2, 3, -1])
    scores = score_clusters(labels, ids)
    assert (scores.clusters, scores.images, scores.identities) == (2, 6, 3)
    assert scores.purity == pytest.approx(4 / 6)
    # Pairs together in both: 2; in clusters: 3 + 3; in identities: 1 + 3 + 0; of 15. Expected 6·4/15, at most (6+4)/2.
    assert scores.adjusted_rand == pytest.approx((2 - 1.6) / (5 - 1.6))
    mutual = (2 * math.log(2) + math.log(2 / 3) + 2 * math.log(4 / 3) + math.log(2)) / 6
    entropy = math.log(3) / 3 + math.log(2) / 2 + math.log(6) / 6
    assert scores.normalised_mutual_information == pytest.approx(mutual / ((math.log(2) + entropy) / 2))
    assert majorities(labels, ids).tolist() == [1, 2]
    # Images in no cluster are each alone: two of one person are not said to be together.
    apart = score_clusters(np.array([-1, -1, 0, 0]), np.array([1, 1, 2, 2]))
    assert apart.adjusted_rand < 1
    assert apart.purity == 1
    with pytest.raises(DataError, match="no image has an identity"):
        score_clusters(labels, np.full(7, -2))


@pytest.mark.parametrize("way", ["ward", "average", "complete", "single"])
def test_hierarchies_are_scipys(way: str) -> None:
    points = np.random.default_rng(0).normal(size=(150, 5)).astype("f")
    ours = hierarchy(points, "euclidean", way)
    np.testing.assert_allclose(ours.heights, np.sort(linkage(pdist(points), way)[:, 2]), rtol=1e-3, atol=1e-3)
    if way != "ward":
        theirs = np.sort(linkage(pdist(points, "cosine"), way)[:, 2])
        np.testing.assert_allclose(hierarchy(points, "cosine", way).heights, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("way", ["ward", "average"])
def test_neighbours_of_everything_give_the_whole_hierarchy(way: str) -> None:
    points, _ = blobs()
    whole = hierarchy(points, "euclidean", way)
    np.testing.assert_allclose(hierarchy(points, "euclidean", way, neighbours=47).heights, whole.heights, rtol=1e-3)
    sparse = cluster(points, Hierarchical(clusters=6, linkage=way, neighbours=5), "euclidean")
    assert sparse.labels.tolist() == whole.cut(whole.threshold_for(6)).tolist()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    "method", [Hierarchical(clusters=6), GaussianMixture(6), Density(smallest=4)], ids=lambda m: type(m).__name__
)
def test_every_method_finds_groups_that_are_there(method, metric: str) -> None:
    points, ids = blobs()
    found = cluster(points, method, metric)
    assert score_clusters(found.labels, ids).adjusted_rand == 1
    placed = points / np.linalg.norm(points, axis=1, keepdims=True) if metric == "cosine" else points
    for number, centroid in enumerate(found.centroids):
        np.testing.assert_allclose(centroid, placed[found.labels == number].mean(0), rtol=1e-4, atol=1e-6)
    assert assign(points, found.centroids, metric).labels.tolist() == found.labels.tolist()


def test_density_leaves_strays_out() -> None:
    points, _ = blobs()
    found = cluster(np.vstack((points, np.full((1, 8), 30, "f"))), Density(smallest=4), "euclidean")
    assert found.labels[-1] == -1
    assert (found.labels[:-1] >= 0).all()
    assert len(found.centroids) == 6


@pytest.mark.parametrize("figure", FIGURES)
def test_a_learned_cut_is_the_best_of_all_cuts(figure: str) -> None:
    points, ids = blobs(groups=7, each=5, spread=0.55)
    tree = hierarchy(points, "euclidean", "average")
    learned = learn_cut(tree, points, ids, "euclidean", figure)

    def value(threshold: float) -> float:
        return FIGURES[figure](cluster(points, Hierarchical(threshold, linkage="average"), "euclidean"), points, ids)

    assert value(learned.threshold) == pytest.approx(learned.value)
    everything = [value(height) for height in tree.heights]
    assert learned.value == pytest.approx(max(everything))
    assert len(learned.tried) < len(everything) + 1
    assert [row[0] for row in learned.tried] == sorted(row[0] for row in learned.tried)
    assert min(everything) < learned.value


def test_a_learned_cut_parts_groups_of_new_points() -> None:
    points, ids = blobs(groups=20, each=6, spread=0.2)
    first = ids <= 10
    learned = learn_cut(hierarchy(points[first], "euclidean"), points[first], ids[first], "euclidean")
    found = cluster(points[~first], Hierarchical(learned.threshold), "euclidean")
    assert score_clusters(found.labels, ids[~first]).adjusted_rand > 0.9


@pytest.mark.parametrize(("people", "each"), [(8, 8), (120, 8), (40, 3), (40, 20)], ids=str)
def test_a_learned_cut_suits_sets_of_another_size(people: int, each: int) -> None:
    """Forty people with eight images each teach; on average within 10 % of the best cut of sets a fifth to thrice as large.

    Six drawings, of people who lie apart and of people who overlap. The height as it was learned does as well to 3 % where
    people have as many images as on the labelled set, and worse by 4 % where they have more or fewer.
    """
    scaled, plain = [], []
    for spread, seed in itertools.product((0.6, 0.9), range(3)):
        (points, ids), (others, names) = blobs(40, 8, spread, 16, seed), blobs(people, each, spread, 16, seed + 9)
        found, learned = cluster_as_learned(others, Hierarchical(), "euclidean", points, ids, "adjusted-rand")
        best = learn_cut(found.hierarchy, others, names, "euclidean", "adjusted-rand").value
        scaled.append(score_clusters(found.labels, names).adjusted_rand / best)
        plain.append(score_clusters(found.hierarchy.cut(learned.threshold), names).adjusted_rand / best)
    print(f"{people} people, {each} each: scaled {np.round(scaled, 2)}, as it was {np.round(plain, 2)}")
    assert np.mean(scaled) > 0.9
    assert np.mean(scaled) > np.mean(plain) + (0.04 if each != 8 else -0.03)


def test_a_learned_height_is_scaled_once_by_the_root_of_what_clusters_hold() -> None:
    tree = hierarchy(LINE, "euclidean")
    learned = LearnedCut(3.0, "mAP", 0.5, images=24, clusters=4, tried=[])
    # At 3 the six images are two clusters of three, the labelled ones have six each.
    assert carried(learned, tree, "ward") == pytest.approx(3 * math.sqrt(3 / 6))
    assert carried(learned, tree, "average") == 3
    whole = replace(learned, clusters=1)
    assert cluster(LINE, Hierarchical(carried(whole, tree, "ward")), "euclidean").sizes.tolist() == [6]


def test_a_sample_of_queries_holds_those_with_an_answer() -> None:
    points, ids = blobs(groups=3, each=4)
    lonely = np.vstack((points, np.random.default_rng(1).normal(size=(500, 8)).astype("f")))
    names = np.concatenate((ids, np.arange(10, 510)))
    found = cluster(lonely, Hierarchical(clusters=40), "euclidean")
    whole, some = search_within(found, lonely, names), search_within(found, lonely, names, most=12)
    assert whole.without_match == 500
    assert some.without_match == 0
    assert some.mean_average_precision == whole.mean_average_precision
    assert has_company(np.array([3, -1, 3, 0, 0, -1, 4])).tolist() == [True, False, True, False, False, False, False]


def test_bad_input_is_named() -> None:
    for method in (Hierarchical(clusters=7), GaussianMixture(7)):
        with pytest.raises(DataError, match="7 clusters of 6 images: ask for 1 to 6"):
            cluster(LINE, method)
    with pytest.raises(DataError, match="1 image cannot be clustered"):
        cluster(LINE[:1], Hierarchical(clusters=1))
    with pytest.raises(DataError, match="needs either a threshold or a number of clusters"):
        cluster(LINE, Hierarchical())
    with pytest.raises(DataError, match="unknown linkage 'centroid'"):
        cluster(LINE, Hierarchical(clusters=2, linkage="centroid"))
    with pytest.raises(DataError, match=r"of 6 images takes 0\.0 GiB, over the limit of 0"):
        cluster(LINE, Hierarchical(clusters=2, memory=0))
    with pytest.raises(DataError, match="6 neighbours among 6 images: give 1 to 5"):
        cluster(LINE, Hierarchical(clusters=2, neighbours=6))
    with pytest.raises(DataError, match="clusters of at least 7 images: give 2 to 6"):
        cluster(LINE, Density(smallest=7))
    with pytest.raises(DataError, match="no region of at least 3 images is denser"):
        cluster(np.eye(4, dtype="f"), Density(smallest=3), "euclidean")
    with pytest.raises(DataError, match="features have 2 dimensions, the clusters' centroids 3"):
        assign(LINE, np.ones((2, 3), "f"))
    tree = hierarchy(LINE, "euclidean")
    with pytest.raises(DataError, match="unknown figure 'purity'"):
        learn_cut(tree, LINE, IDS, figure="purity")
    with pytest.raises(DataError, match="no two images share an identity"):
        learn_cut(tree, LINE, np.array([1, 2, 3, 4, -1, -1]))


def test_all_images_equal_is_one_cluster() -> None:
    same = np.ones((5, 3), "f")
    assert cluster(same, Hierarchical(threshold=0.1), "euclidean").sizes.tolist() == [5]
    assert isinstance(cluster(same, Hierarchical(clusters=5)), Clusters)
