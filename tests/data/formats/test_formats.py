from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats import FORMATS, LAYOUTS, detect_format, read_dataset
from resight.data.formats.manifest import write_manifest
from resight.errors import DataError

from ..conftest import Pictures


def test_named_and_detected_alike(market: Path, veri: Path, course: Path, tmp_path: Path, pictures: Pictures) -> None:
    pictures(tmp_path / "people" / "adam", ["1.jpg"])
    write_manifest(tmp_path / "split.csv", read_dataset(f"market1501:{market}"))
    places = {
        "market1501": market,
        "veri776": veri,
        "course": course,
        "folders": tmp_path / "people",
        "manifest": tmp_path / "split.csv",
    }
    assert list(places) == list(FORMATS)
    assert set(LAYOUTS) <= set(FORMATS)
    for name, path in places.items():
        assert detect_format(path) == name
        named, detected = read_dataset(f"{name}:{path}"), read_dataset(str(path))
        assert named.splits == detected.splits
        assert named.name == detected.name


def test_unknown_format_lists_the_known() -> None:
    with pytest.raises(DataError, match=r"unknown dataset format 'market'.*did you mean market1501.*veri776"):
        read_dataset("market:/data")
    with pytest.raises(DataError, match="known are market1501, veri776, course, folders, manifest"):
        read_dataset("msmt17:/data")


def test_path_that_is_not_there() -> None:
    for spec in ("/no/such/place", "no_such_place", ""):
        with pytest.raises(DataError, match="FORMAT:PATH"):
            read_dataset(spec)
    with pytest.raises(DataError, match="no path after the colon"):
        read_dataset("folders:")


def test_layout_of_two_formats_and_of_none(market: Path, tmp_path: Path) -> None:
    (market / "image_train").mkdir()
    with pytest.raises(DataError, match="could be market1501 or veri776; write which"):
        read_dataset(str(market))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="layout not recognised"):
        read_dataset(str(tmp_path / "empty"))


def test_incomplete_layout_is_not_taken_for_identity_folders(market: Path, course: Path) -> None:
    (market / "query").rename(market.parent / "aside")
    with pytest.raises(DataError, match="no folder query/"):
        read_dataset(str(market))
    (course / "queries").rename(course.parent / "aside2")
    with pytest.raises(DataError, match="no folder queries/"):
        read_dataset(str(course))


def test_a_path_may_hold_a_colon(tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "a:b" / "adam", ["1.jpg"])
    monkeypatch.chdir(tmp_path)
    assert len(read_dataset("a:b").train) == 1
    assert len(read_dataset("folders:a:b").train) == 1
