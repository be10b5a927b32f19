"""What stands in a grid of pictures: the frame of each tile and the colour in the middle of its image."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from resight.views.grids import FRAMES, Verdict

__all__ = ["Colour", "plain_image", "ranked", "tiled"]

Colour = tuple[int, int, int]
Found = tuple[Verdict, Colour]
_VERDICTS = {colour: verdict for verdict, colour in FRAMES.items()}
_PAPER = (255, 255, 255)


def plain_image(path: str, colour: Colour, size: tuple[int, int] = (16, 32)) -> str:
    """Write an image of one colour, half as wide as high unless a size (width, height) is given."""
    Image.new("RGB", size, colour).save(path)
    return path


def tiled(picture: Image.Image, height: int = 128) -> list[list[Found]]:
    """Rows of a grid of tiles: verdict and colour of each tile. Images are half as wide as high."""
    frame, gap, below = _measures(height)
    rows = range(gap, picture.height - gap, frame[1] + below + gap)
    return [list(_tiles(picture, gap, top, height)) for top in rows]


def ranked(picture: Image.Image, height: int = 128) -> list[tuple[Colour, list[Found]]]:
    """Rows of ranked lists: the query's colour, then verdict and colour of each tile."""
    frame, gap, below = _measures(height)
    rows = range(gap, picture.height - gap, frame[1] + below + gap)
    first = gap + frame[0] + 2 * gap
    return [(_middle(picture, gap, top, height), list(_tiles(picture, first, top, height))) for top in rows]


def _tiles(picture: Image.Image, left: int, top: int, height: int) -> Iterator[Found]:
    frame, gap, _ = _measures(height)
    for start in range(left, picture.width - gap, frame[0] + gap):
        colour = picture.getpixel((start + frame[0] - 1, top + 1))
        if colour != _PAPER:
            yield _VERDICTS[colour], _middle(picture, start, top, height)  # type: ignore[index]


def _middle(picture: Image.Image, left: int, top: int, height: int) -> Colour:
    frame, _, _ = _measures(height)
    return picture.getpixel((left + frame[0] // 2, top + frame[1] // 2))  # type: ignore[return-value]


def _measures(height: int) -> tuple[tuple[int, int], int, int]:
    """A tile with its frame, the gap between two, and what its caption takes below it: all in pixels."""
    border, gap, line = max(3, height // 32), max(6, height // 16), max(11, height // 9)
    return (height // 2 + 2 * border, height + 2 * border), gap, line + gap
