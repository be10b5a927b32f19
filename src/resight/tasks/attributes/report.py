"""What an attribute evaluation looks like: the terminal's table and the HTML report."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resight.data.targets import JUNK_TARGET
from resight.records import ReidDataset
from resight.run import history
from resight.tasks.attributes.evaluation import Assessed, Assessment
from resight.tasks.attributes.pictures import confidence_grids, confusion_chart
from resight.tasks.attributes.published import ATTRIBUTE_MEANS, ATTRIBUTE_TABLES
from resight.views.report import Report

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["assessment_report", "assessment_summary", "assessment_tables"]

_FIGURES = ("accuracy", "precision", "recall")
_PUBLISHED = ("published train", "published validation")
_CELL = 17
"""Characters of a column with three figures."""


def assessment_tables(assessment: Assessment, title: str, source: str = "", width: int = 140) -> list[Table]:
    """Accuracy, precision and recall of every target and split in per cent, beside the majority guess and the published.

    `source` is the built-in recipe that the run was made from, where it was. Columns that are too many for `width`
    characters stand in a further table.
    """
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    header, rows, _ = _table(assessment, source)
    columns = range(1, len(header))
    fitting = max(1, (width - max(len(row[0]) for row in rows) - 2) // _CELL)
    tables = []
    for first in columns[::fitting]:
        shown = columns[first - 1 : first - 1 + fitting]
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("%", no_wrap=True)
        for column in shown:
            table.add_column(header[column].replace(" ", "\n"), justify="right", no_wrap=True)
        for row in rows:
            table.add_row(row[0], *(row[column] for column in shown))
        tables.append(table)
    tables[0].title, tables[0].title_justify = escape(title), "left"
    tables[-1].caption = escape(f"accuracy, precision, recall. {_note(source)}".strip())
    tables[-1].caption_justify = "left"
    return tables


def assessment_summary(assessment: Assessment) -> dict[str, dict[str, float | None]]:
    """The means of every split as plain numbers in [0, 1]; None where undefined."""
    return {
        name: {
            "images": split.scores.images,
            **{figure: _plain(split.scores.mean(figure)) for figure in _FIGURES},
            "majority accuracy": _plain(split.majority.mean("accuracy")),
            "majority balanced": _plain(split.majority.mean("recall")),
            "mA": _plain(split.scores.mean_balanced),
            **{f"instance {figure}": _plain(getattr(split.scores, f"instance_{figure}")) for figure in _INSTANCE},
        }
        for name, split in assessment.splits.items()
    }


_INSTANCE = ("accuracy", "precision", "recall", "f1")


def assessment_report(
    path: str | os.PathLike[str],
    assessment: Assessment,
    dataset: ReidDataset,
    *,
    command: str,
    run: Path | None = None,
    source: str = "",
) -> None:
    """Write one self-contained HTML page: the table, confusion matrices, the surest and the least sure images."""
    report = Report(f"Attributes on {dataset.name}", f"Protocol {assessment.protocol}; figures in per cent.")
    report.heading("Per attribute")
    header, rows, explained = _table(assessment, source)
    report.table(header, rows, note=f"{explained} {_note(source)}".strip())
    report.heading("The field's figures")
    report.table(
        ("images", "mA", "majority's mA", *(f"instance {figure}" for figure in _INSTANCE)),
        [_field_row(name, split) for name, split in assessment.splits.items()],
        note=(
            "mA: over the attributes of two classes, the mean of both classes' recall at probability 0.5. Instance "
            "figures: over an image's labels, one for an attribute of two classes and one for each class of a longer one."
        ),
    )
    judged = assessment.judged
    report.heading(
        "Confusion matrices", "Rows: annotated; columns: recognised. Shades are shares of the annotated class."
    )
    report.figure(confusion_chart(judged.scores), "Counts of images.")
    report.heading("Confidence", "Green with a tick: every attribute right. Below an image the mean probability and how many are right.")  # fmt: skip
    for caption, picture in confidence_grids(judged.records, judged.probabilities, judged.targets).items():
        report.image(picture, caption)
    if run is not None:
        report.training(history(run / "metrics.csv"))
    report.ending(command, _facts(assessment, dataset), assessment.failed)
    report.save(path)


def _table(assessment: Assessment, source: str) -> tuple[list[str], list[list[str]], str]:
    """Header, rows and what the columns mean."""
    published = ATTRIBUTE_TABLES.get(source, {})
    header = ["%", *assessment.splits, "majority", *(_PUBLISHED if published else ())]
    names = list(assessment.schema.names)
    # The sources' three further targets stand apart: their means are told with them and without.
    further = [name for name in names if name == JUNK_TARGET or name.startswith("camera-")]
    rows = [_row(assessment, [name], name, published) for name in names]
    if further:
        plain = [name for name in names if name not in further]
        rows.append(_row(assessment, plain, f"mean of the {len(plain)} attributes", published))
    rows.append(_row(assessment, names, f"mean of all {len(names)}", published))
    explained = "Accuracy, precision, recall. The last two are means over classes; – where a class never occurs or is never recognised. The majority guess names the class most frequent in training."  # fmt: skip
    return header, rows, explained


def _row(assessment: Assessment, names: list[str], label: str, published: Mapping[str, tuple[float, ...]]) -> list[str]:
    row = [label]
    for scores in (*(split.scores for split in assessment.splits.values()), assessment.judged.majority):
        row.append(_cell([100 * scores.mean(figure, names) for figure in _FIGURES]))
    if published:
        known = [published[name] for name in names if name in published]
        whole = np.mean(known, axis=0).tolist() if len(known) == len(names) else [math.nan] * 6
        row += [_cell(whole[:3]), _cell(whole[3:])]
    return row


def _cell(percents: Sequence[float]) -> str:
    """Three figures, for a column each would be too wide."""
    texts = ("–" if math.isnan(value) else "100" if value >= 99.95 else f"{value:.1f}" for value in percents)
    return " ".join(f"{text:>4}" for text in texts)


def _field_row(name: str, split: Assessed) -> list[str]:
    scores = split.scores
    figures = [scores.mean_balanced, split.majority.mean_balanced]
    figures += [getattr(scores, f"instance_{figure}") for figure in _INSTANCE]
    return [f"{name} ({scores.images:,})", *map(_percent, figures)]


def _note(source: str) -> str:
    return f"Published: {ATTRIBUTE_MEANS[source]}." if source in ATTRIBUTE_MEANS else ""


def _facts(assessment: Assessment, dataset: ReidDataset) -> dict[str, object]:
    return {
        "Dataset": dataset.name,
        **{f"Images of {name}": f"{split.scores.images:,}" for name, split in assessment.splits.items()},
    }


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
