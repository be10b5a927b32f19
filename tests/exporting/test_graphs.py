"""Every recipe that embeds, at toy size, in every format: what the file makes is what the run makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from resight.exporting.graphs import FORMATS, Graph
from resight.exporting.parity import LEAST, made_up, parity
from resight.models import MODELS
from resight.recipe import built_in_recipes, load_recipe
from resight.recognizer import Recognizer, load
from resight.records import AttributeSchema
from resight.run import build_model
from resight.runtimes.config import ReidConfig

CLOTHES = AttributeSchema({"hat": ("no", "yes"), "age": ("young", "adult", "old"), "junk": ("no", "yes")})

EMBEDDING = [name for name in built_in_recipes() if hasattr(MODELS[load_recipe(name).model["name"]], "embed")]


def model_of(recipe) -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(build_model(recipe, 3, CLOTHES, pretrained=False), recipe, CLOTHES, "cpu")


def written(model: Recognizer, to: str, folder: Path, pixels: bool = False) -> Recognizer:
    config = ReidConfig.of(model.recipe, CLOTHES, input="uint8 NHWC" if pixels else "float32 NCHW")
    path = folder / f"model{FORMATS[to].ending}"
    FORMATS[to].write(Graph(model, pixels), path, config)
    assert [part.suffix for part in sorted(folder.iterdir())] == (
        [".bin", ".xml"] if to == "openvino" else [path.suffix]
    )
    return load(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", EMBEDDING)
@pytest.mark.parametrize("to", ["onnx", "torchscript"])
def test_every_embedding_recipe_is_the_same_when_exported(to: str, name: str, tiny, tmp_path: Path) -> None:
    model = model_of(tiny(recipe=name))
    assert len(EMBEDDING) > 12
    images = made_up(32, 16)
    before = model.embed_batch(images[:3])
    exported = written(model, to, tmp_path)
    parity(model, exported, images).require(LEAST)
    for one, other in zip(before, model.embed_batch(images[:3]), strict=True):
        np.testing.assert_array_equal(one, other, err_msg="exporting leaves the run as it was")  # type: ignore[arg-type]
    assert exported.recipe.image == model.recipe.image
    assert exported.recipe.retrieval == model.recipe.retrieval


# OpenVINO takes no pooling of a map that is smaller than its window, as toys have it.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["reid-bruna-masked", "reid-two-branch", "reid-vae"])
def test_openvino_is_the_same_too(name: str, tiny, tmp_path: Path) -> None:
    model = model_of(tiny("image.height=64", "image.width=32", recipe=name))
    exported = written(model, "openvino", tmp_path)
    parity(model, exported, made_up(64, 32)).require(LEAST)
    if name == "reid-bruna-masked":
        pixels = list(made_up(64, 32, 3).permute(0, 2, 3, 1).numpy())
        for attribute, wanted in model.recognise(pixels).items():
            np.testing.assert_allclose(exported.recognise(pixels)[attribute], wanted, atol=1e-4)


def test_labels_of_a_variational_autoencoder_do_not_fix_the_batch(tiny, tmp_path: Path) -> None:
    model = model_of(tiny("model.labels=true", "system=labelled-reconstruction", recipe="reid-vae"))
    parity(model, written(model, "onnx", tmp_path), made_up(32, 16)).require(LEAST)


@pytest.mark.parametrize("to", ["onnx", "torchscript"])
def test_a_file_that_takes_pixels_normalises_them_as_the_run_does(to: str, tiny, tmp_path: Path) -> None:
    model = model_of(tiny("image.mean=[0.1,0.5,0.9]", "image.colours=bgr", "retrieval.flip=true"))
    exported = written(model, to, tmp_path, pixels=True)
    parity(model, exported, made_up(32, 16)).require(LEAST)
    assert list(exported.model.engine.inputs) == (["images"] if to == "onnx" else [])


def test_an_onnx_file_says_what_it_takes_and_what_it_is(tiny, tmp_path: Path) -> None:
    model = model_of(tiny(recipe="reid-bruna"))
    written(model, "onnx", tmp_path)
    file = onnx.load(str(tmp_path / "model.onnx"))
    told = {prop.key: json.loads(prop.value) for prop in file.metadata_props}
    assert told == json.loads(ReidConfig.of(model.recipe, CLOTHES).to_json())
    assert told["preprocessing"]["input_size"] == [32, 16]
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*file.graph.input, *file.graph.output)
    }
    assert shapes == {"images": ["batch", 3, 32, 16], "output0": ["batch", 8], "output1": ["batch", 7]}
    assert file.ir_version <= 10, "what the runtimes of trackers read"
