"""Draw new images from a generative model and write them as a dataset."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from PIL import Image

from resight.data.formats.manifest import write_manifest
from resight.errors import DataError
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

    The manifest lists them as training images without identities. The same seed gives the same images. Raises RunError
    for a model that makes no new images, DataError when `out` exists and is not empty.
    """
    folder = Path(out)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is not an empty folder; name another, or remove it first")
    records: list[Record] = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        while len(records) < images:
            drawn = model.sample_batch(min(_BATCH, images - len(records)))
            folder.mkdir(parents=True, exist_ok=True)
            for pixels in drawn:
                records.append(Record(str(folder / f"{len(records):06d}.png")))
                Image.fromarray(pixels.transpose(1, 2, 0)).save(records[-1].path)
            if progress is not None:
                progress(len(drawn))
    write_manifest(folder / "samples.csv", ReidDataset("samples", train=records))
    return folder / "samples.csv"
