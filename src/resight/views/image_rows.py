"""Images in captioned rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from resight.errors import DataError

__all__ = ["image_rows"]

_INK, _PAPER = (30, 32, 36), (255, 255, 255)


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
