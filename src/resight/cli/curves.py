"""`resight curves`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from resight.words import counted

__all__ = ["curves"]


def curves(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders, such as runs/*; trainings may still be going on.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Picture to write: .png, .svg or .pdf.")],
    series: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="What to draw: columns of metrics.csv, such as val/mAP, or their ends, such as loss for train/loss and "
            "val/loss.  [default: all]",
        ),
    ] = None,
) -> None:
    """Draw the training curves of several runs in one picture: a panel for each series that a run has.

    `resight curves runs/adam runs/rmsprop runs/sgd --out curves.png --series loss,identity,triplet`

    The series are the columns of the runs' metrics.csv: losses, each times its weight, what a system logs besides (of
    Bruna d_same, d_other and the share of strangers that fool it), figures of each validation, and the learning rate. A run
    has the same colour in all panels and the name of its folder; of more than 16 runs the first are drawn.

    The runs below a folder of `resight reproduce` can be drawn as well; its curves.png has all of them.
    """
    from resight.cli.console import output
    from resight.cli.destinations import CHARTS, replaced, require_file
    from resight.errors import RunError
    from resight.run import Run, histories
    from resight.views import charts

    require_file(out, CHARTS)
    folders = list(dict.fromkeys(Run.open(run).folder.resolve() for run in runs))
    for folder in folders:
        if not histories({"": [folder]}):
            raise RunError(f"{folder} has no curves yet: its first epoch is not finished")
    panels = histories(dict(zip(_names(folders), ([folder] for folder in folders), strict=True)))
    if series is not None:
        panels = {name: panels[name] for name in _chosen(series, panels)}
    before = replaced(out)
    charts.save(charts.compared_curves(panels), out)
    output().print(
        f"{out}{before}: {', '.join(panels)} of {_counted(len(folders), charts.MOST_COMPARED)}", markup=False
    )


def _counted(runs: int, most: int) -> str:
    if runs > most:
        return f"the first {most} of {runs} runs"
    return counted(runs, "run")


def _names(folders: Sequence[Path]) -> list[str]:
    """The last parts of paths, as many as tell them apart, without those that all end in."""
    for count in range(1, max(len(folder.parts) for folder in folders) + 1):
        ends = [folder.parts[-count:] for folder in folders]
        if len(set(ends)) == len(folders):
            break
    while len(folders) > 1 and all(len(end) > 1 for end in ends) and len({end[-1] for end in ends}) == 1:
        ends = [end[:-1] for end in ends]
    return ["/".join(end) for end in ends]


def _chosen(series: str, known: Iterable[str]) -> list[str]:
    """Columns by their names or ends, in the order asked for. Raises OptionError for one that no run has."""
    from resight.errors import OptionError, did_you_mean

    known, found = list(known), dict[str, None]()
    ends = {name.partition("/")[2] for name in known}
    for asked in (text.strip() for text in series.split(",")):
        fitting = [name for name in known if asked in (name, name.partition("/")[2])]
        if not fitting:
            close = did_you_mean(asked, [*known, *ends])
            held = any(name.startswith("val/") for name in known)
            why = "" if held else "; no epoch was validated (validation.ratio, validation.every)"
            raise OptionError(f"--series {asked}: no such curve{close}; there is: {', '.join(known)}{why}")
        found |= dict.fromkeys(fitting)
    return list(found)
