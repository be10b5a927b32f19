"""Batches of a training set: whose they are, in which order, on which process, and when there are too few."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from resight.data.samplers import SAMPLERS
from resight.data.training_set import TrainingSet, divide
from resight.engine import data_module
from resight.engine.data_module import DataModule
from resight.engine.system import System
from resight.errors import DataError, RecipeError
from resight.recipe import Recipe
from resight.records import ReidDataset

KEYS = ("images", "ids", "index")


def attached(recipe: Recipe, training_set: TrainingSet, rank: int = 0, world: int = 1, epoch: int = 0) -> DataModule:
    """Batches as Lightning has them for one of `world` processes, in a training that begins at `epoch`."""
    system = System(recipe, nn.Identity(), training_set)
    system.first_epoch = epoch
    module = DataModule(recipe, training_set)
    module.trainer = SimpleNamespace(global_rank=rank, world_size=world, lightning_module=system)  # type: ignore[assignment]
    return module


def drawn(module: DataModule) -> list[list[int]]:
    return [batch.index.tolist() for batch in module.train_dataloader()]


def test_batches_carry_class_numbers_and_come_as_the_sampler_deals(crowd: ReidDataset, tiny) -> None:
    recipe = tiny("sampler={name: identities, identities: 3, images: 2}", "augmentation={}", "validation.ratio=0.34")
    training_set = divide(recipe, crowd, {"identities"})
    known = sorted({record.identity for record in training_set.fitted})
    for batch in attached(recipe, training_set).train_dataloader():
        people = [training_set.fitted[position].identity for position in batch.index.tolist()]
        assert [known[number] for number in batch.ids.tolist()] == people
        assert sorted(map(people.count, set(people))) == [2, 2, 2]
        assert batch.images.shape == (6, 3, 32, 16)


def test_a_resumed_training_begins_with_the_batches_of_its_epoch(crowd: ReidDataset, tiny) -> None:
    recipe, training_set = tiny(), divide(tiny(), crowd, {"identities"})
    first, second = drawn(attached(recipe, training_set)), drawn(attached(recipe, training_set, epoch=1))
    assert first == drawn(attached(recipe, training_set))
    assert first != second
    whole = attached(recipe, training_set)
    whole.sampler.set_epoch(1)
    assert [[draw.index for draw in batch] for batch in whole.sampler] == second


def test_processes_share_each_batch(crowd: ReidDataset, tiny) -> None:
    recipe = tiny("sampler={name: identities, identities: 4, images: 3}")
    training_set = divide(recipe, crowd, {"identities"})
    alone = drawn(attached(recipe, training_set))
    one, other = (drawn(attached(recipe, training_set, rank, world=2)) for rank in (0, 1))
    assert [here + there for here, there in zip(one, other, strict=True)] == alone
    assert all(len(here) == 6 for here in one)


def test_a_batch_that_its_devices_cannot_share_is_told_before_a_training_begins(crowd: ReidDataset, tiny) -> None:
    recipe = tiny("sampler.identities=4", "trainer.devices=3")
    with pytest.raises(
        RecipeError, match="sampler.identities=4 cannot be divided among 3 .* set it to 3 or 6, or take"
    ):
        DataModule(recipe, divide(recipe, crowd, {"identities"}))
    recipe = tiny("sampler={name: random, batch_size: 4}", "trainer.devices=2", "trainer.num_nodes=2")
    with pytest.raises(RecipeError, match="batch_size=4: its batches are of one image in each of 4 processes"):
        DataModule(recipe, divide(recipe, crowd, {"identities"}))


def test_processes_take_turns_with_the_batches_of_a_validation(crowd: ReidDataset, tiny) -> None:
    recipe = tiny("validation.ratio=0.34", "loader.batch_size=5")
    training_set = divide(recipe, crowd, {"identities"})
    alone = [batch.index.tolist() for batch in attached(recipe, training_set).val_dataloader()]
    shares = []
    for rank in range(3):
        loader = attached(recipe, training_set, rank, world=3).val_dataloader()
        shares.append([batch.index.tolist() for batch in loader])
    assert shares == [[alone[0], alone[3]], [alone[1], []], [alone[2], []]], "as many for each: none waits for another"


def test_validation_sees_every_held_out_image_once_and_as_it_is(crowd: ReidDataset, tiny) -> None:
    recipe = tiny("validation.ratio=0.34", "loader.batch_size=5")
    training_set = divide(recipe, crowd, {"identities"})
    module = attached(recipe, training_set)
    batches = list(module.val_dataloader())
    held_out = training_set.validation
    assert [len(batch.index) for batch in batches] == [5, 5, 5, 1]
    assert torch.cat([batch.index for batch in batches]).tolist() == list(range(len(held_out)))
    assert torch.cat([batch.ids for batch in batches]).tolist() == [record.identity for record in held_out]
    again = list(module.val_dataloader())
    assert all(torch.equal(a.images, b.images) for a, b in zip(batches, again, strict=True)), "nothing is augmented"
    nobody = tiny("validation.ratio=0")
    assert DataModule(nobody, divide(nobody, crowd, {"identities"})).val_dataloader() == []


def test_attributes_and_masks_come_where_they_are_learned(annotated: ReidDataset, tiny) -> None:
    recipe = tiny("validation.ratio=0.34", recipe="attributes-multihead")
    training_set = divide(recipe, annotated, {"attributes"})
    batch = next(iter(attached(recipe, training_set).train_dataloader()))
    assert np.array_equal(batch.targets, training_set.targets[batch.index])
    seen = next(iter(attached(recipe, training_set).val_dataloader()))  # type: ignore[call-overload]
    worn = [training_set.validation[position].attributes["hat"] for position in seen.index.tolist()]
    assert seen.targets[:, 0].tolist() == [training_set.schema.index("hat", value) for value in worn]
    assert seen.masks.shape[1] == 0
    recipe = tiny("validation.ratio=0.34", recipe="segmentation-unet")
    training_set = divide(recipe, annotated, {"masks"})
    module = attached(recipe, training_set)
    for batches in (module.train_dataloader(), module.val_dataloader()):
        assert next(iter(batches)).masks.shape[1:] == (1, 32, 16)


def test_what_does_not_fit_is_told_before_a_training_begins(crowd: ReidDataset, tiny) -> None:
    recipe = tiny("sampler.identities=9")
    with pytest.raises(DataError, match="sampler.identities=6"):
        DataModule(recipe, divide(recipe, crowd, {"identities"}))
    recipe = tiny("augmentation={flop: {}}")
    with pytest.raises(RecipeError, match="did you mean 'flip'"):
        DataModule(recipe, divide(recipe, crowd, {"identities"}))


@pytest.mark.parametrize(
    ("sampler", "told"),
    [
        ("{name: random, batch_size: 1}", "sampler.batch_size=1: its batches are of one image"),
        ("{name: identities, identities: 1, images: 1}", "sampler.identities=1, sampler.images=1: its batches"),
    ],
)
def test_batches_of_one_image_are_refused(sampler: str, told: str, crowd: ReidDataset, tiny) -> None:
    recipe = tiny(f"sampler={sampler}")
    with pytest.raises(RecipeError, match=told):
        DataModule(recipe, divide(recipe, crowd, {"identities"}))
    several = tiny("sampler={name: identities, identities: 1, images: 2}")
    assert len(DataModule(several, divide(several, crowd, {"identities"})).sampler)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_recipe_cannot_say_which_process_it_is(name: str, crowd: ReidDataset, tiny) -> None:
    for key in ("rank", "world"):
        recipe = tiny(f"sampler={{name: {name}, {key}: 1}}")
        with pytest.raises(RecipeError, match=f"unknown key '{key}'"):
            DataModule(recipe, divide(recipe, crowd, {"identities"}))


def as_recipe_says(recipe: Recipe, crowd: ReidDataset, device: str = "cpu") -> DataModule:
    module = attached(recipe, divide(recipe, crowd, {"identities"}))
    module.trainer.lightning_module.to(device)
    return module


@pytest.mark.parametrize("cache", ["true", "memory", "disk", "device", "auto"])
def test_wherever_images_are_kept_batches_are_the_same(
    cache: str, crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path))
    plain = as_recipe_says(tiny("validation.ratio=0.34"), crowd)
    kept = as_recipe_says(tiny("validation.ratio=0.34", f"loader.cache={cache}"), crowd)
    for one, other in zip(plain.train_dataloader(), kept.train_dataloader(), strict=True):
        assert torch.equal(one.images, other.images)
        assert one.ids.tolist() == other.ids.tolist()
    for one, other in zip(plain.val_dataloader(), kept.val_dataloader(), strict=True):
        assert torch.equal(one.images, other.images)
    assert (tmp_path / "crops").exists() == (cache not in ("true", "memory"))
    again = list(kept.batches_of(0))
    assert all(torch.equal(one.images, two.images) for one, two in zip(again, kept.train_dataloader(), strict=True))


def test_images_are_changed_in_batches_unless_the_recipe_says_otherwise(crowd: ReidDataset, tiny) -> None:
    for recipe, expected in (
        (tiny(), True),
        (tiny("loader.augment=image"), False),
        (tiny("loader.augment=auto"), False),
    ):
        module = as_recipe_says(recipe, crowd)
        module.train_dataloader()
        assert (module.images.batched is not None) == expected
    assert data_module._in_batches(tiny("loader.augment=auto"), torch.device("cuda"))
    assert not data_module._in_batches(tiny("loader.augment=image"), torch.device("cuda"))


def test_a_cache_that_does_not_fit_is_refused_or_done_without(
    crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path))
    monkeypatch.setenv("RESIGHT_CACHE_LIMIT", "0.000001")
    with pytest.raises(DataError, match="RESIGHT_CACHE_LIMIT"):
        as_recipe_says(tiny("loader.cache=disk"), crowd).train_dataloader()
    told: list[str] = []
    module = as_recipe_says(tiny("loader.cache=auto"), crowd)
    module.tell = told.append
    assert len(list(module.train_dataloader()))
    assert told[0].startswith("going on without a cache: ")
