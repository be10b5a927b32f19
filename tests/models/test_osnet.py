"""OSNet: what it computes, read from its paper onto torchreid's names of its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resight.errors import WeightsError
from resight.models.osnet import OSNet

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def shaken(normalisation: str) -> OSNet:
    """A network in which no weight is at its beginning, so that each of them counts."""
    torch.manual_seed(0)
    model = OSNet(5, 0.25, normalisation)  # type: ignore[arg-type]
    model.train()(IMAGES)
    with torch.no_grad():
        for values in model.parameters():
            values.add_(0.1 * torch.randn_like(values))
    return model.eval()


class Literal:
    """The network by name of its weights, one operation after another."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def norm(self, name: str, maps: Tensor) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        if f"{name}.running_mean" in self.state:
            mean, variance = self.state[f"{name}.running_mean"], self.state[f"{name}.running_var"]
            return F.batch_norm(maps, mean, variance, weight, bias)
        return F.instance_norm(maps, weight=weight, bias=bias)

    def convolved(self, name: str, maps: Tensor, stride: int = 1) -> Tensor:
        weight = self.state[f"{name}.conv.weight"]
        maps = F.conv2d(maps, weight, stride=stride, padding=weight.shape[-1] // 2)
        return self.norm(f"{name}.bn", maps) if f"{name}.bn.weight" in self.state else maps

    def light(self, name: str, maps: Tensor) -> Tensor:
        maps = F.conv2d(maps, self.state[f"{name}.conv1.weight"])
        maps = F.conv2d(maps, self.state[f"{name}.conv2.weight"], padding=1, groups=maps.shape[1])
        return self.norm(f"{name}.bn", maps).relu()

    def gated(self, name: str, maps: Tensor) -> Tensor:
        squeezed = F.adaptive_avg_pool2d(maps, 1)
        for layer, after in (("fc1", torch.relu), ("fc2", torch.sigmoid)):
            squeezed = after(
                F.conv2d(squeezed, self.state[f"{name}.{layer}.weight"], self.state[f"{name}.{layer}.bias"])
            )
        return maps * squeezed

    def streams(self, name: str) -> list[list[str]]:
        """The light convolutions of each stream: 1, 2, 3 and 4 of them."""
        if f"{name}.conv2a.conv1.weight" in self.state:
            return [
                [f"{name}.conv2a"],
                *([f"{name}.conv2{at}.{n}" for n in range(depth)] for at, depth in zip("bcd", (2, 3, 4), strict=True)),
            ]
        return [[f"{name}.conv2.{depth}.layers.{n}" for n in range(depth + 1)] for depth in range(4)]

    def block(self, name: str, maps: Tensor) -> Tensor:
        reduced = self.convolved(f"{name}.conv1", maps).relu()
        total = torch.zeros(())
        for layers in self.streams(name):
            seen = reduced
            for layer in layers:
                seen = self.light(layer, seen)
            total = total + self.gated(f"{name}.gate", seen)
        residual = self.convolved(f"{name}.conv3", total)
        kept = self.convolved(f"{name}.downsample", maps) if f"{name}.downsample.conv.weight" in self.state else maps
        if f"{name}.IN.weight" not in self.state:
            return (residual + kept).relu()
        searched = f"{name}.conv2a.conv1.weight" not in self.state
        if searched:  # "ain" has it inside the residual, "ibn" on the sum
            return (self.norm(f"{name}.IN", residual) + kept).relu()
        return self.norm(f"{name}.IN", residual + kept).relu()

    def embed(self, images: Tensor) -> Tensor:
        maps = F.max_pool2d(self.convolved("conv1", images, stride=2).relu(), 3, 2, 1)
        for stage in ("conv2", "conv3", "conv4"):
            maps = self.block(f"{stage}.1", self.block(f"{stage}.0", maps))
            for halving in (f"{stage}.2.0", f"pool{stage[-1]}.0"):
                if f"{halving}.conv.weight" in self.state:
                    maps = F.avg_pool2d(self.convolved(halving, maps).relu(), 2)
        pooled = self.convolved("conv5", maps).relu().mean((2, 3))
        return self.norm("fc.1", F.linear(pooled, self.state["fc.0.weight"], self.state["fc.0.bias"])).relu()


@pytest.mark.parametrize("normalisation", ["batch", "ibn", "ain"])
@torch.no_grad()
def test_the_network_is_the_papers_by_torchreids_names(normalisation: str) -> None:
    model = shaken(normalisation)
    torch.testing.assert_close(model.embed(IMAGES), Literal(model.state_dict()).embed(IMAGES), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("multiplier", "millions"), [(1.0, 2.2), (0.75, 1.3), (0.5, 0.6), (0.25, 0.2)], ids=["1", "0.75", "0.5", "0.25"]
)
def test_the_widths_have_the_published_numbers_of_parameters(multiplier: float, millions: float) -> None:
    model = OSNet(1, multiplier)
    counted = sum(values.numel() for name, values in model.named_parameters() if not name.startswith("classifier"))
    assert round(counted / 1e6, 1) == millions  # torchreid's model zoo, without the classifier


def test_where_instances_are_normalised() -> None:
    def places(normalisation: str) -> set[str]:
        modules = OSNet(1, 0.25, normalisation).named_modules()  # type: ignore[arg-type]
        return {name for name, module in modules if isinstance(module, torch.nn.InstanceNorm2d)}

    assert places("batch") == set()
    assert places("ibn") == {"conv1.bn", "conv2.0.IN", "conv2.1.IN"}
    assert places("ain") == {"conv1.bn", "conv2.0.IN", "conv2.1.IN", "conv3.1.IN", "conv4.0.IN"}


def test_the_classifier_reads_the_embedding() -> None:
    model = shaken("batch")
    output = model(IMAGES)
    torch.testing.assert_close(output.features[0], model.embed(IMAGES))
    torch.testing.assert_close(output.logits[0], model.classifier(output.features[0]))
    assert output.logits[0].shape == (2, 5)


def test_training_starts_from_a_file_of_other_classes(tmp_path: Path) -> None:
    donor = shaken("batch")
    torch.save({"state_dict": donor.state_dict()}, tmp_path / "osnet.pth")
    model = OSNet(7, 0.25, weights=str(tmp_path / "osnet.pth")).eval()
    torch.testing.assert_close(model.embed(IMAGES), donor.embed(IMAGES))
    assert model.classifier.out_features == 7
    with pytest.raises(WeightsError, match=r"osnet\.pth does not fit, and nothing was loaded: .* of another shape"):
        OSNet(7, 0.5, weights=str(tmp_path / "osnet.pth"))
