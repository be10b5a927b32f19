"""Operations for which a GPU would have to be waited for, noted as they are computed on the CPU."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Waits"]

_WAITS = frozenset(
    {
        "_local_scalar_dense",
        "_unique",
        "_unique2",
        "bincount",
        "equal",
        "is_nonzero",
        "masked_select",
        "nonzero",
        "unique_consecutive",
        "unique_dim",
    }
)
"""Those whose result's shape, or a number in Python, depends on values."""


class Waits(TorchDispatchMode):
    """Notes each such operation within the block, with the line of the program that asked for it.

    >>> with Waits() as waits:
    ...     loss.backward()
    >>> assert waits.found == []

    A copy to the CPU, where everything is already here, is not seen.
    """

    def __init__(self, package: str = "resight/") -> None:
        super().__init__()
        self.package = package
        self.found: list[str] = []

    def __torch_dispatch__(
        self,
        function: Any,
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        name = function.overloadpacket.__name__
        masked = name in ("index", "index_put", "index_put_", "_unsafe_index") and any(
            place is not None and place.dtype in (torch.bool, torch.uint8) for place in arguments[1]
        )
        if name in _WAITS or masked or (name == "repeat_interleave" and "output_size" not in (named or {})):
            frames = [frame for frame in traceback.extract_stack() if self.package in frame.filename]
            where = f"{frames[-1].filename.rpartition(self.package)[2]}:{frames[-1].lineno}" if frames else "elsewhere"
            self.found.append(f"{name} at {where}")
        return function(*arguments, **(named or {}))
