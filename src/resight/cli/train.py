"""`resight train`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="Name of a built-in recipe, or a YAML file. See --recipes.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Recipe keys to change, such as epochs=60 model.backbone=resnet18.tv_in1k."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="FORMAT:PATH",
            help="Training data; repeat it to train on a union. A resumed run remembers it.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder to make.")] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN|FILE",
            help="Run, file of weights or hf:owner/name to start from; a classifier of other identities is replaced.",
        ),
    ] = None,
    resume: Annotated[Path | None, typer.Option("--resume", metavar="DIR", help="Continue an interrupted run.")] = None,
    recipes: Annotated[bool, typer.Option("--recipes", help="List the built-in recipes and stop.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved recipe and stop.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a recipe into a run folder.

    `resight train reid-strong-baseline --data market1501:/data/Market-1501-v15.09.15 --out runs/baseline epochs=60`

    `resight train reid-osnet --from runs/osnet model.multiplier=0.25 --data …` fine-tunes; `freeze.conv=5` trains the
    rest alone at first, `layer_decay=0.8` moves early layers less, and `average=ema` keeps the weights' average where it is
    better.

    The state is saved after each epoch: after Ctrl-C, a crash or a power cut, `resight train --resume runs/baseline`
    continues. Loss curves: `tensorboard --logdir runs`, or of several runs in one picture `resight curves`.
    """
    from resight.cli.console import output
    from resight.errors import OptionError
    from resight.recipe import built_in_recipes, load_recipe, told_of

    if recipes:
        known = built_in_recipes()
        width = max(map(len, known))
        for name, file in known.items():
            output().print(f"{name:{width}}  {told_of(file)}", markup=False)
        return
    if resume is not None:
        if recipe is not None or overrides:
            raise OptionError("a resumed run keeps its recipe; give --resume alone")
        if start is not None:
            raise OptionError("a resumed run has begun; leave out --from")
        if out is not None:
            raise OptionError("a resumed run stays in its folder; leave out --out")
        _resume(resume, data, quiet)
        return
    if recipe is None:
        raise OptionError("give a recipe (see `resight train --recipes`) or --resume DIR")
    loaded = load_recipe(recipe, overrides or [])
    if show:
        output().print(loaded.to_yaml(), markup=False, end="")
        return
    if not data:
        raise OptionError("give --data FORMAT:PATH, such as --data market1501:/data/Market-1501-v15.09.15")
    if out is None:
        raise OptionError("give --out DIR, the run folder to make")
    from resight.cli.console import remark
    from resight.cli.destinations import require_folder
    from resight.data.union import read_datasets
    from resight.training import train as train_recipe

    require_folder(out)
    _finish(train_recipe(loaded, read_datasets(data), out, data=data, start=start, quiet=quiet, tell=remark).folder)


def _resume(folder: Path, data: list[str] | None, quiet: bool) -> None:
    from resight.cli.console import remark
    from resight.data.union import read_datasets
    from resight.errors import RunError
    from resight.run import Run
    from resight.training import resume as resume_run

    run = Run.open(folder)
    if run.finished:
        again = shlex.join(["resight", "train", str(folder / "recipe.yaml"), "epochs=N"])
        remark(f"{folder} is finished, nothing is left to train; to train longer, anew: {again} --data … --out …")
        return
    specs = data or run.data
    if not specs:
        raise RunError(f"{folder} does not remember its data; give it with --data")
    _finish(resume_run(folder, read_datasets(specs), quiet=quiet, tell=remark).folder)


def _finish(folder: Path) -> None:
    from resight.cli.console import output
    from resight.data.formats import data_options
    from resight.engine.processes import process_rank
    from resight.run import Run

    if process_rank():  # of processes that train together the first one speaks
        return
    data = data_options(Run.open(folder).data or ["FORMAT:PATH"])
    output().print(f"run: {folder}\nnext: {shlex.join(['resight', 'evaluate', str(folder), *data])}", markup=False)
