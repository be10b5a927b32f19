"""Cluster embeddings and score the clusters, for `resight cluster`; centroids are kept, so that new images can be assigned.

```
clusters/
  clusters.json         how the clusters were made: method, metric, threshold, run
  centroids.safetensors the mean of each cluster, float32 [K, D]
  manifest.csv          the images with their cluster as identity, for `manifest:`
  assignments.csv       path, cluster, distance to the cluster's centroid, margin
```
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from resight.data.formats.manifest import write_manifest
from resight.errors import DataError, RunError
from resight.files import written_whole
from resight.records import UNLABELLED, Embeddings, ReidDataset
from resight.retrieval.clusters import (
    NOWHERE,
    Assigned,
    Clusters,
    ClusterScores,
    Hierarchical,
    LearnedCut,
    Method,
    assign,
    cluster,
    cluster_as_learned,
    has_company,
    score_clusters,
    search_within,
)
from resight.retrieval.scores import Evaluation
from resight.tasks.answers import own_positions, require_answers

__all__ = ["Centroids", "Result", "evaluate", "write_assignments"]

FORMAT = 1


@dataclass(frozen=True)
class Result:
    """Clusters of images, and their scores where images have identities."""

    embeddings: Embeddings
    clusters: Clusters
    assigned: Assigned
    """For each image its cluster, the distance to that cluster's centroid, and the margin."""
    scores: ClusterScores | None
    """Scores of the clusters against the identities; None where no image has one, as in the next two."""
    by_chance: ClusterScores | None
    """The scores of clusters of the same sizes, filled at random."""
    search: Evaluation | None
    """The evaluation of a search in which a query retrieves the cluster of the nearest centroid; course protocol. None
    also where each image is a query and no two of them share an identity, so that none has a right answer."""
    learned: LearnedCut | None = None
    """The cut that was learned on labelled images, where it was."""
    failed: Sequence[str] = ()
    """A line for each image that could not be read and is in no cluster."""

    def summary(self) -> dict[str, float | int | None]:
        """The numbers of images and clusters and the scores in [0, 1] as plain values; None where no identity is known."""
        scores, search = self.scores, self.search
        return {
            "images": len(self.embeddings),
            "clusters": len(self.clusters.centroids),
            "purity": scores.purity if scores else None,
            "adjusted Rand": scores.adjusted_rand if scores else None,
            "NMI": scores.normalised_mutual_information if scores else None,
            "mAP": search.mean_average_precision if search else None,
            "rank-1": float(search.cmc[0]) if search else None,
        }


def evaluate(
    embeddings: Embeddings,
    method: Method,
    metric: str,
    *,
    queries: Embeddings | None = None,
    learn_on: Embeddings | None = None,
    figure: str = "mAP",
    failed: Sequence[str] = (),
) -> Result:
    """Cluster embeddings by a method of METHODS, and score the clusters where images have identities.

    >>> evaluate(embed(model, records).embeddings, Hierarchical(clusters=750), "cosine").scores.purity

    With labelled embeddings `learn_on`, the hierarchy is cut at the height that gives these the highest `figure`. The
    queries of the search are `queries`, or each image in turn where none are given. `failed` has a line for each image
    that could not be embedded. Raises DataError as the method does, and for `learn_on` with a method that is not
    Hierarchical, and when no query has a right answer.
    """
    learned = None
    if learn_on is not None:
        if not isinstance(method, Hierarchical):
            raise DataError("only a hierarchy has a cut to learn; choose method hierarchical, or learn nothing")
        labelled = (learn_on.features, learn_on.identities)
        found, learned = cluster_as_learned(embeddings.features, method, metric, *labelled, figure)
    else:
        found = cluster(embeddings.features, method, metric)
    assigned = assign(embeddings.features, found.centroids, metric, found.labels)
    ids = embeddings.identities
    if not (ids > 0).any():
        return Result(embeddings, found, assigned, None, None, None, learned, failed)
    shuffled = np.random.default_rng(0).permutation(found.labels)
    return Result(
        embeddings,
        found,
        assigned,
        scores=score_clusters(found.labels, ids),
        by_chance=score_clusters(shuffled, ids),
        search=_search(found, embeddings, queries),
        learned=learned,
        failed=failed,
    )


def _search(found: Clusters, gallery: Embeddings, queries: Embeddings | None) -> Evaluation | None:
    """The search of each image's own, or of queries, whose own files are left out; None where no search can be judged."""
    if queries is None:
        if not has_company(gallery.identities).any():
            return None
        return search_within(found, gallery.features, gallery.identities)
    own = own_positions(queries.records, gallery.records)
    asking = (queries.features, queries.identities)
    search = search_within(found, gallery.features, gallery.identities, *asking, own=own)
    require_answers(search, queries.records, gallery.records)
    return search


@dataclass(frozen=True, eq=False)
class Centroids:
    """The centroids of clusters, kept on disk so that new images can be assigned without clustering again."""

    features: NDArray[np.float32]
    """[K, D]: the mean of each cluster."""
    metric: str
    facts: Mapping[str, object]
    """How the clusters were made, as plain values."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write centroids.safetensors and clusters.json into a folder."""
        folder = Path(folder)
        with written_whole(folder / "centroids.safetensors") as partial:
            partial.write_bytes(safetensors.numpy.save({"centroids": self.features}))
        facts = {"format": FORMAT, "metric": self.metric, **self.facts}
        with written_whole(folder / "clusters.json") as partial:
            partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. Raises RunError for a folder without clusters, or with damaged files."""
        folder = Path(folder)
        try:
            facts = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))
            features = safetensors.numpy.load_file(folder / "centroids.safetensors")["centroids"]
            version, metric = facts.pop("format"), str(facts.pop("metric"))
        except FileNotFoundError as error:
            raise RunError(
                f"{folder} holds no clusters ({Path(error.filename or '').name} is missing); "
                "make them with `resight cluster RUN IMAGES --out DIR`"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, OSError, safetensors.SafetensorError) as error:
            raise RunError(f"{folder} is damaged ({str(error).splitlines()[0]}); make its clusters anew") from None
        if version != FORMAT:
            raise RunError(f"{folder} has clusters of format {version}, this resight reads {FORMAT}; make them anew")
        return cls(features, metric, facts)

    def assign(self, embeddings: Embeddings) -> Assigned:
        """Assign each image to the cluster of the nearest centroid. Raises DataError for features of another width."""
        return assign(embeddings.features, self.features, self.metric)


def write_assignments(folder: str | os.PathLike[str], embeddings: Embeddings, assigned: Assigned) -> None:
    """Write manifest.csv, in which an image's cluster (from 1) is its identity, and assignments.csv.

    In the manifest, images of a cluster are the training split; images in no cluster are the gallery, without identities.
    """
    folder = Path(folder)
    numbers = np.where(assigned.labels == NOWHERE, UNLABELLED, assigned.labels + 1).tolist()
    named = [replace(record, identity=number) for record, number in zip(embeddings.records, numbers, strict=True)]
    inside = [record for record in named if record.identity > 0]
    outside = [record for record in named if record.identity == UNLABELLED]
    write_manifest(folder / "manifest.csv", ReidDataset(folder.name, train=inside, gallery=outside))
    rows = zip(named, assigned.distances.tolist(), assigned.margins.tolist(), strict=True)
    with (
        written_whole(folder / "assignments.csv") as partial,
        open(partial, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "cluster", "distance", "margin"))
        for record, distance, margin in rows:
            cluster_name = record.identity if record.identity > 0 else ""
            sure = "" if math.isnan(margin) else f"{margin:.6f}"
            writer.writerow((os.path.abspath(record.path), cluster_name, f"{distance:.6g}", sure))
