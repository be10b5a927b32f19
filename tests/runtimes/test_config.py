"""reid_config.json: what a recipe says comes back from it, and what is missing or cannot be is said in one line."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from typing import Any

import pytest

from resight.errors import RunError
from resight.recipe import Recipe
from resight.records import AttributeSchema
from resight.runtimes.config import ReidConfig
from tests.support.onnx_files import FACTS

HAT = AttributeSchema({"hat": ("no", "yes")})


def changed(**changes: Any) -> dict[str, Any]:
    facts = deepcopy(FACTS)
    facts["preprocessing"] |= changes  # type: ignore[operator]
    return facts


@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [
        ("reid-strong-baseline", ["image.resize=letterbox", "retrieval.flip=true", "retrieval.depth=7"]),
        (
            "reid-strong-baseline",
            ["retrieval.metric=euclidean", "image.mean=[0.1,0.2,0.3]", "retrieval.protocol=course"],
        ),
        ("reid-strong-baseline", ["image.interpolation=bicubic", "image.colours=bgr"]),
        ("reid-bruna", ["retrieval.drop_junk=true"]),
    ],
)
def test_images_and_retrieval_come_back_as_the_recipe_has_them(recipe: str, overrides: list[str], tiny) -> None:
    before: Recipe = tiny(*overrides, recipe=recipe)
    config = ReidConfig.parse(json.loads(ReidConfig.of(before, HAT).to_json()), "reid_config.json")
    after = config.to_recipe("reid_config.json")
    assert (after.image, after.retrieval) == (before.image, before.retrieval)
    assert config.attribute_schema.classes == (HAT.classes if recipe == "reid-bruna" else {})
    assert config.recipe == hashlib.sha256(before.to_yaml().encode()).hexdigest()


def test_the_keys_are_those_that_others_read(tiny) -> None:
    told = json.loads(ReidConfig.of(tiny("image.resize=letterbox")).to_json())
    assert told["preprocessing"] == {
        "input_size": [32, 16],
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bilinear",
        "to_rgb": True,
        "normalize_embeddings": True,
        "resize_mode": "letterbox",
        "pad_value": [124, 116, 104],
    }
    assert (told["distance"], told["input"], told["licence"]) == ("cosine", "float32 NCHW", None)


def test_mean_and_deviation_are_in_the_order_that_the_network_reads(tiny) -> None:
    """As others apply them: to the channels as they are, which are BGR where nothing is turned to RGB."""
    told = ReidConfig.of(tiny("image.colours=bgr", "image.resize=letterbox")).preprocessing
    assert (told.to_rgb, told.mean, told.std) == (False, (0.406, 0.456, 0.485), (0.225, 0.224, 0.229))
    assert told.pad_value == (124, 116, 104), "RGB"


def test_a_file_of_others_may_say_only_whether_embeddings_are_normalised() -> None:
    facts = {"preprocessing": {**FACTS["preprocessing"], "normalize_embeddings": True}, "weights": "model.safetensors"}  # type: ignore[dict-item]
    assert ReidConfig.parse(facts, "a").distance == "cosine"
    facts["preprocessing"]["normalize_embeddings"] = False  # type: ignore[index]
    assert ReidConfig.parse(facts, "a").distance == "euclidean"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, "m.onnx does not say preprocessing, distance; write them into reid_config.json beside it, such as {"),
        (
            {"preprocessing": {}, "distance": "cosine"},
            "preprocessing.input_size, preprocessing.mean, preprocessing.std;",
        ),
        ({"preprocessing": FACTS["preprocessing"]}, "m.onnx does not say distance;"),
        ({**FACTS, "distance": "manhattan"}, "m.onnx: distance = 'manhattan': input should be 'cosine'"),
        (changed(input_size=[256]), "m.onnx does not say preprocessing.input_size.1;"),
        (changed(std=[0.0, 1.0, 1.0]), "m.onnx: preprocessing.std.0 = 0.0: input should be greater than 0"),
    ],
)
def test_what_is_missing_or_wrong_is_one_line(facts: dict[str, Any], told: str) -> None:
    with pytest.raises(RunError) as caught:
        ReidConfig.parse(facts, "m.onnx")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"resize_mode": "letterbox", "pad_value": [0, 0, 0]}, "pad_value = (0, 0, 0): resight fills up with the mean"),
        ({"input_size": [4, 4]}, "greater than or equal to 8"),
    ],
)
def test_what_resight_cannot_do_is_one_line(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RunError) as caught:
        ReidConfig.parse(changed(**changes), "m.onnx").to_recipe("m.onnx")
    assert told in str(caught.value)
