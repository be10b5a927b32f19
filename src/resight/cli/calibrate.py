"""`resight calibrate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from resight.cli.console import DataOption

__all__ = ["calibrate"]


def calibrate(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Run folder, into which calibration.json is written, or a file that `resight export` wrote, for one beside it.",
        ),
    ],
    data: DataOption,
    on: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(
            help="Whose searches to fit: those of the people that training held out, of those that it was fitted on (too "
            "sure), or the dataset's own query and gallery. The first two are for the data of its training.  [default: validation; "
            "test for a file, which does not know whom it was trained on]"
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write the reliability diagram (.png, .svg, .pdf).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Learn the probability that two images show the same individual, from the score of the pair.

    `resight calibrate runs/baseline --data market1501:/data/Market-1501-v15.09.15`

    Isotonic regression on the 10 nearest images of each query, pairs of one camera apart from pairs of two. Half of the
    people are fitted; by the others the expected calibration error (ECE) and the Brier score are reported, beside those
    of the base rate. The probability is that of such candidates on such a site: on another one, fit it again. In a larger
    gallery it falls, by as much as it did from half of this one to the whole. `index` and `search` find the file in the
    run; `resight export` takes it along. A file of 8 bits, whose scores are others, and others' files have their own:

    `resight calibrate int8/model.onnx --data market1501:/data/Market-1501-v15.09.15`
    """
    from resight.cli.console import name_failed, output, progress, remark, show
    from resight.cli.destinations import CHARTS, replaced, require_file
    from resight.data.union import read_datasets
    from resight.errors import OptionError
    from resight.recognizer import calibration_file, load
    from resight.run import Run
    from resight.runtimes.network import is_exported
    from resight.tasks.reid.calibration import calibrate as fit
    from resight.tasks.reid.evaluation import searchable
    from resight.tasks.splits import searched
    from resight.tasks.systems import own_training_set

    if picture is not None:
        require_file(picture, CHARTS, "--picture")
    exported = is_exported(run)
    if not exported and not Path(run).is_dir():
        raise OptionError(
            f"{run} is no run folder and no exported file; a calibration is kept in one, or beside the other"
        )
    if exported and on not in (None, "test"):
        raise OptionError(f"--on {on} is for a run folder; {run} does not know whom it was trained on")
    whose = on or ("test" if exported else "validation")
    model, dataset = load(run), read_datasets(data)
    model.tell = remark
    with _suggesting_test(whose != "test" and bool(dataset.query and dataset.gallery)):
        if whose != "test":
            dataset = searched(dataset, own_training_set(Run.open(Path(run)), dataset), model.recipe, whose)
        if whose == "train":
            remark("note: the model knows the people it was fitted on; the probabilities are too sure of others")
        with progress("embedding", sum(map(len, searchable(dataset)))) as advance:
            made = fit(model, dataset, progress=advance)
    name_failed(made.failed)
    files = {}
    if picture is not None:
        from resight.views.charts import reliability, save

        files["picture"] = f"{picture}{replaced(picture)}"
        save(reliability(made.told, made.same), picture)
    anew = replaced(calibration_file(run))
    files["calibration"] = f"{made.save(Path(run))}{anew}"
    if as_json:
        print(json.dumps(made.summary(), indent=2))
        return
    show([made.table()], dataset.name)
    for name, file in files.items():
        output().print(f"{name}: {file}", markup=False)


@contextmanager
def _suggesting_test(apt: bool) -> Iterator[None]:
    """Errors say that there are the dataset's own queries, where that is apt."""
    from resight.errors import DataError, RunError

    try:
        yield
    except (DataError, RunError) as error:
        if not apt:
            raise
        raise type(error)(f"{error}; or --on test, for the dataset's own query and gallery") from None
