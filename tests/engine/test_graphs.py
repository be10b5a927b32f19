"""Passes that are launched whole make what the network makes, whatever comes between; a CPU stands for the GPU."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resight.engine.graphs import launch_whole
from resight.errors import RunError
from resight.models.output import Reconstruction, ReidOutput
from tests.support.graphs import Recorder, recorder

__all__ = ["recorder"]


class Network(nn.Module):
    """Convolution, BatchNorm, dropout and two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> ReidOutput:
        feature = self.trunk(images).mean((2, 3))
        return ReidOutput((feature,), (self.head(feature),))


def images(number: int, count: int = 6) -> Tensor:
    return torch.randn(count, 3, 8, 4, generator=torch.Generator().manual_seed(number))


def learn(network: nn.Module, steps: list[Callable[[], object]], rate: float = 0.1) -> None:
    """Take the steps' passes; each that returns an output learns from it."""
    optimiser = torch.optim.Adam(network.parameters(), rate, fused=True)
    for number, step in enumerate(steps):
        torch.manual_seed(number)
        made = step()
        optimiser.zero_grad()
        if isinstance(made, ReidOutput):
            (made.features[0].square().mean() + made.logits[0].square().mean()).backward()
            optimiser.step()


def training(network: Network) -> list[Callable[[], object]]:
    """Whole batches, a smaller one, a validation, a pass without gradients, a layer frozen and thawed."""

    def passed(number: int, count: int = 6) -> Callable[[], object]:
        return lambda: network(images(number, count))

    def judged() -> None:
        network.eval()
        with torch.no_grad():
            network(images(9))
        network.train()

    def unlearned() -> None:
        with torch.no_grad():
            network(images(7))

    def frozen(still: bool) -> Callable[[], object]:
        def change() -> None:
            network.trunk[0].requires_grad_(not still)
            network.trunk[1].train(not still)

        return change

    whole = [passed(number) for number in range(5)]
    return [*whole, passed(5, 4), *whole, judged, unlearned, *whole, frozen(True), *whole, frozen(False), *whole]


def test_a_training_is_the_same_to_the_bit(recorder: Recorder) -> None:
    torch.manual_seed(0)
    plain = Network().train()
    whole = launch_whole(copy.deepcopy(plain))
    learn(plain, training(plain))
    learn(whole, training(whole))  # type: ignore[arg-type]
    assert list(plain.state_dict()) == list(whole.state_dict())
    for name, values in plain.state_dict().items():
        assert torch.equal(values, whole.state_dict()[name]), name
    assert recorder.recordings == 3, "at first, where a layer is frozen and where it is thawed"
    assert recorder.launches == 15 - 2 + 5 - 2 + 5 - 2, "all whole batches but two of each kind before it is recorded"


def test_what_was_made_stays_as_it_is(recorder: Recorder) -> None:
    network = launch_whole(Network().train(), steady=1)
    first, second = network(images(0)), network(images(1))
    before = [values.clone() for values in first.features + first.logits]
    network(images(2))
    assert all(torch.equal(*pair) for pair in zip(before, first.features + first.logits, strict=True))
    assert not torch.equal(first.features[0], second.features[0])
    assert recorder.launches == 3


def test_a_copy_computes_with_its_own_weights(recorder: Recorder) -> None:
    network = launch_whole(Network().train(), steady=1)
    network(images(0))
    other = copy.deepcopy(network).eval()
    with torch.no_grad():
        other.head.weight.zero_()
        other.head.bias.zero_()
    assert not other(images(0)).logits[0].any()
    other.train()
    assert not other(images(0)).logits[0].any()
    assert (recorder.recordings, recorder.launches) == (1, 1)


@pytest.mark.parametrize("bf16", [False, True])
def test_precision_is_that_of_the_moment(bf16: bool, recorder: Recorder) -> None:
    network = launch_whole(Network().train(), steady=1)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        made = network(images(0))
    assert made.logits[0].dtype == (torch.bfloat16 if bf16 else torch.float32)
    network(images(0))
    assert recorder.recordings == 1 + bf16
    assert not any(recorder.autocast), "gradients are computed outside of it, as without graphs"


class Parts(nn.Module):
    def __init__(self, make: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.make = nn.Linear(4, 4), make

    def forward(self, values: Tensor) -> Any:
        return self.make(self.layer(values))


@pytest.mark.parametrize(
    "make",
    [
        lambda made: made,
        lambda made: {"a": made, "b": made + 1},
        lambda made: Reconstruction(made.detach(), made, None),
    ],
)
def test_what_a_network_makes_keeps_its_form(make: Callable[[Tensor], Any], recorder: Recorder) -> None:
    network = Parts(make).train()
    values = torch.randn(3, 4)
    exact, found = network(values), launch_whole(network, steady=1)(values)
    assert type(exact) is type(found)
    torch.testing.assert_close(found, exact)
    if isinstance(found, Reconstruction):
        assert (found.given.requires_grad, found.made.requires_grad) == (False, True)
    assert recorder.launches == 1


def test_where_recording_fails_all_is_computed_as_it_was(recorder: Recorder) -> None:
    recorder.error = RuntimeError("CUDA error: operation not permitted when stream is capturing\nand much more")
    torch.manual_seed(0)
    plain = Network().train()
    lines: list[str] = []
    whole = launch_whole(copy.deepcopy(plain), lines.append)
    learn(plain, training(plain))
    learn(whole, training(whole))  # type: ignore[arg-type]
    assert lines == ["computing without CUDA graphs: CUDA error: operation not permitted when stream is capturing"]
    assert all(torch.equal(values, whole.state_dict()[name]) for name, values in plain.state_dict().items())
    with pytest.raises(RuntimeError, match="capturing"):
        launch_whole(plain, steady=1)(images(0))


def test_threads_that_allocate_are_not_recorded_beside_where_pytorch_cannot(recorder: Recorder) -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="Thread-1 (_pin_memory_loop)")
    thread.start()
    try:
        with pytest.raises(RunError, match=r"set loader\.workers=0"):
            launch_whole(Network().train(), steady=1)(images(0))
    finally:
        done.set()
        thread.join()
    assert not recorder.recordings
