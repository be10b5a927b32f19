"""What retrieval takes: NumPy or torch without copies where it can, and one line about what does not fit."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from resight.errors import DataError
from resight.retrieval.arrays import as_features, as_labels, is_tensor, squared_norms, to_numpy


def test_tensors_are_told_from_arrays_without_importing_torch() -> None:
    assert is_tensor(torch.ones(1))
    assert not is_tensor(np.ones(1))
    code = "import sys; from resight.retrieval.arrays import is_tensor; assert not is_tensor(3); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cpu_tensors_and_arrays_are_not_copied() -> None:
    array, tensor = np.ones((2, 3), np.float32), torch.ones(2, 3, requires_grad=True)
    assert to_numpy(array) is array
    assert np.shares_memory(to_numpy(tensor), tensor.detach().numpy())
    assert as_features(array, "features") is array


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_becomes_float32_and_integers_stay(kind: torch.dtype) -> None:
    found = to_numpy(torch.tensor([0.5, -2.0], dtype=kind))
    assert found.dtype == np.float32
    assert found.tolist() == [0.5, -2.0]
    assert to_numpy(torch.tensor([1, 2], dtype=torch.uint8)).dtype == np.uint8


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.ones(4), r"gallery has shape \(4,\); it must be \[images, dimensions\]"),
        (np.ones((2, 3, 4)), r"gallery has shape \(2, 3, 4\)"),
        (np.ones((0, 4)), r"gallery is empty \(shape \(0, 4\)\)"),
        (torch.ones(3, 0), r"gallery is empty \(shape \(3, 0\)\)"),
        (np.array([["a"]]), "gallery has type <U1; it must be numbers"),
        (np.array([[1.0, np.nan]]), "gallery holds nan, infinity or numbers as large as nan"),
        (np.array([[1.0, -np.inf]]), "as large as inf"),
        # 4 · (2e18)² is over a float32's 3.4e38 only just, so what comes near is refused already.
        (np.full((1, 4), 2e18), "as large as 2e"),
    ],
)
def test_features_that_do_not_fit_are_named(values: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        as_features(values, "gallery")


def test_numbers_of_any_kind_are_features() -> None:
    for values in ([[1, 2]], np.array([[True, False]]), np.uint8([[1, 255]]), torch.ones(1, 2), np.full((1, 4), 1e18)):
        assert as_features(values, "features").shape == (1, len(values[0]))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (None, "cameras is missing: one integer for each of the 3 images"),
        ([1, 2], r"cameras has shape \(2,\); the 3 images needs \(3,\)"),
        ([[1, 2, 3]], r"cameras has shape \(1, 3\)"),
        ([1.0, 2.0, 3.0], "cameras has type float64; it must be integers"),
    ],
)
def test_labels_that_do_not_fit_are_named(values: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        as_labels(values, "cameras", 3, "the 3 images")


def test_integers_of_any_width_are_labels() -> None:
    for values in ([1, -1, 2], np.array([1, -1, 2], np.int8), torch.tensor([1, -1, 2])):
        labels = as_labels(values, "ids", 3, "the 3 images")
        assert labels.dtype == np.int64
        assert labels.tolist() == [1, -1, 2]


def test_squared_norms_by_hand_and_alike_for_equal_rows() -> None:
    features = np.array([[3, 4], [0, 0], [1, 1]], np.float64)
    for values in (features, torch.from_numpy(features)):
        assert squared_norms(values).tolist() == [25, 0, 2]
    row = np.random.default_rng(0).normal(size=511).astype(np.float32)
    assert len(set(squared_norms(np.tile(row, (9, 1))).tolist())) == 1
