"""`resight gallery` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resight.gallery import Gallery
from resight.records import ReidDataset
from resight.run import Run
from tests.support.commands import resight


@pytest.fixture
def gallery(trained: Run, crowd: ReidDataset, tmp_path: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", model=trained.folder)
    made.add(crowd.gallery)
    return made


def test_info(gallery: Gallery, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight("gallery", "info", gallery.where, capsys=capsys)
    assert status == 0
    assert f"images  {len(gallery)}" in out
    assert "none: every search is exact" in out
    status, out, _ = resight("gallery", "info", gallery.where, "--json", capsys=capsys)
    assert json.loads(out)["columns"]["camera"] == {"kind": "int", "known": len(gallery)}


def test_delete_asks_or_is_told(gallery: Gallery, capsys: pytest.CaptureFixture[str]) -> None:
    here, count = gallery.where, len(gallery)
    ones = len(gallery.ids({"camera": 1}))
    status, _, err = resight("gallery", "delete", here, "--where", "camera=1", capsys=capsys)
    assert status == 2
    assert f"delete {ones} of {count} images" in err
    assert "add --yes" in err
    assert len(Gallery.open(here)) == count
    for wrong in ([], ["--all", "--where", "camera=1"], ["--ids", "1,x"], ["--ids", f"1,{2**63}"]):
        assert resight("gallery", "delete", here, *wrong, "--yes", capsys=capsys)[0] == 2
    status, out, _ = resight("gallery", "delete", here, "--where", "camera=1", "--yes", capsys=capsys)
    assert (status, out) == (0, f"{ones} images deleted, {count - ones} in {here}\n")
    one = Gallery.open(here).ids()[0]
    status, out, _ = resight("gallery", "delete", here, "--ids", f"{one}, 5", "--yes", capsys=capsys)
    assert out.startswith("1 image deleted")
    status, out, _ = resight("gallery", "delete", here, "--where", "camera=1", capsys=capsys)
    assert (status, out) == (0, f"no image of {here} fits camera=1; nothing is deleted\n")
    status, out, _ = resight("gallery", "delete", here, "--ids", "5", "--yes", capsys=capsys)
    assert (status, out) == (0, f"no image of {here} is one of these; nothing is deleted\n")
    assert resight("gallery", "delete", here, "--all", "--yes", capsys=capsys)[0] == 0
    assert len(Gallery.open(here)) == 0
    status, out, _ = resight("gallery", "delete", here, "--all", "--yes", capsys=capsys)
    assert (status, out) == (0, f"no image of {here} is there; nothing is deleted\n")


def test_update(gallery: Gallery, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = gallery.where
    ones = gallery.ids({"camera": 1})
    assert resight("gallery", "update", here, "--where", "camera=1", "--set", "name=Ann", capsys=capsys)[0] == 0
    assert Gallery.open(here).ids({"name": "Ann"}).tolist() == ones.tolist()
    table = tmp_path / "t.csv"
    table.write_text(f"id,name\n{ones[0]},Bea\n7,Cy\n")
    status, out, err = resight("gallery", "update", here, "--from", table, capsys=capsys)
    assert (status, out) == (0, "new values of name in 1 image\n")
    assert err == "1 of the images are not in the gallery and were left out:\n  7\n"
    assert Gallery.open(here).ids({"name": "Bea"}).tolist() == [ones[0]]
    for wrong in (["--all"], ["--set", "name=x"], ["--from", table, "--all"], ["--all", "--set", "camera=x"]):
        status, _, err = resight("gallery", "update", here, *wrong, capsys=capsys)
        assert status == 2
        assert err.count("\n") == 1, err


def test_an_update_of_no_image_says_so(gallery: Gallery, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, table = gallery.where, tmp_path / "t.csv"
    table.write_text("id,note\n7,Cy\n")
    for words, told in (
        (["--where", "camera=9", "--where", "identity=1", "--set", "note=x"], "fits camera=9 and identity=1"),
        (["--ids", "5", "--set", "note=x"], "is one of these"),
        (["--from", table], "is one of these"),
    ):
        status, out, _ = resight("gallery", "update", here, *words, capsys=capsys)
        assert (status, out) == (0, f"no image of {here} {told}; nothing is changed\n")


def test_pieces_become_one(gallery: Gallery, crowd: ReidDataset, capsys: pytest.CaptureFixture[str]) -> None:
    for record in crowd.query:
        gallery.add([record])
    assert gallery.storage.pieces == 1 + len(crowd.query)
    status, out, err = resight("gallery", "compact", gallery.where, "--keep", "0s", capsys=capsys)
    assert (status, err) == (0, "")
    assert out.endswith(" MB in 1 piece\n")
    assert Gallery.open(gallery.where).storage.pieces == 1
    gallery.refresh()
    gallery.update(gallery.ids()[:1], {"name": "x"})
    status, out, _ = resight("gallery", "compact", gallery.where, "--keep", "2h", capsys=capsys)
    assert "older versions stay for 2h" in out
    for wrong in ("soon", "9999999999d"):
        assert resight("gallery", "compact", gallery.where, "--keep", wrong, capsys=capsys)[0] == 2


def test_out_and_in_again(gallery: Gallery, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, copy = tmp_path / "f.parquet", tmp_path / "copy"
    assert resight("gallery", "export", gallery.where, "--out", file, capsys=capsys)[0] == 0
    status, out, _ = resight("gallery", "import", file, gallery.where, "--out", copy, capsys=capsys)
    assert status == 0
    assert f"{len(gallery)} images of {file} ({len(gallery)} of them new)" in out
    assert f"{len(gallery)} images of {gallery.where} (0 of them new)" in out
    status, out, _ = resight("gallery", "reindex", copy, "--recall", "0.9", capsys=capsys)
    assert status == 0
    assert "100 % of the images" in out
    assert Gallery.open(copy).index is not None
    status, _, err = resight("gallery", "export", copy, "--out", tmp_path / "g.parquet", "--manifest", capsys=capsys)
    assert (status, "--manifest writes a .csv" in err) == (2, True)
