"""The input of retrieval: NumPy arrays or torch tensors, checked once where they come in.

CPU tensors are read as NumPy arrays without a copy; tensors of an accelerator stay where they are. torch is not
imported here: only a caller that has loaded it can pass a tensor.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.retrieval.parallel import in_parallel

__all__ = ["Array", "as_features", "as_labels", "is_tensor", "squared_norms", "to_numpy"]

# Numbers that one thread looks at in one go.
_NUMBERS = 2**22
# An ndarray, or a torch.Tensor that lives on an accelerator.
Array = Any


def is_tensor(values: object) -> bool:
    """Whether `values` is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def to_numpy(values: Array) -> NDArray[Any]:
    """The values on the CPU as a NumPy array, copied only where they must be."""
    if not is_tensor(values):
        return np.asarray(values)
    values = values.detach().cpu()
    # NumPy has no bfloat16.
    return (values.float() if values.is_floating_point() and values.element_size() < 4 else values).numpy()


def as_features(values: object, name: str) -> Array:
    """Features [N, D] with N, D >= 1 as an ndarray, or as a tensor where they are on an accelerator.

    Raises DataError naming `name` when the shape or type does not fit, or a value is not finite or so large that a
    float32 product of two rows overflows.
    """
    on_device = is_tensor(values) and values.device.type != "cpu"  # type: ignore[attr-defined]
    array = values.detach() if on_device else to_numpy(values)  # type: ignore[attr-defined]
    if array.ndim != 2:
        raise DataError(f"{name} has shape {tuple(array.shape)}; it must be [images, dimensions]")
    if 0 in array.shape:
        raise DataError(f"{name} is empty (shape {tuple(array.shape)}); it needs at least one image and one dimension")
    if not on_device and array.dtype.kind not in "fiub":
        raise DataError(f"{name} has type {array.dtype}; it must be numbers, best float32")
    largest = _largest(array)
    if not largest**2 * array.shape[1] < 1e37:  # written so that nan fails as well
        raise DataError(f"{name} holds nan, infinity or numbers as large as {largest:g}; see which images gave them")
    return array


def _largest(features: Array) -> float:
    """The largest magnitude of any number; nan where there is one."""

    def of(start: int, stop: int) -> tuple[float, float]:
        return float(features[start:stop].max()), -float(features[start:stop].min())

    rows = len(features)
    step = rows if is_tensor(features) else max(1, _NUMBERS // features.shape[1])
    return float(np.max(in_parallel(of, [(start, min(start + step, rows)) for start in range(0, rows, step)])))


def as_labels(values: object, name: str, length: int, of: str) -> NDArray[np.int64]:
    """Integer labels [length]. Raises DataError naming `name` when they are missing or do not fit `of`."""
    if values is None:
        raise DataError(f"{name} is missing: one integer for each of {of}")
    labels = to_numpy(values)
    if labels.shape != (length,):
        raise DataError(f"{name} has shape {labels.shape}; {of} needs ({length},)")
    if labels.dtype.kind not in "iu":
        raise DataError(f"{name} has type {labels.dtype}; it must be integers")
    return labels.astype(np.int64)


def squared_norms(features: Array, kind: type[np.floating] = np.float32) -> Array:
    """Squared length of every row, [N] of a NumPy type, of a tensor always float32; equal rows get equal results."""
    if is_tensor(features):
        return (features.float() ** 2).sum(1)
    features = features.astype(kind, copy=False)
    return np.einsum("ij,ij->i", features, features)
