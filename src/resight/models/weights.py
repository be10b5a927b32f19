"""Weights from a file: read without running anything that the file holds, and loaded whole or not at all.

A safetensors file has tensors alone. Any other is read by PyTorch's restricted loader (`weights_only=True`), which
refuses a pickle with code.
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
from pydantic import Field
from torch import Tensor, nn

from resight.errors import WeightsError

__all__ = ["Checkpoint", "KeyReport", "WeightsFile", "fit", "load_weights", "read_checkpoint"]

WeightsFile = Annotated[
    str | None, Field(description="file of weights to start from, safetensors or a PyTorch checkpoint")
]
"""A model's option `weights`."""

_WRAPPERS = ("state_dict", "model", "model_state_dict", "net")
"""Under which of a checkpoint's entries training programs keep the weights."""
_COUNTERS = "num_batches_tracked"
"""BatchNorm's number of batches, which older files lack and nothing here reads."""
# torchreid keeps its rank-1 as a number of NumPy; these make numbers and arrays of bytes, and run nothing.
_SCALAR, _ARRAY = np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]  # NumPy 2 moved both
_NUMBERS: list[Any] = [
    np.dtype,
    np.ndarray,
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)),
]


class Checkpoint(NamedTuple):
    """A file's tensors by name, without the `module.` of parallel training, and the plain values beside them."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    """Strings, numbers and lists of numbers that the file keeps beside its weights, such as BoxMOT's `img_size`."""


def read_checkpoint(file: str | os.PathLike[str]) -> Checkpoint:
    """Read a file of weights; numbers with a point become float32.

    >>> read_checkpoint("model.pth.tar-150").tensors["conv1.conv.weight"].shape

    Raises WeightsError, one line, for a file that is missing, cut off, holds code, or holds no weights.
    """
    path = Path(file)
    if path.is_dir():
        raise WeightsError(f"{path} is a folder; give a file of weights")
    if not path.exists():
        raise WeightsError(f"{path}: no such file")
    if path.suffix == ".onnx":
        raise WeightsError(f"{path} is an ONNX program, with weights under other names; give the checkpoint behind it")
    whole = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    held = _weights_in(whole)
    if not held:
        raise WeightsError(f"{path} holds no weights: no entry of it is a tensor with a name")
    stripped = {name.removeprefix("module."): _as_float(tensor) for name, tensor in held.items()}
    facts = {} if held is whole else {name: value for name, value in whole.items() if _is_plain(value)}
    return Checkpoint(stripped, facts)


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        return dict(safetensors.torch.load_file(path))
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path} is no safetensors file, or cut off: {str(error).splitlines()[0]}") from None


def _read_pickle(path: Path) -> dict[str, Any]:
    try:
        with torch.serialization.safe_globals(_NUMBERS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript, which is refused below
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "global" in str(error).lower():
            raise WeightsError(
                f"{path} holds code besides weights, which is never run; where you trust it, save its weights alone: "
                "torch.save(model.state_dict(), FILE)"
            ) from None
        raise WeightsError(f"{path} is no checkpoint of PyTorch, or damaged: {_first(error)}") from None
    except Exception as error:  # the loader raises whatever comes on damaged input
        if "TorchScript" in str(error):
            raise WeightsError(
                f"{path} is a TorchScript program, which holds code; give the checkpoint that it was made from"
            ) from None
        raise WeightsError(f"{path} is no checkpoint of PyTorch, or cut off: {_first(error)}") from None
    if not isinstance(found, Mapping):
        raise WeightsError(f"{path} holds a {type(found).__name__}, not weights by name")
    return dict(found)


def _first(error: Exception) -> str:
    """What the loader found, without its advice."""
    found = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
    lines = [found[1]] if found else str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _weights_in(whole: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in _WRAPPERS:
        if isinstance(whole.get(name), Mapping):
            return {str(key): value for key, value in whole[name].items() if isinstance(value, Tensor)}
    return whole if whole and all(isinstance(value, Tensor) for value in whole.values()) else {}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(part, int | float) for part in value)
    return isinstance(value, str | int | float)


def _as_float(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


@dataclass
class KeyReport:
    """What became of each key of a file, and of each weight of the model that no key gave."""

    loaded: list[str] = field(default_factory=list)
    """Keys that the model has under the same name."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Key of the file -> name in the model."""
    dropped: dict[str, str] = field(default_factory=dict)
    """Key of the file -> why it is not needed."""
    missing: list[str] = field(default_factory=list)
    """Weights of the model that the file lacks and that no embedding depends on."""

    def lines(self) -> list[tuple[str, str, str]]:
        """(key of the file, name in the model, what became of it), every key once."""
        return [
            *((key, key, "loaded") for key in self.loaded),
            *((key, name, "renamed") for key, name in self.renamed.items()),
            *((key, "", f"dropped: {why}") for key, why in self.dropped.items()),
            *(("", name, "missing: starts at random") for name in self.missing),
        ]


def fit(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    rename: Callable[[str], str] = str,
    dropped: Mapping[str, str] | None = None,
    left_out: Sequence[str] = (),
    source: str = "the file",
) -> KeyReport:
    """Load tensors into a module: all that it needs, or an error and nothing.

    `rename` gives a key's name in the module. `dropped` maps beginnings of keys that are not loaded to the reason, and
    `left_out` are beginnings of names in the module that need no weights. Raises WeightsError, one line that names the
    first keys, unless every parameter and buffer else was given in its shape and every key else has a place.
    """
    state, report = module.state_dict(), KeyReport()
    found: dict[str, Tensor] = {}
    strange: list[str] = []
    unfit: dict[str, str] = {}
    for key, tensor in tensors.items():
        name = rename(key)
        why = next((why for start, why in (dropped or {}).items() if key.startswith(start)), None)
        if why is not None:
            report.dropped[key] = why
        elif name not in state:
            strange.append(key)
        elif (shaped := _shaped(tensor, state[name])) is None:
            unfit[name] = f"{key} {tuple(tensor.shape)} for {tuple(state[name].shape)}"
        else:
            found[name] = shaped
            if name == key:
                report.loaded.append(key)
            else:
                report.renamed[key] = name
    absent = [name for name in state if name not in found and not name.endswith(_COUNTERS)]
    report.missing = [name for name in absent if name.startswith(tuple(left_out))]
    needed = [name for name in absent if name not in report.missing and name not in unfit]
    told = [("missing", needed), ("of another shape", list(unfit.values())), ("unknown to it", strange)]
    if any(keys for _, keys in told):
        raise WeightsError(
            f"{source} does not fit, and nothing was loaded: "
            + "; ".join(f"{len(keys)} {what} ({_few(keys)})" for what, keys in told if keys)
        )
    if broken := [name for name, tensor in found.items() if not bool(torch.isfinite(tensor).all())]:
        raise WeightsError(f"{source} holds numbers that are not finite: {_few(broken)}")
    module.load_state_dict(found, strict=False)
    return report


def _shaped(tensor: Tensor, wanted: Tensor) -> Tensor | None:
    """The tensor in the shape that is wanted, where that changes nothing of it."""
    if tensor.shape == wanted.shape:
        return tensor
    return tensor.reshape(wanted.shape) if tensor.numel() == wanted.numel() == 1 else None


def _few(keys: Sequence[str], shown: int = 3) -> str:
    more = len(keys) - shown
    return ", ".join(keys[:shown]) + (f" and {more} more" if more > 0 else "")


def load_weights(module: nn.Module, file: str | os.PathLike[str], left_out: Sequence[str] = ()) -> KeyReport:
    """Load a file whose keys are the module's names; keys and names that begin with one of `left_out` are passed over.

    Raises WeightsError as `read_checkpoint` and `fit` do.
    """
    dropped = dict.fromkeys(left_out, "the classifier of other classes")
    return fit(module, read_checkpoint(file).tensors, str, dropped, left_out, source=os.fspath(file))
