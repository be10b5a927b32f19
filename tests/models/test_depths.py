"""Layers counted from the head: timm's own count, and ours of the networks that timm does not have."""

from __future__ import annotations

import pytest
from torch import nn

from resight.errors import RecipeError
from resight.models import MODELS
from resight.models.depths import layers_to_head


def depths(name: str, **options: object) -> dict[str, int]:
    """Parameter names by their first parts -> depth, as far as all of a part's are at the same one."""
    return layers_to_head(MODELS[name](3, **options))


def at(found: dict[str, int], beginning: str) -> set[int]:
    return {depth for name, depth in found.items() if name.startswith(beginning)}


def test_a_resnet_has_a_stem_and_its_blocks() -> None:
    found = depths("strong-baseline", backbone="resnet18", pretrained=False)
    assert at(found, "classifier") == at(found, "neck") == {0}
    assert at(found, "backbone.trunk.layer4.1.") == {1}
    assert at(found, "backbone.trunk.layer4.0.") == {2}
    assert at(found, "backbone.trunk.layer1.0.") == {8}
    assert at(found, "backbone.trunk.conv1") == at(found, "backbone.trunk.bn1") == {9}


def test_ours_with_instance_normalisation_counts_as_timms() -> None:
    theirs, ours = (
        depths("strong-baseline", backbone=name, pretrained=False) for name in ("resnet18", "resnet18_ibn_a")
    )
    assert at(ours, "backbone.trunk.layer2.0.") == at(theirs, "backbone.trunk.layer2.0.") == {6}
    assert at(ours, "backbone.trunk.bn1") == {9}


def test_what_starts_fresh_beside_the_trunk_has_the_whole_rate() -> None:
    found = depths("embedding-network", backbone="resnet18", pretrained=False, attention="se")
    assert at(found, "backbone.attention") == at(found, "embedding") == {0}
    assert at(found, "backbone.trunk.layer4.1.") == {1}


def test_an_osnet_counts_its_blocks() -> None:
    found = depths("osnet", multiplier=0.25)
    assert at(found, "classifier") == {0}
    assert at(found, "fc.") == at(found, "conv5.") == {1}
    # conv4 has two blocks, conv3 and conv2 two and what halves the maps.
    assert at(found, "conv4.1.") == {2}
    assert at(found, "conv2.0.") == {9}
    assert at(found, "conv1.") == {10}


def test_two_branches_are_as_deep_as_each_other() -> None:
    found = depths("two-branch", backbone="resnet18", pretrained=False)
    assert at(found, "branches.global.identities") == at(found, "branches.max.identities") == {0}
    assert at(found, "branches.max.stage.2.") == {1}, "the block that this branch alone has"
    assert at(found, "branches.max.stage.0.") == at(found, "branches.global.stage.0.") == {3}
    assert at(found, "shared.layer3.1.") == {4}
    assert at(found, "shared.conv1") == {10}


def test_every_parameter_has_a_depth() -> None:
    network = MODELS["strong-baseline"](3, backbone="efficientnet_lite0", pretrained=False, last_stride=2)
    found = layers_to_head(network)
    assert found.keys() == {name for name, _ in network.named_parameters()}
    assert sorted(set(found.values())) == list(range(18)), "16 blocks and the last convolution, a stem, the head"


def test_a_network_without_layers_is_told_what_to_do() -> None:
    with pytest.raises(RecipeError, match=r"^layer_decay: Linear has no layers .* by `rates`$"):
        layers_to_head(nn.Linear(2, 2))
