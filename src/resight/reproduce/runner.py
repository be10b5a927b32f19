"""Run a published table: train its rows, evaluate each, compare.

```
tables/heads/
  settings.json             the settings of the call
  data.csv                  the images, if they are not the dataset's own splits
  fc-bn-fc/seed-0/          a run folder for each row and seed, with figures.json once it is evaluated
  table.csv  table.md       published and measured, rewritten after each row
  curves.png  commands.txt
```
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from resight.data.formats import absolute_spec, data_options
from resight.errors import DataError, RecipeError, RunError
from resight.files import written_whole
from resight.recognizer import load
from resight.records import ReidDataset
from resight.reproduce.comparison import Comparison
from resight.reproduce.figures import attribute_figures, loss_figures, retrieval_figures
from resight.reproduce.images import Images, images_of
from resight.reproduce.planning import Planned, plan
from resight.reproduce.table import Table, chosen_rows, slug
from resight.run import Run, histories
from resight.tasks.attributes.evaluation import Result, evaluate
from resight.tasks.costs import cost, cost_cells
from resight.tasks.splits import SplitName
from resight.training import alone, check, resume, train
from resight.views import charts

__all__ = ["reproduce"]


def reproduce(
    table: Table,
    data: Sequence[str],
    out: str | os.PathLike[str],
    *,
    overrides: Sequence[str] = (),
    forced: Sequence[str] = (),
    epochs: int | None = None,
    identities: int | None = None,
    rows: str | None = None,
    seeds: Sequence[int] = (0,),
    on: Literal["validation", "test"] = "test",
    tell: Callable[[str], None] = lambda line: None,
    quiet: bool = True,
) -> Comparison:
    """Train and evaluate the rows that are missing below the folder `out`, and compare all that are there.

    >>> reproduce(load_table("attributes-skip"), ["course:/data/market-course"], "tables/skip", epochs=5)

    Figures are on the dataset's query and gallery; if it has none, a fifth of its identities is held out for them.
    Either way these images are not used in training or to choose an epoch. With `on="validation"` figures are on the people
    that each run holds out to choose the epoch, as the sources that print validation figures did: a fifth where the recipe
    holds nobody out, and nobody is held out besides. `overrides` and `forced` as in `plan`,
    `epochs` as in `shorter`, `identities` as in `fewer_identities`, `rows` as in `chosen_rows`. Every row is checked
    before the first one trains. Raises DataError, RecipeError, or RunError when `out` was made with other data, when
    a row's folder holds a run of another recipe, and when another process reproduces in `out`.
    """
    with alone(out):
        chosen = chosen_rows(table, rows)
        images = images_of(data, Path(out), identities, "ratio" if table.protocol == "course" else "first", on)
        planned, notes = plan(table, overrides, forced, epochs, images.fitted, _HELD_OUT if on == "validation" else 0.0)
        used = [text for text in [*overrides, *forced] if any(text in row.overrides for row in planned)]
        job = _Job(table, planned, images, Path(out), used)
        work = [(planned[number], seed) for number in chosen for seed in seeds]
        missing = [(row, seed) for row, seed in work if job.figures(row, seed, strict=True) is None]
        for line in [*notes, images.told]:
            tell(line)
        for row in {row.folder: row for row, _ in missing}.values():
            try:
                check(row.recipe(0), images.dataset)
            except (DataError, RecipeError) as error:
                others = any(_fits(other, images.dataset) for other in planned)
                way = "; choose others with --rows" if others else ""
                raise type(error)(f"row {row.row.name}: {error}{way}") from None
        asked: dict[str, object] = {
            "overrides": list(overrides),
            "forced": list(forced),
            "epochs": epochs,
            "seeds": list(seeds),
        }
        job.write_settings(asked)
        if other := job.of_other_settings():
            tell(other)
        if len(missing) < len(work):
            tell(f"{len(work) - len(missing)} of {len(work)} done before")
        clock = _Clock(len({(row.folder, seed) for row, seed in missing}))
        for number, (row, seed) in enumerate(missing, 1):
            label = f"{number}/{len(missing)} {row.row.name}" + (f", seed {seed}" if len(seeds) > 1 else "")
            tell(f"{label} …")
            figures = job.run(row, seed, quiet, tell)
            shown = ", ".join(f"{name} {figures[name]:.4g}" for name in table.figures if name in figures)
            tell(f"{label}: {shown or 'no figure'}; {clock.lap((row.folder, seed))}")
            job.write_tables()
        return job.write_tables()


@dataclass(frozen=True)
class _Job:
    """A table with its planned rows, its images and its folder."""

    table: Table
    planned: list[Planned]
    images: Images
    folder: Path
    changed: list[str]
    """Overrides, forced or not, that some row uses."""
    evaluated: dict[Path, Result] = field(default_factory=dict)
    """The result of the last attribute run, for all rows that share the run."""
    priced: dict[Path, dict[str, str]] = field(default_factory=dict)
    """What each run costs, which is measured once for all rows that share it."""

    def run(self, row: Planned, seed: int, quiet: bool, tell: Callable[[str], None]) -> dict[str, float]:
        """Train the row, or resume it, and evaluate it."""
        folder, recipe = self._place(row, seed), row.recipe(seed)
        if (folder / "run.json").exists():
            run = resume(folder, self.images.dataset, quiet=quiet, tell=tell)
        else:
            run = train(recipe, self.images.dataset, folder, data=self.images.data, quiet=quiet, tell=tell)
        if self.table.retrieves:
            found = retrieval_figures(run, self.images.dataset, self.table, row.row, self._on(row))
        else:
            if folder not in self.evaluated:
                self.evaluated.clear()
                self.evaluated[folder] = evaluate(load(folder), self.images.dataset, trained_here=True)
            found = attribute_figures(self.evaluated[folder], row.row, self._on(row))
        figures = {name: 100 * value for name, value in found.items()} | loss_figures(run)
        facts = {
            **self._conditions(row),
            "figures": {name: round(value, 6) for name, value in figures.items()},
            "cost": self._price(folder),
        }
        with written_whole(self._kept(row, seed)) as partial:
            partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        return figures

    def _price(self, folder: Path) -> dict[str, str]:
        if folder not in self.priced:
            self.priced[folder] = _cost(folder)
        return self.priced[folder]

    def figures(self, row: Planned, seed: int, strict: bool = False) -> dict[str, float] | None:
        """Figures that `run` stored for this row, if any. With `strict`, raises RunError for another recipe's run."""
        folder = self._place(row, seed)
        if not (folder / "run.json").exists():
            return None
        if Run.open(folder).recipe != row.recipe(seed):
            if strict:
                raise RunError(f"{folder} holds a run of another recipe; choose another --out, or remove it")
            return None
        facts = self._facts(row, seed)
        return facts["figures"] if facts.items() >= self._conditions(row).items() else None

    def _facts(self, row: Planned, seed: int) -> dict[str, Any]:
        """What `run` stored of this row; nothing where it is not evaluated."""
        kept = self._kept(row, seed)
        return dict(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else {}

    def of_other_settings(self) -> str | None:
        """A line on the rows that were measured here with other settings than these, if there are any."""
        names = [
            row.row.name
            for row in self.planned
            if any(self._kept(row, seed).exists() and self.figures(row, seed) is None for seed in self._seeds(row))
        ]
        if not names:
            return None
        return (
            f"measured here with other settings, and so left out of this table: {', '.join(names)}; their runs stay, and "
            "the settings of then show them again"
        )

    def write_settings(self, asked: dict[str, object]) -> None:
        from resight.version import __version__

        told = {"table": self.table.title, **self.images.asked, **asked, "resight": __version__}
        with written_whole(self.folder / "settings.json") as partial:
            partial.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

    def write_tables(self) -> Comparison:
        """Compare all figures so far, and write the tables."""
        measured = [
            {seed: figures for seed in self._seeds(row) if (figures := self.figures(row, seed)) is not None}
            for row in self.planned
        ]
        costs: list[dict[str, str]] = [
            next((self._facts(row, seed).get("cost", {}) for seed in seeds), {})
            for row, seeds in zip(self.planned, measured, strict=True)
        ]
        comparison = Comparison(self.table, measured, self._told(measured), costs)
        texts = {
            "table.csv": comparison.csv(),
            "table.md": comparison.markdown(),
            "commands.txt": self._commands(measured),
        }
        for name, text in texts.items():
            with written_whole(self.folder / name) as partial:
                partial.write_text(text, encoding="utf-8")
        if curves := self._curves(measured):
            charts.save(charts.compared_curves(curves), self.folder / "curves.png")
        return comparison

    def _place(self, row: Planned, seed: int) -> Path:
        return self.folder / row.folder / f"seed-{seed}"

    def _kept(self, row: Planned, seed: int) -> Path:
        # By the row's own name: rows of one recipe share a run and may differ in its evaluation.
        return self._place(row, seed) / f"figures-{slug(row.row.name)}.json"

    def _conditions(self, row: Planned) -> dict[str, object]:
        return {
            "on": self._on(row),
            "protocol": self.table.protocol,
            "depth": self.table.depth,
            **row.row.model_dump(include={"rerank", "of", "clusters", "targets"}),
        }

    def _on(self, row: Planned) -> SplitName:
        """What a row's figures are of: without annotated test images, attributes are judged by people held out."""
        if row.row.of == "train":
            return "train"
        return self.images.on if self.table.retrieves or self.images.annotated else "validation"

    def _seeds(self, row: Planned) -> list[int]:
        return sorted(int(place.name[5:]) for place in (self.folder / row.folder).glob("seed-*"))

    def _told(self, measured: Sequence[dict[int, dict[str, float]]]) -> list[str]:
        recipes = [row.recipe(0) for row in self.planned]
        epochs = " or ".join(dict.fromkeys(str(recipe.epochs) for recipe in recipes))
        lines = [f"Ours on {self.images.told}. {epochs} epoch{'' if epochs == '1' else 's'}."]
        if self.table.retrieves:
            metrics = " or ".join(dict.fromkeys(recipe.retrieval.metric for recipe in recipes))
            lines.append(
                f"{_PROTOCOLS[str(self.table.protocol)]}; {_seen(self.table)}; {metrics} distance; average precision by the "
                "precision at each hit."
            )
        elif self.images.on == "test" and not self.images.annotated:
            lines.append("No query or gallery image is annotated: figures of the identities held out for validation.")
        if shares := dict.fromkeys(f"{recipe.validation.ratio:.0%}" for recipe in recipes if recipe.validation.ratio):
            lines.append(f"{' or '.join(shares)} of the training identities are held out to choose the epoch.")
        if self.changed:
            lines.append(f"Changed by hand: {', '.join(self.changed)}.")
        if other := self.of_other_settings():
            lines.append(f"{other[0].upper()}{other[1:]}.")
        if any(len(seeds) > 1 for seeds in measured):
            lines.append("Several seeds: mean ± standard deviation; differences are taken seed by seed.")
        return lines

    def _commands(self, measured: Sequence[dict[int, dict[str, float]]]) -> str:
        data = data_options([absolute_spec(spec) for spec in self.images.data])
        lines = [
            f"# {self.table.title}: the command of each row and of its evaluation.",
            "# They train the runs again, below the current folder.",
        ]
        told: set[str] = set()
        for row, seeds in zip(self.planned, measured, strict=True):
            lines += ["", f"# {row.row.name}"]
            if row.folder != slug(row.row.name):
                lines.append(f"# the same run as {row.folder}")
            for seed in seeds or (0,):
                place = f"{row.folder}/seed-{seed}"
                train_it = ["resight", "train", row.source, *row.overrides, f"seed={seed}", *data, "--out", place]
                judge = ["resight", "evaluate", place, *data, *(["--rerank"] if row.row.rerank else [])]
                judge += ["--on", self._on(row)]
                judge += ["--by", "clusters", "--figure", row.row.clusters] if row.row.clusters else []
                if self.table.retrieves:
                    judge += ["--protocol", str(self.table.protocol), "--depth", str(self.table.depth or 0)]
                commands = [shlex.join(train_it), shlex.join(judge)]
                lines += [command for command in commands if command not in told]
                told |= {*commands}
        return "\n".join(lines) + "\n"

    def _curves(
        self, measured: Sequence[dict[int, dict[str, float]]]
    ) -> Mapping[str, Mapping[str, Sequence[charts.Points]]]:
        """Quantity -> row -> a curve for each seed; rows that share a run are one curve, by the first one's name."""
        names: dict[Path, str] = {}
        for row, seeds in zip(self.planned, measured, strict=True):
            for seed in seeds:
                names.setdefault(self._place(row, seed), row.row.name)
        runs: dict[str, list[Path]] = {}
        for place, name in names.items():
            runs.setdefault(name, []).append(place)
        return histories(runs)


_HELD_OUT = 0.2
"""The share of the people that the sources hold out, for rows whose recipe holds nobody out."""

_PROTOCOLS = {
    "market1501": "Protocol market1501: the query's identity in its own camera is left out",
    "veri776": "Protocol veri776: the query's vehicle in its own camera is left out",
    "vehicleid": "Protocol vehicleid: no camera is known, and none plays a part",
    "course": "Protocol course: images of the query's own camera count as well",
}


def _fits(row: Planned, dataset: ReidDataset) -> bool:
    try:
        check(row.recipe(0), dataset)
    except (DataError, RecipeError):
        return False
    return True


def _cost(folder: Path) -> dict[str, str]:
    return cost_cells(cost(load(folder)))


def _seen(table: Table) -> str:
    return f"only the {table.depth} nearest images count" if table.depth else "the whole gallery counts"


class _Clock:
    """The time that a row took, and the time left for the missing runs, estimated from those before."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.done: set[tuple[str, int]] = set()
        self.started = self.last = time.monotonic()

    def lap(self, run: tuple[str, int]) -> str:
        now = time.monotonic()
        took, self.last = now - self.last, now
        self.done.add(run)  # rows that share a run take the time of one
        rest = self.runs - len(self.done)
        left = (now - self.started) / len(self.done) * rest
        return f"took {_spoken(took)}" + (f", about {_spoken(left)} left" if rest else "")


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
