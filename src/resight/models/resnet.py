"""ResNets that timm does not have: with instance-batch normalisation, with non-local blocks, with FastReID's stem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

__all__ = ["PUBLISHED", "RESNETS", "ResNet"]

Kind = Literal["none", "a", "b"]

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Depth -> blocks of each stage (He et al. 2016, table 1)."""
NON_LOCAL = {50: (0, 2, 3, 0), 101: (0, 2, 9, 0)}
"""Depth -> the last so many blocks of each stage that a non-local block follows, in FastReID."""


class ResNet(nn.Module):
    """A ResNet without classifier (He et al. 2016).

    >>> ResNet(50, ibn="a").forward_features(images).shape  # (batch, 2048, height / 32, width / 32)

    - `ibn` "a": the first half of each block's first normalisation is instance normalisation, in the first three stages;
      "b": instance normalisation after the first convolution and after the addition of the last block of the first two
      stages (Pan et al. 2018, "Two at Once", figure 3).
    - `non_local`: self-attention of positions after the last blocks of stages 2 and 3 (Wang et al. 2018), with FastReID's
      one channel and division by the number of positions. They begin as the identity.
    - `padded`: whether the first max pooling pads its maps, as everywhere but in FastReID, whose pooling has been shifted
      by a pixel since August 2020.

    Parameters have the names of IBN-Net's published weights, and begin as timm's do: the last normalisation of each block
    at 0. `layers` are the blocks of each stage, instead of the
    depth's, and `in_chans` the channels of an image.
    """

    def __init__(
        self,
        depth: int,
        ibn: Kind = "none",
        non_local: bool = False,
        padded: bool = True,
        layers: Sequence[int] | None = None,
        in_chans: int = 3,
    ) -> None:
        super().__init__()
        block = _Bottleneck if depth >= 50 else _Basic
        self.num_features = 512 * block.expansion
        self.conv1 = nn.Conv2d(in_chans, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.InstanceNorm2d(64, affine=True) if ibn == "b" else nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if padded else nn.MaxPool2d(3, stride=2, ceil_mode=True)
        before, followed = 64, NON_LOCAL.get(depth, ()) if non_local else ()
        self.feature_info = []
        for number, count in enumerate(layers or BLOCKS[depth]):
            width = 64 * 2**number
            last = count - (followed[number] if followed else 0)
            stage = [
                block(
                    before if place == 0 else width * block.expansion,
                    width,
                    stride=2 if number and place == 0 else 1,
                    halved=ibn == "a" and number < 3,
                    summed=ibn == "b" and number < 2 and place == count - 1,
                    non_local=place >= last,
                )
                for place in range(count)
            ]
            self.add_module(f"layer{number + 1}", nn.Sequential(*stage))
            before = width * block.expansion
            self.feature_info.append({"num_chs": before, "module": f"layer{number + 1}", "reduction": 4 * 2**number})
        self.apply(_initialise)

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """The layers, as timm's networks state them: patterns of parameters' names, from the input on."""
        return {"stem": r"^(?:conv1|bn1)", "blocks": r"^layer(\d+)" if coarse else r"^layer(\d+)\.(\d+)"}

    def forward_features(self, images: Tensor) -> Tensor:
        """Images (batch, in_chans, height, width) -> maps of the last stage (batch, num_features, height, width)."""
        for module in self.children():
            images = module(images)
        return images


class _HalfInstance(nn.Module):
    """Instance normalisation of the first half of the channels, BatchNorm of the others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.instances = channels // 2
        self.IN = nn.InstanceNorm2d(self.instances, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.instances)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self.IN(maps[:, : self.instances]), self.BN(maps[:, self.instances :])], dim=1)


class _NonLocal(nn.Module):
    """Adds to each position a mean of all positions, weighed by dot products (Wang et al. 2018, equation 4)."""

    def __init__(self, channels: int, inner: int = 1) -> None:
        super().__init__()
        self.g, self.theta, self.phi = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(norm.weight)
        self.W = nn.Sequential(nn.Conv2d(inner, channels, 1), norm)

    def forward(self, maps: Tensor) -> Tensor:
        values, queries, keys = (layer(maps).flatten(2) for layer in (self.g, self.theta, self.phi))
        # (batch, inner, positions) @ (batch, positions, inner): the same sum as over positions × positions, and smaller.
        found = (values @ keys.transpose(1, 2)) @ queries / maps[0, 0].numel()
        return maps + self.W(found.unflatten(2, maps.shape[2:]))


class _Block(nn.Module):
    """What both kinds of block do after their own convolutions."""

    expansion: int

    def _ends(self, before: int, width: int, stride: int, summed: bool, non_local: bool) -> None:
        after = width * self.expansion
        self.relu = nn.ReLU(inplace=True)
        self.IN = nn.InstanceNorm2d(after, affine=True) if summed else None
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.non_local = _NonLocal(after) if non_local else None

    def residual(self, maps: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, maps: Tensor) -> Tensor:
        added = self.residual(maps) + (maps if self.downsample is None else self.downsample(maps))
        made = self.relu(added if self.IN is None else self.IN(added))
        return made if self.non_local is None else self.non_local(made)


class _Basic(_Block):
    expansion = 1

    def __init__(self, before: int, width: int, stride: int, halved: bool, summed: bool, non_local: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.bn1 = _HalfInstance(width) if halved else nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        nn.init.zeros_(self.bn2.weight)
        self._ends(before, width, stride, summed, non_local)

    def residual(self, maps: Tensor) -> Tensor:
        return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps)))))


class _Bottleneck(_Block):
    expansion = 4

    def __init__(self, before: int, width: int, stride: int, halved: bool, summed: bool, non_local: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = _HalfInstance(width) if halved else nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        nn.init.zeros_(self.bn3.weight)
        self._ends(before, width, stride, summed, non_local)

    def residual(self, maps: Tensor) -> Tensor:
        maps = self.relu(self.bn1(self.conv1(maps)))
        return self.bn3(self.conv3(self.relu(self.bn2(self.conv2(maps)))))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d) and module.bias is None:
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _table() -> dict[str, dict[str, Any]]:
    """Every name that no timm model has: [fastreid_]resnetDEPTH[_ibn_a|_ibn_b][_nl] -> the arguments of `ResNet`."""
    found: dict[str, dict[str, Any]] = {}
    for stem, padded in (("", True), ("fastreid_", False)):
        for depth in BLOCKS:
            for ending, ibn in (("", "none"), ("_ibn_a", "a"), ("_ibn_b", "b")):
                for non_local in (False, True) if depth in NON_LOCAL else (False,):
                    name = f"{stem}resnet{depth}{ending}{'_nl' if non_local else ''}"
                    found[name] = {"depth": depth, "ibn": ibn, "non_local": non_local, "padded": padded}
    for depth in BLOCKS:
        del found[f"resnet{depth}"]  # timm's
    return found


RESNETS = _table()
"""Name, as `model.backbone` takes it -> arguments of `ResNet`."""

_RELEASE = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/"
PUBLISHED = {
    "resnet18_ibn_a": f"{_RELEASE}resnet18_ibn_a-2f571257.pth",
    "resnet34_ibn_a": f"{_RELEASE}resnet34_ibn_a-94bc1577.pth",
    "resnet50_ibn_a": f"{_RELEASE}resnet50_ibn_a-d9d0bb7b.pth",
    "resnet101_ibn_a": f"{_RELEASE}resnet101_ibn_a-59ea0ac6.pth",
    "resnet18_ibn_b": f"{_RELEASE}resnet18_ibn_b-bc2f3c11.pth",
    "resnet34_ibn_b": f"{_RELEASE}resnet34_ibn_b-04134c37.pth",
    "resnet50_ibn_b": f"{_RELEASE}resnet50_ibn_b-9ca61e85.pth",
    "resnet101_ibn_b": f"{_RELEASE}resnet101_ibn_b-c55f6dba.pth",
}
"""Where the authors' ImageNet weights are, by name; the file's name ends with the beginning of its SHA-256."""
