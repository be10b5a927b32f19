"""`resight predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resight.cli.search import ImagesArgument

__all__ = ["predict"]


def predict(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder of an attribute or segmentation recipe, or hf:owner/name.")
    ],
    images: ImagesArgument,
    out: Annotated[Path, typer.Option("--out", help="File to write: .csv, .parquet or .json; of masks, a folder.")],
    multi: Annotated[
        bool, typer.Option("--multi", help="Add the columns upmulticolor and downmulticolor to a .csv.")
    ] = False,
) -> None:
    """Recognise the attributes of images, or their masks.

    `resight predict runs/attributes crops/ --out predictions.csv`

    A .csv has the 27 columns and codes of Market-1501's annotations where the run knows its twelve attributes;
    .parquet and .json have the probability of every class as well. A segmentation run writes a mask for each image, a PNG
    of its size and name. Unreadable images are named, the rest is predicted.
    """
    from resight.cli.console import images_of, name_failed, output, progress
    from resight.recognizer import load
    from resight.tasks.attributes.prediction import write_predictions
    from resight.tasks.masks.prediction import write_masks

    records = images_of(images)
    model = load(run)
    if model.segments:
        with progress("segmenting", len(records)) as advance:
            masks = write_masks(out, model, records, progress=advance)
        name_failed(masks.failed)
        output().print(f"{masks.images} masks -> {out}", markup=False)
        return
    with progress("predicting", len(records)) as advance:
        written = write_predictions(out, model, records, multi=multi, progress=advance)
    name_failed(written.failed)
    output().print(f"{written.images} images × {len(model.schema.names)} attributes -> {out}", markup=False)
