"""`resight tune`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from resight.cli.console import DataOption

__all__ = ["tune"]


def tune(
    recipe: Annotated[str, typer.Argument(help="Name of a built-in recipe, or a YAML file.")],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for the search; an existing search continues.")],
    space: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUES",
            help="low:high or low:high:log is an interval to search, [a, b] a choice; a single value is fixed.",
        ),
    ] = None,
    space_file: Annotated[
        Path | None, typer.Option("--space", metavar="FILE", help="YAML of the same: a mapping of keys to values.")
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Number of trials in total, those of earlier calls included.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the search; trials train with the recipe's seed.")] = 0,
    prune: Annotated[bool, typer.Option(help="Stop trials that are worse than the median of earlier ones.")] = True,
) -> None:
    """Search for the best values of recipe keys: train trials, and keep the recipe that is best on held-out identities.

    `resight tune reid-strong-baseline optimiser.lr=1e-5:1e-3:log "losses.triplet.margin=[0.1, 0.3, 1.0]" epochs=20
    --data market1501:/data/Market-1501-v15.09.15 --out tuning --trials 30`

    An interrupted search continues with the same command. The best recipe is best.yaml in --out, ready for
    `resight train`. A value that is itself a list is put into another list: `"schedule.milestones=[[10, 15]]"`. Needs
    `pip install 'resight[tune]'`.
    """
    from resight.cli.console import errors, output, tell
    from resight.cli.destinations import require_folder
    from resight.data.union import read_datasets
    from resight.errors import RecipeError
    from resight.tune import read_space
    from resight.tune import tune as search

    require_folder(out)
    values = read_space(space_file) if space_file else {}
    for text in space or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise RecipeError(f"{text!r}: write key=low:high, key=[a, b] or key=value")
        values[key] = value
    tuned = search(
        recipe,
        read_datasets(data),
        out,
        values,
        data=data,
        trials=trials,
        seed=seed,
        prune=prune,
        tell=tell,
        quiet=not errors().is_terminal,
    )
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title=escape(f"{recipe}: {tuned.monitor} on held-out identities"), title_justify="left")
    columns = list(tuned.trials[0]) if tuned.trials else ["trial"]
    for column in columns:
        shown.add_column(tuned.monitor if column == "figure" else column, justify="right")
    for trial in tuned.trials[:10]:
        shown.add_row(*(f"{value:.4g}" if isinstance(value, float) else escape(str(value)) for value in trial.values()))
    output().print(shown)
    if tuned.recipe is None:
        errors().print("no trial has completed; the errors stand above", markup=False)
        raise typer.Exit(1)
    following = shlex.join(["resight", "train", str(tuned.recipe)])
    output().print(f"best recipe: {tuned.recipe}\nnext: {following} --data … --out …", markup=False)
