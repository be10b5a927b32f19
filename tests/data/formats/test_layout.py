"""Checks of a dataset's folders and lists: what is there passes, and what is missing is named with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats._layout import half_there, has_folders, names_in, read_rows, require_folders, require_listed
from resight.errors import DataError

FOLDERS = ("images", "lists")


def test_folders_that_are_all_there_give_their_root(tmp_path: Path) -> None:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    assert has_folders(tmp_path, FOLDERS)
    assert require_folders(str(tmp_path), FOLDERS, "grid") == tmp_path


def test_a_missing_folder_is_named_with_the_place_that_was_probably_meant(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder images/ in it; grid wants the folder that holds images/, lists/$"):
        require_folders(tmp_path, FOLDERS, "grid")
    for name in FOLDERS:
        (tmp_path / "Grid-v1" / name).mkdir(parents=True)
    with pytest.raises(DataError, match=r"; did you mean .*Grid-v1\?"):
        require_folders(tmp_path, FOLDERS, "grid")
    with pytest.raises(DataError, match="gone: no such folder; grid wants"):
        require_folders(tmp_path / "gone", FOLDERS, "grid")
    (tmp_path / "grid.zip").touch()
    with pytest.raises(DataError, match=r"grid\.zip: a file, not a folder; grid wants the \(unpacked\) folder"):
        require_folders(tmp_path / "grid.zip", FOLDERS, "grid")


def test_names_are_sorted_images_and_none_is_an_error(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "Thumbs.db", "._a.jpg"):
        (tmp_path / name).touch()
    assert names_in(tmp_path) == ["a.PNG", "b.jpg"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no images in it"):
        names_in(tmp_path / "empty")


def test_rows_are_split_at_white_space_or_at_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf0001  7\r\n\r\n 0002\t8 extra\r\n")
    assert read_rows(path, 2) == [["0001", "7"], ["0002", "8", "extra"]]
    path.write_text("a b; 1 ;\n")
    assert read_rows(path, 3, ";") == [["a b", "1", ""]]


def test_rows_in_the_older_chinese_encoding_are_read(tmp_path: Path) -> None:
    path = tmp_path / "models.txt"
    path.write_bytes("奥迪 2\n".encode("gb18030"))
    assert read_rows(path, 2) == [["奥迪", "2"]]


def test_a_list_that_is_missing_empty_or_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    with pytest.raises(DataError, match=r"list\.txt: no such file; it is part of the dataset"):
        read_rows(path, 2)
    path.write_text(" \n\n")
    with pytest.raises(DataError, match=r"list\.txt: lists nothing"):
        read_rows(path, 2)
    path.write_text("0001 7\n0002\n")
    with pytest.raises(DataError, match=r"list\.txt: line 2: '0002' has 1 of the 2 parts of a row"):
        read_rows(path, 2)


def test_listed_images_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "images" / "7").mkdir(parents=True)
    (tmp_path / "images" / "7" / "a.jpg").touch()
    require_listed(tmp_path / "images", ["7/a.jpg"], tmp_path / "list.txt")
    with pytest.raises(DataError, match=r"7/b\.jpg: listed in list\.txt but not there \(2 of 3 are missing\)"):
        require_listed(tmp_path / "images", ["8/a.jpg", "7/a.jpg", "7/b.jpg"], tmp_path / "list.txt")


def test_files_that_are_missing_beside_their_like_are_named(tmp_path: Path) -> None:
    names = ("a.txt", "b.txt", "c.txt")
    assert half_there(tmp_path, names, "so") == []
    (tmp_path / "b.txt").touch()
    assert half_there(tmp_path, names, "so") == ["a.txt and c.txt are missing beside b.txt: so"]
    (tmp_path / "a.txt").touch()
    assert half_there(tmp_path, names, "so") == ["c.txt is missing beside a.txt and b.txt: so"]
    (tmp_path / "c.txt").touch()
    assert half_there(tmp_path, names, "so") == []
