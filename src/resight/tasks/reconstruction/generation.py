"""Draw new images from a generative model and write them as a dataset."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from PIL import Image

from resight.data.formats.manifest import write_manifest
from resight.errors import DataError
from resight.files import folder_written_whole
from resight.recognizer import Progress, Recognizer
from resight.records import Record, ReidDataset

__all__ = ["generate"]

_BATCH = 64


def generate(
    model: Recognizer,
    out: str | os.PathLike[str],
    images: int,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Draw `images` new images from the model, write them as PNGs into the folder `out`, and return their manifest's path.

    >>> generate(resight.load("runs/vae"), "samples", 500)  # samples/samples.csv

    The manifest lists them as training images without identities. The same seed gives the same images. The folder
    appears whole or not at all. Raises RunError for a model that makes no new images, DataError when `out` exists and is
    not empty.
    """
    records: list[Record] = []
    with folder_written_whole(out, DataError) as folder, torch.random.fork_rng():
        torch.manual_seed(seed)
        while len(records) < images:
            drawn = model.sample_batch(min(_BATCH, images - len(records)))
            for pixels in drawn:
                records.append(Record(str(folder / f"{len(records):06d}.png")))
                Image.fromarray(pixels.transpose(1, 2, 0)).save(records[-1].path)
            if progress is not None:
                progress(len(drawn))
        write_manifest(folder / "samples.csv", ReidDataset("samples", train=records))
    return Path(out) / "samples.csv"
