"""Market-1501's three folders under any dataset's names: what becomes of a name, and which file is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from resight.data.formats._boxes import Naming, first_box, has_boxes, read_boxes
from resight.errors import DataError
from resight.records import DISTRACTOR, JUNK, Record

NAMING = Naming("Grid", re.compile(r"(?P<identity>-1|\d+)_c(?P<camera>\d+)_f(?P<frame>\d+)\."), "7_c1_f25.jpg")


@pytest.fixture
def root(tmp_path: Path, pictures: Callable[[Path, Iterable[str]], None]) -> Path:
    pictures(tmp_path / "bounding_box_train", ["7_c2_f30.jpg", "7_c1_f25.jpg"])
    pictures(tmp_path / "query", ["9_c1_f4.jpg"])
    pictures(tmp_path / "bounding_box_test", ["9_c2_f1.jpg", "0_c2_f2.jpg", "-1_c2_f3.jpg"])
    return tmp_path


def test_groups_of_the_pattern_become_fields_in_the_order_of_names(root: Path) -> None:
    boxes = read_boxes(root, "grid", NAMING, {7: {"hat": "no"}}, {9: {"hat": "yes"}})
    folder = root / "bounding_box_train"
    assert boxes.train == [
        Record(str(folder / "7_c1_f25.jpg"), 7, 1, 25, attributes={"hat": "no"}),
        Record(str(folder / "7_c2_f30.jpg"), 7, 2, 30, attributes={"hat": "no"}),
    ]
    assert boxes.query == [Record(str(root / "query" / "9_c1_f4.jpg"), 9, 1, 4, attributes={"hat": "yes"})]
    assert [(record.identity, dict(record.attributes)) for record in boxes.gallery] == [
        (JUNK, {}),
        (DISTRACTOR, {}),
        (9, {"hat": "yes"}),
    ]


def test_a_name_of_another_dataset_is_shown_beside_a_right_one(root: Path) -> None:
    (root / "query" / "holiday.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"query/holiday\.jpg: name does not parse; Grid names look like 7_c1_f25\.jpg"):
        read_boxes(root, "grid", NAMING)


@pytest.mark.parametrize("name", ["-1_c1_f1.jpg", "0_c1_f1.jpg"])
def test_junk_and_distractors_do_not_train(root: Path, name: str) -> None:
    (root / "bounding_box_train" / name).write_bytes(b"")
    with pytest.raises(DataError, match=rf"{name}: identity .* among the training images; .* move the file there"):
        read_boxes(root, "grid", NAMING)


def test_the_first_box_is_the_first_name_of_the_first_folder_with_images(root: Path) -> None:
    assert first_box(root) == "7_c1_f25.jpg"
    for path in (root / "bounding_box_train").iterdir():
        path.unlink()
    assert first_box(root) == "9_c1_f4.jpg"
    assert first_box(root / "query") == ""


def test_either_folder_of_boxes_is_enough_to_tell(root: Path) -> None:
    assert has_boxes(root)
    (root / "bounding_box_train").rename(root / "aside")
    assert has_boxes(root)
    (root / "bounding_box_test").rename(root / "aside2")
    assert not has_boxes(root)
