"""Folder pairs of images and masks: what is read, and what is told when a pair is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats import read_dataset
from resight.data.formats.manifest import read_manifest, write_manifest
from resight.data.formats.masks import is_masks
from resight.errors import DataError
from resight.records import Record, ReidDataset
from tests.support.layouts import write_pairs


def test_pairs_are_training_data_by_their_stems(tmp_path: Path) -> None:
    dataset = read_dataset(f"masks:{write_pairs(tmp_path / 'people', ['b', 'a'])}")
    assert [(Path(r.path).name, Path(r.mask).name) for r in dataset.train] == [("a.jpg", "a.png"), ("b.jpg", "b.png")]
    assert not dataset.gallery


def test_val_and_test_are_held_out(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", ["a", "b"])
    write_pairs(tmp_path / "val", ["c"])
    write_pairs(tmp_path / "test", ["d"])
    dataset = read_dataset(str(tmp_path))
    assert [Path(r.path).stem for r in dataset.train] == ["a", "b"]
    assert [Path(r.path).stem for r in dataset.gallery] == ["c", "d"]
    assert is_masks(tmp_path / "val")
    assert not is_masks(tmp_path / "val" / "images")


def test_a_broken_pair_is_named(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "people", ["a", "b"])
    (folder / "masks" / "b.png").unlink()
    with pytest.raises(DataError, match=r"images/b.jpg: no mask of this name in .*masks"):
        read_dataset(f"masks:{folder}")
    (folder / "images" / "b.jpg").unlink()
    (folder / "masks" / "c.png").write_bytes((folder / "masks" / "a.png").read_bytes())
    with pytest.raises(DataError, match=r"masks/c.png: no image of this name"):
        read_dataset(f"masks:{folder}")
    (folder / "images" / "a.png").write_bytes((folder / "masks" / "a.png").read_bytes())
    with pytest.raises(DataError, match="differ in their ending only"):
        read_dataset(f"masks:{folder}")
    with pytest.raises(DataError, match="no folder images/"):
        read_dataset(f"masks:{tmp_path}")


def test_a_manifest_keeps_masks(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "people", ["a", "b"])
    records = [Record(str(folder / "images" / "a.jpg"), 1, mask=str(folder / "masks" / "a.png"))]
    records.append(Record(str(folder / "images" / "b.jpg"), 2))
    for name in ("masks.csv", "masks.parquet"):
        write_manifest(tmp_path / name, ReidDataset("people", train=records))
        assert [record.mask for record in read_manifest(tmp_path / name).train] == [records[0].mask, None]
    assert "people/masks/a.png" in (tmp_path / "masks.csv").read_text(), "relative to the manifest's folder"
