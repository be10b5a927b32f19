"""Names that nearly are a manifest's own are taken where only one column has such a name; gaps may be spelt out."""

from __future__ import annotations

import pytest

from resight.data.formats._columns import is_missing, is_nobody, maybe_missing, meant_by, own_columns


@pytest.mark.parametrize(
    ("column", "own"),
    [
        *((name, "camera") for name in ("camid", "cam", "camera_id", "Camera", "cam-id", "camera_name", "cam_id")),
        *((name, "identity") for name in ("pid", "person_id", "id", "Identity", "person", "subject")),
        *((name, "split") for name in ("subset", "set", "partition")),
        *((name, "path") for name in ("image_path", "filename", "file", "Path")),
    ],
)
def test_the_only_near_name_of_an_absent_column_is_taken(column: str, own: str) -> None:
    assert own_columns([column, "hat", *{"camera"} - {own}]) == ({column: own}, [f"column {column} is taken as {own}"])


def test_a_manifests_own_names_need_no_remark() -> None:
    assert own_columns(["path", "identity", "split", "camera", "frame", "hat", "gender"]) == ({}, [])


def test_a_near_name_beside_the_right_one_or_another_near_one_is_not_taken() -> None:
    taken, notes = own_columns(["identity", "pid", "cam", "camid"])
    assert taken == {}
    assert notes == [
        "column pid is an attribute, as there is a column identity",
        "columns cam, camid could each be camera, so none is taken; call the right one camera",
    ]


def test_gaps_are_told_from_classes() -> None:
    assert all(map(is_missing, ["", "nan", "NaN", "NA", "N/A", "n.a.", "None", "null", "NULL", "?"]))
    assert not any(map(is_missing, ["none", "na", "no", "Nan Goldin", "0", "-1"]))


def test_what_names_nobody_may_be_a_class() -> None:
    words = [
        "-",
        "unknown",
        "Unknown",
        "UNKNOWN",
        "nil",
        "NIL",
        "''",
        '""',
        " - ",
        "nAn",
        "na",
        "none",
        "",
        "None",
        "?",
    ]
    assert all(map(is_nobody, words))
    assert not any(map(is_nobody, ["0", "-1", "Neil", "no", "unknown man", "'"]))
    assert [word for word in words if maybe_missing(word)] == [
        *("-", "unknown", "Unknown", "UNKNOWN", "nil", "NIL", "''", '""', " - ", "nAn", "na")
    ]


def test_a_column_that_may_be_the_camera_is_named_and_stays_an_attribute() -> None:
    assert own_columns(["path", "view"]) == ({}, ["no column camera; if view is meant, call it camera"])
    assert own_columns(["path", "view", "camera"]) == ({}, [])
    assert own_columns(["path", "view", "cam"])[0] == {"cam": "camera"}
    assert meant_by("split", ["fold", "hat", "phase"]) == "if fold or phase is meant, call it split"
    assert meant_by("split", ["hat"]) == ""
