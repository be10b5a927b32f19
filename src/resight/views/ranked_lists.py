"""Ranked lists as a picture: each query with the images found for it, framed by whether they are right."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from resight.errors import DataError
from resight.files import written_whole

__all__ = ["FRAMES", "RankedList", "Tile", "Verdict", "ranked_lists", "save"]

Verdict = Literal["right", "wrong", "junk", "unknown"]

FRAMES: dict[Verdict, tuple[int, int, int]] = {
    "right": (22, 145, 70),
    "wrong": (205, 40, 45),
    "junk": (140, 140, 140),
    "unknown": (45, 105, 190),
}
"""Colour of the frame. A mark says the same for those who cannot tell the colours apart."""

_MARKS: dict[Verdict, list[list[tuple[float, float]]]] = {
    "right": [[(0.2, 0.55), (0.42, 0.77), (0.82, 0.26)]],
    "wrong": [[(0.24, 0.24), (0.76, 0.76)], [(0.76, 0.24), (0.24, 0.76)]],
    "junk": [[(0.2, 0.5), (0.8, 0.5)]],
    "unknown": [],
}
_INK, _PAPER, _QUERY = (30, 32, 36), (255, 255, 255), (30, 32, 36)
_MOST_PIXELS = 50_000_000


@dataclass(frozen=True, slots=True)
class Tile:
    """One image found."""

    path: str
    verdict: Verdict
    caption: str = ""


@dataclass(frozen=True, slots=True)
class RankedList:
    """A query and what was found for it, best first."""

    query: str
    """Path of the query's image."""
    caption: str
    tiles: Sequence[Tile]


def ranked_lists(lists: Sequence[RankedList], *, tile_height: int = 128) -> Image.Image:
    """A row for each list: the query, then its tiles, each captioned.

    >>> ranked_lists([RankedList("q.jpg", "query", [Tile("a.jpg", "right", "0.91")])]).save("list.png")  # doctest: +SKIP

    Images keep their shape within equal cells. One that cannot be read becomes a crossed box. Raises DataError when
    there is no list.
    """
    if not lists:
        raise DataError("no ranked list to draw")
    width = round(tile_height * _widest(lists))
    border, gap, line = max(3, tile_height // 32), max(6, tile_height // 16), max(11, tile_height // 9)
    font = ImageFont.load_default(size=line)
    cell = (width + 2 * border + gap, tile_height + 2 * border + line + 2 * gap)
    columns = max(len(row.tiles) for row in lists)
    page = Image.new("RGB", (2 * gap + cell[0] * (columns + 1) + gap, gap + cell[1] * len(lists)), _PAPER)
    draw = ImageDraw.Draw(page)
    for number, row in enumerate(lists):
        top = gap + number * cell[1]
        cells: list[tuple[str, tuple[int, int, int], Verdict | None, str]] = [(row.query, _QUERY, None, row.caption)]
        cells += [(tile.path, FRAMES[tile.verdict], tile.verdict, tile.caption) for tile in row.tiles]
        for column, (path, colour, verdict, caption) in enumerate(cells):
            left = gap + column * cell[0] + (gap if column else 0)
            box = (left, top, left + width + 2 * border, top + tile_height + 2 * border)
            draw.rectangle(box, fill=colour)
            page.paste(_picture(path, (width, tile_height)), (left + border, top + border))
            if verdict is not None:
                _mark(draw, verdict, colour, (left, top), max(14, tile_height // 8))
            _caption(draw, caption, (left, box[3] + 2), box[2] - left, font)
    return page


def save(picture: Image.Image, path: str | os.PathLike[str]) -> None:
    """Write a picture, whole or not at all. Raises DataError when the name's ending is no image format."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg", ".webp"):
        raise DataError(f"{path}: name a picture that ends in .png, .jpg or .webp")
    with written_whole(path) as partial:
        picture.save(partial, format={".png": "PNG", ".webp": "WEBP"}.get(suffix, "JPEG"), quality=92)


def _widest(lists: Sequence[RankedList]) -> float:
    """Width over height of a cell: that of the widest query, within reason."""
    shapes = []
    for row in lists:
        try:
            with Image.open(row.query) as image:
                shapes.append(image.width / image.height)
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
    return min(2.0, max(0.4, max(shapes, default=0.5)))


def _picture(path: str, size: tuple[int, int]) -> Image.Image:
    """The image within `size`, its shape kept."""
    cell = Image.new("RGB", size, (238, 238, 238))
    try:
        with Image.open(path) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise OSError("too large")
            shape = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        draw = ImageDraw.Draw(cell)
        draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=(150, 150, 150))
        draw.line((0, 0, *size), fill=(150, 150, 150))
        draw.line((0, size[1], size[0], 0), fill=(150, 150, 150))
        return cell
    scale = min(size[0] / shape.width, size[1] / shape.height)
    fitted = shape.resize(
        (max(1, round(shape.width * scale)), max(1, round(shape.height * scale))), Image.Resampling.BICUBIC
    )
    cell.paste(fitted, ((size[0] - fitted.width) // 2, (size[1] - fitted.height) // 2))
    return cell


def _mark(
    draw: ImageDraw.ImageDraw,
    verdict: Verdict,
    colour: tuple[int, int, int],
    corner: tuple[int, int],
    side: int,
) -> None:
    if not _MARKS[verdict]:
        return
    left, top = corner
    draw.rectangle((left, top, left + side, top + side), fill=colour)
    for stroke in _MARKS[verdict]:
        draw.line([(left + x * side, top + y * side) for x, y in stroke], fill=_PAPER, width=max(2, side // 7))


def _caption(
    draw: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[int, int],
    width: int,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    while text and draw.textlength(text, font=font) > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    draw.text(corner, text, fill=_INK, font=font)
