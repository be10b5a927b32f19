"""The report of an evaluation of attributes: its tables, and the HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from resight.recognizer import Recognizer
from resight.records import ReidDataset
from resight.tasks.attributes.confidence import confidence
from resight.tasks.attributes.evaluation import FIGURES, INSTANCE_FIGURES, Result, Split
from resight.tasks.attributes.pictures import confidence_grids, confusion_chart
from resight.tasks.attributes.published import ATTRIBUTE_MEANS, ATTRIBUTE_TABLES
from resight.tasks.attributes.scores import ABOVE, AttributeScores
from resight.views.report import Report
from resight.views.tables import Table, per_cent

__all__ = ["page", "tables"]

_PUBLISHED = ("published train", "published validation")
_EXPLAINED = (
    "Accuracy, precision, recall. Precision and recall are means over classes; classes that never occur or are never "
    "recognised are left out. The majority guess always names the class most frequent in training."
)
_FIELD_EXPLAINED = (
    "mA: mean over the attributes of two classes of the two classes' recalls, at probability 0.5. Instance figures: of "
    "an image's labels, then means over images; an attribute of two classes is one label, of more one label a class."
)


def tables(result: Result) -> list[Table]:
    """Two tables, in per cent, for the terminal and the page.

    The first has accuracy, precision and recall of every attribute in every split, of the majority guess and, where they
    are known, as published, and says how many attributes have an accuracy above 60 % and which have not. The second has mA and the instance figures, which the pedestrian-attribute field reports.
    """
    return [_per_attribute(result), _field(result)]


def page(result: Result, model: Recognizer, dataset: ReidDataset) -> Report:
    """The HTML page: the tables, and of every split confusion matrices, the most and the least confident images."""
    images = {f"Images of {name}": f"{split.scores.images:,}" for name, split in result.splits.items()}
    facts = {"Dataset": dataset.name, **images, "Seen at": model.size}
    report = Report(f"Attributes on {dataset.name}", f"Protocol {result.protocol}; figures in per cent.", facts)
    for table in tables(result):
        report.heading(table.title)
        report.show(table)
    for name, split in result.splits.items():
        report.heading(
            f"Confusion matrices: {name}",
            "Rows: annotated; columns: recognised. Shades are shares of the annotated class.",
        )
        report.figure(confusion_chart(split.scores.attributes), "Counts of images.")
        report.heading(f"Confidence: {name}", "Green with a tick: every attribute is right. Below an image, the mean probability of the recognised classes and how many attributes are right.")  # fmt: skip
        for caption, picture in _confidence(split).items():
            report.image(picture, caption)
    return report


def _confidence(split: Split) -> dict[str, Image.Image]:
    """The grids of confident images, without those of which a random part was shown: theirs would show the whole image."""
    whole = np.flatnonzero(~split.junk)
    found = {name: torch.from_numpy(values[whole]) for name, values in split.probabilities.items()}
    seen = confidence(found, torch.from_numpy(split.targets[whole]))
    return confidence_grids([split.records[row] for row in whole], seen)


def _per_attribute(result: Result) -> Table:
    published = ATTRIBUTE_TABLES.get(result.source, {})
    header = ["%", *result.splits, "majority", *(_PUBLISHED if published else ())]
    names = list(result.schema.names)
    # Cameras and junk are no attributes of people: there is a mean with them, and one without, as in the source.
    own = result.judged.scores.own
    rows = [_row(result, [name], name, published) for name in names]
    if len(own) < len(names):
        rows.append(_row(result, own, f"mean of the {len(own)} attributes", published))
    rows.append(_row(result, names, f"mean of all {len(names)}", published))
    rows.append(_above(result, published))
    known = f" Published: {ATTRIBUTE_MEANS[result.source]}." if result.source in ATTRIBUTE_MEANS else ""
    return Table(header, rows, "Per attribute", f"{_EXPLAINED} {_below(result)}{known}")


def _above(result: Result, published: Mapping[str, tuple[float, ...]]) -> list[str]:
    """The row that counts attributes with an accuracy above 60 %."""
    row = [f"{len(scores.above)} of {len(scores.above + scores.below)}" for scores in _compared(result)]
    if published:
        own = result.judged.scores.own
        known = [published[name] for name in own if name in published]
        above = [sum(figures[place] > 100 * ABOVE for figures in known) for place in (0, 3)]
        row += [f"{count} of {len(own)}" if len(known) == len(own) else "–" for count in above]
    return ["accuracy above 60 %", *row]


def _below(result: Result) -> str:
    """A sentence on the attributes that are not above 60 % where the model is judged."""
    scores = result.judged.scores
    below = [f"{name} {per_cent(scores.attributes[name].accuracy)}" for name in scores.below]
    split = next(name for name, split in result.splits.items() if split is result.judged)
    return f"Accuracy not above 60 % ({split}): {', '.join(below) or 'of no attribute'}."


def _compared(result: Result) -> list[AttributeScores]:
    """The scores that stand side by side: of every split, and of the majority guess where the model is judged."""
    return [*(split.scores for split in result.splits.values()), result.judged.majority]


def _row(result: Result, names: list[str], label: str, published: Mapping[str, tuple[float, ...]]) -> list[str]:
    row = [label]
    for scores in _compared(result):
        row.append(_cell([100 * scores.mean(figure, names) for figure in FIGURES]))
    if published:
        known = [published[name] for name in names if name in published]
        whole = np.mean(known, axis=0).tolist() if len(known) == len(names) else [math.nan] * 6
        row += [_cell(whole[:3]), _cell(whole[3:])]
    return row


def _cell(percents: Sequence[float]) -> str:
    """Accuracy, precision and recall in one cell: three columns would be too wide."""
    texts = ("–" if math.isnan(value) else "100" if value >= 99.95 else f"{value:.1f}" for value in percents)
    return " ".join(f"{text:>4}" for text in texts)


def _field(result: Result) -> Table:
    columns = ("images", "mA", "majority's mA", *(f"instance {figure}" for figure in INSTANCE_FIGURES))
    rows = [_field_row(name, split) for name, split in result.splits.items()]
    return Table(columns, rows, "The field's figures", _FIELD_EXPLAINED)


def _field_row(name: str, split: Split) -> list[str]:
    scores = split.scores
    figures = [scores.mean_balanced, split.majority.mean_balanced]
    figures += [getattr(scores, f"instance_{figure}") for figure in INSTANCE_FIGURES]
    return [f"{name} ({scores.images:,})", *map(per_cent, figures)]
