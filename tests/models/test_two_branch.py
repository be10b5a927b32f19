"""The two-branch network: what its branches share, where they start, what each returns."""

from __future__ import annotations

from copy import deepcopy

import pytest
import timm
import torch

from resight.errors import RecipeError
from resight.models import two_branch
from resight.models.two_branch import TwoBranch

IMAGES = torch.randn(3, 3, 64, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model() -> TwoBranch:
    torch.manual_seed(0)
    return TwoBranch(num_classes=7, backbone="resnet18", pretrained=False)


def test_losses_read_both_branches_and_retrieval_their_features_in_a_row(model: TwoBranch) -> None:
    output = model(IMAGES)
    assert [tuple(feature.shape) for feature in output.features] == [(3, 512)] * 2
    assert [tuple(logits.shape) for logits in output.logits] == [(3, 7)] * 2
    assert model.dim == 512
    model.eval()
    maps = model.shared(IMAGES)
    average = model.branches["global"].stage(maps).mean(dim=(2, 3))
    largest = model.branches["max"].stage(maps).amax(dim=(2, 3))
    torch.testing.assert_close(model.embed(IMAGES), torch.cat([average, largest], dim=1))


@pytest.mark.parametrize(("backbone", "blocks"), [("resnet10t", 1), ("resnet18", 2), ("resnet50", 3)])
def test_branch_max_has_one_block_more(backbone: str, blocks: int) -> None:
    model = TwoBranch(5, backbone, pretrained=False)
    assert len(model.branches["global"].stage) == blocks
    assert len(model.branches["max"].stage) == blocks + 1
    assert model.eval().embed(IMAGES).shape == (3, 2 * model.dim)


def test_three_stages_are_shared_and_the_fourth_is_not(model: TwoBranch) -> None:
    assert [name for name, _ in model.shared.named_children()][-3:] == ["layer1", "layer2", "layer3"]
    for branch in (0, 1):
        model.zero_grad()
        model(IMAGES).features[branch].square().sum().backward()
        touched = {
            ".".join(name.split(".")[:2]) for name, p in model.named_parameters() if p.grad is not None and p.grad.any()
        }
        own, other = ("branches.global", "branches.max") if branch == 0 else ("branches.max", "branches.global")
        assert {"shared.layer1", "shared.layer2", "shared.layer3", own} <= touched
        assert other not in touched


def test_identities_are_told_from_each_branchs_own_normalised_feature(model: TwoBranch) -> None:
    for feature, logits, branch in zip(*model(IMAGES), model.branches.values(), strict=True):
        centred = (feature - feature.mean(0)) / (feature.var(0, correction=0) + 1e-5).sqrt()
        linear = branch.identities[1]
        torch.testing.assert_close(logits, centred @ linear.weight.T + linear.bias, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_both_branches_start_from_the_pretrained_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    pretrained = timm.create_model("resnet18", num_classes=0).eval()
    build = two_branch.create_trunk
    monkeypatch.setattr(
        two_branch,
        "create_trunk",
        lambda name, wanted=False, **options: deepcopy(pretrained) if wanted else build(name, False, **options),
    )
    model = TwoBranch(5, "resnet18", pretrained=True).eval()
    maps = pretrained.forward_features(IMAGES)
    torch.testing.assert_close(model.branches["global"](model.shared(IMAGES))[0], maps.mean(dim=(2, 3)))
    for branch in model.branches.values():
        for old, new in zip(pretrained.layer4.parameters(), branch.stage[:2].parameters(), strict=True):
            torch.testing.assert_close(new, old)
    # The fresh block hands on what it gets, for its last BatchNorm begins at 0.
    torch.testing.assert_close(model.branches["max"](model.shared(IMAGES))[0], maps.amax(dim=(2, 3)))
    model.branches["max"].stage[0].conv1.weight.zero_()
    assert model.branches["global"].stage[0].conv1.weight.any(), "a copy, not the same weights"


def test_a_backbone_without_stages_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"mobilenetv3_small_100 has no ResNet stages; .*model.backbone=resnet50"):
        TwoBranch(5, "mobilenetv3_small_100", pretrained=False)
