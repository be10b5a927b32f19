"""Evaluating a model on a dataset: whose protocol counts, what stands beside the model, which images are missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from resight.data.splits import held_out
from resight.errors import DataError, RunError
from resight.recognizer import Recognizer
from resight.records import UNLABELLED, Embeddings, Record, ReidDataset, Relevance
from resight.retrieval import KReciprocal, expand
from resight.retrieval import evaluate as evaluate_features
from resight.run import build_model
from resight.tasks.clusters.search import ClusterSearch
from resight.tasks.reid.evaluation import count_images, evaluate, evaluate_embeddings, searchable
from tests.support.images import corrupt
from tests.support.search import Search


@pytest.fixture
def model(tiny) -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(build_model(tiny(), classes=6), tiny(), device="cpu")


def test_protocol_asked_for_before_the_recipes_before_the_datasets_own(
    model: Recognizer, crowd: ReidDataset, tiny
) -> None:
    course = Recognizer(model.model, tiny("retrieval.protocol=course"), device="cpu")
    dataset = replace(crowd, protocol="veri776")
    assert evaluate(model, dataset).result.protocol == "veri776"
    assert evaluate(course, dataset).result.protocol == "course"
    assert evaluate(course, dataset, protocol="market1501").result.protocol == "market1501"


def test_the_figures_are_those_of_the_models_embeddings(model: Recognizer, crowd: ReidDataset) -> None:
    found = evaluate(model, crowd, average_precision="trapezoid")
    sides = {side: list(getattr(crowd, side)) for side in ("query", "gallery")}
    labels = {f"{side}_ids": [record.identity for record in records] for side, records in sides.items()}
    labels |= {f"{side}_cameras": [record.camera for record in records] for side, records in sides.items()}
    query, gallery = (model.embed([record.path for record in records]) for records in sides.values())
    alone = evaluate_features(query, gallery, **labels, average_precision="trapezoid")
    assert found.result.mean_average_precision == pytest.approx(alone.mean_average_precision)
    assert found.summary()["model"]["average precision"] == "trapezoid"
    assert found.failed == []
    assert count_images(model, crowd) == len(query) + len(gallery)


def test_what_is_asked_for_stands_beside_the_model(model: Recognizer, crowd: ReidDataset) -> None:
    found = evaluate(model, crowd, rerank=KReciprocal(5, 2, 0.3), baselines=True)
    assert list(found.results) == ["model", "model, re-ranked", "chance", "colour histogram"]
    assert found.summary()["model, re-ranked"]["reranked"]
    assert not found.summary()["model"]["reranked"]
    # Everybody of the crowd has a colour: it is all that is needed.
    assert found.results["colour histogram"].mean_average_precision > found.results["chance"].mean_average_precision


def test_expansion_stands_beside_the_model_and_looks_at_no_label(model: Recognizer, crowd: ReidDataset) -> None:
    found = evaluate(model, crowd, expand=2)
    assert list(found.results) == ["model", "model, expanded by 2"]
    moved = expand(found.query.features, found.gallery.features, 2)
    labels = {
        "query_ids": found.query.identities,
        "gallery_ids": found.gallery.identities,
        "query_cameras": found.query.cameras,
        "gallery_cameras": found.gallery.cameras,
    }
    alone = evaluate_features(moved, found.gallery.features, **labels)
    assert found.results["model, expanded by 2"].mean_average_precision == alone.mean_average_precision
    junk = [replace(record, identity=-1) for record in crowd.gallery[::2]]
    others = evaluate(model, replace(crowd, gallery=[*junk, *crowd.gallery[1::2]]), expand=2)
    kept = np.flatnonzero(others.gallery.identities > 0)
    moved = expand(others.query.features, others.gallery.features[kept], 2)
    alone = evaluate_features(
        moved,
        others.gallery.features[kept],
        query_ids=others.query.identities,
        gallery_ids=others.gallery.identities[kept],
        query_cameras=others.query.cameras,
        gallery_cameras=others.gallery.cameras[kept],
    )
    figures = others.results["model, expanded by 2"]
    assert figures.mean_average_precision == pytest.approx(alone.mean_average_precision), "junk is no neighbour"


def test_thresholds_and_cameras_are_of_the_evaluations_pairs(model: Recognizer, crowd: ReidDataset) -> None:
    found = evaluate(model, crowd)
    told = found.summary()["model"]
    distances = found.distances(np.arange(len(found.query)))
    same = found.query.identities[:, None] == found.gallery.identities
    counted = ~(same & (found.query.cameras[:, None] == found.gallery.cameras))
    assert told["verification"]["ROC-AUC"] == pytest.approx(roc_auc_score(same[counted], -distances[counted]), abs=1e-3)
    assert {(line["query camera"], line["gallery camera"]) for line in told["camera pairs"]} == {(1, 2), (2, 1)}
    one = replace(
        crowd, **{side: [replace(r, camera=1) for r in getattr(crowd, side)] for side in ("query", "gallery")}
    )
    assert evaluate(model, one, protocol="course").camera_pairs is None


def test_unreadable_images_are_named_and_missing_from_their_side(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    bad, worse = (Record(corrupt(tmp_path / name), 7, 1) for name in ("bad.jpg", "worse.jpg"))
    found = evaluate(model, replace(crowd, query=[bad, *crowd.query], gallery=[*crowd.gallery, worse]))
    assert [line.partition(":")[0] for line in found.failed] == [bad.path, worse.path]
    assert found.query.records == list(crowd.query)
    assert found.gallery.records == list(crowd.gallery)
    with pytest.raises(DataError, match="no query or no gallery image could be read"):
        evaluate(model, replace(crowd, query=[bad]))


def test_a_datasets_own_lists_find_their_images_when_some_are_missing() -> None:
    """Of query 0, g0 and g2 are right and g1 is left out; g0 and query 1 could not be read."""
    query = [Record("q0.jpg", 1), Record("q1.jpg", 2)]
    gallery = [Record(f"g{number}.jpg", 5) for number in range(4)]
    answers = Relevance([np.array([0, 2]), np.array([3])], [np.array([1]), np.array([], np.int64)])
    dataset = ReidDataset("lists", query=query, gallery=gallery, relevance=answers)
    asked = Embeddings(np.array([[0, 0]], np.float32), query[:1])
    shown = Embeddings(np.array([[1, 0], [3, 0], [2, 0]], np.float32), gallery[1:])
    found = evaluate_embeddings(asked, shown, dataset, metric="euclidean")
    # Nearest first: g1 is left out, g3 is wrong, g2 is right.
    assert found.mean_average_precision == 1 / 2
    assert found.protocol == "lists"


def test_junk_that_the_model_called_so_is_infinitely_far(search: Search) -> None:
    plain = search.result.distances(np.array([0]))
    called = replace(search.result, junk=np.array([True, False, False, False, False, False]))
    np.testing.assert_allclose(plain, [[0.1, 0.2, 0.3, 1, 1.2, 5]], atol=1e-5)
    assert called.distances(np.array([0]))[0, 0] == np.inf
    np.testing.assert_array_equal(called.distances(np.array([0]))[0, 1:], plain[0, 1:])


def test_what_cannot_be_evaluated_says_what_to_do(model: Recognizer, crowd: ReidDataset) -> None:
    with pytest.raises(DataError, match="crowd has no query and gallery to evaluate on; .*resight data split"):
        searchable(replace(crowd, query=[]))
    nameless = [replace(record, identity=UNLABELLED) for record in crowd.query]
    with pytest.raises(DataError, match="its queries have no identities, so nothing can be evaluated"):
        count_images(model, replace(crowd, query=nameless))
    with pytest.raises(RunError, match="is for runs that weigh attributes and know junk"):
        evaluate(model, crowd, drop_junk=True)


def test_a_dataset_without_right_answers_is_refused(model: Recognizer, crowd: ReidDataset) -> None:
    strangers = [replace(record, identity=record.identity + 1000) for record in crowd.query]
    with pytest.raises(DataError, match="queries has a right answer in the gallery: no image there has the identity"):
        evaluate(model, replace(crowd, query=strangers))


def test_a_search_by_clusters_counts_all_right_answers(model: Recognizer, crowd: ReidDataset) -> None:
    """The cut is learned on the training images without those held out; all else is a loop over queries and clusters."""
    recipe = model.recipe.model_copy(deep=True)
    recipe.validation.ratio = 0.34
    some = Recognizer(model.model, recipe, device="cpu")
    ticks: list[int] = []
    by = ClusterSearch(linkage="average", figure="nmi")
    found = evaluate(some, crowd, by=by, protocol="course", progress=ticks.append)
    assert found.searched is not None
    assert found.searched.learned is not None
    fitted, _ = held_out(list(crowd.train), 0.34, some.recipe.seed)
    assert found.searched.learned.images == len(fitted) < len(crowd.train)
    assert sum(ticks) == count_images(some, crowd, by=by) == len(fitted) + len(crowd.query) + len(crowd.gallery)
    query, gallery = (some.embed([record.path for record in side]) for side in (crowd.query, crowd.gallery))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (query, gallery)]
    labels = found.searched.clusters.labels
    centroids = [unit[1][labels == number].mean(0) for number in range(labels.max() + 1)]
    precisions = []
    for feature, record in zip(unit[0], crowd.query, strict=True):
        near = max(
            range(len(centroids)), key=lambda number: feature @ centroids[number] / np.linalg.norm(centroids[number])
        )
        seen = sorted(np.flatnonzero(labels == near), key=lambda place: -(feature @ unit[1][place]))
        right = [crowd.gallery[place].identity == record.identity for place in seen]
        hits = np.flatnonzero(right)
        relevant = sum(other.identity == record.identity for other in crowd.gallery)
        precisions.append(((np.arange(len(hits)) + 1) / (hits + 1)).sum() / relevant)
    assert found.results["by clusters"].mean_average_precision == pytest.approx(np.mean(precisions), abs=1e-6)
    assert list(found.results) == ["model", "by clusters"]
    assert "right answers in other clusters count as not found" in found.searched.told.lower()


def test_clusters_anew_find_the_same_where_groups_lie_apart(model: Recognizer, crowd: ReidDataset) -> None:
    ticks: list[int] = []
    by = ClusterSearch(clusters=2, anew=True)
    anew = evaluate(model, crowd, by=by, progress=ticks.append)
    assert sum(ticks) == count_images(model, crowd, by=by) == 2 * len(crowd.query) + len(crowd.gallery)
    assert anew.searched is not None
    assert "is clustered anew with them" in anew.searched.told
    plain = evaluate(model, crowd, by=ClusterSearch(clusters=2))
    assert anew.results["by clusters"].mean_average_precision == plain.results["by clusters"].mean_average_precision


def test_a_cut_cannot_be_learned_of_nobody(model: Recognizer, crowd: ReidDataset) -> None:
    with pytest.raises(DataError, match=r"no training image has an identity, .*; give --clusters N or --threshold T"):
        count_images(model, replace(crowd, train=[]), by=ClusterSearch())
    assert evaluate(model, replace(crowd, train=[]), by=ClusterSearch(clusters=2)).searched is not None
