"""Run a published table: train each of its rows, evaluate it on the held-out identities, print both figures.

A row is a run folder below the output folder, so that a table that was cut goes on where it stopped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field

from resight.assessment import assess
from resight.errors import RecipeError, RunError
from resight.files import written_whole
from resight.recipe import Recipe, load_recipe, nearest
from resight.records import ReidDataset
from resight.run import Run, load
from resight.training import resume, train

__all__ = ["Row", "Table", "load_table", "reproduce", "tables"]

_FIGURES = {"accuracy": "accuracy", "balanced": "recall", "precision": "precision"}
"""Figure of a table -> that of `AttributeScores.mean`."""


class Row(BaseModel):
    """One set-up of a table."""

    model_config = ConfigDict(extra="forbid")
    name: str
    set: list[str] = Field(default_factory=list, description="overrides of the table's recipe")
    published: dict[str, float] = Field(default_factory=dict, description="figure -> per cent, as the source prints it")


class Table(BaseModel):
    """A published table: what its rows share, and the rows."""

    model_config = ConfigDict(extra="forbid")
    title: str
    recipe: str
    figures: list[str]
    rows: list[Row]


def tables() -> dict[str, Path]:
    """Tables that ship with resight: name -> file."""
    folder = Path(str(resources.files("resight") / "reproduce" / "tables"))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def load_table(name: str) -> Table:
    """A table by its name or file. Raises RecipeError for an unknown name or a file that is no table."""
    known = tables()
    file = known.get(name, Path(name))
    if not file.is_file():
        raise RecipeError(f"no table {name!r}{nearest(name, known)}; give a file or one of: {', '.join(known)}")
    try:
        table = Table.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, pydantic.ValidationError) as error:
        raise RecipeError(f"{file}: no table: {' '.join(str(error).split())}") from None
    wrong = [figure for figure in table.figures if figure not in _FIGURES]
    if wrong:
        raise RecipeError(f"{file}: unknown figure {wrong[0]!r}; there is: {', '.join(_FIGURES)}")
    return table


def reproduce(
    table: Table,
    dataset: ReidDataset,
    out: str | os.PathLike[str],
    *,
    data: Sequence[str] = (),
    overrides: Sequence[str] = (),
    tell: Callable[[str], None] = print,
) -> list[dict[str, float]]:
    """Train and evaluate every row below the folder `out`; the figures in [0, 1], a mapping for each row.

    >>> reproduce(load_table("attributes-skip"), read_dataset("course:/data/market-course"), "tables/skip")

    `overrides` change every row, for example to a smaller budget. The figures are those of the validation identities,
    which the published ones are too. Raises RecipeError when the recipe holds no identities out, RunError when a row's
    folder holds a run of another recipe.
    """
    found = []
    for row in table.rows:
        recipe = load_recipe(table.recipe, [*row.set, *overrides])
        if not recipe.validation.ratio:
            raise RecipeError(f"{table.recipe}: validation.ratio is 0, and a table is measured on held-out identities")
        tell(f"{row.name} …")
        run = _trained(recipe, dataset, Path(out) / _slug(row.name), data)
        splits = assess(load(run.folder), dataset, trained_here=True).splits
        scores = splits["validation"].scores
        found.append({figure: scores.mean(_FIGURES[figure]) for figure in table.figures})
    with written_whole(Path(out) / "table.csv") as partial:
        partial.write_text(_csv(table, found), encoding="utf-8")
    return found


def _trained(recipe: Recipe, dataset: ReidDataset, folder: Path, data: Sequence[str]) -> Run:
    if not (folder / "run.json").exists():
        return train(recipe, dataset, folder, data=data)
    if Run.open(folder).recipe != recipe:
        raise RunError(f"{folder} holds a run of another recipe; choose another --out, or remove it")
    return resume(folder, dataset)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _csv(table: Table, found: Sequence[dict[str, float]]) -> str:
    lines = [",".join(["row", *table.figures, *(f"published {figure}" for figure in table.figures)])]
    for row, figures in zip(table.rows, found, strict=True):
        ours = [f"{100 * figures[figure]:.2f}" for figure in table.figures]
        theirs = [str(row.published.get(figure, "")) for figure in table.figures]
        lines.append(",".join([row.name, *ours, *theirs]))
    return "\n".join(lines) + "\n"
