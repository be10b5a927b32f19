"""The report of an evaluation of re-identification: its table, and the HTML page."""

from __future__ import annotations

import math

import numpy as np

from resight.errors import RunError
from resight.recognizer import Recognizer
from resight.records import UNLABELLED, ReidDataset
from resight.retrieval import Evaluation
from resight.tasks.pictures import reconstructed
from resight.tasks.reid.evaluation import Result
from resight.tasks.reid.mining import first_batch
from resight.tasks.reid.mistakes import shared_attributes
from resight.tasks.reid.pictures import answers, drawn_queries, feature_space, hardest_queries, lists_of, looks, stages
from resight.views import charts
from resight.views.grids import ranked_lists
from resight.views.report import Report
from resight.views.tables import Table, per_cent
from resight.words import counted

__all__ = ["page", "tables"]

_LISTS = 6
_RECONSTRUCTED = 16
_COLUMNS = ("mAP", "rank-1", "rank-5", "rank-10", "rank-20", "mINP")


def tables(result: Result) -> list[Table]:
    """A table in per cent, with a row for the model and for each thing that it is compared with."""
    rows = [[name, *_figures(figures)] for name, figures in result.results.items()]
    note = " ".join([f"{_conditions(result)}.", *_sure(result), *_remarks(result)])
    return [Table(["%", *_COLUMNS], rows, note=note), *_verification(result)]


def _verification(result: Result) -> list[Table]:
    """How well a threshold on the distance works, for two images and for the whole gallery."""
    found = result.verification
    if found is None:
        return []
    note = (
        f"Of {counted(found.matching, 'pair')} of one individual and {counted(found.others, 'other')}. DIR: share of queries with a right "
        "first answer below a threshold at which that share (FAR) of them is answered wrongly where its mates are not there."
    )
    cells = [per_cent(value) for value in found.figures.values()]
    if per_cent(None) in cells:
        note += " –: too few pairs or searches for such a rate."
    return [Table(["%", *found.figures], [["model", *cells]], title="A threshold on the distance", note=note)]


def page(result: Result, model: Recognizer, dataset: ReidDataset) -> Report:
    """The HTML page: the table, CMC, ranked lists, where the network looks, its feature maps, distances and t-SNE.

    Of a run with camera mining also the distances that it chooses from.
    """
    report = Report(f"Re-identification on {dataset.name}", _conditions(result), _facts(result, model, dataset))
    report.heading("Figures")
    for table in tables(result):
        report.show(table)
    report.figure(charts.cmc_curve({name: figures.cmc for name, figures in result.results.items()}), "Cumulative match characteristic: the share of queries with a right answer among so many nearest images.")  # fmt: skip
    _thresholds(report, result)
    _cameras(report, result)
    _ranked(report, result)
    _mistakes(report, result)
    _looks(report, result, model)
    _stages(report, result, model)
    _distances(report, result)
    _mining(report, model, dataset)
    projection = feature_space(result)
    if projection is not None:
        report.heading("Feature space")
        report.figure(projection, "t-SNE of the gallery's ten identities with most images; one colour an identity, one marker a camera.")  # fmt: skip
    if model.reconstructs:
        report.heading("Reconstructions")
        report.image(reconstructed(model, result.query.records[:_RECONSTRUCTED]), "Above: queries as the network sees them. Below: their reconstructions.")  # fmt: skip
    return report


def _figures(figures: Evaluation) -> list[str]:
    found = figures.figures
    return [per_cent(found.get(name, math.nan)) for name in _COLUMNS]


def _conditions(result: Result) -> str:
    """The conditions of the evaluation in one line: protocol, distance, definition of average precision, queries."""
    figures = result.result
    junk = (
        f", {int(result.junk.sum())} of {len(result.gallery)} gallery images called junk"
        if result.junk is not None
        else ""
    )
    return (
        f"{figures.protocol} protocol, {_depth(figures)}, {figures.metric} distance{junk}, "
        f"average precision by {'the precision at each hit' if figures.definition == 'precision' else 'trapezoid'}"
        f" ({figures.definition}), {_asked(result)}"
    )


def _sure(result: Result) -> list[str]:
    """How sure the model's figures are, in a sentence; nothing where there is one identity."""
    told = [f"{name} {per_cent(low)} to {per_cent(high)}" for name, (low, high) in result.intervals().items()]
    if any(math.isnan(end) for ends in result.intervals().values() for end in ends):
        return []
    return [f"With other identities drawn from these, 95 % of the time: {', '.join(told)}."]


def _asked(result: Result) -> str:
    """The queries that count and their identities, which may be few: their images are much alike."""
    judged = ~np.isnan(result.result.average_precision)
    people = len(np.unique(result.query.identities[judged]))
    return f"{counted(int(judged.sum()), 'query', 'queries')} of {counted(people, 'identity', 'identities')}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _depth(figures: Evaluation) -> str:
    if figures.depth is None:
        return "all images of the gallery"
    return "the nearest image alone" if figures.depth == 1 else f"the {figures.depth:,} nearest images alone"


def _remarks(result: Result) -> list[str]:
    """What one must know of the data to read the figures, a sentence each."""
    remarks = []
    if missing := result.result.without_match:
        remarks.append(
            f"{counted(missing, 'query has', 'queries have')} no right answer in the gallery and {_are(missing)} not counted."
        )
    if unknown := result.cameras_unknown:
        remarks.append(f"The camera of {counted(unknown, 'image')} is unknown; none of these is left out for being of the query's own camera.")  # fmt: skip
    if result.searched is not None:
        remarks.append(result.searched.told)
        if result.metric != result.searched.clusters.metric:
            remarks.append(
                "The clusters are of the features alone: attributes are not weighed, and junk is not ranked last."
            )
    if themselves := result.found_themselves:
        remarks.append(
            f"{counted(themselves, 'query is', 'queries are')} in the gallery {'itself' if themselves == 1 else 'themselves'}; that file is left out for {'it' if themselves == 1 else 'them'}."
        )
    return remarks


def _ranked(report: Report, result: Result) -> None:
    drawn, worst = drawn_queries(result, _LISTS), hardest_queries(result, _LISTS)
    if not len(drawn):
        return
    frames = "Green with a tick: the same identity. Red with a cross: another one. What the protocol leaves out (junk, or the same identity in the query's own camera) is not shown. Under a query its identity and average precision in per cent, under a gallery image its distance and camera."  # fmt: skip
    report.heading("Ranked lists", frames)
    for told, queries in (
        ("Queries drawn at random, each with its nearest gallery images that count.", drawn),
        ("The queries with the lowest average precision.", worst),
    ):
        lists = lists_of(result, queries)
        before = ", ".join(str(row.left_out) for row in lists)
        report.image(ranked_lists(lists), f"{told} Left out before the last image of a row, from the top: {before}.")


def _mistakes(report: Report, result: Result) -> None:
    """The attributes that wrong first answers share with their queries, where the data has attributes."""
    shared = shared_attributes(result)
    if shared:
        report.heading("Wrong first answers", f"{counted(shared[0].wrong, 'query has', 'queries have')} a wrong first answer. How often it has the query's class of an attribute, and how often a random gallery image of another identity has it.")  # fmt: skip
        rows = [(row.attribute, per_cent(row.agree), per_cent(row.by_chance), row.known) for row in shared]
        report.table(("attribute, %", "wrong first answers agree", "others agree", "known of"), rows)


def _thresholds(report: Report, result: Result) -> None:
    found = result.verification
    if found is None:
        return
    report.heading("Thresholds", "What a limit on the distance accepts. Which limit to take is a matter of what a wrong answer costs; “resight calibrate” turns distances into probabilities.")  # fmt: skip
    labels = ("share of other pairs that are accepted (FPR)", "matching pairs that are accepted, TPR (%)")
    report.figure(charts.error_curve(found.false_positive, found.true_positive, labels), "Receiver operating characteristic over all pairs of a query and a gallery image that count.")  # fmt: skip
    labels = ("strangers who get an answer (FAR)", "queries found and right, DIR (%)")
    report.figure(charts.error_curve(found.false_alarm, found.detection, labels), "Open set: a stranger is a query whose own images are taken out of the gallery.")  # fmt: skip


def _cameras(report: Report, result: Result) -> None:
    pairs = result.camera_pairs
    if pairs is None or not pairs.queries.any():
        return
    report.heading("Cameras", "Each camera's queries, searched in the images of one camera at a time. Empty cells: no query has a right answer there, or the protocol leaves its own camera out.")  # fmt: skip
    sides = pairs.query_cameras.tolist(), pairs.gallery_cameras.tolist()
    for shares, name in ((pairs.mean_average_precision, "mAP, %"), (pairs.rank_1, "rank-1, %")):
        report.figure(charts.camera_matrix(shares, pairs.queries, *sides, name), f"{name.removesuffix(', %')} between cameras.")  # fmt: skip
    rows = [
        (
            f"{line['query camera']} in {line['gallery camera']}",
            per_cent(line["mAP"]),
            per_cent(line["rank-1"]),
            line["queries"],
        )
        for line in pairs.summary()
    ]
    report.table(("query's camera in gallery's", "mAP, %", "rank-1, %", "queries"), rows)


def _looks(report: Report, result: Result, model: Recognizer) -> None:
    note = (
        "Bright places add most to the cosine similarity of a query and a gallery image. Brightness is relative to "
        "each picture's brightest place; places that lower the similarity are not marked."
    )
    try:
        picture = looks(result, model)
    except RunError as error:
        report.heading("Where the model looks")
        report.text(f"Nothing is shown: {error}.")
        return
    if picture is not None:
        report.heading("Where the model looks", note)
        report.image(picture, "Upper rows: a query and its nearest images, as in the ranked lists. Lower rows: the same query, with the mean of its maps, then with the map of its comparison with each image above.")  # fmt: skip


def _stages(report: Report, result: Result, model: Recognizer) -> None:
    try:
        pictures = stages(result, model)
    except RunError as error:
        report.heading("Feature maps")
        report.text(f"Nothing is shown: {error}.")
        return
    if pictures:
        report.heading("Feature maps", "The maps that the network computes from an image, stage after stage.")
    for name, picture in pictures.items():
        report.image(picture, f"A row for each stage: {name}, the mean of the stage's channels, then the channels that vary most over the image, each from its least value (black) to its greatest (yellow).")  # fmt: skip


def _distances(report: Report, result: Result) -> None:
    rng = np.random.default_rng(0)
    queries = np.sort(rng.permutation(len(result.query))[:300])
    between = result.distances(queries)
    same, different = [], []
    for query, row in zip(queries, between, strict=True):
        right, wrong = (row[found & np.isfinite(row)] for found in answers(result, query))
        same.append(right)
        different.append(rng.choice(wrong, min(len(wrong), 100), replace=False))
    if sum(map(len, same)) and sum(map(len, different)):
        report.heading("Distances")
        figure = charts.score_histogram(np.concatenate(same), np.concatenate(different), result.result.metric)
        report.figure(figure, "Distances of queries to gallery images of the same identity and of others. The less the two overlap, the better a threshold separates them.")  # fmt: skip


def _mining(report: Report, model: Recognizer, dataset: ReidDataset) -> None:
    """The matrices that the camera mining of the run's recipe chooses from, where it has one."""
    drawn = first_batch(model, dataset.train or dataset.gallery)
    if drawn is not None:
        report.heading("Camera mining", "What triplets are chosen from in one batch: distances of the images on the left to those above, of the same identity and of others. On the right the bias is added with which a training begins; it decides which are chosen, not what the loss is.")  # fmt: skip
        report.image(charts.raster(drawn), "Beside each image its identity and camera.")  # fmt: skip


def _facts(result: Result, model: Recognizer, dataset: ReidDataset) -> dict[str, object]:
    people = {identity for identity in result.query.identities.tolist() if identity > UNLABELLED}
    return {
        "Dataset": dataset.name,
        "Queries": f"{counted(len(result.query), 'image')} of {counted(len(people), 'identity', 'identities')}",
        "Gallery": counted(len(result.gallery), "image"),
        "Feature": f"{result.query.features.shape[1]:,} dimensions, of images of {model.size}",
    }
