"""What functions that write predictions return, and how they name the images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from resight.records import Record

__all__ = ["Written", "common_folder"]


class Written(NamedTuple):
    """`images` is the number of images predicted; `failed` has a line for each image that could not be read."""

    images: int
    failed: list[str]


def common_folder(records: Sequence[Record]) -> str:
    """The deepest folder that holds all images, at least one, as an absolute path."""
    return os.path.commonpath([os.path.dirname(os.path.abspath(record.path)) for record in records])
