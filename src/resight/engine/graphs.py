"""A network's training passes as CUDA graphs: recorded once, then launched whole, so that no GPU waits for its launches."""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from resight.errors import RunError

__all__ = ["launch_whole"]

_STEADY = 3
"""Passes in a row over inputs of one kind after which they are recorded: a batch with unreadable images is rarely followed by its like."""

Tell = Callable[[str], None]


def launch_whole(network: nn.Module, tell: Tell | None = None, steady: int = _STEADY) -> nn.Module:
    """The network itself, whose training passes are launched as CUDA graphs, forwards and backwards.

    They are recorded once inputs of one shape have come `steady` times in a row, and anew where layers are frozen or
    thawed. What is of another shape, of validation, or without gradients is computed as it was, and so is a copy of the
    network. Where recording fails `tell` gets a line and everything is; without `tell` the error is raised.

    A gradient is overwritten by the next pass: set it to None before, and add up none. What is made stays as it is. A
    part that no loss reads has a gradient of 0 instead of none.
    """
    network.forward = _Launched(network, tell, steady)  # type: ignore[method-assign]
    return network


class _Launched:
    """Stands for a network's `forward`, `plain`."""

    def __init__(self, network: nn.Module, tell: Tell | None, steady: int) -> None:
        self.plain, self.tell, self.steady = network.forward, tell, steady
        self.modules, self.parameters = [*network.modules()], [*network.parameters()]
        self.network = network
        self.works = True
        self.kind: object = None
        """The kind of inputs that `recorded` takes."""
        self.recorded: _Recorded | None = None
        self.last: object = None
        """The kind of the inputs that came last, if another, and how often in a row."""
        self.times = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., Any]:
        # The bound method of the network's copy: graphs read and write the memory of this one.
        return copy.deepcopy(self.plain, memo)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if named or not self._trains(inputs):
            return self.plain(*inputs, **named)
        kind = self._kind(inputs)
        if kind != self.kind and not (self._steady(kind) and self._record(kind, inputs)):
            return self.plain(*inputs)
        self.last = None
        assert self.recorded is not None
        return self.recorded(inputs)

    def _trains(self, inputs: tuple[Any, ...]) -> bool:
        tensors = bool(inputs) and all(isinstance(one, Tensor) for one in inputs)
        return self.works and tensors and self.network.training and torch.is_grad_enabled()

    def _kind(self, inputs: tuple[Tensor, ...]) -> object:
        """All that a recording depends on but the numbers."""
        type_ = inputs[0].device.type
        return (
            [(one.shape, one.stride(), one.dtype, one.device, one.requires_grad) for one in inputs],
            [module.training for module in self.modules],
            [(values.requires_grad, values.device) for values in self.parameters],
            torch.is_autocast_enabled(type_) and torch.get_autocast_dtype(type_),
        )

    def _steady(self, kind: object) -> bool:
        self.times = self.times + 1 if kind == self.last else 1
        self.last = kind
        return self.times >= self.steady

    def _record(self, kind: object, inputs: tuple[Tensor, ...]) -> bool:
        self.kind = self.recorded = None  # the memory of an earlier one is free before
        try:
            self.recorded = _Recorded(self.network, self.plain, inputs)
        except Exception as error:  # of a GPU without memory, of code that waits for it, …
            if self.tell is None:
                raise
            self.works = False
            self.tell(f"computing without CUDA graphs: {str(error).strip().partition(chr(10))[0]}")
            return False
        self.kind = kind
        return True


class _Recorded:
    """The passes of a network over inputs of one kind."""

    def __init__(self, network: nn.Module, plain: Callable[..., Any], inputs: tuple[Tensor, ...]) -> None:
        device = inputs[0].device
        # Its mode is that of training; the network keeps the modes of its layers.
        self.flat = _Flat(network, plain, _uncached(device.type))
        shown = tuple(one.detach().clone().requires_grad_(one.requires_grad) for one in inputs)
        before = [(values, values.clone()) for values in network.buffers()]
        # Recording takes passes of its own, which neither draw from the training's random numbers nor count in BatchNorm.
        # Without autocast, which the network alone enters: its gradients would be computed in it as well.
        quiet = torch.autocast(device.type, enabled=False)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), quiet:
            try:
                torch.cuda.make_graphed_callables(self.flat, shown, allow_unused_input=True, **_beside())
            finally:
                with torch.no_grad():
                    for values, kept in before:
                        values.copy_(kept)

    def __call__(self, inputs: tuple[Tensor, ...]) -> Any:
        # Copies, since the next launch writes to the same memory.
        found = zip(self.flat(*inputs), self.flat.learn, strict=True)
        made = iter([(values if learns else values.detach()).clone() for values, learns in found])
        return tree_unflatten([next(made) if one is _TENSOR else one for one in self.flat.parts], self.flat.form)


_TENSOR = object()


class _Flat(nn.Module):
    """A network that returns the tensors of what it makes, a tuple.

    `parts` and `form` say where each has its place, `learn` which have a gradient.
    """

    parts: list[Any]
    form: Any
    learn: list[bool]

    def __init__(self, network: nn.Module, plain: Callable[..., Any], autocast: torch.autocast) -> None:
        super().__init__()
        self.network, self.plain, self.autocast = network, plain, autocast

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        with self.autocast:
            parts, self.form = tree_flatten(self.plain(*inputs))
        self.parts = [_TENSOR if isinstance(one, Tensor) else one for one in parts]
        found = tuple(one for one in parts if isinstance(one, Tensor))
        self.learn = [values.requires_grad for values in found]
        return found


def _beside() -> dict[str, Any]:
    """Options by which other threads may allocate meanwhile. Raises RunError for threads that PyTorch 2.11 cannot have beside."""
    if "capture_error_mode" in inspect.signature(torch.cuda.make_graphed_callables).parameters:
        return {"capture_error_mode": "thread_local"}
    if any("pin_memory" in thread.name for thread in threading.enumerate()):
        raise RunError("PyTorch 2.11 records none while workers load images; set loader.workers=0")
    return {}


def _uncached(device: str) -> torch.autocast:
    """The precision that is computed in now; a graph may hold no weights that were rounded outside of it."""
    on = torch.is_autocast_enabled(device)
    return torch.autocast(device, torch.get_autocast_dtype(device), enabled=on, cache_enabled=False)
