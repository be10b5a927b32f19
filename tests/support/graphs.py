"""CUDA graphs as a CPU can have them: a launch reads and writes the same memory each time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn


class Recorder:
    """Stands for `torch.cuda.make_graphed_callables`; counts recordings and launches."""

    def __init__(self) -> None:
        self.recordings = self.launches = 0
        self.error: Exception | None = None
        self.autocast: list[bool] = []
        """Whether each recording was made in autocast, in which PyTorch then computes gradients too."""
        self.stale = False
        """Whether launches compute on the inputs that were recorded, as with a graph gone wrong."""

    def __call__(self, network: nn.Module, shown: tuple[Tensor, ...], allow_unused_input: bool = False) -> nn.Module:
        self.recordings += 1
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        for _ in range(3):
            rooms = [values.detach().clone() for values in network(*shown)]
        if self.error is not None:
            raise self.error
        parameters = [values for values in network.parameters() if values.requires_grad]
        gradients = [torch.zeros_like(values) for values in parameters]
        recorder, plain = self, network.forward

        class Launched(torch.autograd.Function):
            @staticmethod
            def forward(context: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
                recorder.launches += 1
                for room, values in zip(shown, inputs, strict=False):
                    assert room.shape == values.shape
                    if not recorder.stale:
                        room.copy_(values)
                with torch.enable_grad():
                    context.made = plain(*shown)
                for room, values in zip(rooms, context.made, strict=True):
                    room.copy_(values)
                return tuple(room.detach() for room in rooms)

            @staticmethod
            def backward(context: Any, *given: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
                pairs = [pair for pair in zip(context.made, given, strict=True) if pair[0].requires_grad]
                found = torch.autograd.grad(
                    [one for one, _ in pairs], parameters, [two for _, two in pairs], allow_unused=True
                )
                for room, values in zip(gradients, found, strict=True):
                    room.copy_(torch.zeros_like(room) if values is None else values)
                return *[None for _ in shown], *[room.detach() for room in gradients]

        network.forward = lambda *inputs: Launched.apply(*inputs, *parameters)  # type: ignore[method-assign]
        return network


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", made)
    return made
