"""Pictures of an evaluation: ranked lists, where the network looks, feature maps, the feature space, a selector's picks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from resight.data.images import read_image
from resight.recognizer import Recognizer
from resight.tasks.reid.evaluation import Result
from resight.tasks.reid.feature_maps import match_maps, stage_maps
from resight.views import projections
from resight.views.grids import RankedList, Tile, Verdict, found_caption, image_rows, ranked_lists, tile_grid
from resight.views.heatmaps import coloured, overlay, strongest_channels

__all__ = [
    "Pick",
    "answers",
    "drawn_queries",
    "feature_space",
    "hardest_queries",
    "lists_of",
    "looks",
    "picks_picture",
    "stages",
    "verdicts",
]

_LOOKS, _LOOKED_AT = 4, 6
"""The number of queries for which is shown where the network looks, and of gallery images for each."""
_MAPPED, _CHANNELS = 2, 9
"""The number of queries whose feature maps are shown, and of channels of each stage."""


def drawn_queries(result: Result, count: int) -> NDArray[np.int64]:
    """Positions of `count` queries that have a match, drawn with a fixed seed, ascending."""
    counted = _counted(result)
    return np.sort(np.random.default_rng(0).permutation(counted)[:count])


def hardest_queries(result: Result, count: int) -> NDArray[np.int64]:
    """Positions of the `count` queries with the lowest average precision, lowest first, of those that have a match."""
    counted = _counted(result)
    return counted[np.argsort(result.result.average_precision[counted], kind="stable")[:count]]


def lists_of(result: Result, queries: NDArray[np.int64], length: int = 10) -> list[RankedList]:
    """For each query, given by position, the `length` nearest gallery images that count, with verdict, distance and camera.

    Images that the protocol leaves out often fill a list: their number before its last image is in `left_out`.
    """
    if not len(queries):
        return []
    between = result.distances(queries)
    lists = []
    for query, row in zip(queries, between, strict=True):
        record, judged = result.query.records[query], verdicts(result, query)
        tiles = []
        order = np.argsort(row, kind="stable")
        counting = np.flatnonzero([judged[place] != "junk" for place in order])[:length]
        for place in order[counting]:
            found = result.gallery.records[place]
            tiles.append(Tile(found.path, judged[place], found_caption(float(row[place]), found.camera)))
        # It must fit below a crop that is twice as high as wide.
        caption = f"{record.identity} AP {100 * result.result.average_precision[query]:.0f}"
        left_out = int(counting[-1]) + 1 - len(counting) if len(counting) else 0
        lists.append(RankedList(record.path, caption, tiles, left_out))
    return lists


def answers(result: Result, query: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The gallery images that are right for a query and those that are wrong, bool [G] each; the protocol leaves out the rest."""
    judgement = result.result.judgement
    right, wrong = (np.zeros(len(result.gallery), np.bool_) for _ in range(2))
    wrong[judgement.columns] = True
    right[judgement.columns[judgement.good[query]]] = True
    wrong &= ~right
    for found in (right, wrong):
        found[judgement.columns[judgement.left_out[query]]] = False
    return right, wrong


def verdicts(result: Result, query: int) -> list[Verdict]:
    """[G]: whether each gallery image is right or wrong for a query, or left out by the protocol ("junk")."""
    right, wrong = answers(result, query)
    return np.where(right, "right", np.where(wrong, "wrong", "junk")).tolist()


def feature_space(result: Result, most: int = 1000) -> Figure | None:
    """t-SNE of the ten identities with most gallery images, of at most `most` images; None for fewer than five images."""
    identities = result.gallery.identities
    chosen = projections.largest_identities(identities, most=most)
    if len(chosen) < 5:
        return None
    points = projections.tsne(result.gallery.features[chosen])
    return projections.scatter(points, identities[chosen], result.gallery.cameras[chosen])


def _counted(result: Result) -> NDArray[np.int64]:
    return np.flatnonzero(~np.isnan(result.result.average_precision))


@dataclass(frozen=True, slots=True)
class Pick:
    """What a selector picks in one item: paths of one identity's images, paths of others, the predicted distances of the
    others, and the positions of those that are picked."""

    same: Sequence[str]
    others: Sequence[str]
    predicted: Sequence[float]
    picked: Sequence[int]


def picks_picture(picks: Sequence[Pick]) -> Image.Image:
    """A row for each item: the images of the identity, then those of others with their predicted distances.

    >>> picks_picture([Pick(["a.jpg"], ["b.jpg", "c.jpg"], [0.7, 0.2], [1])]).save("picks.png")  # doctest: +SKIP

    Frames are green with a tick for the identity, red with a cross for the picked others, grey with a dash for the rest.
    Raises DataError when there is no item.
    """
    tiles = []
    for pick in picks:
        tiles += [Tile(path, "right") for path in pick.same]
        for place, (path, predicted) in enumerate(zip(pick.others, pick.predicted, strict=True)):
            tiles.append(Tile(path, "wrong" if place in pick.picked else "junk", f"{predicted:.2f}"))
    return tile_grid(tiles, columns=len(picks[0].same) + len(picks[0].others) if picks else 1)


def looks(result: Result, model: Recognizer) -> Image.Image | None:
    """Where the network looks: for a few queries two rows, the nearest images and below each the query, both with maps.

    The maps show what each place adds to the similarity of the two images. The result is None where no query has a match.
    Raises RunError for a network without maps.
    """
    rows = []
    for listed in lists_of(result, drawn_queries(result, _LOOKS), _LOOKED_AT):
        looked = match_maps(model, [listed.query], [tile.path for tile in listed.tiles])
        query = read_image(str(listed.query))
        founds = [
            replace(tile, path=overlay(read_image(str(tile.path)), look.found))
            for tile, look in zip(listed.tiles, looked, strict=True)
        ]
        queries = [Tile(overlay(query, look.query), "unknown", f"cos {look.similarity:.2f}") for look in looked]
        mean = overlay(query, np.mean([look.query for look in looked], axis=0))
        rows += [replace(listed, tiles=founds), RankedList(mean, "mean", queries)]
    return ranked_lists(rows) if rows else None


def stages(result: Result, model: Recognizer) -> dict[str, Image.Image]:
    """File name of a query -> a picture of its feature maps after each stage, for a few queries.

    Raises RunError for a network without maps.
    """
    images = [result.query.records[query].path for query in drawn_queries(result, _MAPPED)]
    pictures = {}
    for image, maps_of in zip(images, stage_maps(model, images) if images else [], strict=True):
        pixels = read_image(image)
        rows = {f"{name}: {_size(maps)}": [pixels, *_channels(maps, pixels)] for name, maps in maps_of.items()}
        pictures[Path(image).name] = image_rows(rows)
    return pictures


def _size(maps: NDArray[np.float32]) -> str:
    return "{} maps of {} by {}".format(*maps.shape)  # the font of the pictures has no ×


def _channels(maps: NDArray[np.float32], pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Pictures of the size of the image: the mean of maps (channels, height, width), then the strongest channels."""
    chosen = [maps.mean(0), *maps[strongest_channels(maps, _CHANNELS)]]
    return [coloured(values, (pixels.shape[0], pixels.shape[1])) for values in chosen]
