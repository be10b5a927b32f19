"""torchreid's files: their names, their sizes, and the features that come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from resight.data.loaders import normalise
from resight.importing.flow import import_weights
from resight.importing.torchreid import ARCHITECTURES
from resight.models.osnet import OSNet
from resight.recipe import ImageOptions

SMALL = ["image.height=64", "image.width=32"]


@pytest.mark.parametrize(
    ("name", "normalisation", "metric"),
    [("osnet_x0_25", "batch", "euclidean"), ("osnet_ain_x0_25", "ain", "cosine")],
)
def test_an_osnet_comes_in_with_its_preparation(
    name: str, normalisation, metric: str, shaken, features, pixels, tmp_path: Path
) -> None:
    donor = shaken(OSNet(7, 0.25, normalisation))
    state = {f"module.{key}": tensor for key, tensor in donor.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 150, "rank1": np.float64(0.9)}, tmp_path / "model.pth.tar-150")
    made = import_weights(tmp_path / "model.pth.tar-150", tmp_path / "run", name, SMALL)
    with torch.no_grad():
        torch.testing.assert_close(features(tmp_path / "run"), donor.embed(normalise(pixels, ImageOptions())))
    assert set(made.report.dropped) == {"classifier.weight", "classifier.bias"}
    assert len(made.report.loaded) == len(donor.state_dict()) - 2
    assert made.run.recipe.retrieval.metric == metric


def test_the_published_size_is_256_by_128(tmp_path: Path) -> None:
    torch.save(OSNet(7, 0.5).state_dict(), tmp_path / "a.pth")
    image = import_weights(tmp_path / "a.pth", tmp_path / "run", "osnet_x0_5").run.recipe.image
    assert (image.height, image.width, image.interpolation, image.colours) == (256, 128, "bilinear", "rgb")
    assert image.mean == (0.485, 0.456, 0.406)


@torch.no_grad()
def test_a_resnets_feature_is_its_pooled_maps(shaken, features, pixels, tmp_path: Path) -> None:
    trunk = shaken(timm.create_model("resnet18", num_classes=0))
    torch.save(
        {**trunk.state_dict(), "classifier.weight": torch.zeros(9, 512), "classifier.bias": torch.zeros(9)},
        tmp_path / "a.pth",
    )
    made = import_weights(tmp_path / "a.pth", tmp_path / "run", "torchreid:resnet18", SMALL)
    inputs = normalise(pixels, ImageOptions())
    torch.testing.assert_close(
        features(tmp_path / "run"), trunk.forward_features(inputs).mean((2, 3)), atol=1e-4, rtol=1e-4
    )
    assert made.report.renamed["layer4.1.bn2.running_var"] == "backbone.trunk.layer4.1.bn2.running_var"


@torch.no_grad()
def test_a_layer_after_the_pooling_comes_with_it(shaken, features, pixels, tmp_path: Path) -> None:
    trunk = shaken(timm.create_model("resnet50", num_classes=0))
    after = shaken(torch.nn.Sequential(torch.nn.Linear(2048, 512), torch.nn.BatchNorm1d(512), torch.nn.ReLU()))
    state = {**trunk.state_dict(), **{f"fc.{key}": tensor for key, tensor in after.state_dict().items()}}
    torch.save(state, tmp_path / "a.pth")
    import_weights(tmp_path / "a.pth", tmp_path / "run", "resnet50_fc512", SMALL)
    trunk.layer4[0].conv2.stride = trunk.layer4[0].downsample[0].stride = (1, 1)
    pooled = trunk.forward_features(normalise(pixels, ImageOptions())).mean((2, 3))
    torch.testing.assert_close(features(tmp_path / "run"), after(pooled), atol=1e-4, rtol=1e-4)


def test_the_whole_family_is_there() -> None:
    widths = ("x1_0", "x0_75", "x0_5", "x0_25")
    osnets = {f"osnet_{width}" for width in widths} | {f"osnet_ain_{width}" for width in widths} | {"osnet_ibn_x1_0"}
    assert osnets == {name for name in ARCHITECTURES if name.startswith("osnet")}
    assert {"torchreid:resnet50", "torchreid:resnet50_ibn_a", "torchreid:resnet50_fc512"} <= set(ARCHITECTURES)
