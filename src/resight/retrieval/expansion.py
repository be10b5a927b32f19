"""Query expansion: a query is moved towards its nearest gallery images, then searched again (Chum et al. 2007).

Queries never see each other: each is moved by the gallery alone, so its answer does not depend on what else is asked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.retrieval.arrays import Array, to_numpy
from resight.retrieval.distance import Cosine, Distance, checked_pair, nearest, the_metric
from resight.retrieval.protocol import Positions

__all__ = ["ALPHA", "blend", "expand"]

Floats = NDArray[np.float32]

ALPHA = 3.0
"""Power of the similarity in a neighbour's weight (Radenović et al. 2019, section 3.6)."""


def expand(
    query: Array,
    gallery: Array,
    k: int,
    metric: str | Distance = "cosine",
    *,
    alpha: float = ALPHA,
    own: Positions | None = None,
    threads: int | None = None,
) -> Floats:
    """The queries [Q, D], each blended with its `k` nearest gallery images [G, D]: float32 [Q, D].

    >>> evaluate(expand(q, g, k=5), g, query_ids=[1], gallery_ids=[1, 2], protocol="course")  # doctest: +SKIP

    Neighbours are those of `metric`; see `blend` for their weights. No label is looked at: images of the query's own
    camera are neighbours as well, as in a search. `own`, int [Q], says which gallery image each query is itself, below 0
    where it is none: that image is no neighbour. Leave junk out of the gallery beforehand.
    Raises DataError for bad features, and for k below 1.
    """
    if k < 1:
        raise DataError(f"expansion by k = {k} neighbours: it must be at least 1")
    query, gallery = checked_pair(query, gallery)
    metric = the_metric(metric)
    _, places = nearest(query, gallery, k + (own is not None), metric, threads=threads)
    query, gallery = to_numpy(query), to_numpy(gallery)
    if isinstance(metric, Cosine):
        query, gallery = _unit(query), _unit(gallery)
    kept = np.ones(places.shape, bool) if own is None else places != np.asarray(own)[:, None]
    kept &= np.cumsum(kept, axis=1) <= k
    found = [blend(one, gallery[row[mine]], alpha=alpha) for one, row, mine in zip(query, places, kept, strict=True)]
    return np.stack(found)


def blend(query: NDArray[np.floating], neighbours: NDArray[np.floating], *, alpha: float = ALPHA) -> Floats:
    """The weighted mean, float32 [D], of a query [D], of weight 1, and of its neighbours [K, D].

    A neighbour's weight is its cosine similarity to the query to the power of `alpha`; one that points away has none.
    Give vectors of length one where the cosine compares them.
    """
    similarities = np.maximum(_unit(neighbours) @ _unit(query[None])[0], 0)
    weights = similarities.astype(np.float64) ** alpha
    return ((query + weights @ neighbours) / (1 + weights.sum())).astype(np.float32)


def _unit(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
