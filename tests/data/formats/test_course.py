from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.attributes import MARKET_COLUMNS, MARKET_SCHEMA
from resight.data.formats.course import (
    hand_in_names,
    read_course,
    read_course_annotations,
    read_course_classification,
    read_course_ranking,
    write_course_classification,
    write_course_ranking,
)
from resight.errors import DataError
from resight.records import NO_CAMERA, UNLABELLED
from tests.support.layouts import TARGETS, Pictures

MULTI = TARGETS | {"upper_color": "multi", "lower_color": "multi"}


def test_train_is_labelled_and_the_rest_is_not(course: Path) -> None:
    dataset = read_course(course)
    assert dataset.protocol == "course"
    assert dataset.schema == MARKET_SCHEMA
    assert [(r.identity, r.camera, r.frame) for r in dataset.train] == [
        (2, 1, None),
        (2, 3, None),
        (474, 6, None),
    ]
    assert dataset.train[0].attributes == TARGETS
    assert dataset.train[2].attributes["upper_color"] == "multi"
    assert [Path(record.path).name for record in dataset.gallery] == [
        "000000.jpg",
        "000001.jpg",
        "000002.jpg",
    ]
    assert {(r.identity, r.camera) for r in (*dataset.query, *dataset.gallery)} == {(UNLABELLED, NO_CAMERA)}


def test_without_annotations_there_are_no_attributes(course: Path) -> None:
    (course / "annotations_train.csv").unlink()
    dataset = read_course(course)
    assert dataset.schema.classes == {}
    assert not dataset.train[0].attributes


def test_bad_input_is_named(course: Path, pictures: Pictures) -> None:
    pictures(course / "train", ["0002_c1s1_000451_03.jpg"])
    with pytest.raises(DataError, match=r"train/0002_c1s1_000451_03\.jpg: name does not parse"):
        read_course(course)
    (course / "train" / "0002_c1s1_000451_03.jpg").rename(course / "train" / "0000_c1_1.jpg")
    with pytest.raises(DataError, match=r"0000_c1_1\.jpg: identity 0"):
        read_course(course)
    (course / "queries").rename(course / "query")
    with pytest.raises(DataError, match="no folder queries/"):
        read_course(course)


def test_annotations_need_identities(course: Path) -> None:
    path = course / "annotations_train.csv"
    assert read_course_annotations(path) == {474: TARGETS | {"upper_color": "multi"}, 2: TARGETS}
    path.write_text(path.read_text().replace("474,", "bob,"))
    with pytest.raises(DataError, match="first column is no identity"):
        read_course_annotations(path)


def test_hand_in_names_are_without_folders_and_one_each() -> None:
    assert hand_in_names(["test/000000.jpg", "test/b c.jpg", "test/000000.jpg"]) == [
        "000000.jpg",
        "b c.jpg",
        "000000.jpg",
    ]
    with pytest.raises(DataError, match=r"x/a\.jpg and y/a\.jpg have one name"):
        hand_in_names(["x/a.jpg", "y/a.jpg"])
    with pytest.raises(DataError, match=r"'b c\.jpg': empty, or holds a comma, colon or space"):
        hand_in_names(["b c.jpg"], ranking=True)


@pytest.mark.parametrize("multi", [False, True])
def test_classification_round_trip(tmp_path: Path, multi: bool) -> None:
    path = tmp_path / "classification_test.csv"
    write_course_classification(path, [("somewhere/000000.jpg", TARGETS), ("000001.jpg", MULTI)], multi)
    assert read_course_classification(path) == {"000000.jpg": TARGETS, "000001.jpg": MULTI}
    header = path.read_text().splitlines()[0].split(",")
    assert header[0] == "id"
    assert [name for name in header[1:] if "multicolor" not in name] == list(MARKET_COLUMNS)
    assert [name for name in header if "multicolor" in name] == (["upmulticolor", "downmulticolor"] if multi else [])
    assert {len(line.split(",")) for line in path.read_text().splitlines()} == {len(header)}


def test_bad_hand_in_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "classification_test.csv"
    write_course_classification(path, [("a.jpg", TARGETS)])
    before = path.read_text()
    with pytest.raises(DataError, match=r"b\.jpg: .*no class"):
        write_course_classification(path, [("a.jpg", TARGETS), ("b.jpg", TARGETS | {"age": "ancient"})])
    assert path.read_text() == before
    assert [child.name for child in tmp_path.iterdir()] == ["classification_test.csv"]


def test_ranking_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "reid_test.txt"
    rankings = {"000000.jpg": ["000017.jpg", "000003.jpg"], "000001.jpg": ["000002.jpg"], "000002.jpg": []}
    write_course_ranking(path, ((f"queries/{query}", answers) for query, answers in rankings.items()))
    assert path.read_text().splitlines()[0] == "000000.jpg: 000017.jpg, 000003.jpg"
    assert read_course_ranking(path) == rankings


def test_ranking_is_read_with_other_spacing(tmp_path: Path) -> None:
    path = tmp_path / "reid_test.txt"
    path.write_bytes(b"\xef\xbb\xbfa.jpg:b.jpg,c.jpg,\r\n\r\nd.jpg :  e.jpg\r\n")
    assert read_course_ranking(path) == {"a.jpg": ["b.jpg", "c.jpg"], "d.jpg": ["e.jpg"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.jpg b.jpg\n", "line 1"),
        ("a.jpg: b.jpg\na.jpg: c.jpg\n", "line 2: query a.jpg"),
        (": b.jpg", "line 1"),
    ],
)
def test_bad_ranking_lines(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "reid_test.txt").write_text(text)
    with pytest.raises(DataError, match=words):
        read_course_ranking(tmp_path / "reid_test.txt")
    with pytest.raises(DataError, match="absent"):
        read_course_ranking(tmp_path / "absent.txt")


def test_ranking_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "reid_test.txt"
    for rankings in (
        [("a b.jpg", [])],
        [("a.jpg", ["b,c.jpg"])],
        [("a.jpg", []), ("x/a.jpg", [])],
        [("a.jpg", []), ("a.jpg", [])],
        [("a.jpg", ["b.jpg", "b.jpg"])],
        [("a.jpg", ["x/b.jpg"]), ("c.jpg", ["y/b.jpg"])],
        [("a/", [])],
    ):
        with pytest.raises(DataError):
            write_course_ranking(path, rankings)
        assert not path.exists()
