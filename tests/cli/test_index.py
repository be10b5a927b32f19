"""`resight index` as a user types it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import safetensors.torch
from PIL import Image

from resight.gallery import Gallery
from resight.records import ReidDataset
from resight.run import Run
from tests.support.commands import command, resight
from tests.support.images import corrupt
from tests.support.runs import weights


def test_an_index_that_fails_leaves_no_gallery_and_harms_none(
    trained: Run, images: Path, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diverged, gallery = shutil.copytree(trained.folder, tmp_path / "diverged"), tmp_path / "gallery"
    values = {
        name: value * float("nan") if value.is_floating_point() else value for name, value in weights(diverged).items()
    }
    safetensors.torch.save_file(values, diverged / "model.safetensors")
    status, _, err = resight("index", diverged, images, "--out", gallery, capsys=capsys)
    assert status == 2
    assert "not finite" in err
    assert not (gallery / "gallery.json").exists()
    status, *_ = resight("index", trained.folder, images, "--out", gallery, capsys=capsys)
    assert status == 0, "the folder is free for a good run"
    before = contents(gallery)
    status, _, err = resight("index", diverged, images, "--out", gallery, capsys=capsys)
    assert status == 2
    assert contents(gallery) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


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


def test_a_recognised_attribute_has_its_probability(
    trained: Run, kinds: dict[str, Path], seen: set[int], crowd_spec: str, crowd: ReidDataset, tmp_path: Path, capsys
) -> None:
    gallery = tmp_path / "g"
    words = [trained.folder, crowd_spec, "--out", gallery, "--attributes", kinds["bruna"]]
    assert resight("index", *words, capsys=capsys)[0] == 0
    opened = Gallery.open(gallery)
    assert opened.columns["hat_probability"] == "float"
    assert len(opened.ids({"hat_probability": {"from": 0.7}})) == len(crowd.gallery)
    assert len(opened.ids({"junk_probability": {"from": 0.7}})) == 0
    assert opened.records[0].attributes.keys() == {"hat", "junk"}
    assert opened.search(crowd.query[0].path, k=1)[0].sure == {"hat": 0.75, "junk": 0.5}
    opened.update(opened.ids()[:2], {"hat": "yes"})  # what a person says has no probability of the model's
    assert len(Gallery.open(gallery).ids({"hat_probability": {"from": 0}})) == len(crowd.gallery) - 2


def test_an_index_run_again_with_new_images_that_cannot_be_read_is_no_failure(
    trained: Run, images: Path, crowd: ReidDataset, tmp_path: Path, capsys
) -> None:
    gallery, lines = tmp_path / "gallery", tmp_path / "failed.txt"
    assert resight("index", trained.folder, images, "--out", gallery, capsys=capsys)[0] == 0
    corrupt(images / "worse.jpg")
    words = ["index", trained.folder, images, "--out", gallery, "--failed", lines]
    status, out, err = resight(*words, capsys=capsys)
    assert status == 0, err
    assert f"0 images added ({len(crowd.gallery)} were there already)" in out
    assert [line.split(":")[0] for line in lines.read_text().splitlines()] == [
        str(images / name) for name in ("bad.jpg", "worse.jpg")
    ]
    alone = tmp_path / "alone"
    alone.mkdir()
    corrupt(alone / "bad.jpg")
    assert resight("index", trained.folder, alone, "--out", gallery, capsys=capsys)[0] == 2


@pytest.mark.parametrize("judged", [False, True])
def test_a_changed_file_is_embedded_again_and_said(
    trained: Run, kinds: dict[str, Path], seen: set[int], images: Path, tmp_path: Path, judged: bool, capsys
) -> None:
    gallery = tmp_path / "gallery"
    (images / "bad.jpg").unlink()
    words = ["index", trained.folder, images, "--out", gallery, *(["--attributes", kinds["bruna"]] if judged else [])]
    assert resight(*words, capsys=capsys)[0] == 0
    status, out, _ = resight(*words, capsys=capsys)
    assert (status, "0 images added (12 were there already), 12 in" in out) == (0, True)
    Image.open(images / "3.png").rotate(180).save(images / "3.png")
    os.utime(images / "3.png", (0, 10))
    status, out, err = resight(*words, capsys=capsys)
    assert status == 0, err
    assert "0 images added, 1 changed image embedded again (11 were there already), 12 in" in out


def test_an_image_that_is_junk_now_is_not_in_the_gallery_any_more(
    trained: Run, kinds: dict[str, Path], seen: set[int], images: Path, tmp_path: Path, capsys
) -> None:
    gallery = tmp_path / "gallery"
    words = ["index", trained.folder, images, "--out", gallery, "--attributes", kinds["bruna"], "--drop-junk"]
    (images / "bad.jpg").unlink()
    assert resight(*words, capsys=capsys)[0] == 0
    seen.add(Gallery.open(gallery).records[0].frame)  # of all of them
    os.utime(images / "3.png", (0, 10))
    status, out, err = resight(*words, capsys=capsys)
    assert status == 0, err
    assert "1 of 1 image is junk and left out" in out
    assert "1 of them is an image of the gallery whose file has changed: not in it any more" in out
    assert "0 images added (11 were there already), 11 in" in out
    assert str(images / "3.png") not in Gallery.open(gallery).paths()
    assert "not in it any more" not in resight(*words, capsys=capsys)[1]


@pytest.mark.slow
def test_a_killed_index_goes_on_where_it_was(
    trained: Run, crowd: ReidDataset, tmp_path: Path, capsys, monkeypatch
) -> None:
    """The pieces are small, so that some of them are on disk when the process is killed."""
    crops = tmp_path / "crops"
    crops.mkdir()
    for number in range(400):
        Image.open(crowd.gallery[number % 12].path).resize((16 + number % 9, 32)).save(crops / f"{number:03}.png")
    gallery = tmp_path / "gallery"
    line = command("index", trained.folder, crops, "--out", gallery)
    slow = (
        "import sys, time, resight.embedding as e; e.pieces.__kwdefaults__['size'] = 64; found = e.pieces\n"
        "def late(*given, **named):\n    for number, piece in enumerate(found(*given, **named)):\n"
        "        yield piece; time.sleep(600 if number == 3 else 0.1)\n"
        "e.pieces = late; sys.argv = ['resight', *sys.argv[1:]]; from resight.cli import main; main()"
    )
    process = subprocess.Popen([line[0], "-c", slow, *line[3:]], env=os.environ)
    while not (gallery / "gallery.json").exists() or len(Gallery.open(gallery)) < 128:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(Gallery.open(gallery))
    assert 128 <= there < 400
    assert there % 64 == 0, "whole pieces"
    status, out, err = resight("index", trained.folder, crops, "--out", gallery, capsys=capsys)
    assert status == 0, err
    assert f"{400 - there} images added ({there} were there already), 400 in" in out
    whole = tmp_path / "whole"
    assert resight("index", trained.folder, crops, "--out", whole, capsys=capsys)[0] == 0
    first, second = Gallery.open(gallery), Gallery.open(whole)
    assert first.ids().tolist() == second.ids().tolist()
    assert abs(first.features(first.ids()) - second.features(second.ids())).max() < 1e-5


@pytest.mark.slow
def test_a_server_takes_shares(trained: Run, images: Path, crowd: ReidDataset, capsys) -> None:
    from tests.support.postgres_server import PostgresServer, why_not

    if reason := why_not():
        pytest.skip(f"no PostgreSQL server can be started: {reason}")
    with PostgresServer() as server:
        address = server.address("shares")
        for share in ("1/2", "2/2", "2/2"):
            status, _, err = resight("index", trained.folder, images, "--shard", share, "--out", address, capsys=capsys)
            assert status == 0, err
            assert f"share {share}: " in err
        assert len(Gallery.open(address)) == len(crowd.gallery)
