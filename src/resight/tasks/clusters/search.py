"""A search by clusters: the gallery is clustered, and a query retrieves one cluster; for `resight evaluate --by clusters`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resight.recognizer import Recognizer
from resight.records import Embeddings
from resight.retrieval import Evaluation
from resight.retrieval.clusters import (
    MEMORY,
    Clusters,
    Hierarchical,
    LearnedCut,
    cluster,
    cluster_as_learned,
    search_within,
)
from resight.retrieval.reclustering import MOST, search_anew
from resight.words import counted

__all__ = ["ClusterSearch", "Searched", "metric_of"]


@dataclass(frozen=True)
class Searched:
    """A search by clusters, and the clusters of the gallery."""

    evaluation: Evaluation
    clusters: Clusters
    learned: LearnedCut | None
    """The cut that was learned on labelled images, where it was."""
    anew: bool

    @property
    def told(self) -> str:
        """How it was made, in a sentence or two."""
        found, learned = self.clusters, self.learned
        number, sizes = len(found.centroids), f"{found.sizes[-1]} to {found.sizes[0]} images"
        lie = "one cluster" if number == 1 else f"{number:,} clusters of {sizes}"
        told = f"By clusters: {counted(len(found.labels), 'gallery image lies', 'gallery images lie')} in {lie}, cut at {found.threshold:.4g}"
        if learned is not None:
            told += (
                f", as was best for the {learned.figure} of {counted(learned.images, 'training image')} ({counted(learned.clusters, 'cluster')}"
                f", {100 * learned.value:.1f} %)"
            )
        way = "is clustered anew with them and retrieves its cluster" if self.anew else "retrieves the one with the nearest centroid"  # fmt: skip
        alone = " With one cluster this is the search by distance." if number == 1 else ""
        return (
            f"{told}; a query {way}, nearest images first. Right answers in other clusters count as not found.{alone}"
        )


@dataclass(frozen=True)
class ClusterSearch:
    """Clusters the gallery hierarchically; a query retrieves the cluster of the nearest centroid (VAE report, section 3.3).

    The hierarchy is cut at `threshold`, or into so many `clusters`; where neither is given, as is best for a `figure` of
    labelled training images. With `anew`, each query is clustered together with the gallery instead and retrieves its
    own cluster, for at most `most` queries × images.
    """

    threshold: float | None = None
    clusters: int | None = None
    linkage: str = "ward"
    figure: str = "mAP"
    memory: float = MEMORY
    anew: bool = False
    most: int = MOST

    @property
    def learns(self) -> bool:
        """Whether labelled images are needed for the cut."""
        return self.threshold is None and self.clusters is None

    def __call__(
        self,
        query: Embeddings,
        gallery: Embeddings,
        labelled: Embeddings | None,
        metric: str,
        *,
        own: NDArray[np.int64],
        progress: Callable[[int], object] | None = None,
        **rules: Any,
    ) -> Searched:
        """Evaluate the search; `own` and `rules` as in `resight.retrieval.clusters.search_within`.

        Raises DataError as the clustering and the learning do.
        """
        method, learned = Hierarchical(self.threshold, self.clusters, self.linkage, memory=self.memory), None
        if labelled is None:
            found = cluster(gallery.features, method, metric)
        else:
            of_training = (labelled.features, labelled.identities)
            found, learned = cluster_as_learned(gallery.features, method, metric, *of_training, self.figure)
        if self.anew:
            method = Hierarchical(found.threshold, None, self.linkage, memory=self.memory)
            given: dict[str, Any] = {"metric": metric, "own": own, "most": self.most, "progress": progress}
            evaluation = search_anew(method, query.features, gallery.features, **given, **rules)
        else:
            evaluation = search_within(found, gallery.features, query_features=query.features, own=own, **rules)
        return Searched(evaluation, found, learned, self.anew)


def metric_of(model: Recognizer) -> str:
    """The metric by which a model's images are clustered.

    Clusters need distances to means, and attribute-weighted ones are between images: features alone are clustered.
    """
    return "euclidean" if model.weighs_attributes else model.metric
