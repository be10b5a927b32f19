"""A folded network computes what it computed before, in fewer layers; what cannot be folded stays."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resight.models import EmbeddingNetwork, OSNet, StrongBaseline, folding
from resight.models.folding import fold, fuse, halve

IMAGES = torch.randn(4, 3, 64, 32, generator=torch.Generator().manual_seed(0))

MADE: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet18": (lambda: StrongBaseline(2, "resnet18", pretrained=False), 1),  # the neck follows no layer
    "resnet50": (lambda: StrongBaseline(2, "resnet50", pretrained=False), 1),
    "instance": (lambda: StrongBaseline(2, "resnet18_ibn_a", pretrained=False), 1 + 6),  # halves of what a layer makes
    "depthwise": (lambda: StrongBaseline(2, "efficientnet_lite0", pretrained=False, last_stride=2), 1),
    "blurred": (lambda: StrongBaseline(2, "resnetblur18", pretrained=False, last_stride=2), 1),
    "dense": (lambda: EmbeddingNetwork(2, "resnet18", pretrained=False, embedding=16), 0),
    "osnet": (lambda: OSNet(2, multiplier=0.25), 0),
}


def lived(network: nn.Module) -> nn.Module:
    """The network with statistics, scales and offsets of all sizes, as training leaves them."""
    random = torch.Generator().manual_seed(1)
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            part.running_mean.normal_(0, 0.1, generator=random)
            part.running_var.uniform_(0.5, 2, generator=random)
            with torch.no_grad():
                part.weight.uniform_(0.5, 1.5, generator=random)
                part.bias.normal_(0, 0.1, generator=random)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, _BatchNorm) for part in network.modules())


def embed(network: nn.Module) -> Tensor:
    with torch.no_grad():
        return network.embed(IMAGES)


@pytest.mark.parametrize("name", MADE)
def test_embeddings_are_the_same_with_fewer_layers(name: str) -> None:
    torch.manual_seed(0)
    make, left = MADE[name]
    network = lived(make())
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold(network, embed)
    torch.testing.assert_close(embed(folded), embed(network), rtol=1e-3, atol=1e-4)
    assert norms(folded) == left < norms(network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items()), (
        "the network is as it was"
    )


class Twice(nn.Module):
    """A layer whose output is read by two BatchNorms, one that normalises two layers, and a layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.first, self.second, self.shared, self.last = (nn.BatchNorm2d(3) for _ in range(4))

    def embed(self, images: Tensor) -> Tensor:
        maps = self.one(images)
        maps = self.first(maps) + self.second(maps)
        maps = self.shared(self.two(maps)) + self.shared(images)
        return self.last(self.three(self.three(maps))).mean((2, 3))


def test_what_runs_or_is_read_twice_stays() -> None:
    torch.manual_seed(0)
    network = lived(Twice())
    folded = fold(network, embed)
    assert norms(folded) == 4
    assert torch.equal(embed(folded), embed(network))


def test_halving_touches_layers_alone() -> None:
    network = halve(lived(StrongBaseline(2, "resnet18", pretrained=False)), torch.bfloat16)
    kinds = {
        (type(part).__name__, next(part.parameters()).dtype)
        for part in network.modules()
        if not [*part.children()] and [*part.parameters()]
    }
    assert kinds == {
        ("Conv2d", torch.bfloat16),
        ("Linear", torch.bfloat16),
        ("BatchNorm2d", torch.float32),
        ("BatchNorm1d", torch.float32),
    }


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """cuDNN's kernels as plain arithmetic, and how often each ran."""
    runs = {"relu": 0, "sum": 0}

    def conv_relu(maps: Tensor, weight: Tensor, bias: Tensor, stride, padding, dilation, groups) -> Tensor:
        runs["relu"] += 1
        return F.relu(F.conv2d(maps, weight, bias, stride, padding, dilation, groups))

    def conv_sum_relu(maps: Tensor, weight: Tensor, other: Tensor, alpha: float, bias: Tensor, *geometry) -> Tensor:
        runs["sum"] += 1
        return F.relu(F.conv2d(maps, weight, bias, *geometry) + alpha * other)

    monkeypatch.setattr(folding, "on_gpu", lambda tensor: True)
    monkeypatch.setattr(torch, "cudnn_convolution_relu", conv_relu)
    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", conv_sum_relu)
    return runs


FUSED = {"resnet18": (1 + 8, 8), "resnet50": (1 + 32, 16), "blurred": (1 + 8, 5), "osnet": (0, 0)}
"""Layers that end in one kernel with a ReLU, and with a sum and a ReLU."""


@pytest.mark.parametrize("name", FUSED)
def test_kernels_of_a_gpu_compute_the_same(name: str, kernels: dict[str, int]) -> None:
    torch.manual_seed(0)
    folded = fold(lived(MADE[name][0]()), embed)
    before = embed(folded)
    fused = fuse(folded, embed)
    kernels.update(relu=0, sum=0)
    torch.testing.assert_close(embed(fused), before, rtol=1e-4, atol=1e-5)
    relus, sums = FUSED[name]
    assert kernels["sum"] == sums
    assert kernels["relu"] >= relus


@pytest.mark.parametrize(("kind", "within"), [(torch.float32, 1e-4), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("name", [*FUSED, "depthwise"])
def test_kernels_of_a_cpu_compute_the_same(name: str, kind: torch.dtype, within: float) -> None:
    torch.manual_seed(0)
    folded = halve(fold(lived(MADE[name][0]()), embed), kind).to(memory_format=torch.channels_last)

    def run(network: nn.Module) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=kind is torch.bfloat16):
            return embed(network).float()

    before, plain = run(folded), relus(folded, run)
    fused = fuse(copy.deepcopy(folded), run)
    if name != "osnet":
        assert relus(fused, run) < plain
    for network in (fused, copy.deepcopy(fused)):
        torch.testing.assert_close(run(network), before, rtol=within, atol=within * float(before.abs().max()))


def relus(network: nn.Module, run: Callable[[nn.Module], Tensor]) -> int:
    """ReLUs that are computed on their own in one pass over some images."""
    ran = 0

    def count(*_: object) -> None:
        nonlocal ran
        ran += 1

    hooks = [part.register_forward_hook(count) for part in network.modules() if isinstance(part, nn.ReLU | nn.ReLU6)]
    run(network)
    for hook in hooks:
        hook.remove()
    return ran
