from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.attributes import VERI_SCHEMA
from resight.data.formats.veri776 import read_veri776
from resight.errors import DataError
from tests.support.layouts import Pictures, write_veri_xml


def names(records: object) -> list[str]:
    return [Path(record.path).name for record in records]  # type: ignore[attr-defined]


def test_order_follows_the_name_lists(veri: Path) -> None:
    dataset = read_veri776(veri)
    assert dataset.name == "veri776"
    assert names(dataset.query) == ["0006_c020_00000001_0.jpg", "0005_c001_00079065_0.jpg"]
    assert names(dataset.gallery)[0] == "0005_c002_00079155_0.jpg"
    first = dataset.train[0]
    assert (first.identity, first.camera, first.frame, first.sequence) == (1, 1, 16450, None)


def test_colours_and_types_come_from_gb2312_xml(veri: Path) -> None:
    assert "车".encode("gb2312") in (veri / "train_label.xml").read_bytes()
    dataset = read_veri776(veri)
    assert dataset.schema == VERI_SCHEMA
    assert [dict(record.attributes) for record in dataset.train] == [
        {"color": "gray", "type": "hatchback"},
        {"color": "gray", "type": "hatchback"},
        {"color": "black"},
    ]
    assert dataset.gallery[0].attributes == {"color": "yellow", "type": "estate"}
    assert dataset.query[0].attributes == {"color": "orange", "type": "bus"}


def test_image_left_out_of_the_labels_takes_its_vehicles(veri: Path) -> None:
    write_veri_xml(veri / "train_label.xml", [("0001_c001_00016450_0.jpg", 5, 2)])
    attributes = [dict(record.attributes) for record in read_veri776(veri).train]
    assert attributes == [{"color": "red", "type": "suv"}] * 2 + [{}]


def test_index_lists_become_zero_based(veri: Path) -> None:
    relevance = read_veri776(veri).relevance
    assert relevance is not None
    assert [found.tolist() for found in relevance.good] == [[], [0]]
    assert [found.tolist() for found in relevance.junk] == [[2], [1]]
    # A query's own copy in the gallery is among its junk.
    dataset = read_veri776(veri)
    for number, query in enumerate(dataset.query):
        assert Path(query.path).name in [names(dataset.gallery)[position] for position in relevance.junk[number]]


def test_without_lists_and_labels(veri: Path) -> None:
    for name in ("gt_index.txt", "jk_index.txt", "name_test.txt", "name_query.txt", "name_train.txt"):
        (veri / name).unlink()
    for name in ("train_label.xml", "test_label.xml"):
        (veri / name).unlink()
    dataset = read_veri776(veri)
    assert names(dataset.gallery) == sorted(names(dataset.gallery))
    assert dataset.relevance is None
    assert dataset.schema.classes == {}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("gt_index.txt", "1 \n", "1 lines for 2 queries"),
        ("gt_index.txt", "1 \n4 \n", "line 2: a position outside 1 to 3"),
        ("jk_index.txt", "0 \n1 \n", "line 1: a position outside"),
        ("gt_index.txt", "1 \none\n", "line 2: not a list of whole numbers"),
        ("name_test.txt", "0009_c001_00000000_0.jpg\n", "listed in name_test.txt but not there"),
        ("name_test.txt", "", "lists no image"),
        ("train_label.xml", '<?xml version="1.0" encoding="gb2312"?><TrainingImages><Item', "damaged XML"),
        ("train_label.xml", "<TrainingImages/>", "holds no Item"),
        ("train_label.xml", '<T><Item imageName="a.jpg"/></T>', "without imageName or vehicleID"),
        ("train_label.xml", '<T><Item imageName="a.jpg" vehicleID="1" colorID="11"/></T>', "colorID '11'"),
        ("train_label.xml", '<T><Item imageName="a.jpg" vehicleID="1" typeID="-1"/></T>', "typeID '-1'"),
        ("train_label.xml", '<!DOCTYPE x [<!ENTITY a "aa">]><T>&a;</T>', "document type"),
    ],
)
def test_bad_files_are_named(veri: Path, name: str, text: str, words: str) -> None:
    (veri / name).write_text(text)
    with pytest.raises(DataError, match=words) as error:
        read_veri776(veri)
    assert str(veri) in str(error.value)
    assert "\n" not in str(error.value)


def test_index_needs_the_list_it_counts_in(veri: Path) -> None:
    (veri / "name_test.txt").unlink()
    with pytest.raises(DataError, match=r"name_test\.txt: missing, but gt_index\.txt"):
        read_veri776(veri)


def test_name_that_does_not_parse(veri: Path, pictures: Pictures) -> None:
    (veri / "name_train.txt").unlink()
    pictures(veri / "image_train", ["car.jpg"])
    with pytest.raises(DataError, match=r"car\.jpg: name does not parse"):
        read_veri776(veri)


@pytest.mark.parametrize(
    ("gone", "note"),
    [
        (
            ["test_label.xml"],
            "test_label.xml is missing beside train_label.xml: those images have no colour and type",
        ),
        (
            ["name_train.txt"],
            "name_train.txt is missing beside name_query.txt and name_test.txt: all images of that folder are taken, by name",
        ),
        (["train_label.xml", "test_label.xml"], None),
    ],
)
def test_a_file_that_is_missing_beside_its_like_is_said(veri: Path, gone: list[str], note: str | None) -> None:
    assert read_veri776(veri).notes == []
    for name in gone:
        (veri / name).unlink()
    assert read_veri776(veri).notes == ([note] if note else [])


@pytest.mark.parametrize(("gone", "left"), [("jk_index.txt", "gt_index.txt"), ("gt_index.txt", "jk_index.txt")])
def test_one_list_without_the_other_is_left_aside_and_said(veri: Path, gone: str, left: str) -> None:
    (veri / gone).unlink()
    dataset = read_veri776(veri)
    assert dataset.relevance is None
    assert dataset.notes == [f"{left} is left aside, as {gone} is missing; identities and cameras judge"]


@pytest.mark.parametrize("text", ["1 \n\n", "1 \n\n\n", "1 \r\n\r\n"])
def test_a_last_query_without_images_has_an_empty_line(veri: Path, text: str) -> None:
    (veri / "jk_index.txt").write_bytes(text.encode())
    relevance = read_veri776(veri).relevance
    assert relevance is not None
    assert [row.tolist() for row in relevance.junk] == [[0], []]
