"""Gradients of convolutions' weights as matrix products, where a CPU computes them faster so."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["quicken"]

_NARROW = 4
"""Maps up to this width. There oneDNN (of PyTorch 2.14) leaves most of AMX idle: 512 to 512 channels at 8×4, batch 64, take
it 53 ms, and nine matrix products 21; of maps twice as wide it is the faster one (docs/log.md)."""


def quicken(network: nn.Module) -> nn.Module:
    """The network itself, whose convolutions find their weights' gradients by matrix products where maps are narrow.

    Only in training on a CPU in bfloat16. The gradients are the same up to the rounding of bfloat16.
    """
    for layer in network.modules():
        if (
            isinstance(layer, nn.Conv2d)
            and layer.groups == 1
            and set(layer.dilation) == {1}
            and layer.padding_mode == "zeros"
        ):
            layer.forward = MethodType(_forward, layer)  # type: ignore[method-assign]  # of this instance: a copy has its own
    return network


def _forward(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    kind, padding = torch.get_autocast_dtype("cpu"), layer.padding
    learns = torch.is_grad_enabled() and layer.weight.requires_grad and layer.training
    if not (learns and torch.is_autocast_enabled("cpu") and kind is torch.bfloat16 and not isinstance(padding, str)):
        return layer._conv_forward(maps, layer.weight, layer.bias)
    if (maps.shape[3] + 2 * padding[1] - layer.kernel_size[1]) // layer.stride[1] + 1 > _NARROW:
        return layer._conv_forward(maps, layer.weight, layer.bias)
    bias = None if layer.bias is None else layer.bias.to(kind)
    return _Convolution.apply(maps.to(kind), layer.weight.to(kind), bias, layer.stride, padding)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        maps: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        context.save_for_backward(maps, weight)
        context.stride, context.padding, context.biased = stride, padding, bias is not None
        return F.conv2d(maps, weight, bias, stride, padding)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        maps, weight = context.saved_tensors
        of_maps = None
        if context.needs_input_grad[0]:
            how = [*context.stride], [*context.padding], [1, 1], False, [0, 0], 1
            wanted = [True, False, False]
            of_maps = torch.ops.aten.convolution_backward(gradient, maps, weight, None, *how, wanted)[0]
        of_bias = gradient.sum((0, 2, 3)) if context.biased else None
        return of_maps, _of_weight(maps, gradient, weight, context.stride, context.padding), of_bias, None, None


def _of_weight(
    maps: Tensor, gradient: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """(out, in, height, width): for each place of the kernel one product of the gradient and the maps that it saw."""
    (out, into, tall, wide), (high, broad) = weight.shape, gradient.shape[2:]
    rows = gradient.permute(0, 2, 3, 1).reshape(-1, out).t()
    padded = F.pad(maps, (padding[1], padding[1], padding[0], padding[0])).permute(0, 2, 3, 1)
    found = maps.new_empty(out, tall, wide, into)
    for i in range(tall):
        for j in range(wide):
            seen = padded[:, i : i + stride[0] * high : stride[0], j : j + stride[1] * broad : stride[1]]
            found[:, i, j] = rows @ seen.reshape(-1, into)
    return found.permute(0, 3, 1, 2)
