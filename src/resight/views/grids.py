"""Grids of pictures: ranked lists, tiles in rows, captioned rows of images, images above their reconstructions.

Every grid is images set side by side, and such rows set below one another: `_beside` and `_below`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from resight.errors import DataError
from resight.files import written_whole

__all__ = [
    "FRAMES",
    "RankedList",
    "Tile",
    "Verdict",
    "fitted",
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
"""Colour of a tile's frame. A mark in its corner says the same to readers who cannot tell the colours apart."""

# Strokes of a mark within a square of side 1, from its upper left corner.
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
    """One image found: its path, or the picture itself where it has no file."""

    path: str | Image.Image
    verdict: Verdict
    caption: str = ""


@dataclass(frozen=True, slots=True)
class RankedList:
    """A query and what was found for it, best first."""

    query: str | Image.Image
    """Path of the query's image, or the picture itself where it has no file."""
    caption: str
    tiles: Sequence[Tile]
    left_out: int = 0
    """Images found before the last tile that count for nothing and are not among the tiles."""


def ranked_lists(lists: Sequence[RankedList], *, tile_height: int = 128) -> Image.Image:
    """A row for each list: the query, then its tiles, each captioned.

    >>> ranked_lists([RankedList("q.jpg", "query", [Tile("a.jpg", "right", "0.91")])]).save("list.png")  # doctest: +SKIP

    Images keep their shape within equal cells. One that cannot be read becomes a crossed box. Raises DataError when
    there is no list.
    """
    if not lists:
        raise DataError("no ranked list to draw")
    size = _Cell(tile_height, _widest([row.query for row in lists]))
    rows = []
    for row in lists:
        query = _cell(size, row.query, None, row.caption)
        tiles = [_cell(size, tile.path, tile.verdict, tile.caption) for tile in row.tiles]
        rows.append(_beside([query, _beside(tiles, size.gap)], 2 * size.gap))
    return ImageOps.expand(_below(rows, size.gap), size.gap, _PAPER)


def found_caption(value: float, camera: int) -> str:
    """Caption of an image found: its score or distance, and its camera where that is known (from 0)."""
    return f"{value:.3f}" + (f" c{camera}" if camera >= 0 else "")


def tile_grid(tiles: Sequence[Tile], *, columns: int = 8, tile_height: int = 128) -> Image.Image:
    """Tiles in rows, without a query. Raises DataError when there is no tile."""
    if not tiles:
        raise DataError("no tile to draw")
    size = _Cell(tile_height, _widest([tile.path for tile in tiles]))
    cells = [_cell(size, tile.path, tile.verdict, tile.caption) for tile in tiles]
    rows = [_beside(cells[start : start + columns], size.gap) for start in range(0, len(cells), columns)]
    return ImageOps.expand(_below(rows, size.gap), size.gap, _PAPER)


def image_rows(rows: Mapping[str, Sequence[NDArray[np.uint8]]], *, height: int = 128) -> Image.Image:
    """A row for each caption, its images uint8 (height, width, 3) side by side, each `height` pixels high.

    >>> image_rows({"flip": [first, second]}).save("rows.png")  # doctest: +SKIP

    Raises DataError when there is no image.
    """
    if not any(rows.values()):
        raise DataError("no image to draw")
    gap, line = max(4, height // 24), max(11, height // 9)
    font = ImageFont.load_default(size=line)
    parts = []
    for caption, images in rows.items():
        label = Image.new("RGB", (int(font.getlength(caption)), line + gap), _PAPER)
        ImageDraw.Draw(label).text((0, 0), caption, fill=_INK, font=font)
        parts.append(_below([label, _beside([_scaled(image, height) for image in images], gap)], 0))
    return ImageOps.expand(_below(parts, gap), gap, _PAPER)


def reconstructions(given: NDArray[np.uint8], made: NDArray[np.uint8], *, height: int = 128) -> Image.Image:
    """Two rows: uint8 (number, 3, height, width) images above their reconstructions, enlarged to about `height` pixels.

    >>> reconstructions(images, model.reconstruct_batch(images)).save("reconstructions.png")  # doctest: +SKIP

    A pixel becomes a square of a whole number of pixels. Raises DataError when there are no images, or the two do not
    match.
    """
    if given.shape != made.shape or not len(given):
        raise DataError(f"images of shape {given.shape} have no reconstructions of shape {made.shape} to stand above")
    times = max(1, height // given.shape[2])
    rows = [_beside([_enlarged(image, times) for image in images], 2 * times) for images in (given, made)]
    return _below(rows, 2 * times)


def save(picture: Image.Image, path: str | os.PathLike[str]) -> None:
    """Write a picture, whole or not at all. Raises DataError when the name's ending is no image format."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg", ".webp"):
        raise DataError(f"{path}: name a picture that ends in .png, .jpg or .webp")
    with written_whole(path) as partial:
        picture.save(partial, format={".png": "PNG", ".webp": "WEBP"}.get(suffix, "JPEG"), quality=92)


def _beside(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """The images from left to right on white, `gap` pixels apart."""
    width = sum(image.width for image in images) + gap * max(0, len(images) - 1)
    page = Image.new("RGB", (width, max((image.height for image in images), default=0)), _PAPER)
    left = 0
    for image in images:
        page.paste(image, (left, 0))
        left += image.width + gap
    return page


def _below(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """The images from top to bottom on white, `gap` pixels apart."""
    height = sum(image.height for image in images) + gap * max(0, len(images) - 1)
    page = Image.new("RGB", (max((image.width for image in images), default=0), height), _PAPER)
    top = 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height + gap
    return page


class _Cell:
    """Measures of a tile with its frame and caption, in pixels."""

    def __init__(self, height: int, shape: float) -> None:
        self.image = (round(height * shape), height)
        self.border, self.gap, line = max(3, height // 32), max(6, height // 16), max(11, height // 9)
        self.font = ImageFont.load_default(size=line)
        self.frame = (self.image[0] + 2 * self.border, height + 2 * self.border)
        self.caption = line + self.gap


def _cell(size: _Cell, path: str | Image.Image, verdict: Verdict | None, caption: str) -> Image.Image:
    """A framed image with its mark and its caption below; without a verdict it is a query."""
    width, height = size.frame
    colour = _QUERY if verdict is None else FRAMES[verdict]
    cell = Image.new("RGB", (width, height + size.caption), _PAPER)
    draw = ImageDraw.Draw(cell)
    draw.rectangle((0, 0, width - 1, height - 1), fill=colour)
    cell.paste(fitted(path, size.image), (size.border, size.border))
    if verdict is not None:
        _mark(draw, verdict, colour, max(14, size.image[1] // 8))
    draw.text((0, height + 2), _shortened(caption, width, size.font), fill=_INK, font=size.font)
    return cell


def _widest(paths: Sequence[str | Image.Image]) -> float:
    """Width over height of a cell: that of the widest image, within 0.4 to 2."""
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


def fitted(path: str | Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image within `size` (width, height), its shape kept; a crossed box if it cannot be read."""
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
    small = shape.resize(
        (max(1, round(shape.width * scale)), max(1, round(shape.height * scale))), Image.Resampling.BICUBIC
    )
    cell.paste(small, ((size[0] - small.width) // 2, (size[1] - small.height) // 2))
    return cell


def _mark(draw: ImageDraw.ImageDraw, verdict: Verdict, colour: tuple[int, int, int], side: int) -> None:
    if not _MARKS[verdict]:
        return
    draw.rectangle((0, 0, side, side), fill=colour)
    for stroke in _MARKS[verdict]:
        draw.line([(x * side, y * side) for x, y in stroke], fill=_PAPER, width=max(2, side // 7))


def _shortened(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """The text, with an ellipsis for its end where it is wider than `width` pixels."""
    text = text[:width]  # No letter is narrower than a pixel, and measuring a long text takes long.
    while text and font.getlength(text) > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    return text


def _scaled(pixels: NDArray[np.uint8], height: int) -> Image.Image:
    image = Image.fromarray(pixels)
    return image.resize((max(1, round(image.width * height / image.height)), height))


def _enlarged(pixels: NDArray[np.uint8], times: int) -> Image.Image:
    """uint8 (3, height, width) as a picture so many times larger."""
    image = Image.fromarray(pixels.transpose(1, 2, 0))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
