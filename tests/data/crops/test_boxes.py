from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resight.data.crops.boxes import NO_TRACK, choose, read_boxes
from resight.errors import DataError


def written(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_annotations_have_a_flag_classes_and_visibility(tmp_path: Path) -> None:
    boxes = read_boxes(written(tmp_path / "gt" / "gt.txt", "1,1,912,484,97,109,0,7,1.0", "2,3,10,20,30,40,1,1,0.25"))
    assert boxes.truth
    assert boxes.frames.tolist() == [1, 2]
    assert boxes.tracks.tolist() == [1, 3]
    assert boxes.places.tolist() == [[912, 484, 97, 109], [10, 20, 30, 40]]
    assert (boxes.confidence.tolist(), boxes.classes.tolist()) == ([0, 1], [7, 1])
    assert boxes.visibility.tolist() == [1, 0.25]


@pytest.mark.parametrize(
    ("line", "track", "confidence"),
    [
        ("69,-1,912.8,482.9,97.6,112.6,0.5", NO_TRACK, 0.5),  # det.txt of MOT17
        ("69,-1,912.8,482.9,97.6,112.6,0.5,-1,-1,-1", NO_TRACK, 0.5),  # det.txt of MOT16
        ("69,4,912.8,482.9,97.6,112.6,1,-1,-1,-1", 4, 1),  # a tracker's results
        ("69 4.0 912.8 482.9 97.6 112.6", 4, 1),
    ],
)
def test_detections_and_results_of_trackers(line: str, track: int, confidence: float, tmp_path: Path) -> None:
    boxes = read_boxes(written(tmp_path / "some.txt", line, ""))
    assert (boxes.truth, len(boxes)) == (False, 1)
    assert (boxes.frames[0], boxes.tracks[0], boxes.confidence[0]) == (69, track, confidence)
    assert boxes.places[0].tolist() == [912.8, 482.9, 97.6, 112.6]
    assert len(choose(boxes).boxes) == 1
    with pytest.raises(DataError, match="these boxes have no classes"):
        choose(boxes, classes=[1])


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["1,2,3,4,5"], "5 columns; a line is frame, track, left, top, width, height and up to four more"),
        (["1,2,3,4,5,6", "1,2,3,4,5,6,7"], "box 2 has 7 columns, the first has 6"),
        (["frame,id,x,y,w,h"], "could not convert string to float: 'frame'; only numbers are expected"),
        (["1.5,2,3,4,5,6"], "frame, track and class are whole numbers; some here are not"),
        ([""], "holds no boxes"),
    ],
)
def test_files_that_hold_no_boxes_are_named(lines: list[str], told: str, tmp_path: Path) -> None:
    file = written(tmp_path / "gt.txt", *lines)
    with pytest.raises(DataError, match=f"^{file}: {told}"):
        read_boxes(file)
    with pytest.raises(DataError, match="a folder; give a file of boxes"):
        read_boxes(tmp_path)


def test_what_is_ignored_hidden_or_of_another_class_is_left_out_and_counted(tmp_path: Path) -> None:
    lines = [
        "1,1,0,0,9,9,1,1,0.9",
        "1,2,0,0,9,9,0,1,0.9",  # an ignored region
        "1,3,0,0,9,9,0,3,0.9",  # a car
        "1,4,0,0,9,9,1,1,0.1",
        "1,5,0,0,0,9,1,1,0.9",
        "1,1,5,5,9,9,1,1,0.9",  # track 1 again
        "2,6,0,0,nan,9,1,1,0.9",
    ]
    boxes = read_boxes(written(tmp_path / "gt.txt", *lines))
    chosen = choose(boxes, min_visibility=0.2)
    assert chosen.boxes.tracks.tolist() == [1]
    assert chosen.boxes.places.tolist() == [[0, 0, 9, 9]]
    assert chosen.left_out == {"ignored": 1, "of other classes": 1, "hidden": 1, "empty": 2, "twice in a frame": 1}
    assert choose(boxes, classes=[3]).boxes.tracks.tolist() == [3]
    assert choose(boxes, classes=[1, 3]).boxes.tracks.tolist() == [1, 2, 3, 4]


def test_a_detectors_doubts_count_and_a_flag_is_none(tmp_path: Path) -> None:
    lines = ["1,-1,0,0,9,9,0.3", "1,-1,5,0,9,9,0.8"]
    chosen = choose(read_boxes(written(tmp_path / "det.txt", *lines)), min_confidence=0.5)
    assert chosen.boxes.confidence.tolist() == [0.8]
    assert chosen.left_out == {"unsure": 1}
    truth = read_boxes(written(tmp_path / "gt.txt", "1,1,0,0,9,9,1,1,1"))
    assert len(choose(truth, min_confidence=2.0).boxes) == 1


def test_every_third_box_of_each_track_begins_with_its_first(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    seen = [(frame, track) for track in (1, 2, 9) for frame in range(track, track + 7 * track, track)]
    lines = [f"{frame},{track},0,0,9,9" for frame, track in random.permutation(seen)]
    lines += [f"{frame},-1,0,0,9,9" for frame in range(1, 8)]
    boxes = choose(read_boxes(written(tmp_path / "some.txt", *lines)), every=3).boxes
    for track in (1, 2, 9):
        frames = sorted(frame for frame, other in seen if other == track)
        assert sorted(boxes.frames[boxes.tracks == track].tolist()) == frames[::3]
    assert boxes.frames[boxes.tracks == NO_TRACK].tolist() == [1, 4, 7]
