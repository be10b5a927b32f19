"""What the tests of several commands begin with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from resight.records import Record, ReidDataset
from resight.tasks.attributes.prediction import Annotated
from tests.support.images import corrupt


@pytest.fixture
def images(crowd: ReidDataset, tmp_path: Path) -> Path:
    """The crowd's gallery as a folder, with a file that is no image."""
    folder = tmp_path / "crops"
    folder.mkdir()
    for number, record in enumerate(crowd.gallery):
        Image.open(record.path).save(folder / f"{number}.png")
    corrupt(folder / "bad.jpg")
    return folder


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Frames of the images in which the attribute run, in its place, sees junk; it sees no hat anywhere."""
    junk = {1}

    def annotated(model: object, records: list[Record], *, progress: object = None) -> Annotated:
        said = [{"hat": "no", "junk": "yes" if record.frame in junk else "no"} for record in records]
        sure = {record.path: {"hat": 0.75, "junk": 0.5} for record in records}
        together = zip(records, said, strict=True)
        return Annotated([replace(record, attributes=one) for record, one in together], ["bad.jpg: gone"], sure)

    monkeypatch.setattr("resight.tasks.attributes.prediction.annotate", annotated)
    return junk
