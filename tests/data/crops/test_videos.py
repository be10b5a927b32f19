from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from resight.data.crops.videos import Video
from resight.errors import DataError, MissingExtraError
from tests.support.footage import COLOURS, frame, place, write_video


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "door.mp4")


def nearest(pixels: np.ndarray) -> int:
    """The frame that pixels show, whose codec loses a little."""
    return int(np.argmin([np.abs(pixels.astype(int) - frame(number)).mean() for number in range(1, 13)])) + 1


@pytest.mark.parametrize("wanted", [[1, 2, 3], [12], [3, 7, 8], [6], list(range(1, 13))])
def test_frames_are_found_by_number_wherever_decoding_begins(file: Path, wanted: list[int]) -> None:
    video = Video(file)
    assert (video.name, len(video)) == ("door", 12)
    shown = list(video.pictures(wanted))
    assert [number for number, _ in shown] == wanted
    assert [nearest(pixels) for _, pixels in shown if not isinstance(pixels, str)] == wanted


def test_frames_may_be_counted_from_0(file: Path) -> None:
    video = Video(file, first=0)
    assert video.holds(np.array([-1, 0, 11, 12])).tolist() == [False, True, True, False]
    ((number, pixels),) = video.pictures([4])
    assert (number, nearest(pixels)) == (4, 5)  # type: ignore[arg-type]
    assert (video.time(0), video.time(4)) == (0, 400)


@pytest.mark.parametrize("ending", [".mkv", ".avi"])
def test_other_containers(ending: str, tmp_path: Path) -> None:
    video = Video(write_video(tmp_path / f"door{ending}"))
    assert len(video) == 12
    assert [nearest(pixels) for _, pixels in video.pictures([2, 9]) if not isinstance(pixels, str)] == [2, 9]


def test_times_are_those_of_the_file_where_the_rate_varies(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 10, 11, 30]
    video = Video(write_video(tmp_path / "door.mkv", frames=6, stamps=stamps))
    assert [video.time(number) for number in range(1, 7)] == [100 * stamp for stamp in stamps]


def test_a_frame_that_cannot_be_decoded_is_named_and_moves_no_other(tmp_path: Path) -> None:
    import av

    whole = write_video(tmp_path / "whole.mkv")
    with av.open(str(whole)) as source, av.open(str(tmp_path / "torn.mkv"), "w") as torn:
        stream = torn.add_stream_from_template(source.streams.video[0])
        for place, packet in enumerate(source.demux(source.streams.video[0])):
            if packet.size:
                broken = av.Packet(bytes(packet.size)) if place == 8 else packet
                broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                broken.stream = stream
                torn.mux(broken)
    video = Video(tmp_path / "torn.mkv")
    assert len(video) == 12
    shown = dict(video.pictures(range(1, 13)))
    assert list(shown) == list(range(1, 13))
    lost = {number: told for number, told in shown.items() if isinstance(told, str)}
    assert len(lost) == 1
    (number,) = lost
    assert lost[number] == f"{tmp_path / 'torn.mkv'}: frame {number} cannot be decoded"
    assert nearest(shown[12]) == 12  # type: ignore[arg-type]


def test_a_person_stands_where_the_boxes_say(file: Path) -> None:
    ((_, pixels),) = Video(file).pictures([7])
    for track, colour in COLOURS.items():
        left, top, width, height = place(track, 7)
        middle = pixels[top + height // 2, left + width // 2]  # type: ignore[call-overload, index]
        assert np.abs(middle.astype(int) - colour).max() < 40


def test_what_is_no_video_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"a.mp4: not a readable video \(Invalid data found"):
        Video(tmp_path / "a.mp4")
    with pytest.raises(DataError, match="b.mp4: no such file; give a video's file"):
        Video(tmp_path / "b.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"reading videos needs PyAV: pip install 'resight\[video\]'"):
        Video(tmp_path / "a.mp4")
