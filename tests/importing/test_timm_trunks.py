"""timm's models: the preparation that timm states, and its feature where nothing follows the pooling."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from resight.data.loaders import normalise
from resight.errors import RecipeError
from resight.importing.flow import import_weights
from resight.importing.timm_trunks import timm_architecture


@torch.no_grad()
def test_a_timm_file_comes_in_without_its_classifier(shaken, features, pixels, tmp_path: Path) -> None:
    donor = shaken(timm.create_model("tf_efficientnet_lite0", num_classes=10))
    safetensors.torch.save_file(donor.state_dict(), tmp_path / "lite.safetensors")
    made = import_weights(
        tmp_path / "lite.safetensors",
        tmp_path / "run",
        "tf_efficientnet_lite0",
        ["image.height=64", "image.width=32"],
    )
    image = made.run.recipe.image
    stated = timm.get_pretrained_cfg("tf_efficientnet_lite0")
    assert (image.interpolation, image.mean) == (stated.interpolation, stated.mean) == ("bicubic", (0.5, 0.5, 0.5))
    theirs = donor.forward_head(donor.forward_features(normalise(pixels, image)), pre_logits=True)
    torch.testing.assert_close(features(tmp_path / "run"), theirs, atol=1e-4, rtol=1e-4)
    assert set(made.report.dropped) == {"classifier.weight", "classifier.bias"}
    assert made.report.missing == ["classifier.weight"]


def test_the_size_is_the_one_that_was_stated() -> None:
    assert "image.height=176" in timm_architecture("resnet10t.c3_in1k").overrides
    assert "image.height=96" in timm_architecture("resnet10t", {"input_size": (3, 96, 48)}).overrides
    with pytest.raises(RecipeError, match="timm has no model"):
        timm_architecture("resnet10x")


def test_layers_that_are_left_out_are_told() -> None:
    assert timm_architecture("resnet10t").keys({}).notes == ()
    assert "left out" in timm_architecture("mobilenetv3_small_050").keys({}).notes[0]
