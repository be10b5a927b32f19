from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resight.data.crops.footage import Footage
from resight.data.crops.sequences import FrameFolder
from resight.data.crops.videos import Video
from tests.support.footage import write_sequence, write_video


@pytest.mark.parametrize("kind", ["sequence", "video"])
def test_a_folder_and_a_video_of_the_same_frames_are_used_alike(kind: str, tmp_path: Path) -> None:
    footage: Footage
    if kind == "sequence":
        footage = FrameFolder(write_sequence(tmp_path / "door", frames=5))
    else:
        footage = Video(write_video(tmp_path / "door.mp4", frames=5))
    assert footage.name == "door"
    assert footage.holds(np.array([0, 1, 5, 6])).tolist() == [False, True, True, False]
    assert [footage.time(number) for number in (1, 3)] == [0, 200]
    assert [number for number, _ in footage.pictures([2, 5])] == [2, 5]
    assert [pixels.shape for _, pixels in footage.pictures([2, 5]) if not isinstance(pixels, str)] == [(64, 96, 3)] * 2
    assert list(footage.pictures([])) == []
