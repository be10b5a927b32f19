"""Names that nearly are a manifest's own are taken where only one column has such a name; gaps may be spelt out."""

from __future__ import annotations

import pytest

from resight.data.formats._columns import is_missing, own_columns


@pytest.mark.parametrize(
    ("column", "own"),
    [
        *((name, "camera") for name in ("camid", "cam", "camera_id", "Camera", "cam-id")),
        *((name, "identity") for name in ("pid", "person_id", "id", "Identity")),
        *((name, "path") for name in ("image_path", "filename", "file", "Path")),
    ],
)
def test_the_only_near_name_of_an_absent_column_is_taken(column: str, own: str) -> None:
    assert own_columns([column, "hat"]) == ({column: own}, [f"column {column} is taken as {own}"])


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
