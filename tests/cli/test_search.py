"""`resight embed`, `index` and `search` as a user types them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from resight.gallery import Gallery
from resight.records import Embeddings, Record, ReidDataset
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


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Frames of the images in which the attribute run, in its place, sees junk; it sees no hat anywhere."""
    junk = {1}

    def annotated(model: object, records: list[Record], progress: object) -> tuple[list[Record], list[str]]:
        said = [{"hat": "no", "junk": "yes" if record.frame in junk else "no"} for record in records]
        return [replace(record, attributes=one) for record, one in zip(records, said, strict=True)], ["bad.jpg: gone"]

    monkeypatch.setattr("resight.tasks.attributes.prediction.annotate", annotated)
    return junk


def test_a_gallery_keeps_what_an_attribute_run_sees_and_searches_without_junk(
    trained: Run, kinds: dict[str, Path], seen: set[int], crowd_spec: str, crowd: ReidDataset, tmp_path: Path, capsys
) -> None:
    gallery, query = tmp_path / "gallery", crowd.query[0].path
    words = ["--out", gallery, "--attributes", kinds["bruna"]]
    status, out, err = resight("index", trained.folder, crowd_spec, *words, capsys=capsys)
    assert status == 0, err
    assert "12 images added" in out
    assert "bad.jpg: gone" in err
    every = found(gallery, query, "-k", "12", capsys=capsys)
    assert all(hit["attributes"]["hat"] == "no" for hit in every)
    assert sum(hit["attributes"]["junk"] == "yes" for hit in every) == 4
    good = [hit["path"] for hit in every if hit["attributes"]["junk"] == "no"]
    # As many as were asked for, though the first hits may be junk.
    for count in (12, 8, 3):
        kept = found(gallery, query, "-k", str(count), "--drop-junk", capsys=capsys)
        assert [hit["path"] for hit in kept] == good[:count]


def test_junk_need_not_be_indexed(
    trained: Run, kinds: dict[str, Path], seen: set[int], crowd_spec: str, tmp_path: Path, capsys
) -> None:
    words = ["--attributes", kinds["bruna"], "--drop-junk"]
    status, out, _ = resight("index", trained.folder, crowd_spec, "--out", tmp_path / "g", *words, capsys=capsys)
    assert status == 0
    assert "4 of 12 images are junk and left out" in out
    assert [record.frame for record in Gallery.open(tmp_path / "g").records] == [2, 3] * 4
    seen |= {2, 3}
    status, _, err = resight("index", trained.folder, crowd_spec, "--out", tmp_path / "h", *words, capsys=capsys)
    assert (status, err.splitlines()[-1]) == (2, "error: no image is left to index")
    assert not (tmp_path / "h").exists()


def test_nothing_is_dropped_where_nobody_knows_junk(trained: Run, crowd_spec: str, tmp_path: Path, capsys) -> None:
    words = [trained.folder, crowd_spec, "--out", tmp_path / "g"]
    status, _, err = resight("index", *words, "--drop-junk", capsys=capsys)
    assert status == 2
    assert f"error: {trained.folder} does not know junk; give --attributes RUN" in err
    assert resight("index", *words, capsys=capsys)[0] == 0
    status, _, err = resight("search", tmp_path / "g", "query.jpg", "--drop-junk", capsys=capsys)
    assert status == 2
    assert "does not say what is junk; index it with --attributes RUN" in err


def found(gallery: Path, query: str, *words: str, capsys: pytest.CaptureFixture[str]) -> list[dict]:
    """The hits of one query."""
    status, out, err = resight("search", gallery, query, *words, "--json", capsys=capsys)
    assert status == 0, err
    return json.loads(out)[query]
