"""Names and weights of backbones: what timm is asked for, and what an unknown name is told."""

from __future__ import annotations

import pytest
import timm
import torch

from resight.errors import RecipeError
from resight.models.backbone import Backbone, create_timm_model
from resight.models.two_branch import TwoBranch


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("resnet5o", "timm has no model 'resnet5o', did you mean 'resnet50'"),
        ("resnet5o.tv_in1k", "timm has no model 'resnet5o.tv_in1k', did you mean 'resnet50.tv_in1k'"),
        ("resnet50.tv_in1", "timm has no weights 'tv_in1' of resnet50, did you mean 'resnet50.tv_in1k'?; there is: "),
        ("resnet50.", "timm has no weights '' of resnet50"),
        ("botnet50ts_256.tv_in1k", "timm has no weights 'tv_in1k' of botnet50ts_256; there is: none"),
    ],
)
def test_an_unknown_name_or_tag_is_told_the_known_ones(name: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        create_timm_model(name, pretrained=False)
    assert str(caught.value).startswith(told)
    if "there is: r" in told:
        assert {"resnet50.a1_in1k", "resnet50.tv_in1k", "resnet50.tv2_in1k"} <= set(str(caught.value).split(", "))


@pytest.mark.parametrize("asked", ["resnet18.tv_in1k", "resnet18.a1_in1k", "resnet18"])
def test_the_weights_that_a_name_says_are_asked_for(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    monkeypatch.setattr("timm.models._builder.load_pretrained", lambda model, **ignored: loaded.append(model))
    create_timm_model(asked, pretrained=True)
    wanted = asked if "." in asked else f"{asked}.a1_in1k"
    assert [f"{model.pretrained_cfg['architecture']}.{model.pretrained_cfg['tag']}" for model in loaded] == [wanted]


def test_a_tag_changes_nothing_of_a_model_from_scratch() -> None:
    """Runs whose recipe has a bare name, as older ones do, and those with a tag are the same network and start."""
    states = []
    for name in ("resnet18", "resnet18.tv_in1k"):
        torch.manual_seed(0)
        states.append(Backbone(name, pretrained=False, last_stride=1).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_a_tagged_transformer_is_told_the_image_size() -> None:
    tagged = timm.list_pretrained("vit_tiny_patch16_224")[0]
    assert create_timm_model(tagged, pretrained=False, image_size=(64, 32)).patch_embed.img_size == (64, 32)


def test_a_tagged_resnet_gets_a_block_more() -> None:
    model = TwoBranch(5, "resnet10t.c3_in1k", pretrained=False).eval()
    assert len(model.branches["max"].stage) == len(model.branches["global"].stage) + 1
