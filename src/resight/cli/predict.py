"""`resight predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resight.cli.console import ForceOption, ImagesArgument
from resight.words import counted

__all__ = ["predict"]


def predict(
    context: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder of an attribute or segmentation recipe, or hf:owner/name.")
    ],
    images: ImagesArgument,
    out: Annotated[Path, typer.Option("--out", help="File to write: .csv, .parquet or .json; of masks, a folder.")],
    multi: Annotated[
        bool,
        typer.Option("--multi", help="Of attribute runs: add the columns upmulticolor and downmulticolor to a .csv."),
    ] = False,
    course: Annotated[
        bool,
        typer.Option(
            "--course",
            help="Of attribute runs: write the .csv as the Trento course wants it handed in, each image by its name alone.",
        ),
    ] = False,
    force: ForceOption = False,
) -> None:
    """Predict the attributes of images, or their masks.

    `resight predict runs/attributes crops/ --out predictions.csv`

    A .csv has the 27 columns and codes of Market-1501's annotations where the run knows its twelve attributes, else a
    column for each attribute. It calls an image by its path below the folder that holds them all. The course's hand-in
    has names alone:

    `resight predict runs/attributes test/ --out classification_test.csv --course`

    .parquet and .json have whole paths, and the probability of every class as well. A segmentation run writes a mask for each image, a PNG
    with the image's size and name. Images that cannot be read are named and left out.
    """
    from resight.cli.console import images_of, name_failed, output, progress, tell
    from resight.cli.destinations import replaced, require_file, require_folder, require_free
    from resight.cli.options import applying
    from resight.data.formats.course import HAND_IN
    from resight.recognizer import load
    from resight.tasks.evaluations import TASKS, room

    model = load(run)
    if model.segments:
        require_folder(out)
    else:
        require_file(out)
    require_free(out, force)
    records = images_of(images)
    writing = {name: room(name, "prediction").write_predictions for name in ("masks", "attributes")}
    task = "masks" if model.segments else "attributes"
    functions = {TASKS[name].run: write for name, write in writing.items()}
    options = applying(context, {"multi": multi, "course": course}, functions, TASKS[task].run, run)
    if out.name == HAND_IN and not course and not model.segments:
        options["course"] = True
        tell(f"{HAND_IN} is the course's hand-in: images are called by their names alone, as with --course")
    anew = replaced(out)
    with progress("predicting", len(records)) as advance:
        written = writing[task](out, model, records, **options, progress=advance)
    name_failed(written.failed)
    output().print(f"{counted(written.images, 'image')} -> {out}{anew}", markup=False)
