from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from resight.data.formats import FORMATS, LAYOUTS, VARIANTS, describe_format, detect_format, read_dataset
from resight.data.formats.manifest import write_manifest
from resight.errors import DataError
from tests.support.layouts import Pictures, write_pairs


@pytest.fixture
def places(
    market: Path,
    duke: Path,
    cuhk: Path,
    msmt: Path,
    viper: Path,
    course: Path,
    veri: Path,
    veriwild: Path,
    vehicleid: Path,
    tmp_path: Path,
    pictures: Pictures,
) -> dict[str, Path]:
    """A dataset of each format, by its name."""
    pictures(tmp_path / "people" / "adam", ["1.jpg"])
    write_manifest(tmp_path / "split.csv", read_dataset(f"market1501:{market}"))
    return {
        "market1501": market,
        "dukemtmc": duke,
        "cuhk03np": cuhk / "detected",
        "msmt17": msmt,
        "viper": viper,
        "course": course,
        "veri776": veri,
        "veriwild": veriwild,
        "vehicleid": vehicleid,
        "folders": tmp_path / "people",
        "manifest": tmp_path / "split.csv",
        "masks": write_pairs(tmp_path / "pairs", ["a", "b"]),
    }


def test_named_and_detected_alike(places: dict[str, Path]) -> None:
    variants = [name for name, reader in FORMATS.items() if isinstance(reader, partial)]
    assert [*places] == [name for name in FORMATS if name not in variants]
    assert {*places} == {*LAYOUTS, "folders"}
    for name, path in places.items():
        assert detect_format(path) == name
        named, detected = read_dataset(f"{name}:{path}"), read_dataset(str(path))
        assert named.splits == detected.splits
        assert named.name == detected.name


def test_formats_describe_themselves_and_are_documented() -> None:
    assert describe_format("viper").startswith("VIPeR (Gray et al. 2007): 632 people")
    assert describe_format("vehicleid-1600") == "as vehicleid, tested on 1,600 vehicles"
    assert [*VARIANTS] == [name for name, reader in FORMATS.items() if isinstance(reader, partial)]
    for name, told in VARIANTS.items():
        assert FORMATS[told.removeprefix("as ").partition(",")[0]] is FORMATS[name].func, "it names what reads it"
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    titles = [name.strip(" \\*") for name in ", ".join(re.findall("^## (.*)$", page, re.MULTILINE)).split(",")]
    assert titles == list(FORMATS)


def test_unknown_format_lists_the_known() -> None:
    with pytest.raises(DataError, match=r"unknown dataset format 'market'.*did you mean 'market1501'.*veri776"):
        read_dataset("market:/data")
    with pytest.raises(DataError, match=f"there is: {', '.join(FORMATS)}"):
        read_dataset("prid2011:/data")


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
