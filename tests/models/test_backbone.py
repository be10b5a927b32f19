"""timm trunks as backbones: strides, poolings, channels, and what each cannot do."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from resight.errors import RecipeError, WeightsError
from resight.models.backbone import Backbone, create_timm_model, require_stages
from resight.models.two_branch import TwoBranch

IMAGES = torch.randn(2, 3, 64, 32)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet50d", "seresnet50"])
def test_last_stride_1_doubles_the_map_and_keeps_every_weight(name: str) -> None:
    torch.manual_seed(0)
    wide = Backbone(name, pretrained=False, last_stride=1).eval()
    plain = timm.create_model(name, pretrained=False, num_classes=0).eval()
    assert wide.trunk.forward_features(IMAGES).shape[2:] == (4, 2)
    assert plain.forward_features(IMAGES).shape[2:] == (2, 1)
    plain.load_state_dict(wide.trunk.state_dict())  # the same parameters, no dilation
    assert not any(module.dilation != (1, 1) for module in wide.trunk.modules() if isinstance(module, nn.Conv2d))


def test_what_a_backbone_cannot_do_is_said() -> None:
    with pytest.raises(RecipeError, match="did you mean 'resnet50"):
        create_timm_model("resnet5o", pretrained=False)
    with pytest.raises(RecipeError, match=r"set model.last_stride=2"):
        Backbone("mobilenetv3_small_100", pretrained=False, last_stride=1)
    with pytest.raises(RecipeError, match="needs a convolutional one"):
        Backbone("vit_tiny_patch16_224", False, pooling="gem", image_size=(64, 32))(IMAGES)


def test_weights_that_cannot_be_fetched_are_one_clear_line(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"ImageNet weights of resnet26d cannot be fetched .*model.pretrained=false"
    ) as told:
        create_timm_model("resnet26d", pretrained=True)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("pooling", "pool"), [("average", torch.mean), ("max", torch.amax)])
def test_a_convolutional_trunks_maps_are_pooled(pooling: str, pool) -> None:  # type: ignore[no-untyped-def]
    backbone = Backbone("resnet10t", pretrained=False, pooling=pooling).eval()
    maps = backbone.maps(IMAGES)
    assert maps.shape == (2, backbone.dim, 2, 1)
    torch.testing.assert_close(backbone(IMAGES), pool(maps, dim=(2, 3)))


def test_a_transformer_pools_its_own_tokens() -> None:
    backbone = Backbone("vit_tiny_patch16_224", pretrained=False, image_size=(64, 32)).eval()
    plain = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=(64, 32)).eval()
    plain.load_state_dict(backbone.trunk.state_dict())
    torch.testing.assert_close(backbone(IMAGES), plain(IMAGES))


def test_a_fourth_channel_is_read() -> None:
    backbone = Backbone("resnet10t", pretrained=False, channels=4).eval()
    images = torch.randn(1, 4, 64, 32)
    changed = images.clone()
    changed[:, 3] += 1
    assert not torch.allclose(backbone(images), backbone(changed))


def test_stages_are_asked_for_by_name_with_a_remedy() -> None:
    require_stages(create_timm_model("resnet10t", False), "resnet10t", "")
    trunk = create_timm_model("convnext_atto", False)
    with pytest.raises(RecipeError, match="convnext_atto has no ResNet stages; take another"):
        require_stages(trunk, "convnext_atto", "take another")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("resnet5o", "timm has no model 'resnet5o' (did you mean 'resnet50'?)"),
        ("resnet5o.tv_in1k", "timm has no model 'resnet5o.tv_in1k' (did you mean 'resnet50.tv_in1k'?)"),
        ("resnet50.tv_in1", "timm has no weights 'tv_in1' of resnet50 (did you mean 'resnet50.tv_in1k'?); there is: "),
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
