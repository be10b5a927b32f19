"""Clusters of features by a cut hierarchy, a Gaussian mixture or density; scores of clusters; searches within them.

A cluster has a centroid, and new images go to the cluster with the nearest centroid.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError, did_you_mean
from resight.retrieval.arrays import Array, as_features, as_labels, to_numpy
from resight.retrieval.distance import checked_pair, normalised, the_metric
from resight.retrieval.scores import Evaluation, evaluate_clusters
from resight.retrieval.tiles import over_tiles

__all__ = [
    "FIGURES",
    "MEMORY",
    "METHODS",
    "NOWHERE",
    "Assigned",
    "ClusterScores",
    "Clusters",
    "Density",
    "GaussianMixture",
    "Hierarchical",
    "Hierarchy",
    "LearnedCut",
    "Method",
    "all_pairs",
    "assign",
    "carried",
    "cluster",
    "cluster_as_learned",
    "compared",
    "has_company",
    "hierarchy",
    "learn_cut",
    "majorities",
    "score_clusters",
    "search_within",
]

NOWHERE = -1
"""Label of an image that belongs to no cluster, as some do not after density clustering."""
MEMORY = 4.0
"""GiB that a hierarchy of all pairs may take, unless told otherwise: enough for 22,000 images."""

_LINKAGES = ("ward", "average", "complete", "single")
# The distances of all pairs in float64, SciPy's working copy of them, and its mask of the finite ones.
_BYTES_A_PAIR = 17
_TRIED = 40
# Queries that measure a cut: with more, the mAP would change by less than it does between samples of images.
_ASKING = 2_000

Labels = NDArray[np.int64]
Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which cluster each image belongs to, and the means of the clusters."""

    labels: Labels
    """[N]: cluster numbers from 0, the largest cluster first; -1 for an image in none."""
    centroids: NDArray[np.float32]
    """[K, D]: mean of each cluster's features, of their unit vectors where the metric is cosine."""
    metric: str
    hierarchy: Hierarchy | None = None
    """The hierarchy, where the clusters are a cut of one."""
    threshold: float | None = None
    """Height of that cut."""

    @property
    def sizes(self) -> Labels:
        """[K]: images of each cluster."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.centroids))


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Every merge from single images to one cluster: the dendrogram."""

    merges: NDArray[np.float64]
    """[N - 1, 4], SciPy's linkage matrix: the two clusters merged, their height, the images of both."""

    @functools.cached_property
    def heights(self) -> NDArray[np.float64]:
        """[N - 1]: heights at which the number of clusters falls by one, ascending."""
        from scipy.cluster.hierarchy import maxdists

        return np.sort(maxdists(self.merges))

    def cut(self, threshold: float) -> Labels:
        """Labels [N] of the clusters whose merges are no higher than `threshold`."""
        from scipy.cluster.hierarchy import fcluster

        return _by_size(fcluster(self.merges, threshold, "distance"))

    def threshold_for(self, clusters: int) -> float:
        """A height at which a cut leaves so many clusters (fewer where merges of equal height allow no such cut).

        Raises DataError for more clusters than images.
        """
        images = len(self.merges) + 1
        _check_count(clusters, images)
        below = self.heights[images - clusters - 1] if clusters < images else 0.0
        above = self.heights[images - clusters] if clusters > 1 else below
        # N clusters of N images: below every merge, even one of height 0.
        return float((below + above) / 2) if clusters < images else float(self.heights[0] / 2 or -1.0)


class Method(Protocol):
    """A way to find clusters."""

    def __call__(self, features: NDArray[np.float32], metric: str) -> Clusters: ...  # pragma: no cover


@dataclass(frozen=True)
class Hierarchical:
    """Merge the nearest clusters until none are nearer than `threshold`, or `clusters` of them are left.

    `linkage` defines the distance between two clusters. All pairs are compared, 8.5 bytes times the square of the
    number of images; with `neighbours`, clusters are merged only where they contain near neighbours of each other, in
    memory that grows with the number of images, not its square. Raises DataError when all pairs need more than
    `memory` GiB.
    """

    threshold: float | None = None
    clusters: int | None = None
    linkage: str = "ward"
    neighbours: int | None = None
    memory: float = MEMORY

    def __call__(self, features: NDArray[np.float32], metric: str) -> Clusters:
        tree = self.tree(features, metric)
        threshold = self.height(tree)
        labels = tree.cut(threshold)
        return Clusters(labels, _centroids(features, labels, metric), metric, tree, threshold)

    def height(self, tree: Hierarchy) -> float:
        """Where to cut a hierarchy. Raises DataError unless one of threshold and clusters is given."""
        if (self.threshold is None) == (self.clusters is None):
            raise DataError("hierarchical clustering needs either a threshold or a number of clusters, or learns it")
        if self.clusters is not None:
            return tree.threshold_for(self.clusters)
        assert self.threshold is not None
        return self.threshold

    def tree(self, features: NDArray[np.float32], metric: str) -> Hierarchy:
        """The whole hierarchy, not cut."""
        return hierarchy(features, metric, self.linkage, neighbours=self.neighbours, memory=self.memory)


@dataclass(frozen=True)
class GaussianMixture:
    """`clusters` Gaussians with a variance for each dimension, fitted by expectation-maximisation (scikit-learn)."""

    clusters: int
    seed: int = 0

    def __call__(self, features: NDArray[np.float32], metric: str) -> Clusters:
        from sklearn import mixture

        _check_count(self.clusters, len(features))
        fitted = mixture.GaussianMixture(self.clusters, covariance_type="diag", random_state=self.seed)
        labels = _by_size(fitted.fit_predict(_placed(features, metric)))
        return Clusters(labels, _centroids(features, labels, metric), metric)


@dataclass(frozen=True)
class Density:
    """Regions where images lie denser than around them; images in none are left out (HDBSCAN, Campello et al. 2013).

    A cluster has at least `smallest` images; clusters nearer to each other than `threshold` are one.
    """

    smallest: int = 5
    threshold: float | None = None

    def __call__(self, features: NDArray[np.float32], metric: str) -> Clusters:
        from sklearn.cluster import HDBSCAN

        if not 2 <= self.smallest <= len(features):
            raise DataError(f"clusters of at least {self.smallest} images: give 2 to {len(features)}, all there are")
        model = HDBSCAN(min_cluster_size=self.smallest, cluster_selection_epsilon=self.threshold or 0.0, copy=False)
        labels = _by_size(model.fit_predict(_placed(features, metric)))
        if not (labels >= 0).any():
            raise DataError(
                f"no region of at least {self.smallest} images is denser than its surroundings; "
                "ask for smaller clusters, or choose another method"
            )
        return Clusters(labels, _centroids(features, labels, metric), metric)


METHODS: dict[str, Callable[..., Method]] = {
    "hierarchical": Hierarchical,
    "gaussian-mixture": GaussianMixture,
    "density": Density,
}
"""Name -> class of a way to find clusters, made with its options."""


def cluster(features: Array, method: Method, metric: str = "cosine") -> Clusters:
    """Find clusters among features [N, D], float32, NumPy or torch.

    >>> cluster(features, Hierarchical(clusters=750), "euclidean").labels  # doctest: +SKIP

    Raises DataError for fewer than two images, more clusters than images, and an unknown metric.
    """
    return method(_as_points(features), the_metric(metric).name)


def _as_points(features: Array) -> NDArray[np.float32]:
    """Features to cluster, checked. Raises DataError for fewer than two, and as `as_features` does."""
    checked = np.ascontiguousarray(to_numpy(as_features(features, "features")), np.float32)
    if len(checked) < 2:
        raise DataError(f"{len(checked)} image cannot be clustered; give at least two")
    return checked


def hierarchy(
    features: NDArray[np.float32],
    metric: str = "cosine",
    linkage: str = "ward",
    *,
    neighbours: int | None = None,
    memory: float = MEMORY,
) -> Hierarchy:
    """The dendrogram of features [N, D]; see Hierarchical.

    Heights are distances by the metric, of Ward's method those of Ward (1963) in SciPy's scale, on unit vectors where
    the metric is cosine. Raises DataError for an unknown linkage, or when all pairs need more than `memory` GiB.
    """
    features, metric = compared(features, metric, linkage)
    if neighbours is not None:
        return Hierarchy(_sparse_merges(features, metric, linkage, neighbours))
    from scipy.cluster.hierarchy import linkage as merge

    return Hierarchy(merge(all_pairs(features, metric, memory), linkage))


def compared(features: NDArray[np.float32], metric: str, linkage: str) -> tuple[NDArray[np.float32], str]:
    """The features and the metric whose distances a linkage merges by. Raises DataError for an unknown linkage.

    Ward's method is defined for Euclidean distances: of unit vectors where the metric is cosine.
    """
    if linkage not in _LINKAGES:
        raise DataError(
            f"unknown linkage {linkage!r}{did_you_mean(linkage, _LINKAGES)}; known are {', '.join(_LINKAGES)}"
        )
    return (_placed(features, metric), "euclidean") if linkage == "ward" else (features, metric)


@dataclass(frozen=True, eq=False)
class Assigned:
    """The cluster of each image and its distance to centroids."""

    labels: Labels
    """[N]: their cluster."""
    distances: NDArray[np.float32]
    """[N]: to the cluster's centroid; of an image in no cluster, to the nearest one."""
    margins: NDArray[np.float32]
    """[N]: 1 - distance / distance to the nearest other centroid: 1 certain, 0 between two, below 0 nearer to another;
    nan for an image in no cluster."""


def assign(features: Array, centroids: Array, metric: str = "cosine", labels: Labels | None = None) -> Assigned:
    """The cluster with the nearest centroid [K, D] for features [N, D]; with `labels` [N], the cluster given there.

    Raises DataError when features and centroids differ in width.
    """
    features, centroids = as_features(features, "features"), as_features(centroids, "centroids")
    if features.shape[1] != centroids.shape[1]:
        raise DataError(
            f"features have {features.shape[1]} dimensions, the clusters' centroids {centroids.shape[1]}; "
            "both must come from one model"
        )
    measure = the_metric(metric)
    tiles = measure.tiles(*checked_pair(features, centroids))
    parts = over_tiles(
        lambda start, stop: _placed_among(
            measure.values(tiles(start, stop)), None if labels is None else labels[start:stop]
        ),
        tiles.rows,
        tiles.columns,
    )
    found, near, margins = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Assigned(found, near, margins)


def search_within(
    clusters: Clusters,
    gallery_features: Array,
    gallery_ids: Array,
    query_features: Array | None = None,
    query_ids: Array | None = None,
    *,
    most: int | None = None,
    own: Labels | None = None,
    **rules: Any,
) -> Evaluation:
    """Evaluate a search in which a query retrieves the images of the cluster with the nearest centroid, nearest first.

    `clusters` are those of the gallery, features [G, D]. Without queries, every gallery image with an identity (from 1)
    is a query and is left out of its own result; with `most`, at most so many of those that share their identity with
    another image, evenly chosen. With
    queries, `own`, int [Q], says which gallery image each is, below 0 where it is none: that one is left out. `rules`
    are those of `resight.retrieval.scores.evaluate_clusters`: the protocol, cameras, the definition of average precision.
    """
    if query_features is None:
        names = to_numpy(gallery_ids)
        own = np.flatnonzero(names > 0)
        if most is not None:
            # Those that nobody shares an identity with have no right answer, and are not counted.
            own = own[has_company(names)[own]]
        if most is not None and len(own) > most:
            own = own[np.linspace(0, len(own) - 1, most).astype(np.int64)]
        query_features, query_ids = to_numpy(gallery_features)[own], to_numpy(gallery_ids)[own]
    return evaluate_clusters(
        query_features,
        gallery_features,
        query_clusters=assign(query_features, clusters.centroids, clusters.metric).labels,
        gallery_clusters=clusters.labels,
        query_ids=query_ids,
        gallery_ids=gallery_ids,
        own=own,
        metric=clusters.metric,
        **rules,
    )


@dataclass(frozen=True, slots=True)
class ClusterScores:
    """Scores of clusters against the identities of their images."""

    clusters: int
    images: int
    """Images with an identity (from 1); the scores below are of these."""
    identities: int
    purity: float
    """Share of images whose identity is the most frequent one of their cluster."""
    adjusted_rand: float
    """Agreement on pairs, 0 by chance and 1 at best (Hubert and Arabie 1985)."""
    normalised_mutual_information: float
    """Over the arithmetic mean of both entropies, in [0, 1]."""


def score_clusters(labels: Array, ids: Array) -> ClusterScores:
    """Compare clusters [N] with identities [N]; images without an identity from 1 are ignored.

    >>> score_clusters(np.array([0, 0, 1]), np.array([5, 5, 7])).purity
    1.0

    An image in no cluster (-1) counts as a cluster of its own. Raises DataError when no image has an identity.
    """
    labels = as_labels(labels, "labels", len(labels), "the images")
    ids = as_labels(ids, "identities", len(labels), f"the {len(labels)} images")
    known = ids > 0
    if not known.any():
        raise DataError("no image has an identity from 1, so clusters cannot be scored")
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    alone = np.where(labels < 0, labels.max(initial=0) + 1 + np.arange(len(labels)), labels)[known]
    truth = ids[known]
    return ClusterScores(
        clusters=len(np.unique(labels[labels >= 0])),
        images=len(truth),
        identities=len(np.unique(truth)),
        purity=float(np.mean(majorities(alone, truth)[alone] == truth)),
        adjusted_rand=float(adjusted_rand_score(truth, alone)),
        normalised_mutual_information=float(normalized_mutual_info_score(truth, alone)),
    )


def has_company(ids: Labels) -> NDArray[np.bool_]:
    """[N]: whether an image has an identity (from 1) that another image has too."""
    _, places, counts = np.unique(ids, return_inverse=True, return_counts=True)
    return (ids > 0) & (counts[places] > 1)


def majorities(labels: Labels, ids: Labels) -> Labels:
    """[K]: the most frequent identity (from 1) of each cluster, the smallest of equals; 0 where no image has one."""
    result = np.zeros(labels.max(initial=-1) + 1, np.int64)
    counted = (labels >= 0) & (ids > 0)
    pairs, counts = np.unique(np.stack((labels[counted], ids[counted])), axis=1, return_counts=True)
    for place in np.lexsort((-pairs[1], counts)):
        result[pairs[0, place]] = pairs[1, place]
    return result


@dataclass(frozen=True)
class LearnedCut:
    """The cut with the highest score on labelled images, and all cuts that were tried."""

    threshold: float
    figure: str
    value: float
    images: int
    """The labelled images, with those of nobody known among them."""
    clusters: int
    """Their clusters at this cut."""
    tried: list[tuple[float, int, float]]
    """(threshold, clusters, figure), by threshold."""


def learn_cut(
    tree: Hierarchy, features: NDArray[np.float32], ids: Labels, metric: str = "cosine", figure: str = "mAP"
) -> LearnedCut:
    """The height at which to cut so that a figure of FIGURES is highest on labelled images.

    Where more than forty cuts are possible, about forty are tried: numbers of clusters in a geometric series from two
    to all images, then twice closer around the best one. Raises DataError for an unknown figure, or when no two images
    share an identity.
    """
    if figure not in FIGURES:
        raise DataError(
            f"unknown figure {figure!r}{did_you_mean(figure, FIGURES)} to learn a cut by; known are {', '.join(FIGURES)}"
        )
    if not has_company(ids).any():
        raise DataError("no two images share an identity (from 1), so no cut can be learned from them")
    heights = np.unique(tree.heights)
    # A cut lies halfway between two heights; place i makes every merge up to heights[i].
    cuts = np.append((heights[:-1] + heights[1:]) / 2, heights[-1] * 1.01)
    values: dict[int, tuple[float, int, float]] = {}

    def weigh(place: int) -> None:
        if place not in values:
            labels = tree.cut(cuts[place])
            found = Clusters(labels, _centroids(features, labels, metric), metric)
            values[place] = (float(cuts[place]), len(found.centroids), FIGURES[figure](found, features, ids))

    places = np.arange(len(cuts))
    if len(cuts) > _TRIED:
        remaining = np.unique(np.geomspace(2, len(ids), _TRIED // 2).astype(int))
        places = np.unique(np.searchsorted(heights, tree.heights[len(ids) - remaining[:-1] - 1]))
    for _ in range(3):
        for place in places:
            weigh(int(place))
        tried = sorted(values)
        here = tried.index(max(tried, key=lambda place: values[place][2]))
        low, high = tried[max(0, here - 1)], tried[min(len(tried) - 1, here + 1)]
        places = np.unique(np.linspace(low, high, _TRIED // 4).round().astype(int))
    best = max(sorted(values), key=lambda place: values[place][2])
    threshold, clusters, value = values[best]
    return LearnedCut(threshold, figure, value, len(ids), clusters, [values[place] for place in sorted(values)])


def carried(learned: LearnedCut, tree: Hierarchy, linkage: str) -> float:
    """The height at which to cut the hierarchy of other images, by a cut that was learned on labelled ones.

    A height does not change with the number of people, but Ward's heights, unlike those of the other linkages, grow as
    the root of the images that a cluster has. So where the learned height leaves clusters of another mean size than on
    the labelled images, it is scaled, once, by the root of the sizes' ratio. What was best as one cluster stays one.
    """
    if learned.clusters == 1:
        return float(tree.heights[-1] * 1.01)
    if linkage != "ward":
        return learned.threshold
    images = len(tree.merges) + 1
    size = images / len(np.unique(tree.cut(learned.threshold)))
    return learned.threshold * float(np.sqrt(size * learned.clusters / learned.images))


def cluster_as_learned(
    features: Array,
    method: Hierarchical,
    metric: str,
    labelled_features: Array,
    ids: Labels,
    figure: str = "mAP",
) -> tuple[Clusters, LearnedCut]:
    """Clusters of features [N, D] at the cut that is best for labelled ones [M, D] with identities [M]; see `carried`.

    Threshold and number of clusters of the method play no part. Raises DataError as `cluster` and `learn_cut` do.
    """
    labelled = _as_points(labelled_features)
    learned = learn_cut(method.tree(labelled, metric), labelled, ids, metric, figure)
    points = _as_points(features)
    tree = method.tree(points, metric)
    threshold = carried(learned, tree, method.linkage)
    labels = tree.cut(threshold)
    return Clusters(labels, _centroids(points, labels, metric), metric, tree, threshold), learned


FIGURES: dict[str, Callable[[Clusters, NDArray[np.float32], Labels], float]] = {
    "mAP": lambda found, features, ids: search_within(found, features, ids, most=_ASKING).mean_average_precision,
    "adjusted-rand": lambda found, _, ids: score_clusters(found.labels, ids).adjusted_rand,
    "nmi": lambda found, _, ids: score_clusters(found.labels, ids).normalised_mutual_information,
}
"""Name of a score that a cut can be learned by -> the score of some clusters.

Purity is not among them, as it is highest when every image is a cluster of its own.
"""


def _check_count(clusters: int, images: int) -> None:
    if not 1 <= clusters <= images:
        raise DataError(f"{clusters} clusters of {images} images: ask for 1 to {images}")


def _placed(features: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Points whose Euclidean distances have the order of the metric's distances: unit vectors for cosine."""
    return normalised(features)[: len(features)] if metric == "cosine" else features


def _centroids(features: NDArray[np.float32], labels: Labels, metric: str) -> NDArray[np.float32]:
    points = _placed(features, metric)
    order = np.argsort(labels, kind="stable")
    order = order[np.count_nonzero(labels < 0) :]
    firsts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    sums = np.add.reduceat(points[order], firsts, axis=0, dtype=np.float64)
    return (sums / np.bincount(labels[order])[:, None]).astype(np.float32)


def _by_size(labels: NDArray[np.integer]) -> Labels:
    """The clusters numbered from 0, the largest first, equal ones by their first image; labels below 0 become -1."""
    names, firsts, counts = np.unique(labels, return_index=True, return_counts=True)
    inside = np.flatnonzero(names >= 0)
    ranked = inside[np.lexsort((firsts[inside], -counts[inside]))]
    numbers = np.full(len(names), NOWHERE)
    numbers[ranked] = np.arange(len(ranked))
    return numbers[np.searchsorted(names, labels)]


def all_pairs(features: NDArray[np.float32], metric: str, memory: float = MEMORY) -> NDArray[np.float64]:
    """Distances of all pairs in SciPy's condensed form. By tiles: ten times as fast as its own pdist.

    Raises DataError when clustering by them takes more than `memory` GiB.
    """
    needed = _BYTES_A_PAIR * len(features) * (len(features) - 1) / 2 / 2**30
    if needed > memory:
        raise DataError(
            f"a hierarchy over all pairs of {len(features):,} images takes {needed:.1f} GiB, over the limit of "
            f"{memory:g}; raise the memory limit, compare neighbours only (30, say), or choose another method"
        )
    measure, count = the_metric(metric), len(features)
    tiles = measure.tiles(features, features)
    result = np.empty(count * (count - 1) // 2)

    def fill(start: int, stop: int) -> None:
        for place, row in enumerate(measure.values(tiles(start, stop)), start):
            first = place * (2 * count - place - 1) // 2
            result[first : first + count - place - 1] = row[place + 1 :]

    over_tiles(fill, count, count)
    return result


def _sparse_merges(features: NDArray[np.float32], metric: str, linkage: str, neighbours: int) -> NDArray[np.float64]:
    """Merges along the graph of nearest neighbours, as a linkage matrix."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.neighbors import kneighbors_graph

    count = len(features)
    if not 1 <= neighbours < count:
        raise DataError(f"{neighbours} neighbours among {count} images: give 1 to {count - 1}")
    graph = kneighbors_graph(_placed(features, metric), neighbours, include_self=False)
    model = AgglomerativeClustering(
        n_clusters=None, distance_threshold=0, linkage=linkage, metric=metric, connectivity=graph
    )
    with warnings.catch_warnings():
        # It warns that parts of the graph without an edge between them are joined by their nearest images, as is meant.
        warnings.filterwarnings("ignore", "the number of connected components")
        model.fit(features)
    sizes = np.ones(2 * count - 1)
    for place, (left, right) in enumerate(model.children_, count):
        sizes[place] = sizes[left] + sizes[right]
    return np.column_stack((model.children_, model.distances_, sizes[count:])).astype(np.float64)


def _placed_among(near: Floats, labels: Labels | None) -> tuple[Labels, Floats, Floats]:
    """Labels, distances and margins of some images from their distances [n, K] to all centroids. Writes into `near`."""
    rows = np.arange(len(near))
    closest = near.argmin(1)
    kept = closest if labels is None else labels
    place = np.where(kept < 0, closest, kept)
    own = near[rows, place]
    near[rows, place] = np.inf
    other = near.min(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Both centroids are at distance 0: the image lies between them.
        margins = np.where(other > 0, 1 - own / other, 0.0)
    return kept.astype(np.int64), own, np.where(kept < 0, np.nan, margins).astype(np.float32)
