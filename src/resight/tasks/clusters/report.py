"""The report of clusters: the table of scores, the contact sheet, and the HTML page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from resight.records import Embeddings
from resight.retrieval.clusters import Assigned, ClusterScores, majorities
from resight.tasks.clusters.evaluation import Result
from resight.views import charts
from resight.views.grids import RankedList, Tile, Verdict, ranked_lists, tile_grid
from resight.views.report import Report
from resight.views.tables import Table, per_cent
from resight.words import counted

__all__ = ["assignment_page", "contact_sheet", "page", "tables"]

_MISSING = "They are in no cluster."
_CLUSTERS = 12
_IMAGES = 12
_UNSURE = 32
_SCORES = ("purity", "adjusted Rand", "NMI", "mAP", "rank-1")


def tables(result: Result) -> list[Table]:
    """A table of the scores in per cent, of the clusters and of clusters filled at random; none without identities."""
    if result.scores is None or result.by_chance is None:
        return []
    over = f"{counted(result.scores.images, 'image')} of {counted(result.scores.identities, 'identity', 'identities')}"
    note = f"Over {over}. Purity and NMI rise with the number of clusters even by chance: compare the two rows. {_search_note(result)}"
    found = result.summary()
    rows = [
        ["clusters", *(per_cent(found[name]) for name in _SCORES)],
        ["by chance", *map(per_cent, _figures(result.by_chance)), "–", "–"],
    ]
    return [Table(["%", *_SCORES], rows, "Figures", note.strip())]


def contact_sheet(embeddings: Embeddings, assigned: Assigned, clusters: int = _CLUSTERS) -> Image.Image:
    """A picture of the largest clusters, a row each: images from the nearest to the centroid outwards.

    Frames are green with a tick for the cluster's most frequent identity, red with a cross for another one, and blue
    where the identity is unknown.
    """
    ids = embeddings.identities
    most = majorities(assigned.labels, ids)
    names, counts = np.unique(assigned.labels[assigned.labels >= 0], return_counts=True)
    rows = []
    for place in np.argsort(-counts, kind="stable")[:clusters]:
        members = np.flatnonzero(assigned.labels == names[place])
        members = members[np.argsort(assigned.distances[members], kind="stable")]
        first, *others = members[: _IMAGES + 1].tolist()
        tiles = [
            Tile(embeddings.records[row].path, _verdict(ids[row], most[names[place]]), f"{assigned.distances[row]:.3g}")
            for row in others
        ]
        caption = f"{names[place] + 1}: {counts[place]} im."
        rows.append(RankedList(embeddings.records[first].path, caption, tiles))
    return ranked_lists(rows, tile_height=96)


def page(result: Result, name: str, facts: Mapping[str, object]) -> Report:
    """The HTML page: the table, sizes, the hierarchy and its cut, the largest clusters, the least certain images.

    `name` says what was clustered; `facts` stand at the end of the page.
    """
    found = result.clusters
    told = f"{counted(len(found.labels), 'image')} in {counted(len(found.centroids), 'cluster')}"
    report = Report(f"Clusters of {name}", told, facts, _MISSING)
    for table in tables(result):
        report.heading(table.title)
        report.show(table)
    report.heading("Sizes")
    report.figure(charts.cluster_sizes(found.sizes.tolist()), _sizes_told(result))
    if found.hierarchy is not None and found.threshold is not None:
        report.heading("Hierarchy")
        report.figure(charts.dendrogram(found.hierarchy.merges, found.threshold), "The last 60 merges. A branch that ends contains further clusters or images. What is joined below the dashed line is one cluster.")  # fmt: skip
    if result.learned is not None:
        learned = result.learned
        report.figure(charts.cut_curve(learned.tried, learned.threshold, learned.figure), f"The cut was learned: {learned.figure} on labelled images against the number of clusters, for every cut tried.")  # fmt: skip
    _pictures(report, result.embeddings, result.assigned)
    return report


def assignment_page(embeddings: Embeddings, assigned: Assigned, name: str, facts: Mapping[str, object]) -> Report:
    """The page of new images that were assigned to existing clusters: the largest clusters, the least certain images."""
    told = f"{len(embeddings):,} new images, each in the cluster of the nearest centroid"
    report = Report(f"Clusters of {name}", told, facts, _MISSING)
    _pictures(report, embeddings, assigned)
    return report


def _figures(scores: ClusterScores) -> list[float]:
    return [scores.purity, scores.adjusted_rand, scores.normalised_mutual_information]


def _search_note(result: Result) -> str:
    search = result.search
    if search is None:
        return "No two images share an identity, so no search has a right answer: mAP and rank-1 are not defined."
    judged = len(search.average_precision) - search.without_match
    return (
        f"mAP and rank-1: each of {counted(judged, 'query', 'queries')} retrieves the cluster of the nearest centroid, "
        f"{search.protocol} protocol; right answers in other clusters count as not found."
    )


def _sizes_told(result: Result) -> str:
    sizes = result.clusters.sizes
    outside = int((result.clusters.labels < 0).sum())
    told = f"The largest cluster has {counted(int(sizes[0]), 'image')}, the median one {np.median(sizes):g}; {counted(int((sizes == 1).sum()), 'has', 'have')} one."
    return told + (f" {counted(outside, 'image is', 'images are')} in no cluster." if outside else "")


def _pictures(report: Report, embeddings: Embeddings, assigned: Assigned) -> None:
    known = bool((embeddings.identities > 0).any())
    frames = "Green with a tick: the cluster's most frequent identity; red with a cross: another one." if known else ""
    report.heading("Largest clusters", f"A row each: the image nearest to the centroid, then the next ones with their distance. {frames}".strip())  # fmt: skip
    report.image(contact_sheet(embeddings, assigned), "Under the first image of a row: the cluster's number, and its number of images.")  # fmt: skip
    sure = np.where(np.isnan(assigned.margins), np.inf, assigned.margins)
    order = np.argsort(sure, kind="stable")[:_UNSURE]
    tiles = [
        Tile(embeddings.records[row].path, "unknown", f"{sure[row]:.2f} in {assigned.labels[row] + 1}")
        for row in order.tolist()
        if np.isfinite(sure[row])
    ]
    if tiles:
        report.heading("Least certain", "The margin is 1 - distance to the own centroid / distance to the nearest other centroid: 1 is certain, 0 lies between two clusters, below 0 another centroid is nearer.")  # fmt: skip
        report.image(tile_grid(tiles, tile_height=96), "Under each image: its margin, and its cluster.")


def _verdict(identity: int, most: int) -> Verdict:
    if identity <= 0:
        return "unknown"
    return "right" if identity == most else "wrong"
