"""A published table as YAML: the recipe its rows share, what each row changes, and the figures that were printed."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Literal, Self

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field

from resight.errors import RecipeError, did_you_mean
from resight.recipe import read_yaml
from resight.retrieval import PROTOCOLS

__all__ = [
    "ATTRIBUTES",
    "FIGURES",
    "LOSSES",
    "RETRIEVAL",
    "Row",
    "Table",
    "chosen_rows",
    "load_table",
    "slug",
    "tables",
]

RETRIEVAL = ("mAP", "rank-1", "rank-5", "rank-10", "mINP")
ATTRIBUTES = {"accuracy": "accuracy", "balanced": "recall", "precision": "precision", "recall": "recall"}
"""Figure of a table -> that of `AttributeScores.mean`; balanced accuracy is macro recall."""
LOSSES = {"train loss": "train/loss", "validation loss": "val/loss"}
"""Figure of a table -> column of metrics.csv, in the last epoch that has it. Not in per cent."""
FIGURES = (*RETRIEVAL, *ATTRIBUTES, *LOSSES)


class Row(BaseModel):
    """One set-up of a table."""

    model_config = ConfigDict(extra="forbid")
    name: str
    recipe: str | None = Field(None, description="where it is not the table's")
    set: list[str] = Field(default_factory=list, description="overrides of the recipe: what this row is about")
    rerank: bool = Field(False, description="evaluate with k-reciprocal re-ranking")
    of: Literal["test", "train"] = Field(
        "test", description="images to evaluate on; of the training images, a tenth are queries in retrieval"
    )
    clusters: Literal["mAP", "adjusted-rand", "nmi"] | None = Field(
        None,
        description="a query retrieves the cluster of the nearest centroid; figure by which the cut of the hierarchy is "
        "learned on the training images",
    )
    targets: list[str] = Field(default_factory=list, description="attributes whose mean is taken; by default all")
    published: dict[str, float] = Field(default_factory=dict, description="figure -> as the source prints it")


class Table(BaseModel):
    """A published table: what its rows share, and the rows."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field("", description="of a table that ships with resight: `load_table` fills it in")
    title: str
    source: str = Field(description="where it was published")
    recipe: str
    protocol: str | None = Field(None, description="of retrieval: a key of resight.retrieval.PROTOCOLS")
    depth: int | None = Field(None, ge=1, description="of retrieval: only so many nearest images are looked at")
    figures: list[str] = Field(min_length=1, description="per cent, except losses")
    set: list[str] = Field(default_factory=list, description="overrides that every row has: what the table holds fixed")
    cumulative: bool = Field(False, description="each row has the changes of the rows above it as well")
    note: str = Field("", description="printed below the table")
    rows: list[Row] = Field(min_length=1)
    beside: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="other published models, printed below the rows: name -> figure -> value"
    )

    @pydantic.model_validator(mode="after")
    def _known(self) -> Self:
        for figure in [
            *self.figures,
            *(figure for row in self.rows for figure in row.published),
            *(f for other in self.beside.values() for f in other),
        ]:
            if figure not in FIGURES or figure not in self.figures:
                raise ValueError(f"unknown figure {figure!r}; there is: {', '.join(FIGURES)}")
        if {*self.figures} & {*RETRIEVAL} and ({*self.figures} & {*ATTRIBUTES} or self.protocol not in PROTOCOLS):
            raise ValueError(f"retrieval figures go with no others and need a protocol: {', '.join(PROTOCOLS)}")
        if len({slug(row.name) for row in self.rows}) < len(self.rows):
            raise ValueError("two rows have the same name")
        return self

    @property
    def retrieves(self) -> bool:
        return self.protocol is not None

    def changes(self, number: int) -> list[str]:
        """Overrides of row `number`, from 0: the table's, then the row's (and of those above, if `cumulative`)."""
        first = 0 if self.cumulative else number
        return [*self.set, *(text for row in self.rows[first : number + 1] for text in row.set)]


def tables() -> dict[str, Path]:
    """Tables that ship with resight: name -> file."""
    folder = Path(str(resources.files("resight") / "reproduce" / "tables"))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def load_table(name: str) -> Table:
    """A table by its name or file. Raises RecipeError for an unknown name or a file that is no table."""
    known = tables()
    file = known.get(name, Path(name))
    if not file.is_file():
        raise RecipeError(f"no table {name!r}{did_you_mean(name, known)}; give a file or one of: {', '.join(known)}")
    try:
        table = Table.model_validate(read_yaml(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, pydantic.ValidationError) as error:
        raise RecipeError(f"{file}: no table: {' '.join(str(error).split())}") from None
    table.name = name if name in known else ""
    return table


def chosen_rows(table: Table, wanted: str | None) -> list[int]:
    """Rows by a list such as `2,3` or `vanilla,fc-bn-fc`: numbers from 1, or names. None is all of them.

    Raises RecipeError that lists the rows.
    """
    names = {slug(row.name): number for number, row in enumerate(table.rows)}
    numbers = {str(number + 1): number for number in range(len(table.rows))}
    asked = [text.strip() for text in wanted.split(",")] if wanted is not None else list(names)
    for text in asked:
        if slug(text) not in names and text not in numbers:
            listed = ", ".join(f"{number + 1} {name}" for name, number in names.items())
            raise RecipeError(f"no row {text!r}{did_you_mean(slug(text), names)}; there is: {listed}")
    # A row's name may be a number, such as an embedding of 128: names take precedence.
    return sorted({names[slug(text)] if slug(text) in names else numbers[text] for text in asked})


def slug(name: str) -> str:
    """A row's name as part of a path and of `--rows`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
