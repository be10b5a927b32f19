"""Mask files as the two values that a network learns."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from resight.data.images import read_image
from resight.errors import ImageError

__all__ = ["read_mask"]


def read_mask(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Read a mask as uint8 [height, width]: 0 background (black in the file), 1 the individual (any one other colour).

    `read_mask("0002_c1_train000.png", size=(128, 64))`

    `size` is the (height, width) that its image has. Raises ImageError, one line that names the file, when it cannot
    be read, has another size, or holds other values than black and one more.
    """
    pixels = read_image(path)
    if size is not None and pixels.shape[:2] != size:
        raise ImageError(
            f"{path}: the mask has {pixels.shape[1]} × {pixels.shape[0]} pixels, its image {size[1]} × {size[0]}"
        )
    colours = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    values = np.unique(colours)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0):
        raise ImageError(
            f"{path}: the mask has {len(values)} values; it must have two, black for the background and one more for "
            "the individual (save it as PNG: JPEG blurs)"
        )
    return (colours > 0).astype(np.uint8)
