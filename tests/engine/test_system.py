"""Learning rates by part of the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from resight.data.training_set import TrainingSet
from resight.engine.system import System
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import RecipeError
from resight.losses.masks import PixelLoss
from resight.models import MODELS
from resight.recipe import load_recipe, override
from resight.records import NO_ATTRIBUTES, AttributeSchema, Record
from resight.tasks.systems import SYSTEMS

SCHEMA = AttributeSchema({"hat": ("no", "yes"), "age": ("young", "adult", "old")})


def system(*overrides: str) -> System:
    recipe = load_recipe("attributes-resnet18", ["model.pretrained=false", *overrides])
    widths = {name: len(classes) for name, classes in SCHEMA.classes.items()}
    model = MODELS["attribute-classifier"](widths, backbone="resnet18", pretrained=False, binary_outputs=1)
    return SYSTEMS["attributes"](recipe, model, training_set(SCHEMA))


def training_set(schema: AttributeSchema = NO_ATTRIBUTES) -> TrainingSet:
    """Four images of three people; with `SCHEMA` three without a hat, and one of each age."""
    fitted = [Record(f"{number}.jpg", identity) for number, identity in enumerate([1, 1, 2, 3])]
    targets = np.array([[0, 0], [0, 1], [0, 2], [1, -1]])[:, : len(schema.names)]
    return TrainingSet(fitted, [], [], schema, targets, frozenset())


def rates(found: System) -> dict[str, float]:
    """Parameter name -> its learning rate."""
    groups = found.configure_optimizers()["optimizer"].param_groups
    names = {id(parameter): name for name, parameter in found.named_parameters()}
    return {names[id(parameter)]: group["lr"] for group in groups for parameter in group["params"]}


def test_the_third_source_trains_its_first_and_last_layers_faster() -> None:
    found = rates(system())
    assert len(found) == len(list(system().parameters()))
    for name, rate in found.items():
        fast = name.startswith(("model.backbone.trunk.conv1", "model.backbone.trunk.layer4", "model.heads"))
        assert rate == (0.01 if fast else 0.001), name


def test_without_rates_there_is_one() -> None:
    assert set(rates(system("rates={}")).values()) == {0.001}


def test_the_longest_beginning_decides() -> None:
    found = rates(system("rates={backbone: 0.1, backbone.trunk.layer1: 0.2}"))
    assert found["model.backbone.trunk.layer1.0.conv1.weight"] == 0.2
    assert found["model.backbone.trunk.layer2.0.conv1.weight"] == 0.1


def test_a_rate_is_positive_and_a_weight_not_negative() -> None:
    with pytest.raises(RecipeError, match=r"rates\.backbone"):
        system("rates={backbone: -0.1}")
    with pytest.raises(RecipeError, match=r"losses\.a\.weight = -1: a number of at least 0"):
        WeightedLosses({"a": {"weight": -1}}, {"a": PixelLoss})
    assert WeightedLosses(override({}, ["a.weight=5e-4"]), {"a": PixelLoss}).weights == {"a": 0.0005}


def test_parts_with_an_optimiser_of_their_own_have_no_part_in_clipping() -> None:
    recipe = load_recipe("reid-strong-baseline", ["model.backbone=resnet10t", "model.pretrained=false"])
    model = MODELS["embedding-network"](3, backbone="resnet10t", pretrained=False)
    found = SYSTEMS["embedding"](recipe, model, training_set())
    centres = list(found.losses["centre"].parameters())
    for parameter in found.parameters():
        parameter.grad = torch.ones_like(parameter)
    found.configure_gradient_clipping(None, 2.0)
    norm = torch.cat([parameter.grad.flatten() for parameter in found.model.parameters()]).norm()
    assert norm.item() == pytest.approx(2, rel=0.01)
    assert all((parameter.grad == 1).all() for parameter in centres)


def test_a_beginning_that_fits_nothing_is_named() -> None:
    with pytest.raises(RecipeError, match=r"rates\.backbone\.stem: no parameter begins so; there is: backbone\.trunk"):
        system("rates={backbone.stem: 0.1}").configure_optimizers()
