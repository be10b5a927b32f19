"""FastReID's files of both generations: neck, pooling, pixels from 0 to 255, and names of its non-local blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from resight.errors import WeightsError
from resight.importing.fastreid import ARCHITECTURES
from resight.importing.flow import import_weights
from resight.models.resnet import ResNet

SMALL = ["image.height=64", "image.width=32"]
MEAN, STD = (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)


def file(path: Path, trunk: nn.Module, neck: nn.Module, old: bool, power: float | None = None) -> Path:
    """A file as FastReID writes it, with a classifier."""
    state: dict[str, Tensor] = {f"backbone.{key}": tensor for key, tensor in trunk.state_dict().items()}
    beginning = "heads.bnneck" if old else "heads.bottleneck.0"
    state |= {f"{beginning}.{key}": tensor for key, tensor in neck.state_dict().items()}
    state["heads.classifier.weight" if old else "heads.weight"] = torch.zeros(9, 512)
    if power is not None:
        state["heads.pool_layer.p"] = torch.tensor([power])
    if old:
        state["pixel_mean"], state["pixel_std"] = (
            torch.tensor(MEAN).view(1, 3, 1, 1),
            torch.tensor(STD).view(1, 3, 1, 1),
        )
    torch.save({"model": state, "iteration": 3}, path)
    return path


def gem(maps: Tensor, power: float) -> Tensor:
    return maps.clamp(min=1e-6).pow(power).mean((2, 3)).pow(1 / power)


def of_the_last_stride(trunk: nn.Module) -> nn.Module:
    trunk.layer4[0].conv1.stride = trunk.layer4[0].downsample[0].stride = (1, 1)
    return trunk


@pytest.mark.parametrize("old", [True, False], ids=["before September 2020", "since"])
@pytest.mark.parametrize(("method", "power"), [("bot", None), ("sbs", 2.5), ("bot", 2.5)])
@torch.no_grad()
def test_both_generations_come_in(
    method: str, power: float | None, old: bool, shaken, features, pixels, tmp_path: Path
) -> None:
    """A BoT with an exponent was trained with GeM, whatever its name says."""
    trunk, neck = shaken(ResNet(18, "a", padded=old)), shaken(nn.BatchNorm1d(512))
    made = import_weights(
        file(tmp_path / "a.pth", trunk, neck, old, power), tmp_path / "run", f"fastreid:{method}_R18-ibn", SMALL
    )
    mean, std = (
        (MEAN, STD)
        if old
        else (tuple(255 * value for value in values) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    )
    inputs = (pixels.float() - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    maps = of_the_last_stride(trunk).forward_features(inputs)
    expected = neck(maps.mean((2, 3)) if power is None else gem(maps, power))
    torch.testing.assert_close(features(tmp_path / "run"), expected, atol=1e-3, rtol=1e-3)
    image = made.run.recipe.image
    assert image.interpolation == "bicubic"
    assert made.run.recipe.retrieval.metric == "cosine"
    assert ("pixel_mean" in made.report.dropped) == old


@torch.no_grad()
def test_the_exponent_of_later_agws_is_3(shaken, features, tmp_path: Path) -> None:
    trunk, neck = shaken(ResNet(18, padded=False)), shaken(nn.BatchNorm1d(512))
    import_weights(file(tmp_path / "a.pth", trunk, neck, old=False), tmp_path / "agw", "agw_R18", SMALL)
    import_weights(file(tmp_path / "b.pth", trunk, neck, False, 3.0), tmp_path / "sbs", "sbs_R18", SMALL)
    assert torch.equal(features(tmp_path / "agw"), features(tmp_path / "sbs"))
    with pytest.raises(WeightsError, match=r"1 missing \(backbone\.pool\.p\)"):  # there it was learned
        import_weights(file(tmp_path / "c.pth", trunk, neck, old=True), tmp_path / "old", "agw_R18", SMALL)


def test_non_local_blocks_are_renamed_to_the_blocks_that_they_follow() -> None:
    rename = ARCHITECTURES["fastreid:sbs_R50"].keys({}).rename
    assert rename("backbone.NL_2.0.g.weight") == "backbone.trunk.layer2.2.non_local.g.weight"
    assert rename("backbone.NL_3.2.W.1.running_var") == "backbone.trunk.layer3.5.non_local.W.1.running_var"
    assert (
        ARCHITECTURES["fastreid:sbs_R101"]
        .keys({})
        .rename("backbone.NL_3.0.phi.bias")
        .startswith("backbone.trunk.layer3.14.")
    )


def test_a_method_with_non_local_blocks_is_not_taken_for_one_without(shaken, tmp_path: Path) -> None:
    state = {**ResNet(50, padded=False).state_dict(), "NL_2.0.g.bias": torch.zeros(1)}
    torch.save(
        {
            "model": {f"backbone.{key}": tensor for key, tensor in state.items()}
            | {f"heads.bottleneck.0.{key}": tensor for key, tensor in nn.BatchNorm1d(2048).state_dict().items()}
        },
        tmp_path / "a.pth",
    )
    with pytest.raises(WeightsError, match=r"1 unknown to it \(backbone\.NL_2\.0\.g\.bias\)"):
        import_weights(tmp_path / "a.pth", tmp_path / "run", "bot_R50", SMALL)
    assert not (tmp_path / "run").exists()


def test_stronger_baselines_are_taller() -> None:
    assert "image.height=384" in ARCHITECTURES["fastreid:sbs_R50"].overrides
    assert "image.height=256" in ARCHITECTURES["fastreid:bot_R50"].overrides
