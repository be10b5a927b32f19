"""Names that pages speak of."""

from __future__ import annotations

import importlib

__all__ = ["found"]


def found(dotted: str) -> object:
    """What a dotted name means: the longest part that is a module, then attributes."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            thing = getattr(thing, name)
        return thing
    raise ModuleNotFoundError(dotted)
