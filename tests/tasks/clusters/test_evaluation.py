"""Clusters of embeddings: figures, files, and new images that find their cluster."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resight.data.formats import read_dataset
from resight.errors import DataError, RunError
from resight.records import UNLABELLED, Embeddings, Record
from resight.retrieval.clusters import Density, GaussianMixture, Hierarchical, search_within
from resight.tasks.clusters.evaluation import Centroids, Result, evaluate, write_assignments
from resight.tasks.clusters.report import tables


def test_labels_give_figures_beside_those_by_chance(embedded: Embeddings, made: Result) -> None:
    assert made.scores is not None
    assert made.by_chance is not None
    assert made.search is not None
    assert (made.scores.purity, made.scores.adjusted_rand, made.scores.images) == (1, 1, 30)
    assert made.by_chance.adjusted_rand < 0.3
    assert made.search.mean_average_precision == 1
    bare = Embeddings(embedded.features, [Record(record.path) for record in embedded.records])
    unlabelled = evaluate(bare, Hierarchical(clusters=7), "euclidean")
    assert unlabelled.scores is None
    assert unlabelled.search is None
    assert unlabelled.clusters.labels.tolist() == made.clusters.labels.tolist()
    first = Embeddings(embedded.features[:5] + 0.01, embedded.records[:5])
    asked = evaluate(embedded, Hierarchical(clusters=7), "euclidean", queries=first)
    assert asked.search is not None
    assert len(asked.search.average_precision) == 5


def test_nobody_twice_means_no_search_and_no_silent_nan(embedded: Embeddings) -> None:
    alone = [replace(record, identity=number + 1) for number, record in enumerate(embedded.records)]
    made = evaluate(Embeddings(embedded.features, alone), Hierarchical(clusters=7), "euclidean")
    assert made.search is None
    assert made.summary()["mAP"] is None
    assert made.scores is not None
    (table,) = tables(made)
    assert table.rows[0][-2:] == ["–", "–"]
    assert "No two images share an identity, so no search has a right answer" in table.note


def test_a_cut_is_learned_on_labelled_images(embedded: Embeddings, made: Result) -> None:
    labelled = Embeddings(embedded.features[:20], embedded.records[:20])
    learned = evaluate(embedded, Hierarchical(), "euclidean", learn_on=labelled)
    assert learned.learned is not None
    assert learned.scores is not None
    assert learned.clusters.threshold == pytest.approx(learned.learned.threshold, rel=0.1)
    assert learned.scores.adjusted_rand == 1
    # The value is that of the search on the very images learned from.
    alone = evaluate(labelled, Hierarchical(learned.learned.threshold), "euclidean")
    assert learned.learned.value == search_within(
        alone.clusters, labelled.features, labelled.identities
    ).mean_average_precision  # fmt: skip
    with pytest.raises(DataError, match="only a hierarchy has a cut to learn"):
        evaluate(embedded, GaussianMixture(6), "euclidean", learn_on=labelled)


def test_clusters_read_back_as_a_manifest_with_the_cluster_as_identity(embedded: Embeddings, tmp_path: Path) -> None:
    made = evaluate(embedded, Density(smallest=4), "euclidean")
    write_assignments(tmp_path, embedded, made.assigned)
    dataset = read_dataset(f"manifest:{tmp_path / 'manifest.csv'}")
    assert [record.identity for record in dataset.train] == (made.clusters.labels[:30] + 1).tolist()
    assert [record.path for record in dataset.train] == [record.path for record in embedded.records[:30]]
    assert dataset.train[3].camera == embedded.records[3].camera
    assert dataset.train[3].attributes == {"hat": "no"}
    assert [record.identity for record in dataset.gallery] == [UNLABELLED], "the stray is in no cluster"
    with open(tmp_path / "assignments.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    own = made.clusters.centroids[made.clusters.labels[3]]
    assert float(rows[3]["distance"]) == pytest.approx(np.linalg.norm(embedded.features[3] - own), rel=1e-4)
    assert (rows[30]["cluster"], rows[30]["margin"]) == ("", "")
    assert {row["cluster"] for row in rows[:5]} == {str(made.clusters.labels[0] + 1)}


def test_new_images_find_their_cluster_without_clustering_anew(
    embedded: Embeddings, made: Result, tmp_path: Path
) -> None:
    Centroids(made.clusters.centroids, "euclidean", {"method": "hierarchical"}).save(tmp_path)
    kept = Centroids.open(tmp_path)
    assert kept.facts == {"method": "hierarchical"}
    new = Embeddings(embedded.features[:30] + np.float32(0.02), embedded.records[:30])
    assert kept.assign(new).labels.tolist() == made.clusters.labels[:30].tolist()
    with pytest.raises(DataError, match="features have 15 dimensions, the clusters' centroids 16"):
        kept.assign(Embeddings(embedded.features[:, :15], embedded.records))
    with pytest.raises(RunError, match=r"holds no clusters \(clusters.json is missing\).*resight cluster"):
        Centroids.open(tmp_path / "elsewhere")
    (tmp_path / "centroids.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match="is damaged"):
        Centroids.open(tmp_path)
    (tmp_path / "clusters.json").write_text('{"format": 9, "metric": "cosine"}')
    Centroids(made.clusters.centroids, "euclidean", {}).save(tmp_path)
    (tmp_path / "clusters.json").write_text('{"format": 9, "metric": "cosine"}')
    with pytest.raises(RunError, match="format 9, this resight reads 1"):
        Centroids.open(tmp_path)
