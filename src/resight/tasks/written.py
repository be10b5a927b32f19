"""What a stage that writes predictions tells of its work."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Written"]


class Written(NamedTuple):
    """`images` is how many were predicted; `failed` has one line for each that could not be read."""

    images: int
    failed: list[str]
