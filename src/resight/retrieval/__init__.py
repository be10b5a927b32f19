"""Retrieval maths on plain arrays: distances, evaluation, re-ranking, clusters."""

from resight.retrieval.clusters import METHODS, Clusters, assign, cluster, score_clusters
from resight.retrieval.distance import (
    METRICS,
    AttributeWeighted,
    Distance,
    JunkLast,
    distances,
    metric_between,
    nearest,
)
from resight.retrieval.expansion import expand
from resight.retrieval.protocol import PROTOCOLS
from resight.retrieval.reranking import KReciprocal, rerank, rerank_distances
from resight.retrieval.scores import (
    Evaluation,
    evaluate,
    evaluate_clusters,
    evaluate_distances,
    single_shot_cmc,
    true_positive_rate,
)
from resight.retrieval.verification import Verification, verify

__all__ = [
    "METHODS",
    "METRICS",
    "PROTOCOLS",
    "AttributeWeighted",
    "Clusters",
    "Distance",
    "Evaluation",
    "JunkLast",
    "KReciprocal",
    "Verification",
    "assign",
    "cluster",
    "distances",
    "evaluate",
    "evaluate_clusters",
    "evaluate_distances",
    "expand",
    "metric_between",
    "nearest",
    "rerank",
    "rerank_distances",
    "score_clusters",
    "single_shot_cmc",
    "true_positive_rate",
    "verify",
]
