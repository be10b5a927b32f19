"""Distances against SciPy's, and the attribute-weighted one against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from resight.errors import DataError
from resight.retrieval import (
    AttributeWeighted,
    JunkLast,
    distances,
    evaluate,
    evaluate_distances,
    metric_between,
    nearest,
)
from resight.retrieval.distance import the_metric

RNG = np.random.default_rng(0)
QUERY, GALLERY = RNG.normal(size=(70, 19)).astype(np.float32), RNG.normal(size=(133, 19)).astype(np.float32)
QUERY_ATTRIBUTES, GALLERY_ATTRIBUTES = (np.abs(RNG.normal(size=(count, 5))).astype(np.float32) for count in (70, 133))
WEIGHTED = AttributeWeighted(QUERY_ATTRIBUTES, GALLERY_ATTRIBUTES)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_equals_scipy(metric: str) -> None:
    np.testing.assert_allclose(distances(QUERY, GALLERY, metric), cdist(QUERY, GALLERY, metric), atol=2e-6, rtol=1e-5)


def test_euclidean_far_from_the_origin_keeps_its_digits() -> None:
    """|q|² + |g|² - 2qg as it stands loses everything here: the squares are 10⁸ times the distances."""
    found = distances(QUERY + 3000, GALLERY + 3000, "euclidean")
    wanted = cdist((QUERY + 3000).astype(np.float64), (GALLERY + 3000).astype(np.float64))
    np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_zero_features_are_at_distance_one() -> None:
    assert distances(np.zeros((1, 4)), np.ones((2, 4))).tolist() == [[1, 1]]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_copies_in_the_gallery_are_equally_far_wherever_they_stand(metric: str) -> None:
    # A BLAS takes columns in blocks and rounds the first and last of each in another way.
    places = RNG.integers(0, 40, 1_000)
    found = distances(QUERY, GALLERY[places], metric)
    firsts = [int(np.flatnonzero(places == place)[0]) for place in places]
    np.testing.assert_array_equal(found, found[:, firsts])


def test_attribute_weighted() -> None:
    near = QUERY_ATTRIBUTES, GALLERY_ATTRIBUTES
    wanted = cdist(QUERY, GALLERY) * (0.1 + cdist(*near))
    np.testing.assert_allclose(distances(QUERY, GALLERY, AttributeWeighted(*near)), wanted, rtol=1e-4)
    labels = {
        "query_ids": RNG.integers(1, 9, 70),
        "gallery_ids": RNG.integers(-1, 9, 133),
        "query_cameras": RNG.integers(1, 4, 70),
        "gallery_cameras": RNG.integers(1, 4, 133),
    }
    result = evaluate(QUERY, GALLERY, **labels, metric=AttributeWeighted(*near))
    assert result.metric == "attribute-weighted"
    expected = evaluate_distances(wanted, **labels)
    assert result.mean_average_precision == pytest.approx(expected.mean_average_precision, abs=1e-4)
    with pytest.raises(DataError, match="attributes of 3 queries"):
        distances(QUERY, GALLERY, AttributeWeighted(near[0][:3], near[1]))
    with pytest.raises(DataError, match="5 and 4 attributes"):
        distances(QUERY, GALLERY, AttributeWeighted(near[0], near[1][:, :4]))


def test_a_metric_is_made_by_name_for_a_query_and_a_gallery() -> None:
    wanted = cdist(QUERY, GALLERY) * (0.1 + cdist(QUERY_ATTRIBUTES, GALLERY_ATTRIBUTES))
    weighted = metric_between("attribute-weighted", QUERY_ATTRIBUTES, GALLERY_ATTRIBUTES)
    np.testing.assert_allclose(distances(QUERY, GALLERY, weighted), wanted, rtol=1e-4)
    for name in ("cosine", "euclidean"):
        found = distances(QUERY, GALLERY, metric_between(name, QUERY_ATTRIBUTES, None))
        np.testing.assert_allclose(found, cdist(QUERY, GALLERY, name), atol=2e-6, rtol=1e-5)


def test_attributes_that_are_weighed_must_be_known() -> None:
    with pytest.raises(DataError, match="the query's attributes are missing; embed its images with a run"):
        metric_between("attribute-weighted", None, GALLERY_ATTRIBUTES)
    with pytest.raises(DataError, match="the gallery's attributes are missing"):
        metric_between("attribute-weighted", QUERY_ATTRIBUTES, None)
    with pytest.raises(DataError, match="unknown metric 'manhattan'; known are cosine, euclidean"):
        metric_between("manhattan", None, None)


@pytest.mark.parametrize("name", ["cosine", "euclidean", "attribute-weighted"])
def test_the_nearest_are_those_of_the_whole_matrix(name: str) -> None:
    gallery, attributes = (np.concatenate([of, of[:40]]) for of in (GALLERY, GALLERY_ATTRIBUTES))  # ties
    metric = metric_between(name, QUERY_ATTRIBUTES, attributes)
    whole = distances(QUERY, gallery, metric)
    found, places = nearest(QUERY, gallery, 9, metric)
    np.testing.assert_array_equal(places, np.argsort(whole, axis=1, kind="stable")[:, :9])
    np.testing.assert_array_equal(found, np.take_along_axis(whole, places, axis=1))
    assert nearest(QUERY, gallery, 500, metric)[1].shape == (70, 173), "no more than there are"


@pytest.mark.parametrize("metric", ["cosine", "euclidean", WEIGHTED])
def test_junk_comes_last_and_counts_where_it_comes(metric) -> None:
    labels = {
        "query_ids": RNG.integers(1, 9, 70),
        "gallery_ids": RNG.integers(-1, 9, 133),
        "query_cameras": RNG.integers(1, 4, 70),
        "gallery_cameras": RNG.integers(1, 4, 133),
    }
    junk = RNG.random(133) < 0.3
    last = JunkLast(the_metric(metric), junk)
    matrix = distances(QUERY, GALLERY, metric)
    expected = evaluate_distances(np.where(junk, matrix + np.ptp(matrix) + 1, matrix), **labels)
    result = evaluate(QUERY, GALLERY, **labels, metric=last)
    np.testing.assert_allclose(result.average_precision, expected.average_precision)
    assert result.metric.endswith(", junk last")
    found = distances(QUERY, GALLERY, last)
    assert np.isinf(found[:, junk]).all()
    np.testing.assert_array_equal(found[:, ~junk], matrix[:, ~junk])
    with pytest.raises(DataError, match="133 marks of junk do not fit a gallery of 100"):
        distances(QUERY, GALLERY[:100], last)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (np.ones(4), r"shape \(4,\)"),
        (np.ones((0, 4)), "is empty"),
        (np.ones((2, 5)), "5 dimensions, gallery features 4"),
        (np.array([["a", "b", "c", "d"]]), "must be numbers"),
    ],
)
def test_wrong_features_are_named(query: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        distances(query, np.ones((3, 4)))
