"""The recipe of each row: the table's, with the changes of the table, the row and the user."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from resight.errors import RecipeError
from resight.recipe import Recipe, load_recipe
from resight.reproduce.budget import fitting_batch, shorter
from resight.reproduce.table import Row, Table, slug

__all__ = ["Planned", "plan"]


@dataclass(frozen=True)
class Planned:
    """One row, ready to train."""

    row: Row
    source: str
    """Name of its recipe."""
    overrides: list[str]
    """All changes of the recipe except the seed, as `resight train` takes them."""
    folder: str
    """Name of the folder of its runs: that of the first row with the same recipe."""

    def recipe(self, seed: int) -> Recipe:
        return load_recipe(self.source, [*self.overrides, f"seed={seed}"])


def plan(
    table: Table,
    overrides: Sequence[str] = (),
    forced: Sequence[str] = (),
    epochs: int | None = None,
    fitted: Callable[[Recipe], int] | None = None,
    held_out: float = 0.0,
) -> tuple[list[Planned], list[str]]:
    """Every row's recipe, and a line for each override that is not used in all rows and for each effect of the budget.

    Changes apply in order: the table's, the row's, `overrides`, `forced`, and last the budget of `epochs`. So that rows
    can be compared, an override of a key in which they differ is not used, and one of a key that only some rows have is
    used in those; `forced` changes every row. A row that holds nobody out for validation holds out the share `held_out`. A
    batch of more identities than `fitted` counts is made smaller. Raises
    RecipeError when a row's recipe is invalid.
    """
    if any(_key(text) == "seed" for text in [*overrides, *forced]):
        raise RecipeError("a row's seed is given by --seeds, such as --seeds 0,1,2")
    own = [load_recipe(row.recipe or table.recipe, table.changes(n)) for n, row in enumerate(table.rows)]
    flat = [_flat(recipe.model_dump(mode="json", exclude={"source", "seed"})) for recipe in own]
    told = [line for text in overrides if (line := _explained(text, table, flat))]
    planned: list[Planned] = []
    seen: dict[str, int] = {}
    small: dict[str, list[str]] = {}
    for number, row in enumerate(table.rows):
        source = row.recipe or table.recipe
        changes = [*table.changes(number), *(text for text in overrides if _used(_key(text), number, flat)), *forced]
        recipe = load_recipe(source, changes)
        if held_out and not recipe.validation.ratio:
            changes.append(f"validation.ratio={held_out}")
            recipe = load_recipe(source, changes)
        if epochs is not None:
            changes += shorter(recipe, epochs)
            recipe = load_recipe(source, changes)
        if fitted is not None and (smaller := fitting_batch(recipe, fitted)):
            small.setdefault(smaller, []).append(row.name)
            changes.append(smaller)
            recipe = load_recipe(source, changes)
        same = seen.setdefault(recipe.model_dump_json(), number)
        if same != number and flat[same] != flat[number]:
            told.append(
                f"{row.name} is the same run as {table.rows[same].name} here: the overrides remove their difference"
            )
        planned.append(Planned(row, source, changes, slug(table.rows[same].name)))
    for smaller, names in small.items():
        whose = "" if len(names) == len(planned) else f"{', '.join(names)}: "
        told.append(f"{whose}{smaller}, since there are no more identities to train on")
    return planned, told


def _explained(text: str, table: Table, rows: Sequence[dict[str, str]]) -> str:
    key = _key(text)
    if differing := _compared(key, rows):
        first = differing[0]
        values = dict.fromkeys(row[first] for row in rows if first in row)
        return (
            f"{text} is not used: the rows of this table differ in {first} ({', '.join(values)}); "
            f"to change it in every row all the same: --force {text}"
        )
    having = [row.name for number, row in enumerate(table.rows) if _used(key, number, rows)]
    if len(having) < len(rows):
        return f"{text} is used where a row has that key: {', '.join(having)}"
    return ""


def _used(key: str, number: int, rows: Sequence[dict[str, str]]) -> bool:
    if _compared(key, rows):
        return False
    return _has(key, rows[number]) or not any(_has(key, row) for row in rows)


def _compared(key: str, rows: Sequence[dict[str, str]]) -> list[str]:
    """Keys equal to, below or above `key` whose values differ among the rows that have them."""
    near = dict.fromkeys(known for row in rows for known in row if _related(key, known))
    return [known for known in near if len({row[known] for row in rows if known in row}) > 1]


def _has(key: str, row: dict[str, str]) -> bool:
    return any(_related(key, known) for known in row)


def _related(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _key(text: str) -> str:
    return text.partition("=")[0]


def _flat(values: dict[str, Any], before: str = "") -> dict[str, str]:
    """Nested options -> dotted key -> value as text."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = json.dumps(value)
    return flat
