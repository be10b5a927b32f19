"""`resight embed` as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from resight.gallery import Gallery
from resight.records import Embeddings, ReidDataset
from resight.run import Run
from tests.support.commands import command, resight
from tests.support.images import corrupt


def test_embeddings_of_all_that_can_be_read_are_written(
    trained: Run, images: Path, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("embed", trained.folder, images, "--out", tmp_path / "f.parquet", capsys=capsys)
    assert status == 0
    assert "bad.jpg" in err
    assert len(Embeddings.load(tmp_path / "f.parquet")) == len(crowd.gallery)


def test_a_file_says_which_model_made_it(
    trained: Run, images: Path, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, lines = tmp_path / "f.parquet", tmp_path / "failed.txt"
    status, _, err = resight("embed", trained.folder, images, "--out", file, "--failed", lines, capsys=capsys)
    assert (status, lines.read_text().count("\n")) == (0, 1), err
    assert "bad.jpg" in lines.read_text()
    status, _, err = resight("gallery", "import", file, "--out", tmp_path / "gallery", capsys=capsys)
    assert status == 0, err
    made = Gallery.open(tmp_path / "gallery")
    assert len(made) == len(crowd.gallery)
    query = str(images / "3.png")
    Gallery.create(tmp_path / "direct", model=trained.folder).add(sorted(images.glob("[0-9]*.png")))
    direct = Gallery.open(tmp_path / "direct").search(query, k=5)
    assert [hit.record.path for hit in made.search(query, k=5)] == [hit.record.path for hit in direct]


def test_nothing_is_written_where_nothing_can_be_read(trained: Run, tmp_path: Path, capsys) -> None:
    corrupt(tmp_path / "bad.jpg")
    status, _, err = resight("embed", trained.folder, tmp_path, "--out", tmp_path / "f.parquet", capsys=capsys)
    assert (status, "the image could not be read" in err) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jpg"]


@pytest.mark.slow
def test_shares_of_two_processes_are_one_gallery(
    trained: Run, images: Path, crowd: ReidDataset, tmp_path: Path, capsys, monkeypatch
) -> None:
    import os
    import subprocess

    parts, whole = tmp_path / "parts", tmp_path / "whole.parquet"
    lines = [command("embed", trained.folder, images, "--out", parts) for _ in range(2)]
    shares = [{"RANK": str(rank), "WORLD_SIZE": "2"} for rank in range(2)]
    started = [subprocess.Popen(line, env=os.environ | share) for line, share in zip(lines, shares, strict=True)]
    assert [process.wait(120) for process in started] == [0, 0]
    assert sorted(path.name for path in parts.iterdir()) == ["part-1-of-2.parquet", "part-2-of-2.parquet"]
    before = [path.stat().st_mtime_ns for path in sorted(parts.iterdir())]
    status, out, _ = resight("embed", trained.folder, images, "--shard", "2/2", "--out", parts, capsys=capsys)
    assert (status, "is there already" in out) == (0, True)
    assert [path.stat().st_mtime_ns for path in sorted(parts.iterdir())] == before
    assert resight("embed", trained.folder, images, "--out", whole, capsys=capsys)[0] == 0
    for _ in range(2):  # once more changes nothing
        assert resight("gallery", "import", parts, "--out", tmp_path / "gallery", capsys=capsys)[0] == 0
        gallery = Gallery.open(tmp_path / "gallery")
        ids = gallery.ids()
        expected = Embeddings.load(whole)
        order = {record.path: place for place, record in enumerate(expected.records)}
        places = [order[record.path] for record in gallery.fetch(ids)]
        assert len(ids) == len(expected)
        np.testing.assert_allclose(gallery.features(ids), expected.features[places], atol=1e-6)
    assert pq.ParquetFile(whole).metadata.num_rows == sum(
        pq.ParquetFile(path).metadata.num_rows for path in parts.iterdir()
    )
    (parts / "part-1-of-2.parquet").unlink()
    status, _, err = resight("gallery", "import", parts, "--out", tmp_path / "gallery", capsys=capsys)
    assert (status, "part-1-of-2.parquet is missing" in err) == (2, True)
