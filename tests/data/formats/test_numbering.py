"""Numbers for identities and cameras: whole numbers stay, names are counted from 1, impossible ones are refused."""

from __future__ import annotations

import pytest

from resight.data.formats._numbering import number_cameras, number_identities
from resight.errors import DataError
from resight.records import DISTRACTOR, JUNK, NO_CAMERA, UNLABELLED


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["0002", "12", "3.0"], [2, 12, 3]),
        (["zoe", "adam", "12"], [3, 2, 1]),  # sorted as text: "12", "adam", "zoe"
        (["0", "-1", "7"], [DISTRACTOR, JUNK, 7]),
        (["zoe", "-1", "0"], [1, JUNK, DISTRACTOR]),
        (["", "5"], [UNLABELLED, 5]),
        (["", "zoe"], [UNLABELLED, 1]),
        (["-2", "5"], [UNLABELLED, 5]),
    ],
)
def test_identities(names: list[str], numbers: list[int]) -> None:
    found = number_identities(names, "m.csv")
    assert [found[name] for name in names] == numbers


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("-1", r"'-1' \(junk\)"),
        ("0", r"'0' \(a distractor\)"),
        ("-2", r"'-2' \(unlabelled\)"),
        ("-9", r"'-9' \(impossible\)"),
    ],
)
def test_an_identity_that_trains_starts_at_one(name: str, words: str) -> None:
    with pytest.raises(DataError, match=f"m.csv: identity {words}"):
        number_identities([name, "3"], "m.csv", train=[name])


def test_an_unlabelled_image_may_train_and_no_number_lies_below() -> None:
    assert number_identities(["", "3"], "m.csv", train=[""]) == {"": UNLABELLED, "3": 3}
    with pytest.raises(DataError, match="m.csv: identity -7 is impossible; they start at 1"):
        number_identities(["-7", "3"], "m.csv")


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["0", "4.0", "17"], [0, 4, 17]),
        (["south", "north"], [2, 1]),
        (["", "-1", "3"], [NO_CAMERA, NO_CAMERA, 3]),
        (["", "south"], [NO_CAMERA, 1]),
    ],
)
def test_cameras(names: list[str], numbers: list[int]) -> None:
    found = number_cameras(names, "m.csv")
    assert [found[name] for name in names] == numbers


def test_a_camera_below_unknown_is_refused() -> None:
    with pytest.raises(DataError, match="m.csv: camera -3 is impossible; cameras start at 0"):
        number_cameras(["-3", "1"], "m.csv")


def test_two_names_that_are_one_number_are_refused() -> None:
    with pytest.raises(DataError, match="^m.csv: identities '01' and '1' are one number; rename one"):
        number_identities(["1", "01", "5"], "m.csv")
    with pytest.raises(DataError, match="^m.csv: cameras '002' and '2' are one number"):
        number_cameras(["2", "002"], "m.csv")
    assert number_identities(["1", "01", "zoe"], "m.csv") == {"": UNLABELLED, "01": 1, "1": 2, "zoe": 3}
    assert number_cameras(["2", "2.0"], "m.csv") == {"2": 2, "2.0": 2}
