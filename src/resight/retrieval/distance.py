"""Distances between query and gallery features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError, did_you_mean
from resight.retrieval.arrays import Array, as_features, is_tensor, squared_norms
from resight.retrieval.neighbours import smallest
from resight.retrieval.rounding import exact_type, middle_of
from resight.retrieval.tiles import Products, Tiles, over_tiles, padded, whole

__all__ = [
    "METRICS",
    "AttributeWeighted",
    "Cosine",
    "Distance",
    "Euclidean",
    "Fixed",
    "JunkLast",
    "distances",
    "metric_between",
    "nearest",
    "normalised",
    "normalised_together",
    "the_metric",
    "tiles_among",
]


class Distance(Protocol):
    """A way to compare features. `tiles` may give any increasing function of the distance: the order is the same."""

    @property
    def name(self) -> str:
        """Its name in evaluations and reports."""
        ...  # pragma: no cover

    def tiles(self, query: Array, gallery: Array, columns: NDArray[np.int64] | None = None) -> Tiles:
        """A matrix [Q, G] that orders each query's gallery images as the distance does; of `columns` alone if given."""
        ...  # pragma: no cover

    def values(self, tile: NDArray[np.floating]) -> NDArray[np.floating]:
        """The distances themselves, from what `tiles` gave."""
        ...  # pragma: no cover


class Fixed(Protocol):
    """Gives pairs of features the value that they have among all others, whichever are compared at once."""

    def tiles(self, query: Array, gallery: Array) -> Tiles:
        """As `Distance.tiles`."""
        ...  # pragma: no cover


class Cosine:
    """1 - cosine similarity, from 0 to 2. A feature of zeros is at distance 1 from everything."""

    name = "cosine"

    def fixed(self, query: Array, gallery: Array) -> Fixed:
        """What compares some of these features as among all."""
        return _Directions()

    def tiles(self, query: Array, gallery: Array, columns: NDArray[np.int64] | None = None) -> Tiles:
        return _Directions().tiles(query, _chosen(gallery, columns), even=False)

    def values(self, tile: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.maximum(1 + tile, 0)


class _Directions:
    """Minus the similarity of features."""

    def tiles(self, query: Array, gallery: Array, even: bool = True) -> Tiles:
        # Negating the query here saves a pass over the whole matrix.
        return Products(normalised(query, -1.0), len(query), normalised(gallery), len(gallery), even=even)


class Euclidean:
    """Euclidean distance of the features as they are.

    Of features on a grid (whole numbers, binary codes, halves) it is exact, so equal distances are equal; see
    `resight.retrieval.rounding`.
    """

    name = "euclidean"

    def tiles(self, query: Array, gallery: Array, columns: NDArray[np.int64] | None = None) -> Tiles:
        return self.fixed(query, gallery).tiles(query, _chosen(gallery, columns), even=False)

    def fixed(self, query: Array, gallery: Array) -> _Moved:
        """What compares some of these features as among all, by which they are rounded."""
        middle = middle_of(gallery if len(gallery) else query)
        kind = exact_type(query, gallery, middle)
        return _Moved(middle.astype(kind) if kind is np.float64 else middle, kind)

    def values(self, tile: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.sqrt(np.maximum(tile, 0))


@dataclass(frozen=True, eq=False)
class _Moved:
    """Squared Euclidean distances of features that are moved by `middle`, [D], in a type.

    Distances do not change when everything moves, and close to the origin their sum loses the fewest digits.
    """

    middle: Array
    kind: type[np.floating]

    def tiles(self, query: Array, gallery: Array, even: bool = True) -> Tiles:
        # |q - g|^2 = |q|^2 + |g|^2 - 2qg as one product, of features with two more columns.
        left = _lifted(query, self.middle, self.kind, scale=-2.0, norm_first=True)
        right = _lifted(gallery, self.middle, self.kind, scale=1.0, norm_first=False)
        return Products(left, len(query), right, len(gallery), even=even)


@dataclass(frozen=True, eq=False)
class AttributeWeighted:
    """d(features) · (0.1 + d(attributes)), both Euclidean: the distance of Bruna (features × attributes).

    >>> evaluate(q, g, metric=AttributeWeighted(query_probabilities, gallery_probabilities), ...)  # doctest: +SKIP

    `query_attributes` float [Q, A] and `gallery_attributes` float [G, A] are the heads' probabilities, concatenated.
    Raises DataError when they do not fit the features or each other.
    """

    query_attributes: Array
    gallery_attributes: Array
    floor: float = 0.1
    name: str = "attribute-weighted"

    def tiles(self, query: Array, gallery: Array, columns: NDArray[np.int64] | None = None) -> Tiles:
        query_attributes = as_features(self.query_attributes, "query_attributes")
        gallery_attributes = as_features(self.gallery_attributes, "gallery_attributes")
        if len(query_attributes) != len(query) or len(gallery_attributes) != len(gallery):
            raise DataError(
                f"attributes of {len(query_attributes)} queries and {len(gallery_attributes)} gallery images do not fit "
                f"features of {len(query)} and {len(gallery)}"
            )
        if query_attributes.shape[1] != gallery_attributes.shape[1]:
            raise DataError(
                f"query and gallery have {query_attributes.shape[1]} and {gallery_attributes.shape[1]} attributes"
            )
        euclidean = Euclidean()
        return _Weighted(
            euclidean.tiles(query, gallery, columns),
            euclidean.tiles(query_attributes, gallery_attributes, columns),
            self.floor,
        )

    def values(self, tile: NDArray[np.floating]) -> NDArray[np.floating]:
        return tile


class _Weighted:
    def __init__(self, features: Tiles, attributes: Tiles, floor: float) -> None:
        self.rows, self.columns = features.rows, features.columns
        self._features, self._attributes, self._floor = features, attributes, floor

    def __call__(self, start: int, stop: int) -> NDArray[np.floating]:
        root = Euclidean().values
        return root(self._features(start, stop)) * (np.float32(self._floor) + root(self._attributes(start, stop)))


@dataclass(frozen=True, eq=False)
class JunkLast:
    """Another distance that puts the gallery images marked as `junk`, bool [G], behind all others.

    Junk is thus dropped from the head of every ranked list, and a right answer that is wrongly marked as junk still
    counts, at its late rank. The distance of junk is infinite; among itself it keeps its order.
    """

    metric: Distance
    junk: NDArray[np.bool_]

    @property
    def name(self) -> str:
        return f"{self.metric.name}, junk last"

    def tiles(self, query: Array, gallery: Array, columns: NDArray[np.int64] | None = None) -> Tiles:
        if len(self.junk) != len(gallery):
            raise DataError(f"{len(self.junk)} marks of junk do not fit a gallery of {len(gallery)} images")
        return _Last(self.metric.tiles(query, gallery, columns), self.junk if columns is None else self.junk[columns])

    def values(self, tile: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.where(tile > _BEHIND / 10, np.inf, self.metric.values(tile))


_BEHIND = 1e30
"""A distance greater than any between images."""


class _Last:
    def __init__(self, tiles: Tiles, images: NDArray[np.bool_]) -> None:
        self.rows, self.columns = tiles.rows, tiles.columns
        self._tiles, self._images = tiles, images

    def __call__(self, start: int, stop: int) -> NDArray[np.floating]:
        tile = self._tiles(start, stop)
        # Not infinity, by which the evaluation marks what is left out. Values from -1 on become _BEHIND / 2 or more.
        junk = tile[:, self._images]
        tile[:, self._images] = _BEHIND * (1 + junk / (1 + np.abs(junk)))
        return tile


def tiles_among(metric: Distance, query: Array, gallery: Array, columns: NDArray[np.int64]) -> Tiles:
    """The metric's tiles of the gallery images that count, given by ascending positions; nothing is copied where all do."""
    return metric.tiles(query, gallery, columns if len(columns) < len(gallery) else None)


METRICS: dict[str, Distance] = {"cosine": Cosine(), "euclidean": Euclidean()}


def the_metric(metric: str | Distance) -> Distance:
    """A metric by name, or the object given. Raises DataError that lists the names."""
    if not isinstance(metric, str):
        return metric
    if metric not in METRICS:
        raise DataError(
            f"unknown metric {metric!r}{did_you_mean(metric, METRICS)}; known are {', '.join(METRICS)}, or an object such as AttributeWeighted"
        )
    return METRICS[metric]


def metric_between(metric: str, query_attributes: Array | None, gallery_attributes: Array | None) -> Distance:
    """A recipe's metric by name, made for a query and a gallery of which these attributes are known, [Q, A] and [G, A].

    >>> metric_between(model.metric, query.attributes, gallery.attributes)  # doctest: +SKIP

    Raises DataError for an unknown name, and where attributes are weighed and a side has none.
    """
    if metric != AttributeWeighted.name:
        return the_metric(metric)
    if query_attributes is None or gallery_attributes is None:
        side = "query" if query_attributes is None else "gallery"
        raise DataError(
            f"{metric} distance: the {side}'s attributes are missing; embed its images with a run that weighs attributes"
        )
    return AttributeWeighted(query_attributes, gallery_attributes)


def distances(
    query: Array, gallery: Array, metric: str | Distance = "cosine", *, threads: int | None = None
) -> NDArray[np.float32]:
    """All distances, float32 [Q, G], for features [Q, D] and [G, D].

    Equal gallery features are equally far from a query. Raises DataError when shapes do not fit or values are not finite.
    """
    query, gallery = checked_pair(query, gallery)
    metric = the_metric(metric)
    tiles = metric.tiles(query, gallery)
    result = np.empty((tiles.rows, tiles.columns), np.float32)

    def fill(start: int, stop: int) -> None:
        result[start:stop] = metric.values(tiles(start, stop))

    over_tiles(fill, tiles.rows, tiles.columns, threads)
    return result


def nearest(
    query: Array, gallery: Array, k: int, metric: str | Distance = "cosine", *, threads: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distances [Q, k] and places in the gallery [Q, k] of the `k` nearest, exactly, in bounded memory.

    Equal distances are ordered by place. Raises DataError as `distances` does.
    """
    query, gallery = checked_pair(query, gallery)
    metric = the_metric(metric)
    tiles = metric.tiles(query, gallery)

    def first(start: int, stop: int) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        tile = tiles(start, stop)
        places = smallest(tile, min(k, tile.shape[1]))
        return metric.values(np.take_along_axis(tile, places, axis=1)), places

    values, places = zip(*over_tiles(first, tiles.rows, tiles.columns, threads), strict=True)
    return np.concatenate(values).astype(np.float32), np.concatenate(places)


def checked_pair(query: Array, gallery: Array) -> tuple[Array, Array]:
    """Features of both sides, checked (see `as_features`) and of one width."""
    query, gallery = as_features(query, "query features"), as_features(gallery, "gallery features")
    if query.shape[1] != gallery.shape[1]:
        raise DataError(
            f"query features have {query.shape[1]} dimensions, gallery features {gallery.shape[1]}; "
            "they must come from one model"
        )
    if is_tensor(query) != is_tensor(gallery):
        raise DataError("query and gallery features lie on different devices; move one of them")
    return query, gallery


def normalised(features: Array, scale: float = 1.0) -> Array:
    """Rows of length `scale`, padded (see `tiles.padded`); a row of zeros stays one."""

    def write(rows: Array, result: Array) -> None:
        if is_tensor(rows):
            result[:] = rows * _factors(rows, scale)
        else:
            np.multiply(rows, _factors(rows, scale), out=result)

    return padded(features, features.shape[1], write)


def normalised_together(query: Array, gallery: Array) -> Array:
    """The rows of both, one after the other, as `normalised` has them."""
    count = len(query) + len(gallery)
    shape = (whole(count), query.shape[1])
    result = query.new_empty(shape).float() if is_tensor(query) else np.empty(shape, np.float32)
    result[: len(query)], result[len(query) : count], result[count:] = query, gallery, 0

    def scale(start: int, stop: int) -> None:
        rows = result[start:stop]
        rows *= _factors(rows, 1.0)

    over_tiles(scale, count, query.shape[1])
    return result


def _factors(rows: Array, scale: float) -> Array:
    """[N, 1]: what gives each row the length `scale`."""
    return (scale / (squared_norms(rows) ** 0.5).clip(min=1e-12))[:, None]


def _lifted(features: Array, middle: Array, kind: type[np.floating], *, scale: float, norm_first: bool) -> Array:
    """The features less `middle`, times `scale`, and two more columns: their squared norms and ones.

    `norm_first` says which of the two comes first; the other side has them in the other order, so that each squared
    norm is multiplied by a one.
    """
    width = features.shape[1]

    def write(rows: Array, result: Array) -> None:
        moved = rows - middle
        result[:, :width] = moved * scale
        result[:, width + (not norm_first)] = squared_norms(moved, kind)
        result[:, width + norm_first] = 1

    return padded(features, width + 2, write, kind)


def _chosen(gallery: Array, columns: NDArray[np.int64] | None) -> Array:
    return gallery if columns is None or len(columns) == len(gallery) else gallery[columns]
