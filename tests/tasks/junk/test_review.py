"""A person's decisions on suspected junk, and data without what was accepted; the images themselves stay."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.data.formats import read_dataset
from resight.data.formats.manifest import write_manifest
from resight.errors import DataError, RunError
from resight.records import Record, ReidDataset, Relevance
from resight.tasks.junk.review import Review, without_junk
from tests.support.disk import full_disk


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    folder = tmp_path_factory.mktemp("images")
    records = [Record(str(folder / f"{number:02d}.png"), number + 1, 1) for number in range(12)]
    for record in records:
        Image.new("RGB", (16, 32)).save(record.path)
    return records


def listed(folder: Path, suspects: list[Record]) -> None:
    rows = "".join(f"{record.path},0.5\n" for record in suspects)
    (folder / "suspects.csv").write_text("path,score\n" + rows)


def test_decisions_are_on_disk_at_once_and_a_review_goes_on(images: list[Record], tmp_path: Path) -> None:
    listed(tmp_path, images[:4])
    review = Review.open(tmp_path)
    assert review.undecided == [0, 1, 2, 3]
    review.decide(0, "accepted")
    review.decide(2, "rejected")
    later = Review.open(tmp_path)
    assert (later.decision(0), later.decision(1), later.decision(2)) == ("accepted", None, "rejected")
    assert later.undecided == [1, 3]
    later.decide(2, None)
    later.decide(0, "rejected")
    later.decide(3, "accepted")
    again = Review.open(tmp_path)
    assert again.accepted == {images[3].path}
    assert (tmp_path / "decisions.csv").read_text().splitlines()[0] == "path,decision"
    # A new list in the same folder keeps what was said.
    listed(tmp_path, images[:6])
    assert Review.open(tmp_path).accepted == {images[3].path}
    for position in (-1, 4):
        with pytest.raises(DataError, match="no suspect"):
            again.decide(position, "accepted")
    with pytest.raises(DataError, match="'maybe' is not one of accepted, rejected"):
        again.decide(0, "maybe")


def test_two_who_review_one_scan_keep_each_others_decisions(images: list[Record], tmp_path: Path) -> None:
    listed(tmp_path, images)
    one, other = Review.open(tmp_path), Review.open(tmp_path)
    one.decide(10, "accepted")
    other.decide(11, "accepted")
    one.decide(3, "rejected")
    other.decide(10, None)
    for review in (other, Review.open(tmp_path)):
        assert [review.decision(place) for place in (3, 10, 11)] == ["rejected", None, "accepted"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decisions.csv", "suspects.csv"]


def test_a_decision_that_cannot_be_written_is_not_believed(images: list[Record], tmp_path: Path, monkeypatch) -> None:
    listed(tmp_path, images[:4])
    review = Review.open(tmp_path)
    review.decide(0, "accepted")
    before = (tmp_path / "decisions.csv").read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        review.decide(1, "accepted")
    assert review.decision(1) is None
    assert (tmp_path / "decisions.csv").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("suspects.csv", "path,score\na.jpg,high\n", "suspects.csv is damaged"),
        ("suspects.csv", "", "suspects.csv is damaged"),
        ("decisions.csv", "path,decision\na.jpg\n", "decisions.csv is damaged"),
        ("decisions.csv", "path,decision\na.jpg,delete\n", "'delete' is not one of accepted, rejected"),
    ],
)
def test_damaged_files_are_named(images: list[Record], tmp_path: Path, file: str, text: str, told: str) -> None:
    listed(tmp_path, images[:4])
    (tmp_path / file).write_text(text)
    with pytest.raises(RunError, match=told):
        Review.open(tmp_path)
    with pytest.raises(RunError, match="holds no suspects.csv; make it with `resight junk scan`"):
        Review.open(tmp_path / "nowhere")


def test_accepted_images_leave_the_manifest_and_stay_on_disk(images: list[Record], tmp_path: Path) -> None:
    answers = Relevance([np.array([0])], [np.array([], np.int64)])
    data = ReidDataset("street", train=images[:4], query=images[4:5], gallery=images[5:], relevance=answers)
    accepted = {images[8].path, images[2].path}
    kept, left_out = without_junk(data, accepted)
    assert left_out == 2
    assert len(kept.train) == 3
    assert len(kept.gallery) == 6
    assert kept.relevance is None
    write_manifest(tmp_path / "kept.csv", kept)
    assert not accepted & {record.path for record in read_dataset(f"manifest:{tmp_path / 'kept.csv'}")}
    assert all(Path(record.path).exists() for record in images)
    with pytest.raises(DataError, match="none of the 1 accepted images is in street"):
        without_junk(data, {"/elsewhere/a.jpg"})
    assert without_junk(data, ())[1] == 0


def test_a_file_of_a_scan_is_no_scan_but_says_where_it_is(images: list[Record], tmp_path: Path) -> None:
    listed(tmp_path, images)
    with pytest.raises(RunError, match=r"suspects\.csv is a file, perhaps of a scan; give its folder: "):
        Review.open(tmp_path / "suspects.csv")
    with pytest.raises(RunError, match="holds no suspects.csv"):
        Review.open(tmp_path / "elsewhere")


def test_what_was_accepted_is_left_out_by_whatever_path_it_is_reached(images: list[Record], tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(Path(images[0].path).parent)
    (tmp_path / "soft.png").symlink_to(images[1].path)
    os.link(images[2].path, tmp_path / "hard.png")
    linked = [Record(str(tmp_path / "linked" / Path(record.path).name), record.identity, 1) for record in images]
    others = [Record(str(tmp_path / name), 1, 1) for name in ("soft.png", "hard.png")]
    kept, left_out = without_junk(ReidDataset("x", gallery=[*linked, *others]), [images[n].path for n in (1, 2)])
    assert left_out == 4
    assert kept.gallery == [linked[0], *linked[3:]]


def test_a_full_disk_keeps_the_decisions_that_were_made(images: list[Record], tmp_path: Path) -> None:
    listed(tmp_path, images[:4])
    review = Review.open(tmp_path)
    review.decide(0, "accepted")
    with full_disk(), pytest.raises(OSError, match="File too large") as raised:
        review.decide(1, "accepted")
    assert raised.value.filename == str(tmp_path / "decisions.csv")
    assert (review.decision(0), review.decision(1)) == ("accepted", None), "what is not on disk is not said"
    assert Review.open(tmp_path).accepted == {images[0].path}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decisions.csv", "suspects.csv"]
    review.decide(1, "rejected")
    assert Review.open(tmp_path).undecided == [2, 3]
