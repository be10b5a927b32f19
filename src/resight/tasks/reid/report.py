"""What an evaluation looks like: the terminal's table and the HTML report."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.data.images import read_image
from resight.errors import RunError
from resight.recognizer import Recognizer
from resight.records import UNLABELLED, ReidDataset
from resight.retrieval import Evaluation, JunkLast, distances
from resight.run import history
from resight.tasks.reid.evaluation import Compared
from resight.tasks.reid.feature_maps import match_maps, stage_maps
from resight.tasks.reid.pictures import drawn_queries, feature_space, hardest_queries, lists_of, verdicts
from resight.views import charts
from resight.views.grids import RankedList, Tile, image_rows, ranked_lists
from resight.views.heatmaps import coloured, overlay, strongest_channels
from resight.views.report import Report

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["evaluation_report", "figures_table", "looks_section", "stages_section"]

_LISTS = 6
_COLUMNS = ("mAP", "rank-1", "rank-5", "rank-10", "rank-20", "mINP")


def figures_table(compared: Compared, title: str) -> Table:
    """The figures in per cent, a row for the model and for each thing it is compared with."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(title),
        title_justify="left",
        caption=escape(_conditions(compared)),
        caption_justify="left",
    )
    table.add_column("%")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for name, result in compared.results.items():
        table.add_row(name, *_figures(result))
    return table


def evaluation_report(
    path: str | os.PathLike[str],
    compared: Compared,
    dataset: ReidDataset,
    *,
    command: str,
    run: Path | None = None,
    reconstructed: Image.Image | None = None,
    model: Recognizer | None = None,
) -> None:
    """Write one self-contained HTML page: figures, CMC, ranked lists, distances and t-SNE.

    With `model` it shows where the network looks for some queries, from `run` training curves; `reconstructed` is what
    an autoencoder makes of some images. `command` is the line that made the page. Raises OSError when it cannot be
    written.
    """
    report = Report(f"Re-identification on {dataset.name}", _conditions(compared))
    report.heading("Figures")
    rows = [(name, *_figures(result)) for name, result in compared.results.items()]
    report.table(("%", *_COLUMNS), rows, note=_note(compared))
    report.figure(charts.cmc_curve({name: result.cmc for name, result in compared.results.items()}), "Cumulative match characteristic: the share of queries whose first right answer is among the nearest.")  # fmt: skip
    _ranked(report, compared)
    _mistakes(report, compared)
    if model is not None:
        looks_section(report, compared, model)
        stages_section(report, compared, model)
    _distances(report, compared)
    projection = feature_space(compared)
    if projection is not None:
        report.heading("Feature space")
        report.figure(projection, "t-SNE of the gallery's ten identities with most images; one colour an identity, one marker a camera.")  # fmt: skip
    if reconstructed is not None:
        report.heading("Reconstructions")
        report.image(reconstructed, "Above images as the network sees them, below what it makes of their embeddings.")
    if run is not None:
        report.training(history(run / "metrics.csv"))
    report.ending(command, _facts(compared, dataset), compared.failed)
    report.save(path)


def _figures(result: Evaluation) -> list[str]:
    summary = result.summary()
    return [f"{100 * float(summary[name]):.1f}" if name in summary else "–" for name in _COLUMNS]


def _conditions(compared: Compared) -> str:
    result = compared.result
    junk = (
        f", {int(compared.metric.junk.sum())} of {len(compared.gallery)} gallery images called junk"
        if isinstance(compared.metric, JunkLast)
        else ""
    )
    return (
        f"{result.protocol} protocol, {compared.metric.name} distance{junk}, "
        f"average precision by {'the precision at each hit' if result.definition == 'precision' else 'trapezoid'}"
        f" ({result.definition}), {result.summary()['queries']} queries"
    )


def _note(compared: Compared) -> str:
    missing = compared.result.without_match
    return f"{missing} queries have no right answer in the gallery and are not counted." if missing else ""


def _ranked(report: Report, compared: Compared) -> None:
    drawn, worst = drawn_queries(compared, _LISTS), hardest_queries(compared, _LISTS)
    if not len(drawn):
        return
    frames = "Green with a tick: the same individual. Red with a cross: another one. Grey with a dash: left out by the protocol (junk, or the query's own camera). Under a query its identity and average precision in per cent, under an image found its distance and camera."  # fmt: skip
    report.heading("Ranked lists", frames)
    report.image(
        ranked_lists(lists_of(compared, drawn)),
        "Queries drawn at random, each with its nearest gallery images.",
    )
    report.image(ranked_lists(lists_of(compared, worst)), "The queries with the lowest average precision.")


def _mistakes(report: Report, compared: Compared) -> None:
    """What wrong first answers share with their query, where the data has attributes."""
    wrong = _wrong_first_answers(compared)
    query, gallery = compared.query.records, compared.gallery.records
    agreements = {}
    for name in dict.fromkeys(name for record in query for name in record.attributes):
        pairs = [(query[i].attributes.get(name), gallery[j].attributes.get(name)) for i, j in wrong]
        known = [one == other for one, other in pairs if one is not None and other is not None]
        if known:
            agreements[name] = (100 * float(np.mean(known)), 100 * _by_chance(compared, name), len(known))
    if not agreements:
        return
    report.heading("Wrong first answers", f"{len(wrong)} queries have a wrong answer first. How often it has the query's class of an attribute, and how often a random image of somebody else has it.")  # fmt: skip
    rows = [(name, f"{agrees:.1f}", f"{chance:.1f}", count) for name, (agrees, chance, count) in agreements.items()]
    report.table(("attribute, %", "wrong first answers agree", "others agree", "known of"), rows)


def _wrong_first_answers(compared: Compared) -> list[tuple[int, int]]:
    """(query, gallery image) where the nearest image that counts shows somebody else."""
    found = []
    judgement = compared.result.judgement
    for query in np.flatnonzero(compared.result.first_rank != 1).tolist():
        if np.isnan(compared.result.average_precision[query]):
            continue
        row = distances(compared.query.features[[query]], compared.gallery.features, compared.metric)[0]
        counted = np.delete(judgement.columns, judgement.left_out[query])
        found.append((query, int(counted[row[counted].argmin()])))
    return found


def _by_chance(compared: Compared, name: str) -> float:
    """Share of pairs of a query and somebody else in the gallery that agree, over the pairs where both are known."""
    sides = [[record.attributes.get(name) for record in side.records] for side in (compared.query, compared.gallery)]
    codes: dict[str | None, int] = {None: -1}
    ours, theirs = (np.array([codes.setdefault(value, len(codes)) for value in side]) for side in sides)
    other = compared.query.identities[:, None] != compared.gallery.identities
    other &= (ours >= 0)[:, None] & (theirs >= 0)
    return float((ours[:, None] == theirs)[other].mean()) if other.any() else float("nan")


def _distances(report: Report, compared: Compared) -> None:
    rng = np.random.default_rng(0)
    queries = np.sort(rng.permutation(len(compared.query))[:300])
    between = distances(compared.query.features[queries], compared.gallery.features, compared.metric)
    same, different = [], []
    for query, row in zip(queries, between, strict=True):
        judged, shown = np.array(verdicts(compared, query)), np.isfinite(row)
        wrong = row[(judged == "wrong") & shown]
        same.append(row[(judged == "right") & shown])
        different.append(rng.choice(wrong, min(len(wrong), 100), replace=False))
    if sum(map(len, same)) and sum(map(len, different)):
        report.heading("Distances")
        figure = charts.score_histogram(np.concatenate(same), np.concatenate(different), compared.metric.name)
        report.figure(figure, "Distances of queries to images of the same individual and of others. The less the two overlap, the better a threshold works.")  # fmt: skip


def _facts(compared: Compared, dataset: ReidDataset) -> dict[str, object]:
    people = {identity for identity in compared.query.identities.tolist() if identity > UNLABELLED}
    return {
        "Dataset": dataset.name,
        "Queries": f"{len(compared.query):,} images of {len(people):,} identities",
        "Gallery": f"{len(compared.gallery):,} images",
        "Feature": f"{compared.query.features.shape[1]:,} dimensions",
    }


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
