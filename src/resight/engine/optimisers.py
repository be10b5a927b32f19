"""Optimisers by name, and one that joins several."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

__all__ = ["OPTIMISERS", "Apart", "Jointly", "adam"]

Parameters = Iterable[nn.Parameter] | list[dict[str, Any]]


Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


def adam(parameters: Parameters, lr: Rate = 3.5e-4, weight_decay: Decay = 5e-4) -> Optimizer:
    """Adam with L2 weight decay, as the strong baseline uses it."""
    return _whole(torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True))


def amsgrad(parameters: Parameters, lr: Rate = 3.5e-4, weight_decay: Decay = 5e-4) -> Optimizer:
    """Adam that divides by the largest second moment so far (Reddi et al. 2018)."""
    return _whole(torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, amsgrad=True, fused=True))


def adamw(parameters: Parameters, lr: Rate = 3.5e-4, weight_decay: Decay = 1e-2, amsgrad: bool = False) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); the vehicle coursework used AMSGrad."""
    return _whole(torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, amsgrad=amsgrad, fused=True))


def rmsprop(
    parameters: Parameters,
    lr: Rate = 1e-4,
    momentum: Momentum = 0.9,
    alpha: Momentum = 0.99,
    weight_decay: Decay = 5e-4,
) -> Optimizer:
    """RMSprop with momentum 0.9, as the vehicle coursework ran it (PyTorch's own default is 0).

    `alpha` is the share of the running mean of squared gradients that each step keeps.
    """
    return torch.optim.RMSprop(parameters, lr=lr, alpha=alpha, momentum=momentum, weight_decay=weight_decay)


def sgd(parameters: Parameters, lr: Rate = 1e-2, momentum: Momentum = 0.9, weight_decay: Decay = 5e-4) -> Optimizer:
    """Stochastic gradient descent."""
    return _whole(torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True))


def _whole(optimiser: Optimizer) -> Optimizer:
    """An optimiser whose step is one kernel, and that does not itself undo the scaling of half precision's gradients.

    Clipping and the weights of losses would else find them scaled.
    """
    optimiser._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    return optimiser


OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "adam": adam,
    "adamw": adamw,
    "amsgrad": amsgrad,
    "rmsprop": rmsprop,
    "sgd": sgd,
}


class Apart(NamedTuple):
    """A part of a system with its own optimiser, at a constant learning rate."""

    part: nn.Module
    optimiser: Callable[..., Optimizer]
    learning_rate: float
    weight: float = 1.0
    """The weight of its loss, by which its gradient is divided."""


class Jointly(Optimizer):
    """Several optimisers that step as one, so that Lightning's accumulation, scaling and checkpoints see one.

    The strong baseline needs it: Adam for the network, SGD for the centres.
    """

    def __init__(self, *optimisers: Optimizer) -> None:
        self.optimisers = optimisers
        groups = [group for optimiser in optimisers for group in optimiser.param_groups]
        super().__init__(groups, {})
        # The same dictionaries as the parts', so that a schedule that sets a rate here sets theirs.
        self.param_groups = groups

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimiser in self.optimisers:
            optimiser.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [optimiser.state_dict() for optimiser in self.optimisers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for optimiser, state in zip(self.optimisers, state_dict["parts"], strict=True):
            optimiser.load_state_dict(state)
        self.param_groups = [group for optimiser in self.optimisers for group in optimiser.param_groups]
        self.state.clear()
        for optimiser in self.optimisers:
            self.state.update(optimiser.state)
