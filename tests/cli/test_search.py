"""`resight embed`, `index` and `search` as a user types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from resight.records import Embeddings, ReidDataset
from resight.run import Run
from tests.support.commands import resight
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


def test_embeddings_of_all_that_can_be_read_are_written(
    trained: Run, images: Path, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("embed", trained.folder, images, "--out", tmp_path / "f.parquet", capsys=capsys)
    assert status == 0
    assert "bad.jpg" in err
    assert len(Embeddings.load(tmp_path / "f.parquet")) == len(crowd.gallery)


def test_a_gallery_is_made_and_searched(
    trained: Run, images: Path, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery, query = tmp_path / "gallery", images / "3.png"
    status, out, err = resight("index", trained.folder, images, "--out", gallery, capsys=capsys)
    assert status == 0
    assert f"{len(crowd.gallery)} images added" in out
    assert "1 of the images could not be read" in err

    words = ["-k", "3", "--picture", tmp_path / "p.png"]
    status, out, _ = resight("search", gallery, query, *words, capsys=capsys)
    assert status == 0
    assert "3.png" in out
    assert Image.open(tmp_path / "p.png").width > 100
    status, out, _ = resight("search", gallery, query, "--json", capsys=capsys)
    hits = json.loads(out)[str(query)]
    assert len(hits) == 10
    assert hits[0]["path"].endswith("3.png")
    assert hits[0]["score"] == pytest.approx(1, abs=1e-4)

    other = shutil.copytree(trained.folder, tmp_path / "other")
    recipe = other / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("metric: cosine", "metric: euclidean"))
    status, _, err = resight("index", other, images, "--out", gallery, capsys=capsys)
    assert status == 2
    assert f"embeddings of another model: {other}" in err
