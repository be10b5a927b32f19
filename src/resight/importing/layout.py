"""What a layout says: which network a file of weights is for, how its images are prepared, and what its keys mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["Architecture", "Keys"]


@dataclass(frozen=True)
class Keys:
    """The keys of one file, in the names of our network.

    `given` are weights that the layout fixes and files do not hold. `overrides` are what the file itself says of the
    recipe, and `notes` what was found out on the way.
    """

    rename: Callable[[str], str] = str
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Beginning of keys that the embedding does not need -> why."""
    given: Mapping[str, Tensor] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """A published network: the built-in recipe that it is nearest to, what differs, and its files' layout."""

    recipe: str
    overrides: tuple[str, ...]
    """KEY=VALUE, as a command line gives them."""
    keys: Callable[[Mapping[str, Tensor]], Keys]
    """A file's tensors -> what their names mean."""
    left_out: tuple[str, ...] = ("classifier.",)
    """Beginnings of our names that no embedding depends on."""
