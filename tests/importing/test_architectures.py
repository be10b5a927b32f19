"""Names of architectures: as people write them, and never one for another."""

from __future__ import annotations

import pytest

from resight.errors import OptionError
from resight.importing.architectures import ARCHITECTURES, architecture
from resight.recipe import Recipe, built_in_recipes, override, read_yaml


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("osnet_x0_25", "osnet_x0_25"),
        ("OSNet-AIN-x1_0", "osnet_ain_x1_0"),
        ("sbs_R50-ibn", "fastreid:sbs_R50-ibn"),
        ("fastreid:bot_r101", "fastreid:bot_R101"),
        ("resnet50_fc512", "torchreid:resnet50_fc512"),
    ],
)
def test_a_name_is_found_as_people_write_it(name: str, full: str) -> None:
    assert architecture(name) is ARCHITECTURES[full]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("resnet50", "several layouts have it; say which: torchreid:resnet50 or timm:resnet50"),
        (
            "osnet_x0_26",
            r"no architecture 'osnet_x0_26' \(did you mean 'osnet_x0_25'\?\); `resight import --architectures`",
        ),
        ("transreid_base", "no architecture 'transreid_base': resight does not have this network yet; "),
        ("timm:resnet5o", r"timm:resnet5o: timm has no model 'resnet5o' \(did you mean"),
    ],
)
def test_a_name_that_is_unclear_or_unknown_is_told_what_there_is(name: str, told: str) -> None:
    with pytest.raises(OptionError, match=told) as caught:
        architecture(name)
    assert "\n" not in str(caught.value)


def test_a_name_that_timm_alone_has_needs_no_layout() -> None:
    assert "backbone: resnet10t," in " ".join(architecture("resnet10t").overrides)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_is_a_recipe(name: str) -> None:
    chosen = ARCHITECTURES[name]
    values = read_yaml(built_in_recipes()[chosen.recipe].read_text(encoding="utf-8"))
    recipe = Recipe.parse(override(values, [*chosen.overrides, *chosen.keys({}).overrides]))
    assert not recipe.model.get("pretrained"), "further training starts from the run's own weights"
