"""Ranked lists of an evaluation or a search: which queries to show, what each image found is, and the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from resight.retrieval import distances
from resight.tasks.reid.evaluation import Compared
from resight.views import projections
from resight.views.grids import RankedList, Tile, Verdict, found_caption, tile_grid

__all__ = ["Pick", "drawn_queries", "feature_space", "hardest_queries", "lists_of", "picks_picture", "verdicts"]


def drawn_queries(compared: Compared, count: int) -> NDArray[np.int64]:
    """Positions of some queries that are counted, ascending; the same whoever asks."""
    counted = _counted(compared)
    return np.sort(np.random.default_rng(0).permutation(counted)[:count])


def hardest_queries(compared: Compared, count: int) -> NDArray[np.int64]:
    """Positions of the counted queries with the lowest average precision, lowest first."""
    counted = _counted(compared)
    return counted[np.argsort(compared.result.average_precision[counted], kind="stable")[:count]]


def lists_of(compared: Compared, queries: NDArray[np.int64], length: int = 10) -> list[RankedList]:
    """The nearest gallery images of queries, given by position, each with its verdict, distance and camera."""
    between = distances(compared.query.features[queries], compared.gallery.features, compared.metric)
    lists = []
    for query, row in zip(queries, between, strict=True):
        record, judged = compared.query.records[query], verdicts(compared, query)
        tiles = []
        for place in np.argsort(row, kind="stable")[:length]:
            found = compared.gallery.records[place]
            tiles.append(Tile(found.path, judged[place], found_caption(float(row[place]), found.camera)))
        # Short enough to stand under a crop twice as high as wide.
        caption = f"{record.identity} AP {100 * compared.result.average_precision[query]:.0f}"
        lists.append(RankedList(record.path, caption, tiles))
    return lists


def verdicts(compared: Compared, query: int) -> list[Verdict]:
    """What each gallery image is to a query."""
    judgement = compared.result.judgement
    found: list[Verdict] = ["junk"] * len(compared.gallery)
    for place in judgement.columns:
        found[place] = "wrong"
    for place in judgement.columns[judgement.good[query]]:
        found[place] = "right"
    for place in judgement.columns[judgement.left_out[query]]:
        found[place] = "junk"
    return found


def feature_space(compared: Compared, most: int = 1000) -> Figure | None:
    """t-SNE of the ten identities with most gallery images, of `most` images at the most; None for under five."""
    identities = compared.gallery.identities
    chosen = projections.largest_identities(identities, most=most)
    if len(chosen) < 5:
        return None
    points = projections.tsne(compared.gallery.features[chosen])
    return projections.scatter(points, identities[chosen], compared.gallery.cameras[chosen])


def _counted(compared: Compared) -> NDArray[np.int64]:
    return np.flatnonzero(~np.isnan(compared.result.average_precision))


@dataclass(frozen=True, slots=True)
class Pick:
    """Paths of one person's images and of others', how far away each of these is predicted, and which were picked."""

    same: Sequence[str]
    others: Sequence[str]
    predicted: Sequence[float]
    picked: Sequence[int]


def picks_picture(picks: Sequence[Pick]) -> Image.Image:
    """A row for each item: the person's images (green, a tick), then the others with their predicted distance.

    >>> picks_picture([Pick(["a.jpg"], ["b.jpg", "c.jpg"], [0.7, 0.2], [1])]).save("picks.png")  # doctest: +SKIP

    Picked ones are red with a cross, those passed over grey with a dash. Raises DataError when there is no item.
    """
    tiles = []
    for pick in picks:
        tiles += [Tile(path, "right") for path in pick.same]
        for place, (path, predicted) in enumerate(zip(pick.others, pick.predicted, strict=True)):
            tiles.append(Tile(path, "wrong" if place in pick.picked else "junk", f"{predicted:.2f}"))
    return tile_grid(tiles, columns=len(picks[0].same) + len(picks[0].others) if picks else 1)
