"""The name and the side file by which BoxMOT knows an export, and what it cannot be told."""

from __future__ import annotations

import json

import pytest

from resight.exporting.boxmot import BoxMot, boxmot
from resight.runtimes.config import ReidConfig

PLAIN = ("image.height=256", "image.width=128")


def given(tiny, *overrides: str, network: str = "resnet50.tv_in1k", data: str = "market1501:/data/market") -> BoxMot:
    config = ReidConfig.of(tiny(*PLAIN, *overrides))
    return boxmot(config, [network, "strong-baseline"], [data], "5ea1", 751)


def test_a_network_that_it_knows_is_called_by_its_name(tiny) -> None:
    found = given(tiny)
    assert found.name == "resnet50_market1501.onnx"
    assert [told for told in found.warnings if "antialiasing" not in told] == []
    assert json.loads(found.side_file) == {
        "schema_version": 1,
        "source": "unknown",
        "source_sha256": "5ea1",
        "model_name": "resnet50",
        "num_classes": 751,
        "preprocess": "resize",
        "model_kwargs_schema_version": 1,
        "model_kwargs": {"img_size": [256, 128]},
        "img_size": [256, 128],
    }


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("osnet_x0_25", "osnet_x0_25_market1501.onnx"),
        ("osnet-ibn-x1-0", "osnet_ibn_x1_0_market1501.onnx"),
        ("resnet101.tv_in1k", "resnet101_market1501.onnx"),
    ],
)
def test_the_longest_name_counts(network: str, name: str, tiny) -> None:
    assert given(tiny, network=network).name == name


def test_a_network_that_it_does_not_know_gets_a_name_that_opens_and_a_warning(tiny) -> None:
    found = given(tiny, network="tf_efficientnet_lite0.in1k")
    assert found.name == "osnet_x1_0_market1501.onnx"
    assert any("BoxMOT knows no tf_efficientnet_lite0.in1k" in told for told in found.warnings)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("veri776:/data", "resnet50_resight.onnx"),  # `veri` would make images square
        ("vehicleid:/data", "resnet50_resight.onnx"),
        ("veriwild:/data", "resnet50_resight.onnx"),
        ("cuhk03-np:/data", "resnet50_cuhk03np.onnx"),
    ],
)
def test_the_name_of_the_data_does_not_change_the_size(data: str, name: str, tiny) -> None:
    assert given(tiny, data=data).name == name


def test_square_images_are_told_by_the_name(tiny) -> None:
    found = given(tiny, "image.width=256", data="veri776:/data")
    assert found.name == "resnet50_veri.onnx"
    assert not any("images are" in told for told in found.warnings)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("image.height=128", "images are 128×128: older versions read the size from the name and take 256×128"),
        ("image.mean=[0.5,0.5,0.5]", "it normalises images by ImageNet's mean"),
        ("image.resize=letterbox", "older versions squash images"),
        ("retrieval.flip=true", "the run also its mirror image"),
        ("retrieval.metric=euclidean", "by cosine, the run by euclidean distance"),
    ],
)
def test_what_it_cannot_be_told_is_warned_of(override: str, told: str, tiny) -> None:
    found = given(tiny, override)
    assert any(told in warning for warning in found.warnings)
    assert len(found.warnings) == len(given(tiny).warnings) + 1
    assert json.loads(found.side_file)["preprocess"] == ("resize_pad" if "letterbox" in override else "resize")
