"""The demonstration: from nothing to a searched gallery and a report, on a synthetic street."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from resight.data.formats import read_dataset
from resight.errors import RunError, did_you_mean
from resight.gallery import Gallery, Hit
from resight.gallery.picture import search_picture
from resight.recipe import load_recipe
from resight.recognizer import load
from resight.retrieval import KReciprocal
from resight.run import Run, history
from resight.synthetic import PRESETS, synthesize
from resight.tasks.costs import cost, cost_table
from resight.tasks.reid.evaluation import Result, evaluate
from resight.tasks.reid.report import page
from resight.training import resume, train

__all__ = ["KINDS", "DemoResult", "demo", "finished"]

# The strong baseline at a size for two CPU cores: every trick of the recipe stays on.
OVERRIDES = [
    "epochs=5",
    "image.height=128",
    "image.width=64",
    "augmentation.pad-crop.padding=5",
    "model.backbone=resnet18.tv_in1k",
    "model.pretrained=false",
    # With few epochs, small batches give more steps, and a warm-up from a hundredth would waste an epoch.
    "sampler.identities=8",
    "optimiser.lr=0.0014",
    "schedule.milestones=[4]",
    "schedule.warmup_epochs=1",
    "schedule.warmup_factor=0.5",
    "loader.workers=0",
    "loader.cache=true",
]

KINDS: dict[str, list[str]] = {
    "people": [],
    # Vehicles are wide, and their views differ more than people's: smaller images leave time for more epochs.
    "vehicles": [
        "image.height=64",
        "image.width=96",
        "augmentation.pad-crop.padding=4",
        "epochs=7",
        "optimiser.lr=0.0025",
        "schedule.milestones=[6]",
    ],
}
"""Kind -> its further overrides."""


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration made, and where."""

    data: str
    run: Run
    result: Result
    gallery: Path
    query: str
    hits: list[Hit]
    report: Path


def demo(
    out: str | os.PathLike[str],
    kind: str = "people",
    *,
    overrides: list[str] | None = None,
    command: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> DemoResult:
    """Draw a street, train on it, evaluate, index, search, and write a report, all below the folder `out`.

    >>> demo("resight-demo").result.result.mean_average_precision

    Called again on the same folder, it continues. `tell` receives a line before each step, and what `train` tells; the
    report quotes `command`, by default the one that repeats this call. Raises RunError for an unknown kind.
    """
    if kind not in KINDS:
        raise RunError(f"no demo of {kind!r}{did_you_mean(kind, KINDS)}; there is: {', '.join(KINDS)}")
    folder = Path(out)
    recipe = load_recipe("reid-strong-baseline", [*OVERRIDES, *KINDS[kind], *(overrides or [])])
    layout = PRESETS[f"{kind}-demo"].layout
    spec = f"{layout}:{folder / 'street'}"
    if not (folder / "street").exists():
        tell(f"drawing a street of {kind} that do not exist …")
        synthesize(folder / "street", preset=f"{kind}-demo")
    dataset = replace(read_dataset(spec), name=f"a synthetic street of {kind}")
    started = (folder / "run" / "run.json").exists()
    tell(f"training reid-strong-baseline (ResNet-18, from scratch, {recipe.epochs} epochs) …")
    if started:
        run = resume(folder / "run", dataset, tell=tell)
    else:
        run = train(recipe, dataset, folder / "run", data=[spec], tell=tell)
    model = load(run.folder)
    tell("evaluating, with and without re-ranking, beside chance and a colour histogram …")
    result = evaluate(model, dataset, rerank=KReciprocal(), baselines=True)
    tell("building a gallery and searching it …")
    gallery = _gallery(folder / "gallery", run, result)
    query = dataset.query[0].path
    hits = gallery.search(query, k=10)
    search_picture([([query], hits)], folder / "search.jpg")
    report = folder / "report.html"
    told = command or shlex.join(["resight", "demo", *(overrides or []), "--kind", kind, "--out", str(folder)])
    shown = page(result, model, dataset)
    shown.heading("Cost")
    shown.show(cost_table(cost(model)))
    shown.finish(report, command=told, failed=result.failed, curves=history(run.metrics))
    return DemoResult(spec, run, result, folder / "gallery", query, hits, report)


def finished(folder: Path) -> bool:
    """Whether a demonstration in this folder has come to its end: its report is written last."""
    return (folder / "report.html").exists() and (folder / "gallery" / "gallery.json").exists()


def _gallery(folder: Path, run: Run, result: Result) -> Gallery:
    if (folder / "gallery.json").exists():
        existing = Gallery.open(folder)
        if len(existing) == len(result.gallery):
            return existing
    else:
        existing = Gallery.create(folder, model=run.folder, empty=False)
    existing.add_embeddings(result.gallery)  # the evaluation has embedded them
    return existing
