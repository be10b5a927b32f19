"""Numbers for identities and cameras: whole numbers stay, names are counted from 1, impossible ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from resight.data.formats import FORMATS
from resight.data.formats._numbering import Numbers, number_cameras, number_identities
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
    with pytest.raises(DataError, match="^m.csv: identities '1' and '1.0' are one number"):
        number_identities(["1", "1.0", "2"], "m.csv")
    with pytest.raises(DataError, match=r"^m.csv: cameras '\+2' and '2' are one number"):
        number_cameras(["2", "+2"], "m.csv")
    assert number_identities(["1.0", "2.0", "3"], "m.csv") == {"": UNLABELLED, "1.0": 1, "2.0": 2, "3": 3}


def test_digits_are_numbers_and_a_second_spelling_is_refused() -> None:
    people, cameras = Numbers("crops", "identities"), Numbers("crops", "cameras")
    assert [people(digits) for digits in ("0002", "12", "0002", "0000")] == [2, 12, 2, 0]
    assert cameras("2") == 2, "cameras are counted apart"
    with pytest.raises(DataError, match="^crops: identities '0002' and '2' are one number; rename one, or both to one"):
        people("2")
    for text in ("-1", "4.0", "x", ""):
        with pytest.raises(DataError, match=f"^crops: '{text}' is not a whole number"):
            people(text)


def appended(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line)


# What of each layout is added or changed, and the two spellings that the message names.
SPELT_TWICE: dict[str, tuple[str, Callable[[Path, Callable], None], str]] = {
    "market1501 query": (
        "market",
        lambda root, put: put(root / "query", ["3_c1s1_000001_00.jpg"]),
        "'0003' and '3'|'3' and '0003'",
    ),
    "market1501 gallery": (
        "market",
        lambda root, put: put(root / "bounding_box_test", ["00001_c1s1_000001_00.jpg"]),
        "'0001' and '00001'",
    ),
    "market1501 camera": (
        "market",
        lambda root, put: put(root / "query", ["0003_c02s1_000001_00.jpg"]),
        "'2' and '02'|'02' and '2'",
    ),
    "dukemtmc": ("duke", lambda root, put: put(root / "query", ["5_c2_f0046985.jpg"]), "'0005' and '5'|'5' and '0005'"),
    "cuhk03np": ("cuhk", lambda root, put: put(root / "query", ["3_c1_1.png"]), "'0003' and '3'|'3' and '0003'"),
    "course": ("course", lambda root, put: put(root / "train", ["474_c6_000000009.jpg"]), "'0474' and '474'"),
    "course camera": (
        "course",
        lambda root, put: put(root / "train", ["0474_c06_000000009.jpg"]),
        "'6' and '06'|'06' and '6'",
    ),
    "course annotations": (
        "course",
        lambda root, _: repeated(root / "annotations_train.csv", "2,", "02,"),
        "'2' and '02'|'02' and '2'",
    ),
    "veri776": (
        "veri",
        lambda root, put: renamed(root, put, "0004_c003_00000100_1.jpg", "1_c003_00000100_1.jpg"),
        "'0001' and '1'",
    ),
    "veri776 camera": (
        "veri",
        lambda root, put: renamed(root, put, "0004_c003_00000100_1.jpg", "0004_c2_00000100_1.jpg"),
        "'002' and '2'|'2' and '002'",
    ),
    "msmt17": ("msmt", lambda root, _: changed(root / "list_gallery.txt", ".jpg 1", ".jpg 01"), "'1' and '01'"),
    "veriwild": ("veriwild", lambda root, put: wild(root, put), "'00021' and '21'"),
    "veriwild camera": (
        "veriwild",
        lambda root, _: changed(root / "train_test_split" / "vehicle_info.txt", ";31;", ";020;"),
        "'20' and '020'",
    ),
    "vehicleid": (
        "vehicleid",
        lambda root, _: changed(root / "train_test_split" / "test_list_800.txt", "0000014 6", "0000014 06"),
        "'6' and '06'|'06' and '6'",
    ),
    "viper": (
        "viper",
        lambda root, put: ((root / "cam_b" / "003_90.bmp").unlink(), put(root / "cam_b", ["3_90.bmp"])),
        "'003' and '3'",
    ),
}


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def repeated(path: Path, old: str, new: str) -> None:
    """The line that begins with `old` once more, beginning with `new`."""
    lines = path.read_text().splitlines(keepends=True)
    again = next(line for line in lines if line.startswith(old))
    path.write_text("".join([*lines, new + again.removeprefix(old)]))


def renamed(root: Path, put: Callable, old: str, new: str) -> None:
    """A training image of VeRi-776 under another name."""
    (root / "image_train" / old).unlink()
    put(root / "image_train", [new])
    changed(root / "name_train.txt", old, new)


def wild(root: Path, put: Callable) -> None:
    """One more image of VERI-Wild's vehicle 21."""
    put(root / "images" / "21", ["000019.jpg"])
    lists = root / "train_test_split"
    appended(lists / "test_3000.txt", "21/000019.jpg\n")
    appended(lists / "vehicle_info.txt", "21/000019;20;2018-03-12 07:00:00;Ford Focus;sedan;red\n")


@pytest.mark.parametrize("case", SPELT_TWICE)
def test_no_dataset_takes_two_spellings_for_one(case: str, request: pytest.FixtureRequest, pictures: Callable) -> None:
    fixture, spell, said = SPELT_TWICE[case]
    root = request.getfixturevalue(fixture)
    name, place = case.partition(" ")[0], root / "labeled" if fixture == "cuhk" else root
    FORMATS[name](str(place))
    spell(place, pictures)
    with pytest.raises(DataError, match=f"({said}) are one number; rename one, or both to one name"):
        FORMATS[name](str(place))


def test_distractors_are_nobody_however_they_are_spelt(market: Path, pictures: Callable) -> None:
    pictures(market / "bounding_box_test", ["0_c2s1_000151_01.jpg"])
    found = FORMATS["market1501"](str(market)).gallery
    assert sum(record.identity == DISTRACTOR for record in found) == 2


def test_folders_refuse_two_spellings_of_a_camera(tmp_path: Path, pictures: Callable) -> None:
    pictures(tmp_path / "7", ["a_c1.jpg", "b_c2.jpg"])
    assert [record.camera for record in FORMATS["folders"](str(tmp_path)).train] == [1, 2]
    pictures(tmp_path / "9", ["a_c01.jpg"])
    with pytest.raises(DataError, match="cameras '1' and '01' are one number"):
        FORMATS["folders"](str(tmp_path))
