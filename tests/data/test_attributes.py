from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from resight.data.attributes import (
    MARKET_COLUMNS,
    MARKET_SCHEMA,
    VERI_SCHEMA,
    columns_from_targets,
    read_annotation_rows,
    read_market_mat,
    schema_of,
    targets_from_columns,
)
from resight.errors import DataError
from resight.records import Record
from tests.support.layouts import TARGETS, write_course_csv, write_market_mat

ANY_TARGETS = st.fixed_dictionaries({name: st.sampled_from(classes) for name, classes in MARKET_SCHEMA.classes.items()})


def test_schema_has_the_sizes_of_the_twelve_heads() -> None:
    sizes = {name: len(classes) for name, classes in MARKET_SCHEMA.classes.items()}
    assert len(sizes) == 12
    assert sizes.pop("age") == 4
    assert sizes.pop("upper_color") == 9
    assert sizes.pop("lower_color") == 10
    assert set(sizes.values()) == {2}
    assert len(MARKET_COLUMNS) == 27
    assert [len(classes) for classes in VERI_SCHEMA.classes.values()] == [10, 9]


def test_codes_of_one_identity_by_hand() -> None:
    # A woman with long hair, short sleeves, a long dress and a bag.
    columns = dict.fromkeys(MARKET_COLUMNS, 1) | {
        "gender": 2, "hair": 2, "up": 2, "bag": 2, "age": 3, "uppurple": 2, "downbrown": 2,
    }  # fmt: skip
    assert targets_from_columns(columns) == {
        "gender": "female",
        "hair": "long",
        "up": "short",
        "down": "long",
        "clothes": "dress",
        "hat": "no",
        "backpack": "no",
        "bag": "yes",
        "handbag": "no",
        "age": "adult",
        "upper_color": "purple",
        "lower_color": "brown",
    }


def test_no_colour_and_several_colours_are_multi() -> None:
    none = targets_from_columns(dict.fromkeys(MARKET_COLUMNS, 1))
    assert (none["upper_color"], none["lower_color"]) == ("multi", "multi")
    both = targets_from_columns(dict.fromkeys(MARKET_COLUMNS, 1) | {"upred": 2, "upblue": 2})
    assert both["upper_color"] == "multi"


@given(ANY_TARGETS, st.booleans())
def test_columns_and_targets_are_inverse(targets: dict[str, str], multi: bool) -> None:
    columns = columns_from_targets(targets, multi)
    assert targets_from_columns(columns) == targets
    assert list(columns) == [*MARKET_COLUMNS] if not multi else len(columns) == 29
    for prefix, target in (("up", "upper_color"), ("down", "lower_color")):
        set_columns = [name for name in columns if name.startswith(prefix) and name != prefix and columns[name] == 2]
        assert len(set_columns) == (1 if multi else int(targets[target] != "multi"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": 5}, "age is 5"),
        ({"hat": 0}, "hat is 0"),
        ({"upred": 3}, "upred is 3"),
        ({"age": -1}, "age is -1"),
    ],
)
def test_codes_that_do_not_exist(change: dict[str, int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        targets_from_columns(dict.fromkeys(MARKET_COLUMNS, 1) | change)


def test_missing_column_and_missing_target_are_named() -> None:
    with pytest.raises(DataError, match="downbrown"):
        targets_from_columns(dict.fromkeys(MARKET_COLUMNS[:-1], 1))
    with pytest.raises(DataError, match="lower_color"):
        columns_from_targets({name: value for name, value in TARGETS.items() if name != "lower_color"})
    with pytest.raises(DataError, match="no class 'pinkish'"):
        columns_from_targets(TARGETS | {"upper_color": "pinkish"})


def test_mat_is_read_by_name_in_both_halves(tmp_path: Path) -> None:
    old = TARGETS | {"age": "old", "hat": "yes", "lower_color": "multi"}
    write_market_mat(tmp_path / "a.mat", {2: TARGETS, 7: old}, {1: old, 3: TARGETS, 4: TARGETS})
    assert read_market_mat(tmp_path / "a.mat") == ({2: TARGETS, 7: old}, {1: old, 3: TARGETS, 4: TARGETS})


def test_mat_with_one_identity(tmp_path: Path) -> None:
    write_market_mat(tmp_path / "a.mat", {2: TARGETS}, {1: TARGETS})
    assert read_market_mat(tmp_path / "a.mat") == ({2: TARGETS}, {1: TARGETS})


def test_a_mat_with_another_name_or_an_identity_twice_is_said(tmp_path: Path) -> None:
    write_market_mat(tmp_path / "a.mat", {2: TARGETS}, {1: TARGETS})
    halves = loadmat(tmp_path / "a.mat", squeeze_me=True)["market_attribute"]
    half = {name: np.array([halves["train"].item()[name].item()] * 2) for name in halves["train"].item().dtype.names}
    savemat(tmp_path / "b.mat", {"market_attribute": {"train": half, "test": half}})
    with pytest.raises(DataError, match=r"b\.mat: image_index names identity 2 twice"):
        read_market_mat(tmp_path / "b.mat")
    half = {name.replace("handbag", "hand_bag"): values[:1] for name, values in half.items()}
    savemat(tmp_path / "c.mat", {"market_attribute": {"train": half, "test": half}})
    with pytest.raises(DataError, match=r"c\.mat: no column handbag; there is 'hand_bag' \(did you mean 'handbag'\?\)"):
        read_market_mat(tmp_path / "c.mat")


def test_foreign_mat_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mat").write_text("no mat")
    savemat(tmp_path / "other.mat", {"x": np.eye(2)})
    savemat(tmp_path / "flat.mat", {"market_attribute": {"train": 1, "test": 2}})
    for name in ("text.mat", "other.mat", "flat.mat", "absent.mat"):
        with pytest.raises(DataError, match=name) as error:
            read_market_mat(tmp_path / name)
        assert "\n" not in str(error.value)


def test_annotation_rows_say_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    write_course_csv(path, {2: TARGETS, 11: TARGETS})
    assert list(read_annotation_rows(path)) == ["11", "2"]
    text = path.read_text()
    for change, words in (
        (text.replace("\n2,1", "\n11,1"), "line 3: repeated id 11"),
        (text.replace("\n2,1", "\n2,9"), "line 3: age is 9"),
        (text.replace("\n2,1", "\n2,x"), "line 3: age is 'x'"),
        (text.replace("\n2,1", "\n,1"), "line 3: empty id"),
        (text.replace("age", "years"), "no column age; needed are"),
        (text.replace("age", "Age"), r"no column age; there is 'Age' \(did you mean 'age'\?\); needed are the 27"),
        (text.replace("upgray", "up_grey"), r"no column upgray; there is 'up_grey' \(did you mean 'upgray'\?\)"),
        (text.splitlines()[0], "no rows"),
        ("", "no rows"),
    ):
        path.write_text(change)
        with pytest.raises(DataError, match=words) as error:
            read_annotation_rows(path)
        assert str(error.value).startswith(f"{path}: ")
    path.write_bytes(b"\xff\xfe\x00id")
    with pytest.raises(DataError, match="not a readable CSV"):
        read_annotation_rows(path)


def test_schema_of_keeps_known_numbering_only_for_known_attributes() -> None:
    assert schema_of([Record("a", attributes=TARGETS)]) == MARKET_SCHEMA
    assert schema_of([Record("a", attributes={"type": "bus", "color": "red"})]) == VERI_SCHEMA
    assert schema_of([Record("a", attributes={"type": "bus"})]).classes == {"type": ("bus",)}
    odd = [Record("a", attributes={"type": "bus", "color": "pink"}), Record("b")]
    assert schema_of(odd).classes == {"type": ("bus",), "color": ("pink",)}
    assert schema_of([]).classes == {}
