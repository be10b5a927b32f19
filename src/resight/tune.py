"""Search recipe keys with Optuna: sampling by TPE, pruning by the median of earlier trials, resumable.

```
tuning/
  study.db        all trials (SQLite): what a continued search reads
  trial-0003/     a run folder for each trial; its checkpoint is removed when it ends
  trials.csv      the trials, best first
  best.yaml       the best recipe, ready for `resight train`
```
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from resight.data.formats import absolute_spec
from resight.errors import DataError, MissingExtraError, RecipeError, ResightError, RunError
from resight.files import written_whole
from resight.recipe import Recipe, load_recipe, read_yaml
from resight.records import ReidDataset
from resight.run import Run, history
from resight.training import alone, check, resume, train

if TYPE_CHECKING:
    import optuna

__all__ = ["Choice", "Interval", "Tuned", "parse_space", "read_space", "tune"]


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`; integers if both are, so write 0.0 for a fraction."""

    low: float
    high: float
    log: bool = False

    def draw(self, trial: optuna.Trial, key: str) -> Any:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(key, self.low, self.high, log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """Some values, each as YAML text."""

    values: tuple[str, ...]

    def draw(self, trial: optuna.Trial, key: str) -> Any:
        return trial.suggest_categorical(key, self.values)


Space = dict[str, Interval | Choice]


def parse_space(texts: Mapping[str, Any]) -> tuple[Space, list[str]]:
    """Divide key -> value into the space to search and the fixed overrides.

    >>> parse_space({"optimiser.lr": "1e-5:1e-3:log", "model.embedding": [256, 512], "model.pretrained": False})

    `low:high` and `low:high:log` are intervals, a list is a choice, anything else is fixed. A value that is itself
    a list is put in a list: `schedule.milestones=[[5, 8]]` or, as a choice of two, `[[5, 8], [6, 9]]`. Raises
    RecipeError for an invalid interval.
    """
    space: Space = {}
    fixed: list[str] = []
    for key, value in texts.items():
        value = _listed(key, value)
        if isinstance(value, list) and len(value) > 1:
            space[key] = Choice(tuple(map(_text, value)))
        elif isinstance(value, str) and ":" in value and not value.startswith("{"):
            space[key] = _interval(key, value)
        else:
            fixed.append(f"{key}={_text(value[0] if isinstance(value, list) and value else value)}")
    return space, fixed


def read_space(file: str | os.PathLike[str]) -> dict[str, Any]:
    """Read key -> value, as `parse_space` takes them, from a YAML file. Raises RecipeError when it has none."""
    try:
        values = read_yaml(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{file}: no search space: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{file}: a search space is a mapping, such as `optimiser.lr: 1e-5:1e-3:log`")
    return {str(key): value for key, value in values.items()}


def _listed(key: str, value: Any) -> Any:
    if not (isinstance(value, str) and value.startswith("[")):
        return value
    try:
        return read_yaml(value)
    except yaml.YAMLError:
        raise RecipeError(f"{key}={value}: not a list; write [a, b]") from None


def _interval(key: str, text: str) -> Interval:
    low, _, rest = text.partition(":")
    high, _, scale = rest.partition(":")
    try:
        found = Interval(_number(low), _number(high), scale == "log")
    except ValueError:
        raise RecipeError(f"{key}={text}: an interval is low:high or low:high:log, in numbers") from None
    if scale not in ("", "log") or not found.low < found.high or (found.log and found.low <= 0):
        raise RecipeError(f"{key}={text}: the low end must be below the high one, and on a log scale above 0")
    return found


def _number(text: str) -> float:
    return int(text) if text.strip().lstrip("+-").isdigit() else float(text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Tuned:
    """The state of a search."""

    trials: list[dict[str, Any]]
    """Best first: trial, state (complete, pruned, fail), figure (None where it failed), epochs, then the keys searched."""
    recipe: Path | None
    """best.yaml; None while no trial has completed."""
    monitor: str
    told: list[str]
    """Overrides that the search chose itself, a line each."""


def tune(
    recipe: str | Path,
    dataset: ReidDataset,
    out: str | os.PathLike[str],
    space: Mapping[str, Any],
    *,
    data: Sequence[str] = (),
    trials: int = 20,
    seed: int = 0,
    prune: bool = True,
    tell: Callable[[str], None] = lambda line: None,
    quiet: bool = True,
) -> Tuned:
    """Search `space` until `trials` trials have completed or were pruned.

    >>> tune("reid-strong-baseline", dataset, "tuning", {"optimiser.lr": "1e-5:1e-3:log", "epochs": 20})

    A trial trains on the training split and is judged by the recipe's `validation.monitor` on held-out identities:
    test images are not used. Without `validation.ratio` a fifth is held out. With `prune`, trials worse than the median
    of the earlier ones at the same epoch are cut. The same call continues a killed search, and an open trial from its
    last epoch; further proposals depend only on `seed` and the trials so far.

    Raises MissingExtraError without Optuna, RecipeError for a key or value that fits no recipe, RunError when `out`
    holds another search or another process searches in it.
    """
    search = _Search(recipe, dataset, Path(out), space, data, seed, quiet, tell)
    search.check()
    with alone(out), _writable(search.database):
        study = search.study(prune)
        for line in search.told:
            tell(line)
        search.take_up(study)
        most = len(study.trials) + 2 * trials  # a limit, should every trial fail
        while _ended(study) < trials and len(study.trials) < most:
            tell(search.step(study))
            search.write(study)
        return search.write(study)


@contextmanager
def _writable(database: Path) -> Iterator[None]:
    """One line for a database that somebody else, such as a program that looks into it, keeps to itself, and for a full disk."""
    try:
        yield
    except Exception as error:  # Optuna's or SQLAlchemy's
        if (hindrance := _hindrance(error)) is None:
            raise
        raise RunError(f"{database} {hindrance}, then go on") from None


_BUSY = "is in use by another process; wait until that has ended"
_FULL = "cannot be written: the disk is full or broken; make room"
_HINDRANCES: dict[int | None, str] = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _FULL,
}


def _hindrance(error: BaseException | None) -> str | None:
    """What keeps SQLite from its file, where that is why this, or what this was raised from, was raised."""
    if error is None:
        return None
    code = error.sqlite_errorcode & 0xFF if isinstance(error, sqlite3.OperationalError) else None
    return _HINDRANCES.get(code) or _hindrance(error.__cause__)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("tuning needs Optuna: pip install 'resight[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _ended(study: optuna.Study) -> int:
    return sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials)


class _Search:
    """What all trials share, and the steps of the search."""

    def __init__(
        self,
        recipe: str | Path,
        dataset: ReidDataset,
        folder: Path,
        space: Mapping[str, Any],
        data: Sequence[str],
        seed: int,
        quiet: bool,
        tell: Callable[[str], None],
    ) -> None:
        self.optuna = _optuna()
        self.name, self.dataset, self.folder, self.data = recipe, dataset, folder, data
        self.seed, self.quiet, self.tell = seed, quiet, tell
        self.space, self.fixed = parse_space(space)
        if not self.space:
            raise RecipeError("nothing to search; give an interval or a choice, such as optimiser.lr=1e-5:1e-3:log")
        self.told: list[str] = []
        base = load_recipe(recipe, self.fixed)
        if not base.validation.ratio:
            self.fixed.append("validation.ratio=0.2")
            self.told.append("validation.ratio=0.2: the recipe holds no identities out, and trials are judged on these")
        if base.validation.every != 1 and not any(text.startswith("validation.every=") for text in self.fixed):
            self.fixed.append("validation.every=1")
            self.told.append("validation.every=1: a trial can be cut after each epoch")
        self.monitor = base.validation.monitor
        self.direction: Literal["minimize", "maximize"] = "minimize" if self.monitor == "loss" else "maximize"

    @property
    def database(self) -> Path:
        return self.folder / "study.db"

    def check(self) -> None:
        """Check every key: each value (of an interval, both ends) makes a valid recipe, and at least one can train.

        Whether an option exists may depend on another key, so each value is tried with both ends of the other keys. Where
        these are all there is, a value that fits with none of them, such as one misspelt, ends the search before it begins.
        """
        ends = {
            key: [part.low, part.high] if isinstance(part, Interval) else list(part.values)
            for key, part in self.space.items()
        }
        for key, values in ends.items():
            rests = (tuple(f"{other}={ends[other][end]}" for other in ends if other != key) for end in (0, -1))
            others = dict.fromkeys(rests)  # one, if both ends are the same
            choices = [len(ends[other]) for other in ends if other != key]
            whole = len(choices) < 2 and max(choices, default=1) <= 2 and isinstance(self.space[key], Choice)
            errors: list[ResightError] = []
            for value in values:
                before = len(errors)
                load_recipe(self.name, [*self.fixed, f"{key}={value}"])
                for rest in others:
                    try:
                        check(load_recipe(self.name, [*self.fixed, *rest, f"{key}={value}"]), self.dataset)
                    except (DataError, RecipeError) as error:
                        errors.append(error)
                if whole and len(errors) - before == len(others):
                    raise errors[-1]
            if len(errors) == len(values) * len(others):
                raise errors[0]

    def study(self, prune: bool) -> optuna.Study:
        self.folder.mkdir(parents=True, exist_ok=True)
        pruner = self.optuna.pruners.MedianPruner(n_startup_trials=3) if prune else self.optuna.pruners.NopPruner()
        file = self.database
        try:
            study = self.optuna.create_study(
                study_name="resight",
                storage=f"sqlite:///{file}",
                load_if_exists=True,
                direction=self.direction,
                pruner=pruner,
            )
        except Exception as error:  # Optuna's, or SQLAlchemy's, which Optuna uses
            if _hindrance(error):
                raise
            if isinstance(error, self.optuna.exceptions.OptunaError):
                raise RunError(f"{file} cannot be used: {str(error).splitlines()[0]}") from None
            if not file.exists():
                raise
            raise RunError(f"{file} is damaged or no search; choose another --out, or remove it") from error
        asked = {
            "recipe": str(self.name),
            "data": [absolute_spec(spec) for spec in self.data],
            "fixed": self.fixed,
            "space": {key: str(part) for key, part in self.space.items()},
        }
        if study.user_attrs.get("asked", asked) != asked:
            raise RunError(
                f"{self.folder} holds a search of another recipe, space or data; choose another --out, or remove it"
            )
        study.set_user_attr("asked", asked)
        return study

    def take_up(self, study: optuna.Study) -> None:
        """Queue the trials that a killed process left open, so that they run first, in their own folders."""
        for trial in study.trials:
            if trial.state.name == "RUNNING":
                study.tell(trial.number, state=self.optuna.trial.TrialState.FAIL)
                folder = trial.user_attrs.get("folder", _folder(trial.number))
                study.enqueue_trial(trial.params, user_attrs={"folder": folder})

    def step(self, study: optuna.Study) -> str:
        """Run one trial and return a line about it."""
        # Each trial has its own sampler, so that a continued search proposes what an uninterrupted one would.
        told = _ended(study) + sum("error" in trial.user_attrs for trial in study.trials)
        study.sampler = self.optuna.samplers.TPESampler(seed=self.seed + told, n_startup_trials=5)
        trial = study.ask()
        overrides = [*self.fixed, *(f"{key}={part.draw(trial, key)}" for key, part in self.space.items())]
        place = trial.user_attrs.get("folder", _folder(trial.number))
        trial.set_user_attr("folder", place)
        values = ", ".join(f"{key} {_short(trial.params[key])}" for key in self.space)
        try:
            run = self._train(load_recipe(self.name, overrides), self.folder / place, trial)
        except self.optuna.TrialPruned:
            study.tell(trial, state=self.optuna.trial.TrialState.PRUNED)
            figure, state = self._best(self.folder / place), "cut"
        except ResightError as error:
            if isinstance(error.__cause__, OSError):  # a full disk, which fails each trial: this one stays open
                raise
            trial.set_user_attr("error", str(error))
            study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
            return f"trial {trial.number}: {values}: failed: {error}"
        else:
            figure, state = self._best(run.folder), "complete"
            if not math.isfinite(figure):
                trial.set_user_attr("error", f"{self.monitor} is {figure}")
                study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
                return f"trial {trial.number}: {values}: failed: {self.monitor} is {figure}, it diverged"
            study.tell(trial, figure)
        (self.folder / place / "last.ckpt").unlink(missing_ok=True)
        return f"trial {trial.number}: {values}: {self.monitor} {_short(figure)}, {state}; best so far {self._leader(study)}"

    def _train(self, recipe: Recipe, folder: Path, trial: optuna.Trial) -> Run:
        def report(epoch: int, figures: dict[str, float]) -> None:
            trial.report(figures[self.monitor], epoch)
            if trial.should_prune():
                raise self.optuna.TrialPruned

        if (folder / "run.json").exists():
            return resume(folder, self.dataset, quiet=self.quiet, tell=self.tell, on_validation=report)
        return train(
            recipe, self.dataset, folder, data=self.data, quiet=self.quiet, tell=self.tell, on_validation=report
        )

    def _best(self, folder: Path) -> float:
        """The figure of the best validated epoch, whose weights the run keeps."""
        values = [value for _, value in history(folder / "metrics.csv").get(f"val/{self.monitor}", [])]
        return (min if self.direction == "minimize" else max)(values, default=float("nan"))

    def _leader(self, study: optuna.Study) -> str:
        completed = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
        return f"{_short(study.best_value)} (trial {study.best_trial.number})" if completed else "none"

    def write(self, study: optuna.Study) -> Tuned:
        """Write trials.csv and best.yaml of the search so far."""
        trials = self._rows(study)
        text = io.StringIO()
        writer = csv.DictWriter(text, ["trial", "state", "figure", "epochs", *self.space], lineterminator="\n")
        writer.writeheader()
        writer.writerows(trials)
        with written_whole(self.folder / "trials.csv") as partial:
            partial.write_text(text.getvalue(), encoding="utf-8")
        if not any(trial["state"] == "complete" for trial in trials):
            return Tuned(trials, None, self.monitor, self.told)
        best = study.best_trial
        recipe = load_recipe(self.folder / best.user_attrs["folder"] / "recipe.yaml")
        head = f"# Best of {_ended(study)} trials of {self.name}: {self.monitor} {best.value:.4f} on held-out identities.\n"
        file = self.folder / "best.yaml"
        head += f"#\n#   resight train {file} --data … --out …\n#\n# To train on the held-out identities too: validation.ratio=0\n"
        with written_whole(file) as partial:
            partial.write_text(head + recipe.to_yaml(), encoding="utf-8")
        return Tuned(trials, file, self.monitor, self.told)

    def _rows(self, study: optuna.Study) -> list[dict[str, Any]]:
        rows = []
        for trial in study.trials:
            if trial.state.name in ("COMPLETE", "PRUNED"):
                curve = history(self.folder / trial.user_attrs["folder"] / "metrics.csv")
                figure = self._best(self.folder / trial.user_attrs["folder"])
                state, epochs = trial.state.name.lower(), len(curve.get("train/loss", []))
                rows.append({"trial": trial.number, "state": state, "figure": figure, "epochs": epochs, **trial.params})
        sign = 1 if self.direction == "minimize" else -1
        # A trial that was cut was worse than the median: it comes after all that were not.
        return sorted(rows, key=lambda row: (row["state"] != "complete", sign * row["figure"]))


def _folder(number: int) -> str:
    return f"trial-{number:04d}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
