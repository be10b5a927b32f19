from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats.folders import read_folders
from resight.errors import DataError
from resight.records import DISTRACTOR, JUNK, NO_CAMERA
from tests.support.layouts import Pictures


def test_identity_folders_are_training_data(tmp_path: Path, pictures: Pictures) -> None:
    for name in ("zoe", "adam"):
        pictures(tmp_path / "people" / name, ["1.jpg", "2.png"])
    dataset = read_folders(tmp_path / "people")
    assert dataset.name == "people"
    assert [(Path(r.path).parent.name, r.identity, r.camera) for r in dataset.train] == [
        ("adam", 1, NO_CAMERA),
        ("adam", 1, NO_CAMERA),
        ("zoe", 2, NO_CAMERA),
        ("zoe", 2, NO_CAMERA),
    ]
    assert not dataset.query
    assert not dataset.gallery


def test_whole_numbers_are_kept(tmp_path: Path, pictures: Pictures) -> None:
    pictures(tmp_path / "0002", ["a.jpg"])
    pictures(tmp_path / "0110", ["a.jpg"])
    assert [record.identity for record in read_folders(tmp_path).train] == [2, 110]


def test_splits_share_their_numbering(tmp_path: Path, pictures: Pictures) -> None:
    for place in ("train/b", "query/c", "query/a", "gallery/a", "gallery/c", "gallery/-1", "gallery/0"):
        pictures(tmp_path / place, [f"{place[0]}-c3s1.jpg"])
    dataset = read_folders(tmp_path)
    assert [record.identity for record in dataset.train] == [2]
    assert [record.identity for record in dataset.query] == [1, 3]
    assert [record.identity for record in dataset.gallery] == [JUNK, DISTRACTOR, 1, 3]
    assert {record.camera for record in dataset} == {3}


@pytest.mark.parametrize(
    ("names", "cameras"),
    [
        (["0001_c1s1_000451_03.jpg", "0001_c12_3.jpg"], [1, 12]),
        (["c4.jpg", "a c5 b.jpg"], [4, 5]),
        (["a_c1.jpg", "b.jpg"], [NO_CAMERA, NO_CAMERA]),
        (["pic1.jpg", "pic2.jpg"], [NO_CAMERA, NO_CAMERA]),
    ],
)
def test_camera_in_the_name_when_all_have_it(
    tmp_path: Path, pictures: Pictures, names: list[str], cameras: list[int]
) -> None:
    pictures(tmp_path / "1", names)
    assert {Path(r.path).name: r.camera for r in read_folders(tmp_path).train} == dict(zip(names, cameras, strict=True))


def test_bad_layouts(tmp_path: Path, pictures: Pictures) -> None:
    def refused(words: str) -> None:
        with pytest.raises(DataError, match=words) as error:
            read_folders(tmp_path)
        assert str(tmp_path) in str(error.value)

    refused("no identity folders")
    pictures(tmp_path / "people" / "adam", ["1.jpg"])
    refused("people: no images directly in it")
    pictures(tmp_path / "people", ["loose.jpg"])
    (tmp_path / "empty").mkdir()
    refused("empty: no images directly in it; remove it")
    (tmp_path / "empty").rmdir()
    pictures(tmp_path, ["stray.jpg"])
    refused("stray.jpg: lies in no identity folder")
    (tmp_path / "stray.jpg").unlink()
    pictures(tmp_path / "train" / "1", ["1.jpg"])
    refused("people: lies beside train/")
    with pytest.raises(DataError, match="no such folder"):
        read_folders(tmp_path / "absent")


def test_junk_among_training_identities(tmp_path: Path, pictures: Pictures) -> None:
    pictures(tmp_path / "0", ["1.jpg"])
    pictures(tmp_path / "5", ["1.jpg"])
    with pytest.raises(DataError, match=r"identity '0' \(a distractor\) in train"):
        read_folders(tmp_path)


def test_cameras_in_other_spellings_are_taken_and_said(tmp_path: Path, pictures: Pictures) -> None:
    pictures(tmp_path / "ada", ["a_C1_x.jpg", "a_cam2_y.jpg"])
    dataset = read_folders(tmp_path)
    assert [record.camera for record in dataset.train] == [1, 2]
    assert dataset.notes == ["cameras are taken from names such as a_C1_x.jpg (C1)"]


def test_cameras_of_some_names_alone_are_not_taken_which_is_said(tmp_path: Path, pictures: Pictures) -> None:
    pictures(tmp_path / "ada", ["a_c1.jpg", "b.jpg"])
    dataset = read_folders(tmp_path)
    assert [record.camera for record in dataset.train] == [NO_CAMERA, NO_CAMERA]
    assert dataset.notes == ["1 of 2 names have a camera (c1), not all, so none is taken"]


def test_folders_that_are_one_number_are_refused(tmp_path: Path, pictures: Pictures) -> None:
    for name in ("1", "01"):
        pictures(tmp_path / name, ["a.jpg"])
    with pytest.raises(DataError, match="identities '01' and '1' are one number"):
        read_folders(tmp_path)
