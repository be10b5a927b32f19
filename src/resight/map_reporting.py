"""Sections of a report that look into the network: where it saw a match, and what its stages compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resight.data.images import read_image
from resight.errors import RunError
from resight.evaluation import Compared
from resight.maps import match_maps, stage_maps
from resight.ranking import drawn_queries, lists_of
from resight.recognizer import Recognizer
from resight.views.image_rows import image_rows
from resight.views.maps import coloured, overlay, strongest_channels
from resight.views.ranked_lists import RankedList, Tile, ranked_lists
from resight.views.report import Report

__all__ = ["looks_section", "stages_section"]

_LOOKS, _LOOKED_AT = 4, 6
_MAPPED, _CHANNELS = 2, 9


def looks_section(report: Report, compared: Compared, model: Recognizer) -> None:
    """Where the network looks: each query's nearest images, and under each the query as it was compared with it."""
    rows = []
    for listed in lists_of(compared, drawn_queries(compared, _LOOKS), _LOOKED_AT):
        try:
            looked = match_maps(model, [listed.query], [tile.path for tile in listed.tiles])
        except RunError as error:
            report.heading("Where the model looks")
            report.text(f"Nothing is shown: {error}.")
            return
        query = read_image(str(listed.query))
        founds = [
            replace(tile, path=overlay(read_image(str(tile.path)), look.found))
            for tile, look in zip(listed.tiles, looked, strict=True)
        ]
        queries = [Tile(overlay(query, look.query), "unknown", f"cos {look.similarity:.2f}") for look in looked]
        mean = overlay(query, np.mean([look.query for look in looked], axis=0))
        rows += [replace(listed, tiles=founds), RankedList(mean, "mean", queries)]
    if rows:
        report.heading(
            "Where the model looks",
            "Bright places add most to the cosine similarity of a query and an image found. Brightness is relative to "
            "each picture's brightest place; places that speak against the match stay as they are.",
        )
        report.image(ranked_lists(rows), "Upper rows: a query and its nearest images, as in the ranked lists. Lower rows: the same query's places, on the mean and against each of the images above.")  # fmt: skip


def stages_section(report: Report, compared: Compared, model: Recognizer) -> None:
    """Maps after each stage of the network, of a few queries."""
    images = [compared.query.records[query].path for query in drawn_queries(compared, _MAPPED)]
    try:
        found = stage_maps(model, images) if images else []
    except RunError as error:
        report.heading("Feature maps")
        report.text(f"Nothing is shown: {error}.")
        return
    for number, (image, stages) in enumerate(zip(images, found, strict=True)):
        if not number:
            report.heading("Feature maps", "What the network computes from an image, stage after stage.")
        pixels = read_image(image)
        rows = {f"{name}: {_size(maps)}": [pixels, *_channels(maps, pixels)] for name, maps in stages.items()}
        report.image(image_rows(rows), f"A row a stage: {Path(image).name}, the mean of its channels, then those that vary most over the image, each from its least value (black) to its greatest (yellow).")  # fmt: skip


def _size(maps: NDArray[np.float32]) -> str:
    return "{} maps of {} by {}".format(*maps.shape)  # A sign for "times" is not in the pictures' font.


def _channels(maps: NDArray[np.float32], pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The mean of maps (channels, height, width) and the strongest channels, each as large as the image."""
    chosen = [maps.mean(0), *maps[strongest_channels(maps, _CHANNELS)]]
    return [coloured(values, (pixels.shape[0], pixels.shape[1])) for values in chosen]
