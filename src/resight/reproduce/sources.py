"""What the five sources describe, line by line: where it lives here, and what differs and why.

`sources.yaml` is the one place of these lines: docs/sources.md is made of it and of the tables (docs/generate.py), and a
table's rows print their own.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from resight.recipe import read_yaml
from resight.reproduce.table import Table

__all__ = ["Line", "Source", "is_of_source", "lines_of", "sources"]


class Line(BaseModel):
    """One thing that a source describes. Code in backticks is a command, a name, a recipe, or a key of the last recipe."""

    model_config = ConfigDict(extra="forbid")
    place: str = Field(description="section, table or figure of the source")
    about: Literal["data", "model", "losses", "training", "evaluation", "table", "figure"]
    said: str = Field(description="what the source says, in its sense")
    here: str = Field(description="where it lives: recipe, key, module, command")
    differs: str = Field("", description="what differs, or was chosen where the source is silent, and why")
    rows: list[str] = Field(default_factory=list, description="rows that it is about: `table`, or `table: row`")


class Source(BaseModel):
    """A report, and what it describes."""

    model_config = ConfigDict(extra="forbid")
    title: str
    cited: str = Field(description="beginning of the `source` of the tables that are taken from it")
    lines: list[Line]


@cache
def sources() -> list[Source]:
    """The five sources."""
    text = (resources.files("resight") / "reproduce" / "sources.yaml").read_text(encoding="utf-8")
    return TypeAdapter(list[Source]).validate_python(read_yaml(text))


def is_of_source(table: Table) -> bool:
    """Whether a table ships with resight and is of one of the five sources."""
    return bool(table.name) and any(table.source.startswith(source.cited) for source in sources())


def lines_of(table: Table, rows: list[int]) -> list[str]:
    """The lines about a table that ships with resight, and about these of its rows, from 0: plain text to print."""
    names = {f"{table.name}: {table.rows[number].name}": table.rows[number].name for number in rows}
    found = []
    for source in sources():
        for line in source.lines:
            about = [names[row] for row in line.rows if row in names]
            if table.name and (about or table.name in line.rows):
                told = f"{', '.join(about) or 'All rows'} ({line.place}): {line.said} Here: {line.here}"
                found.append(" ".join(f"{told} {line.differs}".replace("`", "").split()))
    return found
