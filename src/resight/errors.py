"""Every error resight raises on purpose. A message is one line: what is wrong, where, and what to do.

The command line prints the message alone; a traceback always means a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "BusyError",
    "DataError",
    "ImageError",
    "MissingExtraError",
    "OptionError",
    "RecipeError",
    "ResightError",
    "RunError",
    "WeightsError",
    "did_you_mean",
    "none_readable",
]


class ResightError(Exception):
    """Base of all errors below."""


class BusyError(ResightError):
    """More is asked of a server than it can answer soon."""


class DataError(ResightError):
    """A dataset, annotation, manifest or feature file cannot be used as it is."""


class ImageError(DataError):
    """One image cannot be read: missing, corrupt, truncated, or larger than allowed."""


def none_readable(images: int, failed: Sequence[str]) -> DataError:
    """The error of a stage that could read none of its `images` images; `failed` has a line for each."""
    if images == 1:
        return DataError("the image could not be read" + (f": {failed[0]}" if failed else ""))
    return DataError(f"none of {images:,} images could be read" + (f"; the first: {failed[0]}" if failed else ""))


class RecipeError(ResightError):
    """A recipe names an unknown key, or a value has the wrong type."""


class OptionError(ResightError):
    """An option of a command does not go with the other options, or with the run that it is given for."""


class RunError(ResightError):
    """A run folder or gallery folder is missing, incomplete, or of another version."""


class WeightsError(ResightError):
    """Pretrained weights cannot be fetched or do not fit the model."""


class MissingExtraError(ResightError):
    """An optional library is not installed; the message carries the pip line."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The part of a message that suggests a known name: ` (did you mean 'x'?)`, or nothing if none is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
