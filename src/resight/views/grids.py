"""Ranked lists as a picture: each query with the images found for it, framed by whether they are right."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from resight.errors import DataError
from resight.files import written_whole

__all__ = [
    "FRAMES",
    "RankedList",
    "Tile",
    "Verdict",
    "found_caption",
    "image_rows",
    "ranked_lists",
    "reconstructions",
    "save",
    "tile_grid",
]

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
    """One image found: its path, or a picture that lies on no disk."""

    path: str | Image.Image
    verdict: Verdict
    caption: str = ""


@dataclass(frozen=True, slots=True)
class RankedList:
    """A query and what was found for it, best first."""

    query: str | Image.Image
    """Path of the query's image, or a picture that lies on no disk."""
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
    size = _Cell(tile_height, _widest([row.query for row in lists]))
    columns = max(len(row.tiles) for row in lists)
    page = Image.new("RGB", (3 * size.gap + size.step[0] * (columns + 1), size.gap + size.step[1] * len(lists)), _PAPER)
    draw = ImageDraw.Draw(page)
    for number, row in enumerate(lists):
        top = size.gap + number * size.step[1]
        _draw_cell(page, draw, size, (size.gap, top), row.query, None, row.caption)
        for column, tile in enumerate(row.tiles, 1):
            left = 2 * size.gap + column * size.step[0]
            _draw_cell(page, draw, size, (left, top), tile.path, tile.verdict, tile.caption)
    return page


def found_caption(value: float, camera: int) -> str:
    """What stands under an image found: its score or distance, and its camera where that is known (from 0)."""
    return f"{value:.3f}" + (f" c{camera}" if camera >= 0 else "")


def tile_grid(tiles: Sequence[Tile], *, columns: int = 8, tile_height: int = 128) -> Image.Image:
    """Tiles in rows, without a query. Raises DataError when there is none."""
    if not tiles:
        raise DataError("no tile to draw")
    size = _Cell(tile_height, _widest([tile.path for tile in tiles]))
    rows = -(-len(tiles) // columns)
    page = Image.new(
        "RGB", (size.gap + size.step[0] * min(columns, len(tiles)), size.gap + size.step[1] * rows), _PAPER
    )
    draw = ImageDraw.Draw(page)
    for number, tile in enumerate(tiles):
        corner = (size.gap + number % columns * size.step[0], size.gap + number // columns * size.step[1])
        _draw_cell(page, draw, size, corner, tile.path, tile.verdict, tile.caption)
    return page


def save(picture: Image.Image, path: str | os.PathLike[str]) -> None:
    """Write a picture, whole or not at all. Raises DataError when the name's ending is no image format."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg", ".webp"):
        raise DataError(f"{path}: name a picture that ends in .png, .jpg or .webp")
    with written_whole(path) as partial:
        picture.save(partial, format={".png": "PNG", ".webp": "WEBP"}.get(suffix, "JPEG"), quality=92)


class _Cell:
    """Measures of a cell, in pixels."""

    def __init__(self, height: int, shape: float) -> None:
        self.image = (round(height * shape), height)
        self.border, self.gap, line = max(3, height // 32), max(6, height // 16), max(11, height // 9)
        self.font = ImageFont.load_default(size=line)
        self.outer = (self.image[0] + 2 * self.border, height + 2 * self.border)
        self.step = (self.outer[0] + self.gap, self.outer[1] + line + 2 * self.gap)


def _draw_cell(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    size: _Cell,
    corner: tuple[int, int],
    path: str | Image.Image,
    verdict: Verdict | None,
    caption: str,
) -> None:
    """A framed image with its mark and caption; without a verdict it is a query."""
    left, top = corner
    colour = _QUERY if verdict is None else FRAMES[verdict]
    draw.rectangle((left, top, left + size.outer[0], top + size.outer[1]), fill=colour)
    page.paste(_picture(path, size.image), (left + size.border, top + size.border))
    if verdict is not None:
        _mark(draw, verdict, colour, corner, max(14, size.image[1] // 8))
    _caption(draw, caption, (left, top + size.outer[1] + 2), size.outer[0], size.font)


def _widest(paths: Sequence[str | Image.Image]) -> float:
    """Width over height of a cell: that of the widest image, within reason."""
    shapes = []
    for path in paths:
        try:
            with _opened(path) as image:
                shapes.append(image.width / image.height)
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
    return min(2.0, max(0.4, max(shapes, default=0.5)))


def _opened(path: str | Image.Image) -> AbstractContextManager[Image.Image]:
    return nullcontext(path) if isinstance(path, Image.Image) else Image.open(path)


def _picture(path: str | Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image within `size`, its shape kept."""
    cell = Image.new("RGB", size, (238, 238, 238))
    try:
        with _opened(path) as image:
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


def image_rows(rows: Mapping[str, Sequence[NDArray[np.uint8]]], *, height: int = 128) -> Image.Image:
    """A row for each caption, its images uint8 (height, width, 3) side by side, each `height` pixels high.

    >>> image_rows({"flip": [first, second]}).save("rows.png")  # doctest: +SKIP

    Raises DataError when there is no image.
    """
    drawn = {caption: [_scaled(image, height) for image in images] for caption, images in rows.items()}
    if not any(drawn.values()):
        raise DataError("no image to draw")
    gap, line = max(4, height // 24), max(11, height // 9)
    font = ImageFont.load_default(size=line)
    width = max(sum(image.width + gap for image in images) for images in drawn.values())
    label = max(font.getlength(caption) for caption in drawn)
    step = gap + line + gap + height
    page = Image.new("RGB", (gap + max(width, int(label) + gap), gap + step * len(drawn)), _PAPER)
    draw = ImageDraw.Draw(page)
    for number, (caption, images) in enumerate(drawn.items()):
        left, top = gap, gap + number * step
        draw.text((left, top), caption, fill=_INK, font=font)
        for image in images:
            page.paste(image, (left, top + line + gap))
            left += image.width + gap
    return page


def _scaled(pixels: NDArray[np.uint8], height: int) -> Image.Image:
    image = Image.fromarray(pixels)
    return image.resize((max(1, round(image.width * height / image.height)), height))


_GAP = 2


def reconstructions(given: NDArray[np.uint8], made: NDArray[np.uint8], *, height: int = 128) -> Image.Image:
    """Two rows: uint8 (number, 3, height, width) images above their reconstructions, enlarged to `height` pixels.

    >>> reconstructions(images, model.reconstruct_batch(images)).save("reconstructions.png")  # doctest: +SKIP

    Raises DataError when there are none, or the two do not match.
    """
    if given.shape != made.shape or not len(given):
        raise DataError(f"images of shape {given.shape} have no reconstructions of shape {made.shape} to stand above")
    rows = [_row(images) for images in (given, made)]
    page = Image.fromarray(np.concatenate([rows[0], np.full_like(rows[0][:_GAP], _PAPER), rows[1]]))
    times = max(1, height // given.shape[2])
    return page.resize((page.width * times, page.height * times), Image.Resampling.NEAREST)


def _row(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    spaced = np.pad(images.transpose(0, 2, 3, 1), ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=_PAPER)
    return np.concatenate(list(spaced), axis=1)[:, :-_GAP]
