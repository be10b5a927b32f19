"""Attention and fusion: against arithmetic written out, and by what they are to join."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from resight.models.layers import ATTENTIONS, GeM, StageFusion, average_pool, max_pool

CHANNELS = (32, 64, 128, 256)


def maps(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def stages(last_stride: int = 2) -> list[Tensor]:
    """Four stages of a ResNet with odd sizes, which round up."""
    sizes = [(18, 10), (9, 5), (5, 3), (3, 2) if last_stride == 2 else (5, 3)]
    return [maps(2, width, *size) for width, size in zip(CHANNELS, sizes, strict=True)]


def perceptron(attention: nn.Module, values: Tensor) -> Tensor:
    """Both dense layers of a channel gate on (channels,), a number at a time."""
    hidden = [
        max(0.0, sum(w * x for w, x in zip(row.flatten(), values, strict=True)) + bias)
        for row, bias in zip(attention.fc1.weight, attention.fc1.bias, strict=True)
    ]
    return torch.stack(
        [
            sum(w * h for w, h in zip(row.flatten(), hidden, strict=True)) + bias
            for row, bias in zip(attention.fc2.weight, attention.fc2.bias, strict=True)
        ]
    )


def sigmoid(values: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-values))


@torch.no_grad()
def test_squeeze_and_excitation_by_hand() -> None:
    torch.manual_seed(0)
    attention, x = ATTENTIONS["se"](32), maps(2, 32, 3, 4)
    assert attention.fc1.weight.shape[:2] == (2, 32), "ratio 16"
    assert attention.fc1.bias is not None
    expected = torch.empty_like(x)
    for image in range(2):
        means = torch.stack([x[image, channel].sum() / 12 for channel in range(32)])
        gates = sigmoid(perceptron(attention, means))
        for channel in range(32):
            expected[image, channel] = x[image, channel] * gates[channel]
    torch.testing.assert_close(attention(x), expected)


def test_squeeze_and_excitation_keeps_ratio_16_on_narrow_stages() -> None:
    assert ATTENTIONS["se"](64).fc1.out_channels == 4, "no rounding to a multiple of 8"


@torch.no_grad()
def test_cbam_by_hand() -> None:
    torch.manual_seed(0)
    attention, x = ATTENTIONS["cbam"](32).eval(), maps(2, 32, 5, 4)
    channel, conv, norm = attention.channel, attention.spatial.conv.conv, attention.spatial.conv.bn
    assert channel.fc1.weight.shape[:2] == (2, 32), "ratio 16"
    norm.running_mean.fill_(0.1)
    norm.running_var.fill_(0.5)
    expected = torch.empty_like(x)
    for image in range(2):
        means = torch.stack([x[image, c].mean() for c in range(32)])
        peaks = torch.stack([x[image, c].max() for c in range(32)])
        # One perceptron for both, their answers added.
        gated = x[image] * sigmoid(perceptron(channel, means) + perceptron(channel, peaks))[:, None, None]
        seen = torch.zeros(2, 5 + 6, 4 + 6)  # mean and maximum over channels, 3 zeros around
        seen[0, 3:-3, 3:-3] = sum(gated[c] for c in range(32)) / 32
        seen[1, 3:-3, 3:-3] = gated.max(0).values
        for row in range(5):
            for column in range(4):
                value = (conv.weight[0] * seen[:, row : row + 7, column : column + 7]).sum()
                scaled = (value - 0.1) / (0.5 + norm.eps) ** 0.5 * norm.weight + norm.bias
                expected[image, :, row, column] = gated[:, row, column] * sigmoid(scaled)
    torch.testing.assert_close(attention(x), expected)


@pytest.mark.parametrize("last_stride", [1, 2])
@pytest.mark.parametrize(("kind", "width"), [("none", 256), ("add", 256), ("concat", 512), ("global-concat", 1024)])
def test_fusion_has_stage_4s_size_and_a_known_width(kind: str, width: int, last_stride: int) -> None:
    fusion = StageFusion(CHANNELS, kind, last_stride)
    given = stages(last_stride)
    assert fusion.dim == width
    assert fusion(given).shape == (2, width, *given[-1].shape[2:])


@pytest.mark.parametrize(("kind", "read"), [("none", "4"), ("add", "34"), ("concat", "34"), ("global-concat", "1234")])
def test_fusion_reads_just_the_stages_it_names(kind: str, read: str) -> None:
    torch.manual_seed(0)
    given = [stage.requires_grad_() for stage in stages()]
    StageFusion(CHANNELS, kind)(given).square().sum().backward()
    assert "".join(str(s) for s, stage in enumerate(given, 1) if stage.grad is not None and stage.grad.any()) == read


@torch.no_grad()
def test_stage_3_meets_stage_4_through_a_strided_1x1_convolution() -> None:
    torch.manual_seed(0)
    concat, add, given = StageFusion(CHANNELS, "concat").eval(), StageFusion(CHANNELS, "add").eval(), stages()
    add.load_state_dict(concat.state_dict())
    weight = concat.paths[0][0].weight[:, :, 0, 0]  # (256, 128)
    picked = given[2][:, :, ::2, ::2]  # every second row and column
    brought = torch.einsum("oc,nchw->nohw", weight, picked) / (1 + 1e-5) ** 0.5  # a fresh BatchNorm's scale
    torch.testing.assert_close(concat(given), torch.cat([given[3], brought], dim=1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(add(given), given[3] + brought, atol=1e-4, rtol=1e-4)


def test_global_concat_descends_by_3x3_convolutions_with_relu() -> None:
    _, second, first = StageFusion(CHANNELS, "global-concat").paths
    for path, widths in ((second, [64, 128, 256]), (first, [32, 64, 128, 256])):
        convolutions = [module for module in path.modules() if isinstance(module, nn.Conv2d)]
        assert [convolutions[0].in_channels, *(c.out_channels for c in convolutions)] == widths
        assert all(c.kernel_size == (3, 3) and c.stride == (2, 2) for c in convolutions)
        assert sum(isinstance(module, nn.ReLU) for module in path.modules()) == len(convolutions)


def test_poolings_by_hand() -> None:
    values = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    assert average_pool(values).item() == 3
    assert max_pool(values).item() == 6
    assert GeM(p=1.0)(values).item() == pytest.approx(3, abs=1e-5)
    assert GeM(p=2.0)(values).item() == pytest.approx((50 / 4) ** 0.5, rel=1e-5)
