"""Pictures of one individual: combined, moved, and their answers compared. test_gallery.py searches by them."""

from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.gallery.individual import Individual, reordered, similarities, unit
from resight.retrieval import rerank

TWO = np.array([[1, 0], [0, 2]], np.float32)


def test_the_mean_is_of_directions_where_the_cosine_compares() -> None:
    np.testing.assert_allclose(Individual(TWO).combined("cosine").features, [[0.5**0.5, 0.5**0.5]], rtol=1e-6)
    np.testing.assert_allclose(Individual(TWO).combined("euclidean").features, [[0.5, 1]])
    beside = Individual(TWO, np.array([[1, 0], [0, 1]], np.float32)).combined("attribute-weighted")
    np.testing.assert_allclose(beside.attributes, [[0.5, 0.5]])
    np.testing.assert_allclose(Individual(TWO, combine="best").combined("cosine").features, [[1, 0], [0, 1]])


def test_a_vector_of_length_one_stays_as_it_is() -> None:
    made = unit(np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32))
    assert unit(made) is made
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-6)
    assert unit(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


def test_scores_are_those_of_the_best_picture() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    one, best = Individual(TWO[:1]), Individual(unit(TWO), combine="best")
    np.testing.assert_allclose(similarities(best, vectors, None, "cosine"), [1, 1, 0.8], rtol=1e-6)
    np.testing.assert_allclose(similarities(one, vectors, None, "euclidean"), [0, -(2**0.5), -(0.8**0.5)], rtol=1e-6)
    seen = np.array([[0.0], [0.5], [1.0]], np.float32)
    weighed = Individual(TWO[:1], np.zeros((1, 1), np.float32))
    wanted = [0, -(2**0.5) * 0.6, -(0.8**0.5) * 1.1]
    np.testing.assert_allclose(similarities(weighed, vectors, seen, "attribute-weighted"), wanted, rtol=1e-6)


def test_the_first_hundred_are_reordered_and_the_rest_follow() -> None:
    random = np.random.default_rng(3)
    query, vectors = (
        unit(random.normal(size=(1, 8)).astype(np.float32)),
        random.normal(size=(120, 8)).astype(np.float32),
    )
    order = reordered(Individual(query), unit(vectors))
    assert order[:100].tolist() == np.argsort(rerank(query, unit(vectors)[:100])[0], kind="stable").tolist()
    assert order[100:].tolist() == list(range(100, 120))


def test_what_makes_no_query_is_refused() -> None:
    for features, options in ((TWO[:0], {}), (TWO, {"expand": -1}), (TWO, {"combine": "worst"})):
        with pytest.raises(DataError):
            Individual(features, **options)
    assert Individual(TWO).towards(TWO[:0], "cosine").features is TWO
