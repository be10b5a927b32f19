"""Retrieval maths on plain arrays: distances, evaluation, re-ranking."""

from resight.retrieval.distance import METRICS, AttributeWeighted, distances
from resight.retrieval.metrics import (
    Evaluation,
    evaluate,
    evaluate_distances,
    single_shot_cmc,
    true_positive_rate,
)
from resight.retrieval.protocol import PROTOCOLS
from resight.retrieval.rerank import KReciprocal, rerank, rerank_distances

__all__ = [
    "METRICS",
    "PROTOCOLS",
    "AttributeWeighted",
    "Evaluation",
    "KReciprocal",
    "distances",
    "evaluate",
    "evaluate_distances",
    "rerank",
    "rerank_distances",
    "single_shot_cmc",
    "true_positive_rate",
]
