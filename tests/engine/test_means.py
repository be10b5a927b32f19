"""Means are weighted by images, of the batches that had a figure, and counted by few operations."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from resight.engine.means import Means


def test_each_batch_counts_by_its_images() -> None:
    means = Means()
    means.add({"loss": torch.tensor(1.0, requires_grad=True), "accuracy": torch.tensor(0.5)}, images=30)
    means.add({"loss": torch.tensor(4.0), "accuracy": torch.tensor(1.0)}, images=10)
    means.add({"loss": torch.tensor(7.0)}, images=20)
    found = means.taken()
    assert {name: (pytest.approx(float(mean)), images) for name, (mean, images) in found.items()} == {
        "loss": ((30 + 40 + 140) / 60, 60),
        "accuracy": ((15 + 10) / 40, 40),
    }
    assert not any(mean.requires_grad for mean, _ in found.values())
    assert means.taken() == {}


def test_a_share_counts_by_what_is_known() -> None:
    means = Means()
    for right, known in ((1, 2), (0, 0), (6, 6)):
        means.count("accuracy", torch.tensor(right), torch.tensor(known), images=4)
        means.count("of nothing", torch.tensor(0), torch.tensor(0), images=4)
    found = means.taken()
    assert {name: (float(mean), count) for name, (mean, count) in found.items()} == {
        "accuracy": (7 / 8, 12),
        "of nothing": (0, 12),
    }
    assert means.taken() == {}


def test_a_batch_without_figures_changes_nothing() -> None:
    means = Means()
    means.add({}, images=8)
    assert means.taken() == {}


def test_more_figures_take_no_more_operations_that_compute() -> None:
    class Counter(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.names: list[str] = []

        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            self.names.append(str(operation))
            return operation(*args, **(kwargs or {}))

    found = []
    for count in (1, 12):
        means, figures = Means(), {str(number): torch.tensor(1.0) for number in range(count)}
        means.add(figures, images=4)
        with Counter() as counter:
            means.add(figures, images=4)
        found.append([name for name in counter.names if "detach" not in name and "view" not in name])
    assert found[0] == found[1] == ["aten.stack.default", "aten._to_copy.default", "aten.add_.Tensor"]
