"""OSNet, the omni-scale network (Zhou et al. 2019), with its variants for other cameras than it was trained on (2021)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from resight.models.output import ReidOutput
from resight.models.weights import WeightsFile, load_weights

__all__ = ["OSNet"]

WIDTHS = (64, 256, 384, 512)
"""Channels after the first convolution and after each of the three stages, at multiplier 1 (Zhou et al. 2019, table 1)."""

Normalisation = Literal["batch", "ibn", "ain"]


class OSNet(nn.Module):
    """Blocks of four streams whose receptive fields grow from 3×3 to 9×9, and one gate that weighs their channels.

    >>> model = OSNet(num_classes=751, multiplier=0.25)
    >>> model.eval().embed(images).shape  # (batch, 512)

    - `multiplier` is the width: 1, 0.75, 0.5 and 0.25 are torchreid's x1_0, x0_75, x0_5 and x0_25.
    - `normalisation`: "ibn" adds instance normalisation after the first convolution and after each block of the first
      stage; "ain" has it inside the blocks that the architecture search of Zhou et al. 2021 chose (table 2).

    - `dim` is the width of the embedding.

    Weights have torchreid's names, which differ between "ain" and the other two. `weights` is a file to start from, such
    as torchreid's of ImageNet; its classifier is left out. The embedding is the feature that the classifier reads, after
    BatchNorm and ReLU.
    """

    def __init__(
        self,
        num_classes: int,
        multiplier: Annotated[float, Field(ge=0.25, le=4, multiple_of=0.25)] = 1.0,
        normalisation: Normalisation = "batch",
        dim: Annotated[int, Field(ge=1)] = 512,
        weights: WeightsFile = None,
    ) -> None:
        super().__init__()
        first, *stages = (int(width * multiplier) for width in WIDTHS)
        self.dim = dim
        self.conv1 = _Convolution(3, first, 7, stride=2, instance=normalisation != "batch")
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.pool2: nn.Module = nn.Identity()
        self.pool3: nn.Module = nn.Identity()
        if normalisation == "ain":
            self.conv2, self.conv3, self.conv4 = (
                nn.Sequential(_SearchedBlock(before, after, inside[0]), _SearchedBlock(after, after, inside[1]))
                for before, after, inside in zip(
                    [first, *stages], stages, ((True, True), (False, True), (True, False)), strict=False
                )
            )
            self.pool2, self.pool3 = _halving(stages[0]), _halving(stages[1])
        else:
            self.conv2 = _stage(first, stages[0], halve=True, instance=normalisation == "ibn")
            self.conv3 = _stage(stages[0], stages[1], halve=True)
            self.conv4 = _stage(stages[1], stages[2], halve=False)
        self.conv5 = _Convolution(stages[2], stages[2])
        self.fc = nn.Sequential(nn.Linear(stages[2], dim), nn.BatchNorm1d(dim), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(dim, num_classes)
        self.apply(_initialise)
        if weights is not None:
            load_weights(self, weights, left_out=("classifier.",))

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """The layers, as timm's networks state them: patterns of parameters' names, from the input on."""
        stage = r"^(?:conv|pool)([2-4])"
        return {"stem": r"^conv1", "blocks": stage if coarse else rf"{stage}\.(\d+)", "last": r"^(?:conv5|fc)"}

    def maps(self, images: Tensor) -> Tensor:
        """The maps to pool: (batch, 512 × multiplier, height / 16, width / 16)."""
        maps = self.pool2(self.conv2(self.maxpool(self.conv1(images))))
        return self.conv5(self.conv4(self.pool3(self.conv3(maps))))

    def forward(self, images: Tensor) -> ReidOutput:
        """(batch, 3, height, width), normalised -> the embedding as the one feature, and its logits."""
        feature = self.embed(images)
        return ReidOutput(features=(feature,), logits=(self.classifier(feature),))

    def embed(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> embeddings (batch, dim)."""
        return self.fc(self.maps(images).mean((2, 3)))

    def embedding_of(self, output: ReidOutput) -> Tensor:
        """What `forward` returned -> the embeddings of `embed`."""
        return output.features[0]


class _Convolution(nn.Module):
    """Convolution, normalisation, ReLU."""

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1, instance: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.InstanceNorm2d(after, affine=True) if instance else nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(maps)))


class _Projection(nn.Module):
    """1×1 convolution without ReLU, and BatchNorm unless another normalisation follows."""

    def __init__(self, before: int, after: int, normalised: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 1, bias=False)
        self.bn = nn.BatchNorm2d(after) if normalised else None

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.conv(maps)
        return maps if self.bn is None else self.bn(maps)


class _LightConvolution(nn.Module):
    """A 3×3 convolution in two: 1×1 over channels, then 3×3 within each channel (Zhou et al. 2019, section 3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv2(self.conv1(maps))))


class _Gate(nn.Module):
    """Weighs channels by the whole image; a block's streams share one (the "aggregation gate", its equation 3)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        weights = self.fc2(self.fc1(maps.mean((2, 3), keepdim=True)).relu())
        return maps * weights.sigmoid()


class _Block(nn.Module):
    """Reduce, four gated streams, expand, add; `instance` normalises the sum (the variant "ibn")."""

    def __init__(self, before: int, after: int, instance: bool = False) -> None:
        super().__init__()
        self._ends(before, after)
        width = after // 4
        self.conv2a = _LightConvolution(width)
        self.conv2b, self.conv2c, self.conv2d = (_stream(width, depth) for depth in (2, 3, 4))
        self.IN = nn.InstanceNorm2d(after, affine=True) if instance else None

    def _ends(self, before: int, after: int, normalised: bool = True) -> None:
        self.conv1 = _Convolution(before, after // 4)
        self.gate = _Gate(after // 4)
        self.conv3 = _Projection(after // 4, after, normalised)
        self.downsample = None if before == after else _Projection(before, after)

    def streams(self) -> Iterable[nn.Module]:
        return self.conv2a, self.conv2b, self.conv2c, self.conv2d

    def residual(self, maps: Tensor) -> Tensor:
        reduced = self.conv1(maps)
        first, *others = (self.gate(stream(reduced)) for stream in self.streams())
        return self.conv3(sum(others, first))

    def forward(self, maps: Tensor) -> Tensor:
        kept = maps if self.downsample is None else self.downsample(maps)
        added = self.residual(maps) + kept
        return (added if self.IN is None else self.IN(added)).relu()


class _SearchedBlock(_Block):
    """A block of the variant "ain": `inside` normalises each image's residual, before it is added."""

    def __init__(self, before: int, after: int, inside: bool) -> None:
        nn.Module.__init__(self)
        self._ends(before, after, normalised=not inside)
        self.conv2 = nn.ModuleList(_Layers(_stream(after // 4, depth)) for depth in (1, 2, 3, 4))
        self.IN = nn.InstanceNorm2d(after, affine=True) if inside else None

    def streams(self) -> Iterable[nn.Module]:
        return self.conv2

    def forward(self, maps: Tensor) -> Tensor:
        kept = maps if self.downsample is None else self.downsample(maps)
        residual = self.residual(maps)
        return ((residual if self.IN is None else self.IN(residual)) + kept).relu()


class _Layers(nn.Module):
    """A stream under the name that it has in the variant "ain"."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, maps: Tensor) -> Tensor:
        return self.layers(maps)


def _stream(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(_LightConvolution(width) for _ in range(depth)))


def _stage(before: int, after: int, halve: bool, instance: bool = False) -> nn.Sequential:
    blocks = [_Block(before, after, instance), _Block(after, after, instance)]
    return nn.Sequential(*blocks, _halving(after)) if halve else nn.Sequential(*blocks)


def _halving(channels: int) -> nn.Sequential:
    return nn.Sequential(_Convolution(channels, channels), nn.AvgPool2d(2, stride=2))


def _initialise(module: nn.Module) -> None:
    """As torchreid does; normalisation layers begin as PyTorch's do."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
