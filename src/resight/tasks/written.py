"""What functions that write predictions return."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Written"]


class Written(NamedTuple):
    """`images` is the number of images predicted; `failed` has a line for each image that could not be read."""

    images: int
    failed: list[str]
