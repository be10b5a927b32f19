"""Score images by how likely they are junk and list the suspects, for `resight junk scan`.

```
suspects/
  scan.json       score, threshold, run
  scores.csv      path and score of every image
  suspects.csv    path and score of the suspects, whose score reaches the threshold; highest first
  report.html     the suspects as pictures
```

The decisions of a person on the suspects are in `resight.tasks.junk.review`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resight.data.targets import JUNK_TARGET
from resight.errors import DataError, RunError, did_you_mean
from resight.files import written_whole
from resight.recognizer import Progress, Recognizer
from resight.records import UNLABELLED, Record
from resight.tasks.detection import Detection, detection, threshold_for_precision
from resight.tasks.junk.review import write_rows
from resight.tasks.reconstruction import evaluation as reconstruction

__all__ = [
    "SCORES",
    "Result",
    "Scored",
    "count_images",
    "default_score",
    "evaluate",
    "junk_scores",
    "learn_threshold",
    "scan",
    "write_scan",
]

SCORES = ("probability", *reconstruction.SCORES)
"""`probability` is an attribute run's probability of junk; `error` and `relative` are scores of an autoencoder."""


class Scored(NamedTuple):
    """`scores`, float32 [N], high for junk, of the N records that could be read; a line for each that could not."""

    records: list[Record]
    scores: NDArray[np.float32]
    failed: list[str]


def default_score(model: Recognizer) -> str:
    """The score that is used for a model unless another is asked for. Raises RunError for a model that has none."""
    if _recognises_junk(model):
        return "probability"
    if model.reconstructs:
        # The plain error is no good score: it is highest for vivid clothes and lowest for empty streets, which are junk.
        return "relative"
    raise RunError(
        "this run tells no junk; train one that does, such as `resight train junk-autoencoder` or "
        "`resight train attributes-resnet18`"
    )


def junk_scores(
    model: Recognizer, records: Sequence[Record], score: str | None = None, *, progress: Progress | None = None
) -> Scored:
    """Score each record's image, batch by batch. Images that cannot be read are left out and named.

    >>> junk_scores(resight.load("runs/junk"), dataset.gallery).scores

    `score` is one of SCORES, by default `default_score(model)`. Raises DataError for another name, or when no image
    could be read; RunError for a model that does not have the score.
    """
    name = score or default_score(model)
    if name not in SCORES:
        raise DataError(f"no score {name!r} of junk{did_you_mean(name, SCORES)}; there is: {', '.join(SCORES)}")
    if name == "probability" and not _recognises_junk(model):
        raise RunError("this run recognises no junk; train attributes-resnet18, or choose another score")
    if name != "probability":
        found = reconstruction.reconstruction_scores(model, records, progress=progress)
        return Scored(found.records, found.scores[name], found.failed)
    yes = model.schema.index(JUNK_TARGET, "yes")
    seen = model.see(records, lambda batch: model.recognise_batch(batch.images)[JUNK_TARGET][:, yes], progress=progress)
    return Scored(seen.records, np.concatenate(seen.found), seen.failed)


def _recognises_junk(model: Recognizer) -> bool:
    return model.recognises and JUNK_TARGET in model.schema.names


def learn_threshold(labelled: Scored, precision: float) -> float:
    """The lowest threshold at which, among labelled images, this share of the suspects is junk.

    Junk has identity -1, or an attribute `junk_kind`. Raises DataError when no image is junk, or no threshold reaches
    the precision.
    """
    if not 0 < precision <= 1:
        raise DataError(f"precision {precision:g}: it is a share, over 0 and up to 1")
    junk = np.array([bool(record.junk_kind) for record in labelled.records])
    known = junk | _labelled(labelled.records)
    return threshold_for_precision(labelled.scores[known], junk[known], precision)


@dataclass(frozen=True)
class Result:
    """Scored images, and the threshold at and over which an image is suspected."""

    scored: Scored
    score: str
    """Name of the score."""
    threshold: float
    figures: dict[str, Detection]
    """`junk` and each kind of junk -> how well the threshold detects it; a kind is compared with the images that are no
    junk. Empty where no image is labelled junk."""

    @property
    def failed(self) -> list[str]:
        """A line for each image that could not be read."""
        return self.scored.failed

    @property
    def suspects(self) -> NDArray[np.int64]:
        """Positions of the suspected images, highest score first."""
        found = np.flatnonzero(self.scored.scores >= self.threshold)
        return found[np.argsort(-self.scored.scores[found], kind="stable")]

    def summary(self) -> dict[str, object]:
        """Score, threshold, numbers of images and suspects, and the figures as plain values; shares in [0, 1]."""
        found = {name: {**asdict(figures)} for name, figures in self.figures.items()}
        stated = {"score": self.score, "threshold": self.threshold, "images": len(self.scored.records)}
        return {**stated, "suspects": len(self.suspects), **({"labelled": found} if found else {})}


def evaluate(
    model: Recognizer,
    records: Sequence[Record],
    *,
    score: str | None = None,
    threshold: float | None = None,
    quantile: float | None = None,
    precision: float | None = None,
    labelled: Sequence[Record] | None = None,
    progress: Progress | None = None,
) -> Result:
    """Score each record's image and suspect those whose score reaches a threshold.

    >>> evaluate(resight.load("runs/junk"), records, quantile=0.98).suspects

    The threshold is `threshold`, or the `quantile` of the scores (by default 0.99), or the lowest that reaches
    `precision` on the `labelled` images. Raises DataError when more than one of the three is given, or one of precision
    and labelled images without the other, and as `junk_scores`, `learn_threshold` and `scan` do; RunError as
    `junk_scores`.
    """
    if sum(given is not None for given in (threshold, quantile, precision)) > 1:
        raise DataError("give one of threshold, quantile and precision")
    if (precision is None) != (labelled is None):
        raise DataError("a precision and the labelled images to reach it on go together")
    name = score or default_score(model)
    if precision is not None and labelled is not None:
        threshold = learn_threshold(junk_scores(model, labelled, name, progress=progress), precision)
    scored = junk_scores(model, records, name, progress=progress)
    return scan(scored, name, threshold=threshold, quantile=0.99 if quantile is None else quantile)


def count_images(records: Sequence[Record], labelled: Sequence[Record] | None = None) -> int:
    """The number of images that `evaluate` will process."""
    return len(records) + len(labelled or ())


def scan(scored: Scored, score: str, *, threshold: float | None = None, quantile: float = 0.99) -> Result:
    """Suspect the images whose score reaches a threshold, by default the given quantile of all scores.

    >>> scan(junk_scores(model, records), "error", quantile=0.98).suspects

    Raises DataError for a quantile outside 0 to 1.
    """
    if threshold is None:
        if not 0 <= quantile <= 1:
            raise DataError(f"quantile {quantile:g}: it is a share, from 0 to 1")
        threshold = float(np.quantile(scored.scores, quantile, method="higher"))
    return Result(scored, score, threshold, _figures(scored, threshold))


def _figures(scored: Scored, threshold: float) -> dict[str, Detection]:
    kinds = np.array([record.junk_kind for record in scored.records])
    known = (kinds != "") | _labelled(scored.records)
    junk = kinds != ""
    if not junk.any() or junk[known].all():
        return {}
    figures = {"junk": detection(scored.scores[known], junk[known], threshold)}
    for kind in sorted(set(kinds[junk].tolist()) - set(figures)):
        counted = known & (~junk | (kinds == kind))
        figures[kind] = detection(scored.scores[counted], junk[counted], threshold)
    return figures


def _labelled(records: Sequence[Record]) -> NDArray[np.bool_]:
    return np.array([record.identity != UNLABELLED for record in records], bool)


def write_scan(folder: str | os.PathLike[str], found: Result, facts: dict[str, object]) -> None:
    """Write scores.csv, suspects.csv and scan.json into a folder; earlier decisions in it are kept."""
    folder = Path(folder)
    scores = found.scored.scores.tolist()
    paths = [os.path.abspath(record.path) for record in found.scored.records]
    write_rows(folder / "scores.csv", ("path", "score"), zip(paths, scores, strict=True))
    suspects = found.suspects.tolist()
    write_rows(folder / "suspects.csv", ("path", "score"), ((paths[row], scores[row]) for row in suspects))
    stated = {key: value for key, value in found.summary().items() if key != "labelled"}
    with written_whole(folder / "scan.json") as partial:
        partial.write_text(json.dumps({**stated, **facts}, indent=2) + "\n", encoding="utf-8")
