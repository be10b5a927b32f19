"""Frames of people who are rectangles of a colour each, as a sequence's folder and as a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["COLOURS", "HEIGHT", "WIDTH", "frame", "line", "place", "write_sequence", "write_video"]

WIDTH, HEIGHT = 96, 64
COLOURS = {1: (230, 30, 30), 2: (30, 220, 30), 3: (40, 40, 230)}
"""Track -> the colour of its person."""


def place(track: int, number: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of a person in a frame: they walk to the right, on lanes of their own."""
    return 4 + 4 * number, 2 + 20 * (track - 1), 10, 18


def frame(number: int, tracks: Sequence[int] = (1, 2, 3)) -> NDArray[np.uint8]:
    """Pixels [64, 96, 3]."""
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for track in tracks:
        left, top, width, height = place(track, number)
        pixels[top : top + height, left : left + width] = COLOURS[track]
    return pixels


def line(number: int, track: int, rest: str = "1,1,1") -> str:
    """A line of gt.txt."""
    return ",".join(map(str, (number, track, *place(track, number)))) + f",{rest}"


def write_sequence(
    folder: Path, frames: int = 3, tracks: Sequence[int] = (1, 2, 3), lines: Sequence[str] | None = None, rate: int = 10
) -> Path:
    """A sequence as MOTChallenge lays it out, by default with the true boxes in gt/gt.txt."""
    for name in ("img1", "gt"):
        (folder / name).mkdir(parents=True)
    for number in range(1, frames + 1):
        Image.fromarray(frame(number, tracks)).save(folder / "img1" / f"{number:06d}.png")
    if lines is None:
        lines = [line(number, track) for track in tracks for number in range(1, frames + 1)]
    (folder / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={rate}\nimExt=.png\n")
    return folder


def write_video(path: Path, frames: int = 12, rate: int = 10, stamps: Sequence[int] | None = None) -> Path:
    """The same frames as a video with B-frames, a key frame in five; `stamps` are when they are shown, in 1/rate s."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate, options={"g": "5", "bf": "2"})
        stream.width, stream.height, stream.bit_rate = WIDTH, HEIGHT, 4_000_000
        for number in range(1, frames + 1):
            shown = av.VideoFrame.from_ndarray(frame(number), format="rgb24")
            shown.pts = stamps[number - 1] if stamps else number - 1
            container.mux(stream.encode(shown))
        container.mux(stream.encode())
    return path
