"""A network for use alone: BatchNorm in the layers before it, weights in half precision, convolution and ReLU in one."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable

import torch
from timm.layers.norm_act import BatchNormAct2d
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

__all__ = ["fold", "fuse", "halve"]

Once = Callable[[nn.Module], object]
"""Runs a network on some images."""


def fold(network: nn.Module, once: Once) -> nn.Module:
    """A copy whose BatchNorms are folded into the convolutions and dense layers whose output they alone read.

    >>> fold(model, lambda network: network.embed(images))

    What reads what is seen while `once` runs the copy: a layer and a BatchNorm that do so twice stay as they are. For the
    mode of evaluation; the caller compares the results, since a reader that is no module is not seen.
    """
    copied = copy.deepcopy(network).eval()
    for before, norm in _followed(copied, once, (nn.Conv2d, nn.Linear), (_BatchNorm,)):
        parent, name = _place(copied, norm)
        layer = copied.get_submodule(before)
        own, last = _place(copied, before)
        norm_layer = copied.get_submodule(norm)
        assert isinstance(norm_layer, _BatchNorm)
        if isinstance(layer, nn.Linear):
            setattr(own, last, fuse_linear_bn_eval(layer, norm_layer))
        elif isinstance(layer, nn.Conv2d):
            setattr(own, last, fuse_conv_bn_eval(layer, norm_layer))
        setattr(parent, name, _after(norm_layer))
    return copied


def _after(norm: nn.Module) -> nn.Module:
    """What is left of a BatchNorm that is folded: timm's have an activation in them."""
    return nn.Sequential(norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else nn.Identity()


def halve(network: nn.Module, kind: torch.dtype) -> nn.Module:
    """The network itself, the weights of its convolutions and dense layers in half precision, which autocast would make
    of them at each pass."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.to(kind)
    return network


def fuse(network: nn.Module, once: Once) -> nn.Module:
    """The network itself, convolutions in one kernel with what follows: cuDNN's on a GPU, in half precision, or oneDNN's.

    That is the ReLU, and at the end of timm's residual blocks also the sum: otherwise bias, sum and ReLU are a pass over
    the maps each. For use without gradients. Raises RuntimeError where there is no such kernel.
    """
    blocks = [part for part in network.modules() if isinstance(part, BasicBlock | Bottleneck)]
    for block in blocks:
        _fuse_block(block)
    # A block that is left adds its input in place to what its last layer makes, which no hook sees.
    summed = {block.conv3 if isinstance(block, Bottleneck) else block.conv2 for block in blocks}
    for before, relu in _followed(network, once, (nn.Conv2d,), (nn.ReLU, nn.ReLU6)):
        layer, after = network.get_submodule(before), network.get_submodule(relu)
        assert isinstance(layer, nn.Conv2d)
        if layer not in summed and _fusible(layer) and (isinstance(after, nn.ReLU) or not on_gpu(layer.weight)):
            setattr(*_place(network, before), _ConvReLU(layer, 6.0 if isinstance(after, nn.ReLU6) else None))
            setattr(*_place(network, relu), nn.Identity())
    return network


def on_gpu(tensor: Tensor) -> bool:
    return tensor.is_cuda


class _Kernel(nn.Module):
    """A convolution that is computed with what follows."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        self._packed: Tensor | None = None

    def __getstate__(self) -> dict[str, object]:
        # What oneDNN has packed can be copied by nobody else.
        return {**self.__dict__, "_packed": None}

    def weight_for(self, maps: Tensor) -> Tensor:
        """The weights in the order in memory that oneDNN computes with, made once, of the maps that come first."""
        if self._packed is None:
            layer = self.layer
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                layer.weight, layer.padding, layer.stride, layer.dilation, layer.groups, list(maps.shape)
            )
        return self._packed

    def geometry(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
        layer = self.layer
        assert not isinstance(layer.padding, str)
        return layer.padding, layer.stride, layer.dilation, layer.groups

    def bias(self) -> Tensor:
        layer = self.layer
        return torch.zeros_like(layer.weight[:, 0, 0, 0]) if layer.bias is None else layer.bias


class _ConvReLU(_Kernel):
    """relu(layer(maps)), or no more than `most` of it; that on a CPU alone."""

    def __init__(self, layer: nn.Conv2d, most: float | None = None) -> None:
        super().__init__(layer)
        self.clip: tuple[str, list[float]] = ("relu", []) if most is None else ("hardtanh", [0.0, most])

    def forward(self, maps: Tensor) -> Tensor:
        layer, (padding, stride, dilation, groups) = self.layer, self.geometry()
        maps = maps.to(layer.weight.dtype)
        if on_gpu(maps):
            return torch.cudnn_convolution_relu(maps, layer.weight, self.bias(), stride, padding, dilation, groups)
        return torch.ops.mkldnn._convolution_pointwise(
            maps, self.weight_for(maps), layer.bias, *self.geometry(), *self.clip, ""
        )


class _LastSum(_Kernel):
    """relu(layer(maps) + other)."""

    def forward(self, maps: Tensor, other: Tensor) -> Tensor:
        layer, (padding, stride, dilation, groups) = self.layer, self.geometry()
        maps, other = maps.to(layer.weight.dtype), other.to(layer.weight.dtype)
        if on_gpu(maps):
            return torch.cudnn_convolution_add_relu(
                maps, layer.weight, other, 1.0, self.bias(), stride, padding, dilation, groups
            )
        return torch.ops.mkldnn._convolution_pointwise.binary(
            maps, other, self.weight_for(maps), layer.bias, *self.geometry(), "add", 1.0, "relu", [], ""
        )


class _Residual(nn.Module):
    """A residual block of timm's: the layers before the last one, the way past them, and the last one with the sum."""

    def __init__(self, path: list[nn.Module], last: _LastSum, past: nn.Module | None) -> None:
        super().__init__()
        self.path, self.last, self.past = nn.Sequential(*path), last, past

    def forward(self, maps: Tensor) -> Tensor:
        return self.last(self.path(maps), maps if self.past is None else self.past(maps))


def _fuse_block(block: BasicBlock | Bottleneck) -> None:
    """Have a folded block of timm's end in one kernel, if it has nothing but convolutions and ReLUs."""
    convolutions = [block.conv1, block.conv2] + ([block.conv3] if isinstance(block, Bottleneck) else [])
    relus = [block.act1, block.act2] + ([block.act3] if isinstance(block, Bottleneck) else [])
    between = [block.bn1, block.bn2, block.aa, block.drop_block] + (
        [block.bn3] if isinstance(block, Bottleneck) else []
    )
    plain = all(isinstance(part, nn.Identity) for part in between) and block.se is None and block.drop_path is None
    if not plain or not all(isinstance(relu, nn.ReLU) for relu in relus) or not all(map(_fusible, convolutions)):
        return
    *first, last = convolutions
    block.whole = _Residual([_ConvReLU(layer) for layer in first], _LastSum(last), block.downsample)
    block.forward = block.whole.forward  # type: ignore[method-assign, assignment]


def _fusible(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _followed(
    network: nn.Module, once: Once, first: tuple[type[nn.Module], ...], second: tuple[type[nn.Module], ...]
) -> list[tuple[str, str]]:
    """Names of layers of the `first` kinds and of those of the `second` that read their output; each runs once."""
    runs: Counter[str] = Counter()
    made: dict[int, str] = {}
    kept: list[Tensor] = []  # so that no other tensor gets the number of one that is gone
    found: list[tuple[str, str]] = []
    reads: Counter[str] = Counter()

    def hook(name: str, module: nn.Module) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            runs[name] += 1
            if inputs and id(inputs[0]) in made:
                reads[made[id(inputs[0])]] += 1
                if isinstance(module, second):
                    found.append((made[id(inputs[0])], name))
                if output is inputs[0]:  # in place: whoever reads it from now on reads something else
                    del made[id(output)]
            if isinstance(module, first) and isinstance(output, Tensor):
                made[id(output)] = name
                kept.append(output)

        return note

    leaves = [
        (name, part)
        for name, part in network.named_modules()
        if not isinstance(part, nn.Identity) and not [*part.children()]
    ]
    leaves += [(name, part) for name, part in network.named_modules() if isinstance(part, BatchNormAct2d)]
    hooks = [part.register_forward_hook(hook(name, part)) for name, part in leaves]
    try:
        with torch.no_grad():
            once(network)
    finally:
        for handle in hooks:
            handle.remove()
    return [(one, other) for one, other in found if runs[one] == runs[other] == reads[one] == 1]


def _place(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that holds another one, and the name that it has there."""
    parent, _, last = name.rpartition(".")
    return network.get_submodule(parent), last
