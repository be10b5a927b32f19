"""A sequence as MOTChallenge and DanceTrack lay it out: pictures in `img1/`, and `seqinfo.ini` with the frame rate."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resight.data.crops.footage import Picture
from resight.data.images import image_names, read_image
from resight.errors import DataError, ImageError

__all__ = ["FrameFolder", "boxes_of", "find_sequences"]

_INFO = "seqinfo.ini"
_FRAMES = "img1"
_DETECTOR = re.compile(r"^(MOT17-\d+)-(DPM|FRCNN|SDP)$")


class FrameFolder:
    """The frames of a sequence's folder, as pictures whose names are their numbers.

    >>> frames = FrameFolder("MOT17/train/MOT17-02-FRCNN")

    Raises DataError when the folder holds no such pictures, or seqinfo.ini is damaged.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser()
        info = _info(self.folder / _INFO)
        self.name = self.folder.resolve().name
        self.rate = _rate(self.folder / _INFO, info)
        """Frames a second; None where seqinfo.ini does not say."""
        self._places = _numbered(self.folder / info.get("imdir", _FRAMES))

    def __len__(self) -> int:
        return len(self._places)

    def holds(self, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[N]: whether there is a picture of the frame."""
        return np.isin(frames, np.fromiter(self._places, np.int64, len(self._places)))

    def time(self, frame: int) -> int | None:
        """Milliseconds from frame 1 to a frame; None where the rate is not known."""
        return None if self.rate is None else round((frame - 1) * 1000 / self.rate)

    def pictures(self, frames: Sequence[int]) -> Iterator[Picture]:
        """The frames, one at a time; a line in place of one that cannot be read."""
        for frame in frames:
            try:
                yield frame, read_image(self._places[frame])
            except ImageError as error:
                yield frame, str(error)


def find_sequences(root: str | os.PathLike[str]) -> tuple[list[Path], list[str]]:
    """The sequences of a folder, which is one or holds some, by name; and a line for what is passed over.

    MOT17 comes with every sequence three times, once for each detector; of these, one is taken. Raises DataError when
    there is no sequence.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: {'a file' if folder.exists() else 'no such folder'}; name a sequence's folder")
    if _is_sequence(folder):
        return [folder], []
    found = [child for child in sorted(folder.iterdir()) if _is_sequence(child)]
    if not found:
        deeper = next((child for child in sorted(folder.iterdir()) if _holds_sequences(child)), None)
        hint = f"; did you mean {deeper}?" if deeper else f"; a sequence holds {_FRAMES}/ with its frames"
        raise DataError(f"{folder}: no sequence in it{hint}")
    return _of_one_detector(found)


def boxes_of(sequence: Path, boxes: str | os.PathLike[str] | None = None) -> Path:
    """A sequence's file of boxes: its gt/gt.txt or, where there is none, det/det.txt.

    `boxes` is `gt` or `det` to have that one; a file; or a folder of a tracker's results, with a NAME.txt for each
    sequence. Raises DataError when there is no such file.
    """
    own = {"gt": sequence / "gt" / "gt.txt", "det": sequence / "det" / "det.txt"}
    if boxes is None:
        found = next((path for path in own.values() if path.is_file()), None)
        if found is None:
            raise DataError(f"{sequence}: neither gt/gt.txt nor det/det.txt in it; name a file of boxes")
        return found
    given = own.get(os.fspath(boxes)) or Path(boxes).expanduser()
    path = given / f"{sequence.resolve().name}.txt" if given.is_dir() else given
    if not path.is_file():
        raise DataError(f"{path}: no such file of boxes for {sequence}")
    return path


def _is_sequence(folder: Path) -> bool:
    return (folder / _INFO).is_file() or (folder / _FRAMES).is_dir()


def _holds_sequences(folder: Path) -> bool:
    return folder.is_dir() and any(map(_is_sequence, folder.iterdir()))


def _of_one_detector(sequences: list[Path]) -> tuple[list[Path], list[str]]:
    kept: dict[str, Path] = {}
    for path in sequences:
        match = _DETECTOR.match(path.name)
        kept.setdefault(match.group(1) if match else path.name, path)
    passed = len(sequences) - len(kept)
    told = f"{passed} folders hold the frames of another one, with another detector's boxes, and are passed over"
    return list(kept.values()), [told] if passed else []


def _info(file: Path) -> dict[str, str]:
    """Key in small letters -> value of seqinfo.ini; nothing where there is no such file."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file, encoding="utf-8-sig")
        return dict(parser["Sequence"]) if parser.sections() else {}
    except (configparser.Error, KeyError, UnicodeError) as error:
        raise DataError(f"{file}: damaged ({str(error).splitlines()[0]}); a section [Sequence] is expected") from None


def _rate(file: Path, info: dict[str, str]) -> float | None:
    if "framerate" not in info:
        return None
    try:
        rate = float(info["framerate"])
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise DataError(f"{file}: frameRate {info['framerate']}: a number over 0 is expected")
    return rate


def _numbered(folder: Path) -> dict[int, str]:
    """Frame number -> path of its picture."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; a sequence has its frames there")
    names = image_names(folder)
    if not names:
        raise DataError(f"{folder}: no frames in it")
    odd = next((name for name in names if not os.path.splitext(name)[0].isdecimal()), None)
    if odd is not None:
        raise DataError(f"{folder / odd}: frames are called by their numbers, as 000001.jpg")
    return {int(os.path.splitext(name)[0]): os.path.join(folder, name) for name in names}
