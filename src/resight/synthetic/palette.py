"""Named colours: each name stands for many shades."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["PAINTS", "Color", "blend", "choose", "pick", "shade", "tint"]

Color = tuple[int, int, int]
"""Red, green, blue, 0-255."""

# Two colours for each name; a subject's shade lies on the line between them.
PAINTS: dict[str, tuple[Color, Color]] = {
    "black": ((16, 16, 19), (48, 46, 50)),
    "white": ((226, 226, 222), (250, 249, 244)),
    "gray": ((104, 106, 110), (164, 164, 162)),
    "red": ((150, 18, 28), (222, 42, 44)),
    "purple": ((84, 34, 118), (150, 82, 178)),
    "yellow": ((214, 172, 30), (246, 220, 72)),
    "blue": ((22, 46, 128), (62, 118, 206)),
    "green": ((18, 88, 48), (74, 166, 84)),
    "pink": ((222, 110, 146), (246, 176, 194)),
    "brown": ((84, 52, 30), (146, 102, 66)),
    "orange": ((222, 98, 16), (246, 142, 42)),
    "golden": ((170, 138, 70), (206, 178, 112)),
}


def choose(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """One key, drawn in proportion to its share (shares need not sum to 1)."""
    names, weights = list(shares), np.fromiter(shares.values(), float, len(shares))
    return names[int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(), side="right"))]


def shade(rng: np.random.Generator, name: str) -> Color:
    """A shade of the named colour."""
    low, high = PAINTS[name]
    return blend(low, high, float(rng.random()))


def pick(rng: np.random.Generator, *names: str) -> Color:
    """A shade of one of the named colours, each equally likely."""
    return shade(rng, names[int(rng.integers(len(names)))])


def blend(first: Color, second: Color, share: float) -> Color:
    """`first` at share 0, `second` at share 1."""
    return (
        round(first[0] + (second[0] - first[0]) * share),
        round(first[1] + (second[1] - first[1]) * share),
        round(first[2] + (second[2] - first[2]) * share),
    )


def tint(color: Color, factor: float) -> Color:
    """The colour under more (factor > 1) or less light."""
    return (
        min(255, round(color[0] * factor)),
        min(255, round(color[1] * factor)),
        min(255, round(color[2] * factor)),
    )
