from __future__ import annotations

from pathlib import Path

from resight.data.crops.boxes import choose
from resight.data.crops.views import of_sequences, of_video
from tests.support.footage import line, write_sequence, write_video


def test_each_sequence_is_a_camera_unless_all_are_one(tmp_path: Path) -> None:
    for name in ("west", "east"):
        write_sequence(tmp_path / name)
    views, passed = of_sequences(tmp_path, choose)
    assert passed == []
    assert [(view.footage.name, view.camera, view.sequence) for view in views] == [("east", 1, None), ("west", 2, None)]
    views, _ = of_sequences(tmp_path, choose, camera=7)
    assert [(view.camera, view.sequence) for view in views] == [(7, 1), (7, 2)]
    (only,), _ = of_sequences(tmp_path / "west", choose, camera=7)
    assert (only.camera, only.sequence) == (7, None)


def test_boxes_beyond_the_frames_at_hand_are_counted(tmp_path: Path) -> None:
    lines = [line(1, 1), line(3, 1), line(4, 1), line(4, 2), line(9, 1), line(2, 2, "0,7,1")]
    ((view,), _) = of_sequences(write_sequence(tmp_path / "door", lines=lines), choose)
    assert view.boxes.frames.tolist() == [1, 3]
    assert view.left_out == {"of other classes": 1, "beyond the frames at hand": 3}
    assert view.beyond == 2


def test_the_digest_changes_with_what_is_cut_and_nothing_else(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "door")
    digests = [of_sequences(folder, choose, camera=camera)[0][0].digest() for camera in (1, 2)]
    assert digests[0] == digests[1]
    file = folder / "gt" / "gt.txt"
    file.write_text(file.read_text().replace(line(1, 1), line(1, 1).replace("10,18", "11,18")))
    assert of_sequences(folder, choose)[0][0].digest() != digests[0]


def test_a_video_whose_boxes_begin_with_frame_0(tmp_path: Path) -> None:
    video, boxes = write_video(tmp_path / "door.mp4"), tmp_path / "tracks.txt"
    boxes.write_text("0,1,8,2,10,18\n11,1,52,2,10,18\n12,1,56,2,10,18\n")
    view = of_video(video, choose, boxes)
    assert view.boxes.frames.tolist() == [0, 11]
    assert view.left_out == {"beyond the frames at hand": 1}
    assert (view.camera, view.footage.time(11)) == (1, 1100)
    view = of_video(video, choose, boxes, camera=4, first=1)
    assert view.boxes.frames.tolist() == [11, 12]
    assert (view.camera, view.footage.time(11)) == (4, 1000)
