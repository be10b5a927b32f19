"""What every system shares: learning rates by part, abilities that it wants, batches looked at, hooks, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from resight.data.loaders import Batch
from resight.data.training_set import TrainingSet
from resight.engine.system import System
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import DataError, RecipeError
from resight.losses.base import Loss
from resight.models import MODELS
from resight.recipe import Recipe, load_recipe, make
from resight.records import NO_ATTRIBUTES, AttributeSchema, Record
from resight.tasks.systems import SYSTEMS
from tests.support.processes import fitted_by_two
from tests.support.recipes import tiny_recipe

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


def test_a_rate_is_positive() -> None:
    with pytest.raises(RecipeError, match=r"rates\.backbone"):
        system("rates={backbone: -0.1}")


def test_layer_decay_lowers_the_rate_from_layer_to_layer() -> None:
    found = rates(system("rates={}", "layer_decay=0.5"))
    assert {rate for name, rate in found.items() if name.startswith("model.heads")} == {0.001}
    assert found["model.backbone.trunk.layer4.1.conv1.weight"] == 0.001 / 2
    assert found["model.backbone.trunk.layer1.0.conv1.weight"] == 0.001 / 256
    assert found["model.backbone.trunk.conv1.weight"] == 0.001 / 512


def test_layer_decay_lowers_rates_of_parts_too_and_the_optimisers_own_is_the_first() -> None:
    found = system("rates={backbone.trunk.layer4: 0.1}", "layer_decay=0.5")
    assert rates(found)["model.backbone.trunk.layer4.0.conv1.weight"] == 0.1 / 4
    assert rates(found)["model.backbone.trunk.layer3.1.conv1.weight"] == 0.001 / 8
    groups = found.configure_optimizers()["optimizer"].param_groups
    assert groups[0]["lr"] == 0.001, "which is the one that is logged"
    assert sum(len(group["params"]) for group in groups) == len(list(found.parameters()))


def test_layer_decay_without_layers_is_one_line(tiny) -> None:
    recipe = tiny("layer_decay=0.9", recipe="segmentation-unet")
    network = make(MODELS, recipe.model, "model")
    with pytest.raises(RecipeError, match="layer_decay: UNet has no layers"):
        SYSTEMS["segmentation"](recipe, network, training_set()).configure_optimizers()


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
    found.on_before_optimizer_step(found.configure_optimizers()["optimizer"])
    torch.testing.assert_close(centres[0].grad, torch.full_like(centres[0], 1 / 5e-4))
    assert (found.model.classifier.bias.grad < 1).all(), "the model's stay as they were"


def test_a_beginning_that_fits_nothing_is_named() -> None:
    with pytest.raises(
        RecipeError, match=r"rates\.backbone\.stem: no parameter's name begins so; there is: backbone\.trunk"
    ):
        system("rates={backbone.stem: 0.1}").configure_optimizers()


@pytest.mark.parametrize(
    ("recipe", "model", "told"),
    [
        (
            "reid-strong-baseline",
            "residual-cnn",
            "model.name=residual-cnn: the system embedding wants a model that embeds",
        ),
        ("attributes-multihead", "strong-baseline", "the system attributes wants a model that recognises"),
        ("junk-autoencoder", "unet", "the system reconstruction wants a model that reconstructs"),
        ("segmentation-unet", "lenet5", "the system segmentation wants a model that segments"),
        ("reid-bruna", "strong-baseline", "the system bruna wants a model that recognises"),
    ],
)
def test_a_model_without_the_ability_that_a_system_wants_is_refused(recipe: str, model: str, told: str, tiny) -> None:
    asked = tiny(f"model={{name: {model}}}", recipe=recipe)
    network = make(MODELS, {"name": model, **SIZES.get(model, {})}, "model", num_classes=3, attributes={"hat": 2})
    with pytest.raises(RecipeError, match=told):
        SYSTEMS[asked.system["name"]](asked, network, training_set(SCHEMA))


SIZES = {"strong-baseline": {"backbone": "resnet10t", "pretrained": False}}


class Counting(System):
    """Keeps how many images each batch has, and judges by noting it."""

    def __init__(self, recipe: Recipe, held_out: int) -> None:
        super().__init__(recipe, nn.Identity(), training_set()._replace(gallery=[Record("held.jpg")] * held_out))
        self.judged: list[list[int]] = []

    def look(self, inputs: Tensor, batch: Batch) -> int:
        assert inputs.dtype == torch.float32
        return len(inputs)

    def judge(self, looked: Sequence[int]) -> None:
        self.judged.append(list(looked))


def batch(images: int, *failed: str) -> Batch:
    none = torch.zeros(images)
    pixels = torch.zeros(images, 3, 4, 2, dtype=torch.uint8)
    return Batch(pixels, none, none, none, none, none, none, none, list(failed))


def test_a_validation_is_judged_by_its_own_batches_that_could_be_read(tiny) -> None:
    found = Counting(tiny(), held_out=6)
    for _ in range(2):
        for number, part in enumerate([batch(3), batch(0, "a.jpg: broken"), batch(2, "b.jpg: broken")]):
            found.validation_step(part, number)
        found.on_validation_epoch_end()
    assert found.judged == [[3, 2], [3, 2]]
    assert found.unreadable == {"a.jpg: broken", "b.jpg: broken"}


def test_a_validation_without_a_readable_image_is_one_line(tiny) -> None:
    found = Counting(tiny(), held_out=2)
    found.validation_step(batch(0, "b.jpg: broken", "a.jpg: broken"), 0)
    with pytest.raises(DataError, match="none of 2 images could be read; the first: a.jpg: broken"):
        found.on_validation_epoch_end()


def test_a_resumed_system_begins_after_the_epoch_of_its_checkpoint(tiny) -> None:
    found = Counting(tiny(), held_out=0)
    assert found.first_epoch == 0
    found.on_load_checkpoint({"epoch": 4})
    assert found.first_epoch == 5


def test_pictures_lie_in_the_run_folder_and_are_the_first_processs(tiny, tmp_path: Path) -> None:
    found, picture = Counting(tiny(), held_out=0), Image.new("RGB", (4, 3), (255, 0, 0))
    for first in (False, True):
        found._trainer = SimpleNamespace(is_global_zero=first, default_root_dir=tmp_path, loggers=[])  # type: ignore[assignment]
        assert not list(tmp_path.iterdir())
        found.picture("validation/red", picture)
    found.picture("made", picture, "made/epoch-001.png")
    for name in ("validation/red.png", "made/epoch-001.png"):
        with Image.open(tmp_path / name) as read:
            assert read.getpixel((0, 0)) == (255, 0, 0)


def test_each_step_draws_its_own_numbers_again_after_a_resume(tiny) -> None:
    def drawn(epoch: int, number: int) -> float:
        found = Counting(tiny("seed=3"), held_out=0)
        found._trainer = SimpleNamespace(current_epoch=epoch, global_rank=0)  # type: ignore[assignment]
        found.on_train_batch_start(batch(2), number)
        return torch.rand(()).item()

    assert drawn(1, 2) == drawn(1, 2)
    assert len({drawn(1, 2), drawn(1, 3), drawn(2, 2)}) == 3


class Weighing(System):
    """Learns one number from batches of which the second process cannot read the second one's images."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe, nn.Linear(1, 1, bias=False), training_set())
        self.losses = WeightedLosses({"squared": {}}, {"squared": Loss})
        nn.init.ones_(self.model.weight)

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"squared": self.model.weight.square().sum() * (1 + self.global_rank)}

    def train_dataloader(self) -> DataLoader[Batch]:
        unreadable = [f"{place}.jpg: broken" for place in range(2)]
        second = batch(0, *unreadable) if self.global_rank else batch(2)
        return DataLoader([batch(2), second], batch_size=None, collate_fn=lambda given: given)  # type: ignore[arg-type]

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        super().on_train_batch_end(outputs, batch, batch_index)
        with open(Path(self.trainer.default_root_dir) / str(self.global_rank), "a") as file:
            file.write(f"{self.model.weight.item()} ")

    def on_train_end(self) -> None:
        super().on_train_end()
        (Path(self.trainer.default_root_dir) / f"unreadable-{self.global_rank}").write_text(str(len(self.unreadable)))


@pytest.mark.slow
def test_a_batch_that_one_process_cannot_read_is_passed_over_by_all(tmp_path: Path) -> None:
    momentum = "optimiser={name: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0}"
    fitted_by_two(
        Weighing(tiny_recipe(momentum, "schedule=constant")), tmp_path, "ddp_spawn_find_unused_parameters_true"
    )
    for rank in range(2):
        # The mean of the gradients 2 and 4, once; momentum does not go on with it.
        assert [float(weight) for weight in (tmp_path / str(rank)).read_text().split()] == pytest.approx([0.7, 0.7])
        assert (tmp_path / f"unreadable-{rank}").read_text() == "2", "of both"
