"""Image files that tests make by hand."""

from __future__ import annotations

from pathlib import Path

__all__ = ["corrupt"]


def corrupt(path: str | Path) -> str:
    """Make a file that is called an image and is none."""
    Path(path).write_bytes(b"\xff\xd8\xff\xe0 not an image")
    return str(path)
