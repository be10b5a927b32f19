"""A gallery of people that do not exist, an application over it, and a client as a program would be one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from resight.gallery import Gallery
from resight.recognizer import Recognizer, load
from resight.records import Record
from resight.serving.app import create_app
from resight.serving.limits import Limits
from tests.support.serving import HOME

COLOURS = ("red", "blue", "green")


@pytest.fixture(scope="session")
def served_model(kinds: dict[str, Path]) -> Recognizer:
    return load(kinds["embedding"])


@pytest.fixture(scope="session")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Twelve images of six people on two cameras, whose names are markup; a secret lies beside them."""
    folder = tmp_path_factory.mktemp("photographed")
    random = np.random.default_rng(0)
    records = []
    for identity in range(1, 7):
        colour = random.integers(40, 215, 3)
        for camera in (1, 2):
            path = folder / f"<b>{identity}_{camera}</b>.png".replace("/", "")
            pixels = np.clip(colour + random.normal(0, 30, (96, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path)
            attributes = {"upper_color": COLOURS[identity % 3]}
            records.append(Record(str(path), identity, camera, attributes=attributes))
    (folder / "secret.txt").write_text("secret")
    return records


@pytest.fixture
def gallery(served_model: Recognizer, photographed: list[Record], tmp_path: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", model=served_model)
    made.add(photographed)
    return made


@pytest.fixture
def client_of(gallery: Gallery) -> Iterator[Callable[..., TestClient]]:
    """`client_of(access=…, limits=…)`: a client of an application over the gallery, as a program on this machine."""
    made: list[TestClient] = []

    def of(**options: object) -> TestClient:
        headers = {"X-Resight": "1"}
        options = {"limits": Limits(rate=0)} | options
        client = TestClient(create_app(gallery, **options), HOME, raise_server_exceptions=False, headers=headers)  # type: ignore[arg-type]
        client.__enter__()
        made.append(client)
        return client

    yield of
    for client in made:
        client.__exit__(None, None, None)


@pytest.fixture
def client(client_of: Callable[..., TestClient]) -> TestClient:
    return client_of()
