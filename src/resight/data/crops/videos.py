"""A video's frames, one at a time, in memory that does not grow with its length. PyAV decodes (`resight[video]`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resight.data.crops.footage import Picture
from resight.errors import DataError, MissingExtraError

__all__ = ["Video"]


class Video:
    """The frames of a video file, numbered in the order in which they are shown, from `first` on.

    >>> video = Video("door.mp4")
    >>> for number, pixels in video.pictures([1, 2, 3]): ...

    A frame has its number by the time stamp in the file, so that one that cannot be decoded moves no other. Frames are
    turned upright as the file says. Raises MissingExtraError without PyAV, DataError for a file that is no video.
    """

    def __init__(self, path: str | os.PathLike[str], first: int = 1) -> None:
        self.path, self.first = Path(path).expanduser(), first
        self.name = self.path.stem
        with self._opened() as (_, stream):
            self._unit: Fraction = stream.time_base
        self._stamps, self._keys = self._listed()

    def __len__(self) -> int:
        return len(self._stamps)

    def holds(self, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[N]: whether the video is so long."""
        return (frames >= self.first) & (frames < self.first + len(self))

    def time(self, frame: int) -> int:
        """Milliseconds from the first frame to a frame, which need not all be equally long."""
        return round((self._stamps[frame - self.first] - self._stamps[0]) * self._unit * 1000)

    def pictures(self, frames: Sequence[int]) -> Iterator[Picture]:
        """The frames, one at a time; a line in place of one that cannot be decoded.

        Decoding begins at the key frame before the first one.
        """
        waiting = [int(self._stamps[frame - self.first]) for frame in frames][::-1]
        for stamp, pixels in self._decoded(waiting[-1], waiting[0]) if waiting else ():
            while waiting and waiting[-1] < stamp:
                yield self._missing(waiting.pop())
            if waiting and waiting[-1] == stamp:
                waiting.pop()
                yield self._number(stamp), pixels.turned()
        for stamp in reversed(waiting):
            yield self._missing(stamp)

    def _decoded(self, first: int, last: int) -> Iterator[tuple[int, _Frame]]:
        """Frames from the time stamp `first` or before to `last`, in the order in which they are shown."""
        import av

        with self._opened() as (container, stream):
            container.seek(self._key_before(first), stream=stream)
            for packet in container.demux(stream):
                try:
                    shown = packet.decode()
                except av.error.FFmpegError:  # what it held is missing, and named by `pictures`
                    continue
                for frame in shown:
                    stamp = _stamp(frame)
                    if stamp is not None and first <= stamp:
                        yield stamp, _Frame(frame)
                    if stamp is not None and stamp >= last:
                        return

    def _listed(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The time stamps of all frames, [N], and when key frames are shown and decoded, [K, 2]; ascending, in the
        stream's unit. Nothing is decoded."""
        stamps, keys = [], []
        with self._opened() as (container, stream):
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    stamps.append(_stamp(packet))
                    if packet.is_keyframe:
                        keys.append((_stamp(packet), packet.dts))
        if not stamps or None in stamps:
            raise DataError(
                f"{self.path}: its frames have no time stamps; wrap it anew, as by `ffmpeg -i {self.path.name} -c copy new.mkv`"
            )
        times = [(shown, shown if decoded is None else decoded) for shown, decoded in keys]
        return np.unique(np.array(stamps, np.int64)), np.array(sorted(times), np.int64).reshape(-1, 2)

    def _key_before(self, stamp: int) -> int:
        """What to seek for, so that decoding begins with the key frame before a frame, or with an earlier one.

        Some containers seek by when a frame is decoded, some by when it is shown.
        """
        place = int(np.searchsorted(self._keys[:, 0], stamp, side="right")) - 1
        return int(self._keys[place].min()) if place >= 0 else int(self._stamps[0])

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """The file and its first video stream, whose frames are decoded on several cores."""
        try:
            import av
        except ImportError:
            raise MissingExtraError("reading videos needs PyAV: pip install 'resight[video]'") from None
        if not self.path.is_file():
            raise DataError(f"{self.path}: {'a folder' if self.path.is_dir() else 'no such file'}; give a video's file")
        try:
            container = av.open(os.fspath(self.path))
        except (av.error.FFmpegError, OSError) as error:
            raise DataError(f"{self.path}: not a readable video ({error.strerror or error})") from None
        with container:
            if not container.streams.video:
                raise DataError(f"{self.path}: holds no video")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream

    def _number(self, stamp: int) -> int:
        return self.first + int(np.searchsorted(self._stamps, stamp))

    def _missing(self, stamp: int) -> Picture:
        number = self._number(stamp)
        return number, f"{self.path}: frame {number} cannot be decoded"


class _Frame:
    """A decoded frame; its pixels are made when they are asked for."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def turned(self) -> NDArray[np.uint8]:
        """The pixels, upright."""
        pixels = self._frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(pixels, round(self._frame.rotation / 90)))


def _stamp(part: Any) -> int | None:
    """When a packet or frame is shown; containers such as AVI say only when it is decoded, which is the same there."""
    return part.pts if part.pts is not None else part.dts
