"""What a network costs: its parameters and its multiply-adds for one image."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from resight.models.abilities import Embeds, Recognises, Reconstructs, Segments
from resight.recipe import ImageOptions

__all__ = ["multiply_adds", "parameters", "use_of"]


def use_of(model: nn.Module) -> Callable[[Tensor], object]:
    """What a network is used for: embedding, else recognising, segmenting or reconstructing; its whole `forward` where it
    embeds and recognises, as Bruna, whose distance weighs attributes."""
    if isinstance(model, Embeds):
        return model if isinstance(model, Recognises) else model.embed
    if isinstance(model, Recognises):
        return model.recognise
    if isinstance(model, Segments):
        return model.segment
    if isinstance(model, Reconstructs):
        return model.reconstruct
    return model


def parameters(model: nn.Module, image: ImageOptions) -> int:
    """Numbers that training set and that use depends on: a classifier of identities does not count.

    They are those of the modules that an image passes, batch normalisation's statistics not among them.
    """
    passed: dict[int, Tensor] = {id(own): own for own in model.parameters(recurse=False)}

    def note(module: nn.Module, inputs: object, output: object) -> None:
        passed.update({id(own): own for own in module.parameters(recurse=False)})

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        _once(model, image)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(math.prod(own.shape) for own in passed.values())


def multiply_adds(model: nn.Module, image: ImageOptions) -> int:
    """Multiplications with additions of convolutions and matrix products for one image, counted by PyTorch."""
    with FlopCounterMode(display=False) as counter:
        _once(model, image)
    return counter.get_total_flops() // 2


@torch.no_grad()
def _once(model: nn.Module, image: ImageOptions) -> None:
    like = next(model.parameters(), torch.zeros(()))
    use_of(model)(torch.zeros(1, 3, image.height, image.width, device=like.device))
