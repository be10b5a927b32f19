"""How well a model re-identifies: its scores on query and gallery of a dataset, and those of baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resight.embedding import embed
from resight.errors import DataError, RunError
from resight.recognizer import Progress, Recognizer
from resight.records import JUNK, NO_CAMERA, UNLABELLED, Embeddings, Record, ReidDataset, Relevance
from resight.retrieval import (
    Distance,
    Evaluation,
    JunkLast,
    KReciprocal,
    Verification,
    distances,
    metric_between,
    verify,
)
from resight.retrieval import evaluate as evaluate_features
from resight.retrieval import expand as expand_features
from resight.retrieval.bootstrap import Interval, interval
from resight.retrieval.camera_pairs import CameraPairs, camera_pairs
from resight.tasks.answers import own_positions, require_answers
from resight.tasks.clusters.search import ClusterSearch, Searched, metric_of
from resight.tasks.reid.baselines import BASELINES
from resight.tasks.splits import by_split

__all__ = ["Result", "count_images", "distance_between", "evaluate", "evaluate_embeddings", "searchable"]


@dataclass(frozen=True, eq=False)
class Result:
    """The evaluations of a model and of what it is compared with, and the model's embeddings."""

    results: dict[str, Evaluation]
    """Name of a row of the table -> its evaluation; "model" is the first."""
    query: Embeddings
    gallery: Embeddings
    metric: str
    """The name of the distance, for `resight.retrieval.metric_between`."""
    failed: list[str]
    """A line for each image that could not be read."""
    junk: NDArray[np.bool_] | None = None
    """Gallery images that the model called junk, bool [G], where these are ranked last; else None."""
    searched: Searched | None = None
    """The search by clusters, where there was one."""

    @property
    def result(self) -> Evaluation:
        """The evaluation of the model by its own metric, without re-ranking."""
        return self.results["model"]

    @property
    def found_themselves(self) -> int:
        """Queries whose own file is in the gallery, where it is neither right nor wrong."""
        return int((own_positions(self.query.records, self.gallery.records) >= 0).sum())

    @property
    def cameras_unknown(self) -> int:
        """Images of either side with an identity whose camera is unknown."""
        sides = (self.query, self.gallery)
        return sum(int(((side.cameras == NO_CAMERA) & (side.identities > 0)).sum()) for side in sides)

    def distances(self, queries: NDArray[np.int64]) -> NDArray[np.float32]:
        """Distances of queries, given by position, to all gallery images, float32 [queries, G].

        Where junk is ranked last, the distances to it are infinite.
        """
        asked = self.query.select(queries)
        return distances(
            asked.features, self.gallery.features, distance_between(asked, self.gallery, self.metric, self.junk)
        )

    def intervals(self, name: str = "model") -> dict[str, Interval]:
        """How sure mAP and rank-1 of a row are: 95 % of the draws of the query identities fall between."""
        figures = self.results[name]
        first = np.where(np.isnan(figures.average_precision), np.nan, figures.first_rank == 1)
        values = {"mAP": figures.average_precision, "rank-1": first}
        return {figure: interval(found, self.query.identities) for figure, found in values.items()}

    @cached_property
    def verification(self) -> Verification | None:
        """The model's distance as a test of two images, and as one of whether somebody is in the gallery at all."""
        distance = distance_between(self.query, self.gallery, self.metric, self.junk)
        return verify(self.query.features, self.gallery.features, self.result.judgement, distance)

    @cached_property
    def camera_pairs(self) -> CameraPairs | None:
        """The model's scores between each two cameras; None where all images are of one, or no camera is known."""
        sides = self.query.cameras, self.gallery.cameras
        if len(np.unique(np.concatenate(sides))) < 2:
            return None
        distance = distance_between(self.query, self.gallery, self.metric, self.junk)
        return camera_pairs(self.query.features, self.gallery.features, self.result.judgement, *sides, distance)

    def summary(self) -> dict[str, dict[str, object]]:
        """Name -> scores as plain values, shares in [0, 1], of the model and of all that it is compared with.

        The ends of `intervals` are None where there is one identity. Of the model also verification, and a line for each
        pair of cameras.
        """
        beside: dict[str, object] = {}
        if self.verification is not None:
            beside["verification"] = self.verification.summary()
        if self.camera_pairs is not None:
            beside["camera pairs"] = self.camera_pairs.summary()
        return {
            name: {
                **result.summary(),
                "intervals": {
                    figure: [None if np.isnan(end) else end for end in ends]
                    for figure, ends in self.intervals(name).items()
                },
                **(beside if name == "model" else {}),
            }
            for name, result in self.results.items()
        }


def evaluate(
    model: Recognizer,
    dataset: ReidDataset,
    *,
    rerank: KReciprocal | None = None,
    expand: int | None = None,
    average_precision: str = "precision",
    protocol: str | None = None,
    depth: int | None = None,
    baselines: bool = False,
    drop_junk: bool | None = None,
    by: ClusterSearch | None = None,
    progress: Progress | None = None,
) -> Result:
    """Embed the query and gallery images of a dataset and evaluate the search of one in the other.

    >>> evaluate(resight.load("runs/street"), resight.read_dataset("market1501:/data/market")).result.cmc[0]

    `protocol` is by default the recipe's, or else the dataset's own; of `depth` nearest images, by default the recipe's
    number, right answers count, and of 0 all. `rerank` adds an evaluation with re-ranking, `expand` one in which each
    query is moved towards so many of its nearest gallery images (`resight.retrieval.expand`),
    `baselines` those of random features and of a colour histogram, and a metric that weighs attributes adds one by the
    features alone. `drop_junk` ranks gallery images last that the model calls junk, by default as the recipe says.
    `by` adds a search by clusters; where it learns its cut, on the labelled training images of the dataset, without those
    that the recipe holds out.
    Raises DataError for a dataset without a labelled query and gallery, RunError for `drop_junk` with a model that does
    not know junk. A query's own file in the gallery is left out for it; DataError says why when no query has a right
    answer.
    """
    query, gallery = searchable(dataset)
    whole, failed = embed(model, [*query, *gallery], progress=progress)
    sides = _sides(whole, query)
    if drop_junk is not None and not model.tells_junk:
        raise RunError("dropping or keeping junk is for runs that weigh attributes and know junk, as reid-bruna does")
    dropped = model.recipe.retrieval.drop_junk if drop_junk is None else drop_junk
    junk = model.junk(sides[1]) if dropped else None
    metric = distance_between(*sides, model.metric, junk)
    protocol = protocol or model.recipe.retrieval.protocol
    depth = model.recipe.retrieval.depth if depth is None else depth or None
    options: dict[str, Any] = {"average_precision": average_precision, "protocol": protocol, "depth": depth}
    results = {"model": evaluate_embeddings(*sides, dataset, metric=metric, **options)}
    require_answers(results["model"], sides[0].records, sides[1].records)
    if model.weighs_attributes:
        results["model, features alone"] = evaluate_embeddings(*sides, dataset, metric="euclidean", **options)
    if expand is not None:
        moved = _expanded(*sides, model.metric, expand)
        further = distance_between(moved, sides[1], model.metric, junk)
        results[f"model, expanded by {expand}"] = evaluate_embeddings(
            moved, sides[1], dataset, metric=further, **options
        )
    if rerank is not None:
        results["model, re-ranked"] = evaluate_embeddings(*sides, dataset, rerank=rerank, **options)
    for name, baseline in BASELINES.items() if baselines else ():
        results[name] = evaluate_embeddings(*_sides(baseline([*query, *gallery]), query), dataset, **options)
    searched = None
    if by is not None:
        searched, more = _search_by_clusters(by, model, *sides, dataset, options, progress)
        results["by clusters"], failed = searched.evaluation, [*dict.fromkeys([*failed, *more])]
    return Result(results, *sides, model.metric, failed, junk, searched)


def _expanded(query: Embeddings, gallery: Embeddings, metric: str, count: int) -> Embeddings:
    """The queries, each blended with its nearest gallery images; the labels are not looked at, but for junk."""
    shown = gallery.select(np.flatnonzero(gallery.identities != JUNK))
    distance = metric_between(metric, query.attributes, shown.attributes)
    own = own_positions(query.records, shown.records)
    return replace(query, features=expand_features(query.features, shown.features, count, distance, own=own))


def count_images(model: Recognizer, dataset: ReidDataset, by: ClusterSearch | None = None, **options: Any) -> int:
    """The images that `evaluate` will embed, and the queries that it clusters anew. Raises DataError as `searchable` does."""
    query, gallery = searchable(dataset)
    more = 0 if by is None else len(_labelled(by, model, dataset)) + (len(query) if by.anew else 0)
    return len(query) + len(gallery) + more


def _labelled(by: ClusterSearch, model: Recognizer, dataset: ReidDataset) -> list[Record]:
    """The training images that a search by clusters learns its cut on."""
    if not by.learns:
        return []
    fitted = by_split(dataset, model.recipe, lambda record: record.identity > 0, trained_here=True).get("train", [])
    if not fitted:
        raise DataError(
            f"{dataset.name}: no training image has an identity, so no cut of the clusters can be learned; give "
            "--clusters N or --threshold T"
        )
    return fitted


def _search_by_clusters(
    by: ClusterSearch,
    model: Recognizer,
    query: Embeddings,
    gallery: Embeddings,
    dataset: ReidDataset,
    options: dict[str, Any],
    progress: Progress | None,
) -> tuple[Searched, list[str]]:
    labelled: Embeddings | None = None
    failed: list[str] = []
    if records := _labelled(by, model, dataset):
        labelled, failed = embed(model, records, progress=progress)
    rules = _rules(query, gallery, dataset) | {name: value for name, value in options.items() if value is not None}
    return by(query, gallery, labelled, metric_of(model), progress=progress, **rules), failed


def distance_between(query: Embeddings, gallery: Embeddings, metric: str, junk: NDArray[np.bool_] | None) -> Distance:
    """The distance of a metric between two sides; gallery images that `junk`, bool [G], says to be junk are ranked last."""
    distance = metric_between(metric, query.attributes, gallery.attributes)
    return distance if junk is None else JunkLast(distance, junk)


def _sides(whole: Embeddings, query: Sequence[Record]) -> tuple[Embeddings, Embeddings]:
    first = _count_in(whole.records, query)
    return whole.select(slice(first)), whole.select(slice(first, None))


def evaluate_embeddings(
    query: Embeddings,
    gallery: Embeddings,
    dataset: ReidDataset,
    *,
    metric: str | Distance = "cosine",
    rerank: KReciprocal | None = None,
    average_precision: str = "precision",
    protocol: str | None = None,
    depth: int | None = None,
) -> Evaluation:
    """Evaluate embeddings of a dataset's query and gallery images, of which some may be missing.

    A query's own file in the gallery is left out for it. `protocol` is by default the dataset's own; `depth` as in
    `resight.retrieval.evaluate`. With `rerank`, re-ranked distances of the features replace the metric. Raises DataError
    when one side is empty, or has no attributes where the metric weighs them.
    """
    if not len(query) or not len(gallery):
        raise DataError(f"{dataset.name}: no query or no gallery image could be read")
    if isinstance(metric, str) and rerank is None:
        metric = metric_between(metric, query.attributes, gallery.attributes)
    rules = _rules(query, gallery, dataset)
    rules["protocol"] = protocol or rules["protocol"]
    options: dict[str, Any] = {"rerank": rerank, "average_precision": average_precision, "depth": depth}
    return evaluate_features(query.features, gallery.features, metric=metric, **options, **rules)


def _rules(query: Embeddings, gallery: Embeddings, dataset: ReidDataset) -> dict[str, Any]:
    """What is right for a query and what is left out, by the labels and the dataset's own protocol or lists."""
    return {
        "query_ids": query.identities,
        "gallery_ids": gallery.identities,
        "query_cameras": query.cameras,
        "gallery_cameras": gallery.cameras,
        "own": own_positions(query.records, gallery.records),
        "protocol": dataset.protocol if dataset.relevance is None else _relevance(dataset, query, gallery),
    }


def searchable(dataset: ReidDataset) -> tuple[list[Record], list[Record]]:
    """Query and gallery of a dataset. Raises DataError, with the remedy, when one is missing or the queries are unlabelled."""
    if not dataset.query or not dataset.gallery:
        raise DataError(
            f"{dataset.name} has no query and gallery to evaluate on; make them from its training split: "
            "resight data split --data … --out split.csv, then --data manifest:split.csv"
        )
    if any(record.identity == UNLABELLED for record in dataset.query):
        raise DataError(
            f"{dataset.name}: its queries have no identities, so nothing can be evaluated; index and search it, or "
            "evaluate on a split of its training images: resight data split"
        )
    return list(dataset.query), list(dataset.gallery)


def _count_in(kept: Sequence[Record], query: Sequence[Record]) -> int:
    # `kept` has the order of query, then gallery, without the images that could not be read.
    position = 0
    for record in query:
        if position < len(kept) and kept[position] is record:
            position += 1
    return position


def _relevance(dataset: ReidDataset, query: Embeddings, gallery: Embeddings) -> Relevance:
    """The dataset's own answer lists, of the images that could be read, as positions in `query` and `gallery`."""
    assert dataset.relevance is not None
    moved = np.full(len(dataset.gallery), -1)
    place = {id(record): position for position, record in enumerate(gallery.records)}
    for position, record in enumerate(dataset.gallery):
        moved[position] = place.get(id(record), -1)
    wanted = {id(record) for record in query.records}
    rows = [row for row, record in enumerate(dataset.query) if id(record) in wanted]

    def kept(lists: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [moved[lists[row]][moved[lists[row]] >= 0] for row in rows]

    return Relevance(kept(dataset.relevance.good), kept(dataset.relevance.junk))
