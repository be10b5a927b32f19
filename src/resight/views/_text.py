"""Names from data made fit to be drawn: file names and class names may hold anything."""

from __future__ import annotations

__all__ = ["one_line"]


def one_line(text: object, limit: int = 80) -> str:
    """One printable line of at most `limit` characters; what is cut ends in an ellipsis.

    `one_line("a\\nb")  # "a b"`

    Control characters, text-direction marks and undecodable bytes of file names are left out or replaced.
    """
    raw = str(text)[: 20 * limit].encode("utf-8", "replace").decode("utf-8")
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in raw).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
