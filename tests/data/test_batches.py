"""An epoch's batches: from files or from the cache, changed one by one or together, they are the same draws."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from resight.data.augmentations import augmented, build_augmentation, random_part
from resight.data.augmentations.batched import build_batched
from resight.data.batches import Batches
from resight.data.cache import cached
from resight.data.loaders import Batch, ImageDataset
from resight.data.samplers import BatchSampler, Draw, RandomSampler
from resight.recipe import ImageOptions, LoaderOptions
from resight.records import Record

SIZE = ImageOptions(height=32, width=16)
SECTIONS: dict[str, dict] = {"flip": {}, "pad-crop": {"padding": 3}, "jitter": {}}
CPU = torch.device("cpu")


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Twelve images with masks; the fourth cannot be read."""
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "cache"))
    random, records = np.random.default_rng(0), []
    half = np.zeros((40, 20), np.uint8)
    half[:20] = 255
    Image.fromarray(half).save(tmp_path / "mask.png")
    for number in range(12):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 255, (40, 20, 3), dtype=np.uint8)).save(path)
        records.append(Record(str(path), 1 + number // 3, camera=number % 2, mask=str(tmp_path / "mask.png")))
    Path(records[3].path).write_bytes(b"\x89PNG and no more")
    return records


def images(people: list[Record], how: str, masks: bool = False) -> ImageDataset:
    targets = np.arange(len(people))[:, None]
    dataset = ImageDataset(
        people, SIZE, build_augmentation(SECTIONS, SIZE), targets=targets, junk_targets=-targets - 1, masks=masks
    )
    if "cache" in how:
        dataset.crops = cached(people, SIZE, masks=masks)
    if "batch" in how:
        dataset.batched = build_batched(SECTIONS, SIZE)
    return dataset


def sampler(junk: float = 0.0) -> BatchSampler:
    return RandomSampler([0] * 12, targets=np.zeros((12, 1), np.int64), batch_size=6, junk=junk, seed=5)


def assert_equal(one: Batch, other: Batch) -> None:
    for name, values in one._asdict().items():
        theirs = getattr(other, name)
        assert torch.equal(values, theirs) if isinstance(values, torch.Tensor) else list(values) == list(theirs), name


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("way", ["image", "batch"])
def test_batches_of_the_cache_are_those_of_the_files(people: list[Record], way: str, masks: bool) -> None:
    made = [
        list(Batches(images(people, how, masks), sampler(junk=0.0 if masks else 0.3), LoaderOptions(workers=0), CPU))
        for how in (way, f"{way}, cache")
    ]
    assert len(made[0]) == len(made[1]) == 2
    for one, other in zip(*made, strict=True):
        assert_equal(one, other)
    lines = [line for batch in made[1] for line in batch.failed]
    assert len(lines) == 1
    assert people[3].path in lines[0]


def test_a_batch_is_changed_by_its_draws_seeds_and_junk_is_a_part_first(people: list[Record]) -> None:
    dataset = images(people, "batch, cache")
    draws = [Draw(0, 11), Draw(3, 12), Draw(5, 13, junk=True)]
    batch = dataset.finished(dataset.gather(draws), CPU)
    pixels = torch.stack([ImageDataset(people, SIZE)[number].image for number in (0, 5)])
    pixels[1] = augmented(pixels[1], random_part, 13)
    expected, _ = build_batched(SECTIONS, SIZE)(pixels.clone(), np.array([11, 13]))
    assert torch.equal(batch.images, expected)
    assert batch.places.tolist() == [0, 2]
    assert batch.junk.tolist() == [False, True]
    assert batch.targets.tolist() == [[0], [-6]]
    assert batch.ids.tolist() == [1, 2]


def test_an_epoch_again_is_the_same_and_another_is_not(people: list[Record]) -> None:
    batches = Batches(images(people, "batch, cache"), sampler(), LoaderOptions(workers=0), CPU)
    first, again = list(batches), list(batches)
    for one, other in zip(first, again, strict=True):
        assert_equal(one, other)
    batches.batch_sampler.set_epoch(1)
    other = list(batches)
    assert not torch.equal(first[0].images, other[0].images)
    kept = images(people, "cache").crops
    assert kept is not None
    assert torch.equal(kept.pixels, images(people, "cache").crops.pixels), "what is changed is a copy"


def test_a_batch_without_a_readable_image_is_empty(people: list[Record]) -> None:
    for how in ("batch", "batch, cache"):
        dataset = images(people, how)
        given = [dataset[Draw(3, 1)]]
        batch = dataset.finished(dataset.gather([Draw(3, 1)]) if "cache" in how else dataset.collate(given), CPU)
        assert batch.images.shape == (0, 3, 32, 16)
        assert len(batch.failed) == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["image", "image, cache", "batch", "batch, cache"])
def test_workers_change_nothing(people: list[Record], how: str) -> None:
    alone, shared = (
        list(Batches(images(people * 30, how), RandomSampler([0] * 360, batch_size=60), options, CPU))
        for options in (LoaderOptions(workers=0), LoaderOptions(workers=2, batch_size=20))
    )
    for one, other in zip(alone, shared, strict=True):
        assert_equal(one, other)


def test_the_time_waited_is_that_of_asking_alone(people: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, now = images(people, "batch, cache"), [0.0]
    gather = dataset.gather

    def slow(draws: list[Draw]) -> Batch:
        now[0] += 0.25
        return gather(draws)

    monkeypatch.setattr("resight.data.batches.time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(dataset, "gather", slow)
    batches = Batches(dataset, sampler(), LoaderOptions(workers=0), CPU)
    for _ in batches:
        now[0] += 8
    assert batches.waited == 2 * 0.25
