"""Images above what an autoencoder makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.errors import DataError

__all__ = ["reconstructions"]

_GAP = 2
_PAPER = 255


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
