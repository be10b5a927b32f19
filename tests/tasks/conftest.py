"""Data that a training of every task can learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from resight.data.formats.manifest import write_manifest
from resight.data.union import read_datasets
from resight.records import ReidDataset


def _dress(identity: int) -> dict[str, str]:
    """Three attributes, so that one is the third with the lowest F1, whose weight grows."""
    return {name: "yes" if identity // period % 2 else "no" for name, period in (("hat", 1), ("bag", 2), ("skirt", 3))}


@pytest.fixture(scope="session")
def described(crowd: ReidDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReidDataset, str]:
    """The crowd with a mask and attributes for each image, and as --data takes it."""
    folder = tmp_path_factory.mktemp("described")
    half = np.zeros((48, 24), np.uint8)
    half[12:, 6:18] = 255
    Image.fromarray(half).save(folder / "mask.png")
    dressed = [
        replace(record, mask=str(folder / "mask.png"), attributes=_dress(record.identity)) for record in crowd.train
    ]
    write_manifest(folder / "crowd.csv", replace(crowd, train=dressed))
    spec = f"manifest:{folder / 'crowd.csv'}"
    return read_datasets([spec]), spec
