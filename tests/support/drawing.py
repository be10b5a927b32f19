"""A canvas to draw on, and the colours that are found on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resight.synthetic.canvas import Canvas
from resight.synthetic.palette import Color


def canvas(across: float = 1.0, up: float = 1.0, unit: int = 100) -> Canvas:
    """A square of 4 × 4 units whose point (0, 0) lies `across` from the left and `up` from the lower edge, as shares."""
    side = 4 * unit
    return Canvas(side, side, lambda x, y: (across * side + x * unit, (1 - up) * side - y * unit), unit)


def seen(drawn: Canvas) -> NDArray[np.bool_]:
    """Pixels that something was drawn on."""
    return np.asarray(drawn.image.getchannel("A")) > 0


def colours(drawn: Canvas) -> set[Color]:
    """The colours that were drawn and are not painted over."""
    return set(_counts(drawn))


def share(drawn: Canvas, color: Color) -> float:
    """Share of the drawn pixels that have a colour."""
    counts = _counts(drawn)
    return counts.get(color, 0) / sum(counts.values())


def _counts(drawn: Canvas) -> dict[Color, int]:
    found = drawn.image.getcolors(drawn.image.width * drawn.image.height)
    return {pixel[:3]: count for count, pixel in found if pixel[3]}
