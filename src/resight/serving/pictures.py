"""Pictures that come in and go out: decoded by the one safe decoder, encoded anew, never handed on as they came."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from resight.data.images import decode_image, read_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SIDES", "decoded", "encoded"]

SIDES = {"small": 160, "large": 640}
"""Name of a size -> pixels of the longer side at most."""


def decoded(data: bytes, name: str, pixels: int) -> NDArray[np.uint8]:
    """An image that was sent, as uint8 RGB (height, width, 3).

    Raises ImageError, which calls it `name`, for what is no image or has more than `pixels` pixels.
    """
    return decode_image(data, name, pixels)


def encoded(path: str, size: str) -> bytes:
    """An image file as a JPEG of one of the `SIDES`. Raises ImageError where it cannot be read."""
    picture = Image.fromarray(read_image(path))
    picture.thumbnail((SIDES[size], SIDES[size]))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()
