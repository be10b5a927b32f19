"""mAP, CMC and mINP from the ranks of the right answers.

Average precision needs only the rank of every right answer, and a rank is a count of smaller distances, so the gallery
need not be sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError, did_you_mean
from resight.records import Relevance
from resight.retrieval.arrays import Array, as_labels, to_numpy
from resight.retrieval.distance import Distance, checked_pair, distances, the_metric
from resight.retrieval.protocol import PROTOCOLS, Judgement, Positions, judge, judge_lists, within, without_themselves
from resight.retrieval.ranks import Ranks, ends_of, ranks_in, ranks_of, right_ranks, row_of_each

if TYPE_CHECKING:
    from resight.retrieval.reranking import KReciprocal

__all__ = [
    "AVERAGE_PRECISION",
    "Evaluation",
    "evaluate",
    "evaluate_clusters",
    "evaluate_distances",
    "evaluate_retrieved",
    "single_shot_cmc",
    "true_positive_rate",
]

# Distances in memory at once in a search within clusters.
_HELD = 2**26

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one evaluation, and how they were measured."""

    mean_average_precision: float
    """mAP in [0, 1], over the queries that have a match; nan when no query has."""
    cmc: Floats
    """[max_rank]: share of queries with a right answer within the first 1, 2, … images."""
    mean_inp: float
    """mINP (Ye et al. 2021, eq. 2): share of right answers among all images down to the last right one."""
    average_precision: Floats
    """[Q]: per query; nan where the query has no match."""
    inverse_negative_penalty: Floats
    """[Q]: per query; nan where the query has no match."""
    first_rank: NDArray[np.int64]
    """[Q]: rank, from 1, of the first right answer; 0 where there is none (within the depth)."""
    judgement: Judgement
    """Which gallery images were right and which left out."""
    definition: str
    """Of average precision: precision or trapezoid."""
    metric: str
    reranked: bool = False

    @property
    def protocol(self) -> str:
        """Name of the protocol; "lists" for a dataset's own lists."""
        return self.judgement.protocol.name

    @property
    def depth(self) -> int | None:
        """How many of the nearest images were looked at; None for the whole gallery."""
        return self.judgement.protocol.depth

    @property
    def without_match(self) -> int:
        """Queries without a match in the gallery; they are not counted."""
        return int(np.isnan(self.average_precision).sum())

    @property
    def figures(self) -> dict[str, float]:
        """mAP, rank-1 and further ranks, and mINP by their names, shares in [0, 1]."""
        ranks = {f"rank-{rank}": float(self.cmc[rank - 1]) for rank in (1, 5, 10, 20) if rank <= len(self.cmc)}
        return {"mAP": self.mean_average_precision, **ranks, "mINP": self.mean_inp}

    def summary(self) -> dict[str, float | int | str | None]:
        """The figures and how they were measured, as plain values."""
        return {
            **self.figures,
            "queries": len(self.average_precision) - self.without_match,
            "without match": self.without_match,
            "average precision": self.definition,
            "protocol": self.protocol,
            "depth": self.depth,
            "metric": self.metric,
            "reranked": self.reranked,
        }


def evaluate(
    query_features: Array,
    gallery_features: Array,
    *,
    query_ids: Array,
    gallery_ids: Array,
    query_cameras: Array | None = None,
    gallery_cameras: Array | None = None,
    metric: str | Distance = "cosine",
    rerank: KReciprocal | None = None,
    max_rank: int = 50,
    average_precision: str = "precision",
    protocol: str | Relevance = "market1501",
    depth: int | None = None,
    gallery_tracks: Array | None = None,
    own: Positions | None = None,
    threads: int | None = None,
) -> Evaluation:
    """Evaluate features of queries [Q, D] against those of a gallery [G, D], float32, NumPy or torch.

    >>> evaluate(q, g, query_ids=[1], gallery_ids=[1, 2], query_cameras=[1], gallery_cameras=[2, 2]).cmc[0]  # doctest: +SKIP

    Identities are int [Q], [G]: gallery images of identity -1 are junk and left out, those of 0 are distractors and
    stay. `protocol` is a name of PROTOCOLS, or a dataset's own good and junk lists; "market1501" leaves out
    images of the query's identity from the query's camera. `depth` looks at so many nearest images only: a right answer
    beyond them counts as not found. Equal distances are ordered by gallery index.
    `average_precision` is "precision", the mean of the precision at each right answer (torchreid, FastReID, the strong
    baseline), or "trapezoid", the datasets' own MATLAB code, which reads lower. With `rerank` the k-reciprocal
    distances (always of L2-normalised features, as their paper has it) take the metric's place.
    `gallery_tracks`, int [G], makes it image-to-track: a track counts once, at its nearest image, and is right
    when that image is. `own`, int [Q], says which gallery image each query is, below 0 where it is none: that image is
    left out for it. No score depends on `threads`.

    Raises DataError for shapes that do not fit, values that are not finite, missing cameras, unknown names.
    """
    query, gallery = checked_pair(query_features, gallery_features)
    judgement = _judgement(
        len(query), len(gallery), query_ids, gallery_ids, query_cameras, gallery_cameras, protocol, depth, own
    )
    tracks = _tracks_of(gallery_tracks, judgement)
    if rerank is None:
        metric = the_metric(metric)
        measure = _Measures(max_rank, average_precision, metric.name)
        return measure(ranks_of(metric, query, gallery, judgement, tracks, threads), judgement)
    from resight.retrieval.reranking import reranked_tiles

    if not isinstance(metric, str):
        raise DataError(f"re-ranking compares features alone; it cannot be combined with metric {metric.name!r}")
    name = f"k-reciprocal(k1={rerank.k1}, k2={rerank.k2}, lambda={rerank.lambda_value})"
    measure = _Measures(max_rank, average_precision, name, reranked=True)
    columns = judgement.columns
    chosen = gallery if len(columns) == len(gallery) else gallery[columns]
    tiles = reranked_tiles(query, chosen, rerank, threads=threads)
    return measure(ranks_in(tiles, judgement, tracks, threads), judgement)


def evaluate_distances(
    distances: Array,
    *,
    query_ids: Array,
    gallery_ids: Array,
    query_cameras: Array | None = None,
    gallery_cameras: Array | None = None,
    max_rank: int = 50,
    average_precision: str = "precision",
    protocol: str | Relevance = "market1501",
    depth: int | None = None,
    gallery_tracks: Array | None = None,
    threads: int | None = None,
) -> Evaluation:
    """Evaluate distances [Q, G] computed elsewhere; everything else as in `evaluate`. They are not changed.

    Raises DataError when one is nan or infinite.
    """
    matrix = to_numpy(distances)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiu":
        raise DataError(
            f"distances have shape {matrix.shape} and type {matrix.dtype}; they must be numbers [queries, gallery]"
        )
    if not np.isfinite(matrix.sum(dtype=np.float64)) and not np.isfinite(matrix).all():
        raise DataError("distances hold nan or infinity; see which images gave them")
    judgement = _judgement(
        len(matrix), matrix.shape[1], query_ids, gallery_ids, query_cameras, gallery_cameras, protocol, depth
    )
    measure = _Measures(max_rank, average_precision, "given")
    tracks = _tracks_of(gallery_tracks, judgement)
    return measure(ranks_in(_Given(matrix, judgement.columns), judgement, tracks, threads), judgement)


def evaluate_clusters(
    query_features: Array,
    gallery_features: Array,
    *,
    query_clusters: Array,
    gallery_clusters: Array,
    query_ids: Array,
    gallery_ids: Array,
    query_cameras: Array | None = None,
    gallery_cameras: Array | None = None,
    own: Positions | None = None,
    metric: str = "cosine",
    max_rank: int = 50,
    average_precision: str = "precision",
    protocol: str | Relevance = "course",
    depth: int | None = None,
) -> Evaluation:
    """Evaluate a search in which a query is shown the gallery images of its own cluster, nearest first, and no others.

    A cluster has no order of its own, so its images are ordered by their distance to the query. Clusters are int [Q],
    [G], below 0 for none; a right answer in another cluster counts as not found: average precision is divided by the
    number of all right answers. Everything else as in `evaluate`.
    """
    query, gallery = checked_pair(query_features, gallery_features)
    judgement = _judgement(
        len(query), len(gallery), query_ids, gallery_ids, query_cameras, gallery_cameras, protocol, depth, own
    )
    asking = as_labels(query_clusters, "query_clusters", len(query), f"the {len(query)} queries")
    shown = as_labels(gallery_clusters, "gallery_clusters", len(gallery), f"the {len(gallery)} gallery images")
    members = _groups(shown[judgement.columns])
    groups = [(queries, members[name]) for name, queries in _groups(asking).items() if name >= 0 and name in members]
    measure = _Measures(max_rank, average_precision, f"{metric}, within clusters")
    return _among(query, gallery, groups, judgement, metric, measure)


def evaluate_retrieved(
    query_features: Array,
    gallery_features: Array,
    *,
    retrieved: Sequence[Positions],
    query_ids: Array,
    gallery_ids: Array,
    query_cameras: Array | None = None,
    gallery_cameras: Array | None = None,
    own: Positions | None = None,
    metric: str = "cosine",
    max_rank: int = 50,
    average_precision: str = "precision",
    protocol: str | Relevance = "course",
    depth: int | None = None,
) -> Evaluation:
    """Evaluate a search in which query i is shown the gallery images at the positions `retrieved[i]`, and no others.

    As `evaluate_clusters`, for queries that do not have the same clusters in common.
    """
    query, gallery = checked_pair(query_features, gallery_features)
    judgement = _judgement(
        len(query), len(gallery), query_ids, gallery_ids, query_cameras, gallery_cameras, protocol, depth, own
    )
    groups = [
        (np.array([number]), np.flatnonzero(np.isin(judgement.columns, shown)))
        for number, shown in enumerate(retrieved)
    ]
    measure = _Measures(max_rank, average_precision, f"{metric}, within clusters")
    return _among(query, gallery, groups, judgement, metric, measure)


def _among(
    query: Array,
    gallery: Array,
    groups: Sequence[tuple[Positions, Positions]],
    judgement: Judgement,
    metric: str,
    measure: _Measures,
) -> Evaluation:
    """The evaluation of a search where the queries of each group see the images of that group alone, nearest first.

    A group is positions of queries, and ascending positions within the judgement's columns.
    """
    found: list[Ranks] = [(np.empty(0, np.int64), len(good)) for good in judgement.good]
    for queries, inside in groups:
        if not len(inside):
            continue
        step = max(1, _HELD // len(inside))
        for some in np.split(queries, range(step, len(queries), step)):
            rows = distances(query[some], gallery[judgement.columns[inside]], metric)
            good, left_out = (
                [np.flatnonzero(np.isin(inside, of_one[number], assume_unique=True)) for number in some]
                for of_one in (judgement.good, judgement.left_out)
            )
            for number, (ranks, _) in zip(some.tolist(), right_ranks(rows, good, left_out), strict=True):
                found[number] = (ranks, found[number][1])
    return measure(found, judgement)


def _groups(labels: Positions) -> dict[int, Positions]:
    """Label -> ascending positions that have it."""
    order = np.argsort(labels, kind="stable")
    names, firsts = np.unique(labels[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, firsts[1:]), strict=True))


def _judgement(
    queries: int,
    gallery: int,
    query_ids: Array,
    gallery_ids: Array,
    query_cameras: Array | None,
    gallery_cameras: Array | None,
    protocol: str | Relevance,
    depth: int | None = None,
    own: Array | None = None,
) -> Judgement:
    """The judgement of an evaluation by its arguments: as deep as it looks, each query's own image left out."""
    of_query, of_gallery = f"the {queries} queries", f"the {gallery} gallery images"
    if isinstance(protocol, Relevance):
        found = judge_lists(protocol, queries, gallery)
    elif protocol in PROTOCOLS:
        rules = PROTOCOLS[protocol]
        cameras: list[Positions | None] = [None, None]
        if rules.camera_rule and query_cameras is not None and gallery_cameras is not None:
            cameras = [
                as_labels(query_cameras, "query_cameras", queries, of_query),
                as_labels(gallery_cameras, "gallery_cameras", gallery, of_gallery),
            ]
        found = judge(
            rules,
            as_labels(query_ids, "query_ids", queries, of_query),
            as_labels(gallery_ids, "gallery_ids", gallery, of_gallery),
            *cameras,
        )
    else:
        raise DataError(
            f"unknown protocol {protocol!r}{did_you_mean(str(protocol), PROTOCOLS)}; known are {', '.join(PROTOCOLS)}, or a Relevance with lists"
        )
    if own is not None:
        found = without_themselves(found, as_labels(own, "own", queries, of_query))
    return within(found, depth)


def _tracks_of(tracks: Array | None, judgement: Judgement) -> Positions | None:
    """The tracks of the gallery images that count."""
    if tracks is None:
        return None
    most = int(judgement.columns.max(initial=-1)) + 1
    known = as_labels(tracks, "gallery_tracks", len(to_numpy(tracks)), "the gallery")
    if len(known) < most:
        raise DataError(f"gallery_tracks has {len(known)} entries; it needs one for each gallery image")
    return known[judgement.columns]


class _Given:
    """A matrix that exists, as Tiles, of some of its columns."""

    def __init__(self, matrix: NDArray[np.floating], columns: Positions | None = None) -> None:
        self._matrix, self._columns = matrix, columns
        self.rows, self.columns = len(matrix), matrix.shape[1] if columns is None else len(columns)

    def __call__(self, start: int, stop: int) -> NDArray[np.floating]:
        rows = self._matrix[start:stop]
        chosen = rows if self._columns is None else rows[:, self._columns]
        return chosen.astype(np.float64 if chosen.dtype.itemsize > 4 else np.float32)


@dataclass(frozen=True)
class _Measures:
    """From ranks and a judgement to an Evaluation."""

    max_rank: int
    definition: str
    metric: str
    reranked: bool = False

    def __post_init__(self) -> None:
        if self.max_rank < 1:
            raise DataError(f"max_rank = {self.max_rank}: it must be at least 1")
        if self.definition not in AVERAGE_PRECISION:
            raise DataError(
                f"unknown definition of average precision {self.definition!r}{did_you_mean(self.definition, AVERAGE_PRECISION)}; known are {', '.join(AVERAGE_PRECISION)}"
            )

    def __call__(self, found: list[Ranks], judgement: Judgement) -> Evaluation:
        relevant = np.array([count for _, count in found])
        ends = ends_of([ranks for ranks, _ in found])
        rows = row_of_each(ends)
        ranks = np.concatenate([ranks for ranks, _ in found])
        hits = np.arange(1, len(ranks) + 1) - ends[rows]
        # Where the last right answer lies beyond the depth, no number of images finds them all, which scores 0.
        last = np.full(len(found), np.inf)
        last[rows] = np.where(hits == relevant[rows], ranks, np.inf)
        first = np.zeros(len(found), np.int64)
        first[rows[hits == 1]] = ranks[hits == 1]
        if (depth := judgement.protocol.depth) is not None:
            seen = ranks <= depth
            rows, ranks, hits = rows[seen], ranks[seen], hits[seen]
            last[last > depth], first[first > depth] = np.inf, 0
        with np.errstate(invalid="ignore"):
            precision = np.bincount(rows, AVERAGE_PRECISION[self.definition](ranks, hits), len(found)) / relevant
            penalty = np.where(relevant > 0, relevant / last, np.nan)
        counted = ~np.isnan(precision)
        hits = np.bincount(first[counted & (first > 0) & (first <= self.max_rank)], minlength=self.max_rank + 1)[1:]
        queries = int(counted.sum())
        return Evaluation(
            mean_average_precision=float(precision[counted].mean()) if queries else float("nan"),
            cmc=np.cumsum(hits) / queries if queries else np.full(self.max_rank, np.nan),
            mean_inp=float(penalty[counted].mean()) if queries else float("nan"),
            average_precision=precision,
            inverse_negative_penalty=penalty,
            first_rank=first,
            judgement=judgement,
            definition=self.definition,
            metric=self.metric,
            reranked=self.reranked,
        )


def _by_precision(ranks: Positions, hits: Positions) -> Floats:
    """Precision at each right answer (Zheng et al. 2015, section 3.3, as the toolkits compute it)."""
    return hits / ranks


def _by_trapezoid(ranks: Positions, hits: Positions) -> Floats:
    """Mean of the precision at each right answer and just before it (`compute_AP.m` of Market-1501, VeRi-776)."""
    before = np.where(ranks == 1, 1.0, (hits - 1) / np.maximum(ranks - 1, 1))
    return (before + hits / ranks) / 2


AVERAGE_PRECISION: dict[str, Callable[[Positions, Positions], Floats]] = {
    "precision": _by_precision,
    "trapezoid": _by_trapezoid,
}
"""Definition -> a term for each right answer found, from its rank and its number among those found, both from 1. Their
sum divided by the number of all right answers is the AP."""


def true_positive_rate(distances: Array, same: Array, false_positive_rate: float | NDArray[np.float64]) -> Floats:
    """Share of matching pairs accepted at a threshold that accepts this share of the others.

    `distances` float [N] of pairs, `same` bool [N]. Pairs are accepted at *small* distances; the threshold is the
    largest one that stays within the rate. Raises DataError unless there are pairs of both kinds.
    """
    values, same = to_numpy(distances).ravel(), to_numpy(same).ravel().astype(bool)
    if not same.any() or same.all():
        raise DataError("verification needs pairs that match and pairs that do not")
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(same, -values, drop_intermediate=False)
    wanted = np.atleast_1d(np.asarray(false_positive_rate, np.float64))
    return true[np.searchsorted(false, wanted, side="right") - 1]


def single_shot_cmc(
    distances: Array,
    *,
    query_ids: Array,
    gallery_ids: Array,
    query_cameras: Array,
    gallery_cameras: Array,
    max_rank: int = 50,
    repeats: int = 100,
    seed: int = 0,
) -> Floats:
    """CMC [max_rank] with one gallery image per identity, drawn anew `repeats` times (CUHK03's protocol).

    Distances [Q, G], labels as in `evaluate`. Li et al. 2014, section 5.
    """
    matrix = to_numpy(distances)
    judgement = _judgement(
        len(matrix), matrix.shape[1], query_ids, gallery_ids, query_cameras, gallery_cameras, "market1501"
    )
    ids = to_numpy(gallery_ids)[judgement.columns]
    rng = np.random.default_rng(seed)
    total, counted = np.zeros(max_rank), 0
    for number, row in enumerate(matrix[:, judgement.columns].astype(np.float64)):
        if not len(judgement.good[number]):
            continue
        kept = np.setdiff1d(np.arange(len(row)), judgement.left_out[number])
        counted += 1
        for _ in range(repeats):
            shuffled = rng.permutation(kept)
            # One image per identity; distractors (0) are different people and all stay.
            groups = np.where(ids[shuffled] <= 0, -1 - shuffled, ids[shuffled])
            drawn = np.sort(shuffled[np.unique(groups, return_index=True)[1]])
            right = np.flatnonzero(np.isin(drawn, judgement.good[number]))
            rank = int(right_ranks(row[None, drawn], [right], [np.empty(0, np.int64)])[0][0][0])
            total[rank - 1 :] += 1
    return total / (counted * repeats) if counted else np.full(max_rank, np.nan)
