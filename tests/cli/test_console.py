"""What the commands share: images by name, bars that stay out of files, and files that could not be read, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.cli import console
from resight.data.formats.manifest import write_manifest
from resight.errors import DataError
from resight.records import ReidDataset


def test_images_are_an_image_a_folder_or_a_dataset(crowd: ReidDataset, crowd_spec: str, tmp_path: Path) -> None:
    first = Path(crowd.train[0].path)
    assert [record.path for record in console.images_of(str(first))] == [str(first)]
    everything = {record.path for record in (*crowd.train, *crowd.query, *crowd.gallery)}
    assert {record.path for record in console.images_of(str(first.parent))} == everything
    frames = tmp_path / "door.mp4"  # as some programs name the folder of a video's frames
    frames.symlink_to(first.parent)
    assert len(console.images_of(str(frames))) == len(everything)
    assert console.images_of(crowd_spec) == list(crowd.gallery)
    assert console.images_of(crowd_spec, "query") == list(crowd.query)


def test_a_dataset_without_a_gallery_gives_its_training_images(crowd: ReidDataset, tmp_path: Path) -> None:
    write_manifest(tmp_path / "train.csv", ReidDataset("crowd", train=crowd.train))
    assert console.images_of(f"manifest:{tmp_path / 'train.csv'}") == list(crowd.train)


def test_images_that_are_none_are_named(crowd_spec: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, split, told in (
        (crowd_spec, "test", "no split 'test'; a dataset has train, query, gallery"),
        (str(tmp_path), "train", f"{tmp_path} is no FORMAT:PATH and has no splits; leave out --split"),
        (str(tmp_path / "empty"), None, "empty"),
        (str(tmp_path / "nowhere"), None, "nowhere"),
        (crowd_spec, "querry", "no split 'querry' (did you mean 'query'?); a dataset has train, query, gallery"),
        (f"folder:{tmp_path}", None, "unknown dataset format 'folder' (did you mean 'folders'?)"),
        (
            crowd_spec.partition(":")[2],
            None,
            "crowd.csv is a table, no image; for the images of a manifest write manifest:",
        ),
    ):
        with pytest.raises(DataError) as caught:
            console.images_of(source, split)
        assert told in str(caught.value)


def test_ten_files_that_could_not_be_read_are_named_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    console.name_failed([])
    assert capsys.readouterr().err == ""
    console.name_failed([f"[bold]{number}[/].jpg: no image" for number in range(12)])
    out, err = capsys.readouterr()
    assert out == "", "results alone stand on standard output"
    lines = err.splitlines()
    assert lines[0] == "12 of the images could not be read and were left out:"
    assert lines[1:11] == [f"  [bold]{number}[/].jpg: no image" for number in range(10)], "names are no markup"
    assert lines[11:] == ["  … and 2 more"]


def test_lines_in_a_file_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    line = "/data/" + "folder/" * 60 + "a b.jpg"
    console.output().print(line, markup=False)
    console.errors().print(line, markup=False)
    assert capsys.readouterr() == (f"{line}\n", f"{line}\n")
    assert console.output().width >= 140, "tables have room where no terminal ends"


def test_a_bar_is_for_terminals_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("reading", 3) as moved:
        for _ in range(3):
            moved(1)
    with console.progress("reading", None) as moved:
        moved(5)
    assert capsys.readouterr() == ("", "")


def test_a_noun_goes_with_its_number() -> None:
    found = [console.counted(count, "entry", "entries") for count in (0, 1, 2)]
    assert [*found, console.counted(1, "image"), console.counted(3, "image")] == [
        "0 entries",
        "1 entry",
        "2 entries",
        "1 image",
        "3 images",
    ]
