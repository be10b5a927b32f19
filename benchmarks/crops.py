"""Crops for the benchmarks: smooth coloured noise as JPEG files of Market-1501's size, so that nothing has to be fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from resight.records import Record

__all__ = ["write_crops"]


def write_crops(folder: Path, images: int, identities: int, cameras: int = 6, seed: int = 0) -> list[Record]:
    """Write `images` JPEG files, 128 high and 64 wide, of `identities` people in turn; their records."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number in range(images):
        identity, camera = number % identities + 1, number // identities % cameras + 1
        coarse = Image.fromarray(random.integers(0, 255, (16, 8, 3), dtype=np.uint8)).resize((64, 128), Image.BICUBIC)
        pixels = np.asarray(coarse, np.int16) + random.integers(-8, 9, (128, 64, 1), dtype=np.int16)
        path = folder / f"{identity:05d}_c{camera}s1_{number:06d}_00.jpg"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        records.append(Record(str(path), identity, camera))
    return records
