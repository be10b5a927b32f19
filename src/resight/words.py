"""How numbers of things are written, in reports, on pages and on the terminal."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, one: str, several: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "image"), counted(1500, "image"), counted(0, "query", "queries")
    ('1 image', '1,500 images', '0 queries')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"
