"""A search small enough to follow by hand: four queries and six gallery images that lie on a line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from resight.records import JUNK, Embeddings, Record, ReidDataset
from resight.tasks.reid.evaluation import Result, evaluate_embeddings
from tests.support.grids import Colour, plain_image

__all__ = ["Search", "line_search"]


@dataclass(frozen=True)
class Search:
    """The evaluation, and the colour that fills each image."""

    result: Result
    dataset: ReidDataset
    queries: list[Colour]
    gallery: list[Colour]

    def of(self, *queries: int) -> Search:
        """The same search by some of the queries alone."""
        query = self.result.query.select(np.array(queries))
        figures = evaluate_embeddings(query, self.result.gallery, self.dataset, metric="euclidean")
        result = replace(self.result, results={"model": figures}, query=query)
        return Search(result, self.dataset, [self.queries[place] for place in queries], self.gallery)


def line_search(folder: Path) -> Search:
    """Query 0 finds its identity first, query 1 second, query 3 last; nobody in the gallery is query 2.

    Distances of what counts, nearest first: query 0 (identity 1) g0 right, g1, g3, g5; query 1 (2) g0, g1 right, g2, g5;
    query 3 (3) g3, g2, g1, g0, g5 right. Left out: g4, which is junk, g2 for query 0 and g3 for query 1, which show
    them in their own camera. Average precisions: 1, 1/2, none, 1/5.
    """
    asked = [
        (0.0, 1, 1, {"hat": "yes", "bag": "no"}),
        (0.12, 2, 1, {"hat": "no", "shoes": "red"}),
        (4.0, 9, 1, {}),
        (1.1, 3, 1, {"hat": "no", "top": "red"}),
    ]
    shown = [
        (0.1, 1, 2, {"hat": "yes", "top": "blue"}),
        (0.2, 2, 2, {"hat": "no"}),
        (0.3, 1, 1, {}),
        (1.0, 2, 1, {"hat": "no", "top": "red"}),
        (1.2, JUNK, 3, {}),
        (5.0, 3, 2, {"hat": "yes"}),
    ]
    query, queries = _side(folder, "q", asked, green=0)
    gallery, found = _side(folder, "g", shown, green=200)
    dataset = ReidDataset("line", query=query.records, gallery=gallery.records)
    figures = evaluate_embeddings(query, gallery, dataset, metric="euclidean")
    result = Result({"model": figures}, query, gallery, "euclidean", ["bad.jpg: no image"])
    return Search(result, dataset, queries, found)


def _side(
    folder: Path, name: str, rows: list[tuple[float, int, int, dict[str, str]]], green: int
) -> tuple[Embeddings, list[Colour]]:
    colours = [(25 * number, green, 255 - 25 * number) for number in range(len(rows))]
    paths = [plain_image(str(folder / f"{name}{number}.png"), colour) for number, colour in enumerate(colours)]
    records = [
        Record(path, identity, camera, attributes=attributes)
        for path, (_, identity, camera, attributes) in zip(paths, rows, strict=True)
    ]
    return Embeddings(np.array([[place, 0] for place, *_ in rows], np.float32), records), colours
