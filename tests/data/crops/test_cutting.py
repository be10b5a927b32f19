from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.data.crops.boxes import choose
from resight.data.crops.cutting import MANIFEST, cut, write_crops
from resight.data.crops.views import of_sequences, of_video
from resight.data.formats.manifest import read_manifest
from resight.errors import DataError
from tests.support.disk import full_disk
from tests.support.footage import COLOURS, line, write_sequence, write_video

ROOM = 300
"""More than crops.json needs, and less than a crop of noise."""


def files(folder: Path) -> dict[str, bytes]:
    """Path within the folder -> bytes, of all files, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_box_is_rounded_and_ends_at_the_frames_edge() -> None:
    frame = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    places = np.array([[1.4, 2.6, 3, 2], [-2, -1, 4, 3], [6, 4, 99, 99], [8, 0, 5, 5], [-9, 0, 5, 5], [2, 2, 0.3, 3]])
    found = list(cut(frame, places))
    expected = [frame[3:5, 1:4], frame[0:2, 0:2], frame[4:6, 6:8], None, None, None]
    for crop, other in zip(found, expected, strict=True):
        assert (crop is None) == (other is None)
        if crop is not None:
            np.testing.assert_array_equal(crop, other)


def test_crops_lie_in_a_folder_for_each_track_and_the_manifest_reads_as_one(tmp_path: Path) -> None:
    views, _ = of_sequences(write_sequence(tmp_path / "door"), choose)
    (made,) = write_crops(tmp_path / "crops", views, identities="own", split="train", start=5_000)
    assert (made.outside, made.failed) == (0, [])
    names = {f"door/000{track}/00000{number}.jpg" for track in (1, 2, 3) for number in (1, 2, 3)}
    assert set(files(tmp_path / "crops")) == {*names, "manifest.csv", "crops.json"}
    dataset = read_manifest(tmp_path / "crops" / MANIFEST)
    assert dataset.train == made.records
    assert dataset.schema.names == ()
    for record in dataset.train:
        assert record.tracklet == record.identity
        assert (record.camera, record.time) == (1, 5_000 + 100 * (record.frame - 1))  # type: ignore[operator]
        pixels = np.asarray(Image.open(record.path)).astype(int)
        assert pixels.shape == (18, 10, 3)
        assert np.abs(pixels - COLOURS[record.identity]).max() < 12, "the person, whole and nothing else"


def test_a_video_gives_the_crops_that_its_frames_give(tmp_path: Path) -> None:
    boxes = tmp_path / "tracks.txt"
    boxes.write_text("\n".join(line(number, track, "0.9,-1,-1,-1") for number in range(1, 13) for track in (1, 2, 3)))
    view = of_video(write_video(tmp_path / "door.mp4"), choose, boxes, camera=2)
    (made,) = write_crops(tmp_path / "crops", [view])
    assert len(made.records) == 36
    for record in made.records:
        assert (record.identity, record.camera) == (-2, 2)
        assert record.time == 100 * (record.frame - 1)  # type: ignore[operator]
        middle = np.asarray(Image.open(record.path)).astype(int)[4:-4, 3:-3]
        assert np.abs(middle - COLOURS[record.tracklet]).max() < 60  # type: ignore[index]


def test_identities_of_each_sequence_or_of_all_together(tmp_path: Path) -> None:
    write_sequence(tmp_path / "all" / "east", tracks=(1, 2))
    write_sequence(tmp_path / "all" / "west", tracks=(2, 3))
    views, _ = of_sequences(tmp_path / "all", choose)

    def found(identities: str) -> list[set[int]]:
        made = write_crops(tmp_path / identities, views, identities=identities)  # type: ignore[arg-type]
        return [{record.identity for record in one.records} for one in made]

    assert found("own") == [{1, 2}, {4, 5}]
    assert found("shared") == [{1, 2}, {2, 3}]
    assert found("none") == [{-2}, {-2}]


def test_tracks_counted_from_0_are_identities_from_1(tmp_path: Path) -> None:
    lines = ["1,0,4,4,9,9,1,1,1", "1,3,20,4,9,9,1,1,1", "1,-1,40,4,9,9,1,1,1", "1,-1,50,4,9,9,1,1,1"]
    views, _ = of_sequences(write_sequence(tmp_path / "door", lines=lines), choose)
    (made,) = write_crops(tmp_path / "crops", views, identities="own")
    assert [(record.identity, record.tracklet) for record in made.records] == [(1, 0), (4, 3), (-2, None), (-2, None)]
    assert [Path(record.path).name for record in made.records[2:]] == ["000001-001.jpg", "000001-002.jpg"]


def test_what_cannot_be_cut_is_told_and_left_out(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "door")
    torn = folder / "img1" / "000002.png"
    torn.write_bytes(torn.read_bytes()[:60])
    with open(folder / "gt" / "gt.txt", "a") as file:
        file.write("3,8,500,500,20,20,1,1,1\n")
    views, _ = of_sequences(folder, choose)
    (made,) = write_crops(tmp_path / "crops", views)
    assert made.outside == 1
    assert len(made.failed) == 1
    assert made.failed[0].startswith(str(torn))
    assert sorted({(record.frame, record.tracklet) for record in made.records}) == [
        (frame, track) for frame in (1, 3) for track in (1, 2, 3)
    ]


def test_a_run_that_was_killed_ends_with_the_same_files(tmp_path: Path) -> None:
    frames = 60
    video, boxes = write_video(tmp_path / "door.mp4", frames=frames), tmp_path / "tracks.txt"
    boxes.write_text(
        "\n".join(f"{number},{track},{5 * track},0,30,60" for number in range(1, frames + 1) for track in range(1, 9))
    )
    view = of_video(video, choose, boxes)
    write_crops(tmp_path / "whole", [view])
    program = (
        "import sys, time; from resight.data.crops.boxes import choose; from resight.data.crops.views import of_video; "
        "from resight.data.crops.cutting import write_crops\n"
        "left = int(sys.argv[4])\n"
        "def advance(count):\n    global left\n    left -= count\n    time.sleep(0 if left > 0 else 600)\n"
        "write_crops(sys.argv[3], [of_video(sys.argv[1], choose, sys.argv[2])], progress=advance)"
    )
    broken = tmp_path / "broken"
    counts = [0]
    for wanted, most in ((40, 240), (300, 460)):  # however late it is killed, it has not ended
        process = subprocess.Popen([sys.executable, "-c", program, video, boxes, broken, str(most)])
        while process.poll() is None and len(list(broken.glob("*/*/*.jpg"))) < wanted:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was not done yet"
        crops = [path for path in broken.glob("*/*/*.jpg") if not path.name.startswith(".")]
        for path in crops:
            Image.open(path).load()
        assert not (broken / MANIFEST).exists()
        counts.append(len(crops))
    assert counts == sorted(set(counts)), "the second went on"
    crops[0].write_bytes(crops[0].read_bytes()[:-9])  # as a power cut may leave it
    leftover = broken / "door" / "0001" / f".000001.{os.getpid()}.partial.jpg"
    leftover.write_bytes(b"half")
    advanced: list[int] = []
    write_crops(broken, [view], progress=advanced.append)
    assert advanced[0] >= counts[-1] - 1
    assert sum(advanced) == len(view.boxes)
    assert files(broken) == files(tmp_path / "whole")


def test_crops_of_other_boxes_are_not_mixed(tmp_path: Path) -> None:
    views, _ = of_sequences(write_sequence(tmp_path / "door"), choose)
    out = tmp_path / "crops"
    write_crops(out, views)
    before = files(out)
    write_crops(out, views)
    assert files(out) == before
    with pytest.raises(DataError, match=r"crops: holds crops of other boxes, or of another quality; choose another"):
        write_crops(out, views, quality=50)
    file = tmp_path / "door" / "gt" / "gt.txt"
    file.write_text(line(1, 1))
    with pytest.raises(DataError, match=r"crops: holds crops of other boxes"):
        write_crops(out, of_sequences(tmp_path / "door", choose)[0])
    assert files(out) == before
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "letter.txt").write_text("by hand")
    with pytest.raises(DataError, match="own: holds files, and no crops to go on with; choose another folder"):
        write_crops(tmp_path / "own", views)
    assert set(files(tmp_path / "own")) == {"letter.txt"}
    (out / "crops.json").write_text("{")
    with pytest.raises(DataError, match=r"crops.json: damaged"):
        write_crops(out, views)


def test_crops_of_boxes_that_have_grown_are_gone_on_with(tmp_path: Path) -> None:
    video, boxes = write_video(tmp_path / "door.mp4"), tmp_path / "tracks.txt"
    lines = [line(frame, track) for frame in range(1, 7) for track in (1, 2)]
    for count in (4, 8, 12):
        boxes.write_text("\n".join(lines[:count]))
        (made,) = write_crops(tmp_path / "crops", [of_video(video, choose, boxes)])
        assert len(made.records) == count
    write_crops(tmp_path / "whole", [of_video(video, choose, boxes)])
    assert files(tmp_path / "crops") == files(tmp_path / "whole")
    boxes.write_text("\n".join([*lines[1:], line(7, 1)]))
    with pytest.raises(DataError, match="holds crops of other boxes"):
        write_crops(tmp_path / "crops", [of_video(video, choose, boxes)])


def test_crops_of_a_version_that_noted_digests_alone_are_gone_on_with(tmp_path: Path) -> None:
    (view,), _ = of_sequences(write_sequence(tmp_path / "door"), choose)
    write_crops(tmp_path / "crops", [view])
    settings = tmp_path / "crops" / "crops.json"
    now = settings.read_text()
    for digest, fits in ((view.digest(), True), ("another", False)):
        settings.write_text(json.dumps({"format": 1, "quality": 95, "boxes": {"door": digest}}))
        if fits:
            write_crops(tmp_path / "crops", [view])
            assert settings.read_text() == now
        else:
            with pytest.raises(DataError, match="holds crops of other boxes"):
                write_crops(tmp_path / "crops", [view])


def test_nothing_to_cut_is_an_error_that_says_why(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "door", lines=[line(1, 1, "1,3,1"), line(2, 1, "0,3,1")])
    with pytest.raises(DataError, match="no box is left to cut; 2 are of other classes"):
        write_crops(tmp_path / "crops", of_sequences(folder, choose)[0])
    assert not (tmp_path / "crops").exists()


def test_a_full_disk_leaves_no_half_crop(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "door")
    for picture in (folder / "img1").iterdir():
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)).save(picture)
    views, _ = of_sequences(folder, choose)
    with full_disk(ROOM), pytest.raises(OSError, match="File too large"):
        write_crops(tmp_path / "crops", views)
    assert set(files(tmp_path / "crops")) == {"crops.json"}
    write_crops(tmp_path / "crops", views)
    assert len(files(tmp_path / "crops")) == 11
