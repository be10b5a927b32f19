from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats import read_dataset
from resight.data.formats.veriwild import read_veriwild
from resight.errors import DataError
from resight.records import Record


def test_lists_become_records_with_camera_and_looks(veriwild: Path) -> None:
    dataset = read_veriwild(veriwild)
    assert (dataset.name, dataset.protocol) == ("veriwild", "market1501")
    assert dataset.train[0] == Record(
        str(veriwild / "images" / "00001" / "000001.jpg"),
        identity=2,
        camera=20,
        attributes={"model": "Audi A6", "type": "suv", "color": "white"},
    )
    assert [(record.identity, record.camera) for record in dataset.query] == [(22, 20)]
    assert [(record.identity, record.camera) for record in dataset.gallery] == [(22, 20), (22, 174)]
    assert dataset.schema.classes == {
        "model": ("Audi A6", "Ford Focus"), "type": ("sedan", "suv"), "color": ("red", "white"),
    }  # fmt: skip


def test_larger_test_set_by_name(veriwild: Path) -> None:
    dataset = read_dataset(f"veriwild-5000:{veriwild}")
    assert [record.identity for record in dataset.gallery] == [22, 22, 23]
    assert dataset.gallery[2].attributes == {"model": "Ford Focus", "color": "red"}


def test_lists_under_their_other_names_with_label_and_camera(veriwild: Path) -> None:
    expected = read_veriwild(veriwild)
    lists = veriwild / "train_test_split"
    for old, new in {
        "train_list": "train_list_start0", "test_3000": "test_3000_id", "test_3000_query": "test_3000_id_query",
    }.items():  # fmt: skip
        rows = (lists / f"{old}.txt").read_text().split()
        (lists / f"{new}.txt").write_text("".join(f"{row} 0 99\n" for row in rows))
        (lists / f"{old}.txt").unlink()
    assert read_veriwild(veriwild) == expected


def test_wrong_layouts(veriwild: Path) -> None:
    lists = veriwild / "train_test_split"
    with pytest.raises(DataError, match=r"test_10000_query.txt: no such file"):
        read_dataset(f"veriwild-10000:{veriwild}")
    (lists / "test_3000.txt").write_text("00021/000012.jpg\n00022/000099.jpg\n")
    with pytest.raises(DataError, match=r"000099.jpg: listed in test_3000.txt but not there"):
        read_veriwild(veriwild)
    info = lists / "vehicle_info.txt"
    info.write_text("".join(line for line in info.open() if "000011" not in line))
    with pytest.raises(DataError, match=r"test_3000_query.txt: 00021/000011 is not in vehicle_info.txt"):
        read_veriwild(veriwild)
    info.write_text("00001/000001;east;now;a;b;c\n")
    with pytest.raises(DataError, match=r"vehicle_info.txt: 'east' is not a whole number"):
        read_veriwild(veriwild)
    info.write_text("00001/000001;20\n")
    with pytest.raises(DataError, match=r"vehicle_info.txt: line 1: .* has 2 of the 6 parts"):
        read_veriwild(veriwild)
    info.unlink()
    with pytest.raises(DataError, match=r"vehicle_info.txt: no such file"):
        read_dataset(str(veriwild))
