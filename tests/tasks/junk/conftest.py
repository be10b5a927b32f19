"""Images of which four are junk, and scores of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from resight.records import Record
from resight.tasks.junk.evaluation import Scored


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Eight plain images and four of noise; the noise is labelled junk of two kinds."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    records = []
    for number in range(12):
        path = folder / f"{number:02d}.png"
        noise = rng.integers(0, 256, (32, 16, 3)) if number >= 8 else np.full((32, 16, 3), 20 * number + 40)
        Image.fromarray(noise.astype(np.uint8)).save(path)
        kind = {"junk_kind": "empty" if number == 8 else "close"} if number >= 8 else {}
        records.append(Record(str(path), -1 if number >= 8 else number + 1, 1, attributes=kind))
    return records


@pytest.fixture
def scored(labelled: list[Record]) -> Scored:
    """Scores by hand: junk at 0.9, 0.8, 0.7 and 0.2, one plain image at 0.75, the others lower."""
    return Scored(labelled, np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 0.75, 0.9, 0.8, 0.7, 0.2], np.float32), [])
