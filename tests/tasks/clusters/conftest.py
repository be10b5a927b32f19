"""People whose embeddings lie in six places, and the clusters that a hierarchy makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from resight.records import Embeddings, Record
from resight.retrieval.clusters import Hierarchical
from resight.tasks.clusters.evaluation import Result, evaluate


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    """Six people with five images each near a place of their own, and one stray; each image a colour."""
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    places = rng.normal(size=(6, 16))
    records, features = [], []
    for number in range(30):
        path = folder / f"{number:02d}.png"
        Image.new("RGB", (16, 32), tuple(rng.integers(0, 255, 3))).save(path)
        records.append(Record(str(path), number // 5 + 1, camera=number % 2, attributes={"hat": "no"}))
        features.append(places[number // 5] + rng.normal(0, 0.1, 16))
    Image.new("RGB", (16, 32)).save(folder / "stray.png")
    return Embeddings(np.array([*features, np.full(16, 9)], np.float32), [*records, Record(str(folder / "stray.png"))])


@pytest.fixture(scope="session")
def made(embedded: Embeddings) -> Result:
    return evaluate(embedded, Hierarchical(clusters=7), "euclidean")
