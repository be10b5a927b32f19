"""A search by clusters: whose cut it takes, and how it says so."""

from __future__ import annotations

import numpy as np
import pytest

from resight.records import Embeddings
from resight.tasks.clusters.search import ClusterSearch

APART = np.array([-1, -1, -1, -1, -1])


def asked(embedded: Embeddings, by: ClusterSearch, labelled: Embeddings | None = None, **more: object):
    """The first five images, moved a little, search all others."""
    query, gallery = Embeddings(embedded.features[:5] + 0.01, embedded.records[:5]), embedded.select(slice(5, None))
    rules = {"query_ids": query.identities, "gallery_ids": gallery.identities, "protocol": "course"}
    return by(query, gallery, labelled, "euclidean", own=APART, **rules, **more)


def test_the_cut_is_the_one_given_or_else_the_one_learned(embedded: Embeddings) -> None:
    assert ClusterSearch().learns
    assert not ClusterSearch(clusters=6).learns
    given = asked(embedded, ClusterSearch(clusters=6))
    assert "26 gallery images lie in 6 clusters of 1 to 5 images, cut at" in given.told
    assert "training images" not in given.told
    assert given.learned is None
    learned = asked(embedded, ClusterSearch(figure="adjusted-rand"), embedded.select(slice(0, 30)))
    assert learned.learned is not None
    assert len(learned.clusters.centroids) == 6, "five people and the stray"
    assert (
        ", as was best for the adjusted-rand of 30 training images (6 clusters, 100.0 %); a query retrieves"
        in learned.told
    )


def test_one_cluster_is_said_to_be_the_search_by_distance(embedded: Embeddings) -> None:
    told = asked(embedded, ClusterSearch(clusters=1)).told
    assert "26 gallery images lie in one cluster, cut at" in told
    assert told.endswith("With one cluster this is the search by distance.")
    assert "by distance" not in asked(embedded, ClusterSearch(clusters=2)).told


def test_each_query_clustered_anew_takes_the_same_cut(embedded: Embeddings) -> None:
    ticks: list[int] = []
    anew = asked(embedded, ClusterSearch(threshold=1.5, anew=True), progress=ticks.append)
    assert ticks == [1] * 5
    assert anew.clusters.threshold == 1.5
    assert "a query is clustered anew with them and retrieves its cluster" in anew.told
    # Nobody of the gallery is the first person: no query has a right answer.
    assert np.isnan(anew.evaluation.average_precision).all()


@pytest.mark.parametrize("anew", [False, True])
def test_people_who_lie_apart_are_found_whole(embedded: Embeddings, anew: bool) -> None:
    query = embedded.select(slice(10, 15))
    rules = {"query_ids": query.identities, "gallery_ids": embedded.identities, "own": np.arange(10, 15)}
    found = ClusterSearch(clusters=7, anew=anew)(query, embedded, None, "euclidean", **rules)
    assert found.evaluation.mean_average_precision == 1
