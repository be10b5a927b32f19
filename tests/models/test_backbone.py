"""Trunks as backbones: strides, poolings, channels, weights from files, and what each cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from resight.errors import RecipeError, WeightsError
from resight.models.backbone import Backbone, create_trunk, require_stages
from resight.models.embedding_network import EmbeddingNetwork
from resight.models.strong_baseline import StrongBaseline
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
        create_trunk("resnet5o", pretrained=False)
    with pytest.raises(RecipeError, match=r"set model.last_stride=2"):
        Backbone("mobilenetv3_small_100", pretrained=False, last_stride=1)
    with pytest.raises(RecipeError, match="needs a convolutional one"):
        Backbone("vit_tiny_patch16_224", False, pooling="gem", image_size=(64, 32))(IMAGES)


def test_weights_that_cannot_be_fetched_are_one_clear_line(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        WeightsError,
        match=r"ImageNet weights of resnet26d cannot be fetched .*model.weights=FILE, .*model.pretrained=false",
    ) as told:
        create_trunk("resnet26d", pretrained=True)
    assert "\n" not in str(told.value)


def test_ibn_nets_take_strides_and_weights_from_files_alone() -> None:
    wide = Backbone("resnet18_ibn_a", pretrained=False, last_stride=1).eval()
    assert wide.maps(IMAGES).shape == (2, 512, 4, 2)
    with pytest.raises(
        WeightsError, match=r"get https://github.com/.*/resnet50_ibn_a-d9d0bb7b\.pth and give it as model\.w"
    ):
        Backbone("resnet50_ibn_a", pretrained=True)
    with pytest.raises(RecipeError, match="did you mean 'resnet50_ibn_[ab]'"):
        Backbone("resnet50_ibn", pretrained=False)


@pytest.mark.parametrize("name", ["resnet10t", "resnet18_ibn_a", "convnext_atto", "vit_tiny_patch16_224"])
def test_weights_come_from_a_file_without_its_classifier(name: str, tmp_path: Path) -> None:
    donor = Backbone(name, False, image_size=(64, 32)).trunk
    state = {**donor.state_dict(), "head.fc.weight" if name == "convnext_atto" else "head.weight": torch.zeros(9, 4)}
    torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}, tmp_path / "a.pth")
    made = Backbone(name, pretrained=True, image_size=(64, 32), weights=str(tmp_path / "a.pth"))  # nothing is fetched
    assert all(torch.equal(tensor, made.trunk.state_dict()[key]) for key, tensor in donor.state_dict().items())


def test_weights_come_from_a_runs_backbone(tmp_path: Path) -> None:
    donor = StrongBaseline(5, "resnet10t", pretrained=False)
    safetensors.torch.save_file(donor.state_dict(), tmp_path / "model.safetensors")
    made = EmbeddingNetwork(9, "resnet10t", attention="se", weights=str(tmp_path / "model.safetensors"))
    trunk = donor.backbone.trunk.state_dict()
    assert all(torch.equal(tensor, made.backbone.trunk.state_dict()[key]) for key, tensor in trunk.items())


def test_weights_of_colours_are_shared_among_more_channels(tmp_path: Path) -> None:
    donor = create_trunk("resnet10t", False)
    torch.save(donor.state_dict(), tmp_path / "a.pth")
    made = create_trunk("resnet10t", False, weights=str(tmp_path / "a.pth"), in_chans=4)
    colours = donor.conv1[0].weight
    # timm's rule: repeated, and scaled so that a grey image with as bright a fourth channel gives the same.
    torch.testing.assert_close(made.conv1[0].weight, torch.cat([colours, colours[:, :1]], dim=1) * 3 / 4)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(create_trunk("resnet10t", False).state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"model\.weights=.*a\.pth does not fit, and nothing was loaded: ") as told:
        Backbone("resnet18", pretrained=False, weights=str(tmp_path / "a.pth"))
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
    require_stages(create_trunk("resnet10t", False), "resnet10t", "")
    trunk = create_trunk("convnext_atto", False)
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
        create_trunk(name, pretrained=False)
    assert str(caught.value).startswith(told)
    if "there is: r" in told:
        assert {"resnet50.a1_in1k", "resnet50.tv_in1k", "resnet50.tv2_in1k"} <= set(str(caught.value).split(", "))


@pytest.mark.parametrize("asked", ["resnet18.tv_in1k", "resnet18.a1_in1k", "resnet18"])
def test_the_weights_that_a_name_says_are_asked_for(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    monkeypatch.setattr("timm.models._builder.load_pretrained", lambda model, **ignored: loaded.append(model))
    create_trunk(asked, pretrained=True)
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
    assert create_trunk(tagged, pretrained=False, image_size=(64, 32)).patch_embed.img_size == (64, 32)


def test_a_tagged_resnet_gets_a_block_more() -> None:
    model = TwoBranch(5, "resnet10t.c3_in1k", pretrained=False).eval()
    assert len(model.branches["max"].stage) == len(model.branches["global"].stage) + 1
