"""Parts of a network by the beginning of their names, as `rates` and `freeze` of a recipe give them."""

from __future__ import annotations

from collections.abc import Iterable

from resight.errors import RecipeError

__all__ = ["begins", "require_parts"]

_OUTER = "backbone."


def begins(name: str, beginning: str) -> bool:
    """Whether a parameter's or module's name begins so; what stands in the backbone may be named without it.

    >>> begins("backbone.trunk.conv1.weight", "trunk.conv1")
    True
    """
    return name.startswith(beginning) or name.removeprefix(_OUTER).startswith(beginning)


def require_parts(key: str, beginnings: Iterable[str], names: Iterable[str]) -> None:
    """Raise RecipeError, which lists the parts, for a beginning that no parameter's name has."""
    names = list(names)
    for beginning in beginnings:
        if not any(begins(name, beginning) for name in names):
            parts = sorted({".".join(name.split(".")[:3]) for name in names})
            raise RecipeError(f"{key}.{beginning}: no parameter's name begins so; there is: {', '.join(parts)}")
