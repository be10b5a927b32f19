"""resight: person and vehicle re-identification. The names below are the public API; each is imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from resight.version import __version__ as __version__

if TYPE_CHECKING:
    from resight.data.formats import read_dataset
    from resight.data.splits import split_dataset
    from resight.embedding import embed
    from resight.errors import ResightError
    from resight.gallery import Gallery, Hit
    from resight.recipe import Recipe, load_recipe
    from resight.recognizer import Recognizer, load
    from resight.records import AttributeSchema, Embeddings, Record, ReidDataset
    from resight.retrieval import AttributeWeighted, Evaluation, KReciprocal, evaluate
    from resight.retrieval import reranking as rerank
    from resight.synthetic import synthesize
    from resight.tasks.attributes.prediction import predict
    from resight.training import resume, train

_HOMES = {
    "AttributeSchema": "resight.records",
    "AttributeWeighted": "resight.retrieval",
    "Embeddings": "resight.records",
    "Evaluation": "resight.retrieval",
    "Gallery": "resight.gallery",
    "Hit": "resight.gallery",
    "KReciprocal": "resight.retrieval",
    "Recipe": "resight.recipe",
    "Recognizer": "resight.recognizer",
    "Record": "resight.records",
    "ReidDataset": "resight.records",
    "ResightError": "resight.errors",
    "embed": "resight.embedding",
    "evaluate": "resight.retrieval",
    "load": "resight.recognizer",
    "load_recipe": "resight.recipe",
    "predict": "resight.tasks.attributes.prediction",
    "read_dataset": "resight.data.formats",
    "rerank": "resight.retrieval",
    "resume": "resight.training",
    "split_dataset": "resight.data.splits",
    "synthesize": "resight.synthetic",
    "train": "resight.training",
}

__all__ = ["AttributeSchema", "AttributeWeighted", "Embeddings", "Evaluation", "Gallery", "Hit", "KReciprocal", "Recipe",
           "Recognizer", "Record", "ReidDataset", "ResightError", "embed", "evaluate", "load", "load_recipe", "predict",
           "read_dataset", "rerank", "resume", "split_dataset", "synthesize", "train"]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'resight' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
