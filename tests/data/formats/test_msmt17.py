from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats import read_dataset
from resight.data.formats.msmt17 import read_msmt17
from resight.data.summary import find_problems
from resight.errors import DataError
from tests.support.layouts import Pictures, msmt_lists


def test_lists_become_records(msmt: Path) -> None:
    dataset = read_msmt17(msmt)
    assert (dataset.name, dataset.protocol) == ("msmt17", "market1501")
    first = dataset.train[0]
    assert Path(first.path).is_file()
    assert (first.identity, first.camera, first.frame) == (1, 1, 8)
    assert [record.camera for record in dataset.gallery] == [1, 9, 12]


def test_people_of_the_two_halves_are_different_people(msmt: Path) -> None:
    dataset = read_msmt17(msmt)
    assert [record.identity for record in dataset.train] == [1, 1, 2]
    assert [record.identity for record in dataset.query] == [3, 4]
    assert [record.identity for record in dataset.gallery] == [3, 3, 4]
    assert not any("share" in problem for problem in find_problems(dataset))


def test_validation_list_is_trained_on_when_asked(msmt: Path) -> None:
    plain, whole = read_dataset(f"msmt17:{msmt}"), read_dataset(f"msmt17-trainval:{msmt}")
    assert whole.train[:3] == plain.train
    assert [(record.identity, record.camera) for record in whole.train[3:]] == [(2, 2)]
    assert (whole.query, whole.gallery) == (plain.query, plain.gallery)


def test_version_2(tmp_path: Path, pictures: Pictures) -> None:
    msmt_lists(tmp_path / "MSMT17_V2", "mask_train_v2", "mask_test_v2", pictures)
    dataset = read_dataset(str(tmp_path / "MSMT17_V2"))
    assert {Path(record.path).parent.parent.name for record in dataset} == {"mask_train_v2", "mask_test_v2"}
    with pytest.raises(DataError, match=r"mask_train_v2/, mask_test_v2/; did you mean .*MSMT17_V2"):
        read_msmt17(tmp_path)


def test_wrong_layouts(msmt: Path) -> None:
    (msmt / "list_val.txt").unlink()
    assert len(read_msmt17(msmt).train) == 3
    with pytest.raises(DataError, match=r"list_val.txt: no such file"):
        read_msmt17(msmt, validation=True)
    (msmt / "test").rename(msmt / "tests")
    with pytest.raises(DataError, match=r"no folder test/ in it; msmt17 wants the folder that holds train/, test/"):
        read_msmt17(msmt)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0000/portrait.jpg 0", "'0000/portrait.jpg' does not parse; MSMT17 names look like"),
        ("0000/0000_000_01_0303morning_0008_0.jpg x", "'x' is not a whole number"),
        ("0000/0000_000_01_0303morning_0008_0.jpg", "line 1: .* has 1 of the 2 parts"),
        ("0000/0000_077_01_0303morning_0008_0.jpg 0", "listed in list_query.txt but not there"),
        ("", "lists nothing"),
    ],
)
def test_lines_that_are_wrong(msmt: Path, pictures: Pictures, line: str, message: str) -> None:
    pictures(msmt / "test" / "0000", ["portrait.jpg"])
    (msmt / "list_query.txt").write_text(f"{line}\n")
    with pytest.raises(DataError, match=message) as error:
        read_msmt17(msmt)
    assert "list_query.txt" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_too_high_names_the_right_one(tmp_path: Path, pictures: Pictures) -> None:
    msmt_lists(tmp_path / "MSMT17_V2", "mask_train_v2", "mask_test_v2", pictures)
    with pytest.raises(DataError, match="layout not recognised; did you mean .*MSMT17_V2"):
        read_dataset(str(tmp_path))


def test_lists_that_lie_beside_the_images_folder_are_to_be_moved(tmp_path: Path, pictures: Pictures) -> None:
    msmt_lists(tmp_path / "MSMT17_V2", "mask_train_v2", "mask_test_v2", pictures)
    for path in (tmp_path / "MSMT17_V2").glob("list_*.txt"):
        path.rename(tmp_path / path.name)
    with pytest.raises(DataError, match="its lists lie beside MSMT17_V2/, which holds the images; move them into"):
        read_msmt17(tmp_path)
