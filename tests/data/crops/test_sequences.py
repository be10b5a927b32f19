from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resight.data.crops.sequences import FrameFolder, boxes_of, find_sequences
from resight.errors import DataError
from tests.support.footage import frame, write_sequence


def test_frames_by_number_with_times_by_the_rate(tmp_path: Path) -> None:
    folder = FrameFolder(write_sequence(tmp_path / "door"))
    assert (folder.name, len(folder), folder.rate) == ("door", 3, 10)
    assert folder.holds(np.array([0, 1, 3, 4])).tolist() == [False, True, True, False]
    assert [folder.time(number) for number in (1, 2, 11)] == [0, 100, 1000]
    shown = dict(folder.pictures([1, 3]))
    assert list(shown) == [1, 3]
    np.testing.assert_array_equal(shown[3], frame(3))


def test_without_seqinfo_there_is_no_time(tmp_path: Path) -> None:
    write_sequence(tmp_path / "door")
    (tmp_path / "door" / "seqinfo.ini").unlink()
    assert FrameFolder(tmp_path / "door").time(2) is None


def test_a_frame_that_cannot_be_read_is_a_line(tmp_path: Path) -> None:
    write_sequence(tmp_path / "door")
    file = tmp_path / "door" / "img1" / "000002.png"
    file.write_bytes(file.read_bytes()[:100])
    shown = dict(FrameFolder(tmp_path / "door").pictures([1, 2, 3]))
    assert isinstance(shown[2], str)
    assert shown[2].startswith(f"{file}: corrupt or cut-off image")
    np.testing.assert_array_equal(shown[3], frame(3))


def test_one_sequence_or_a_folder_of_them_each_of_one_detector(tmp_path: Path) -> None:
    for name in ("MOT17-02-DPM", "MOT17-02-FRCNN", "MOT17-02-SDP", "MOT17-04-FRCNN", "dancetrack0001"):
        write_sequence(tmp_path / "train" / name, frames=1)
    found, told = find_sequences(tmp_path / "train")
    assert [path.name for path in found] == ["MOT17-02-DPM", "MOT17-04-FRCNN", "dancetrack0001"]
    assert told == ["2 folders hold the frames of another one, with another detector's boxes, and are passed over"]
    assert find_sequences(found[1]) == ([found[1]], [])
    with pytest.raises(DataError, match=f"{tmp_path}: no sequence in it; did you mean {tmp_path / 'train'}"):
        find_sequences(tmp_path)
    with pytest.raises(DataError, match="no such folder; name a sequence's folder"):
        find_sequences(tmp_path / "test")


def test_the_boxes_of_a_sequence(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "door")
    assert boxes_of(folder) == folder / "gt" / "gt.txt"
    (folder / "det").mkdir()
    (folder / "det" / "det.txt").write_text("1,-1,0,0,9,9,1\n")
    assert boxes_of(folder, "det") == folder / "det" / "det.txt"
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "door.txt").write_text("1,1,0,0,9,9,1,-1,-1,-1\n")
    assert boxes_of(folder, tmp_path / "results") == tmp_path / "results" / "door.txt"
    (folder / "gt" / "gt.txt").unlink()
    assert boxes_of(folder) == folder / "det" / "det.txt"
    with pytest.raises(DataError, match="gt.txt: no such file of boxes for"):
        boxes_of(folder, "gt")
    (folder / "det" / "det.txt").unlink()
    with pytest.raises(DataError, match="neither gt/gt.txt nor det/det.txt in it; name a file of boxes"):
        boxes_of(folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("frameRate=30\n", "damaged"),
        ("[Sequence]\nframeRate=fast\n", "frameRate fast: a number over 0 is expected"),
        ("[Sequence]\nimDir=pictures\n", "pictures: no such folder; a sequence has its frames there"),
    ],
)
def test_a_damaged_seqinfo_is_named(text: str, told: str, tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "door")
    (folder / "seqinfo.ini").write_text(text)
    with pytest.raises(DataError, match=told):
        FrameFolder(folder)


def test_frames_must_be_called_by_numbers(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "door")
    (folder / "img1" / "000001.png").rename(folder / "img1" / "first.png")
    with pytest.raises(DataError, match=r"first.png: frames are called by their numbers, as 000001.jpg"):
        FrameFolder(folder)
