"""From records to batches: pictures of any shape at the network's size, masks beside them, unreadable images left out."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from resight.data.augmentations import build_augmentation
from resight.data.loaders import (
    BAR,
    Batch,
    ImageDataset,
    covered,
    denormalise,
    evaluation_loader,
    judged_loader,
    normalise,
    resize,
    resize_mask,
    training_loader,
    whole_groups,
)
from resight.data.samplers import Draw, IdentitySampler
from resight.recipe import ImageOptions, LoaderOptions
from resight.records import AttributeSchema, Record, ReidDataset

SIZE = ImageOptions(height=32, width=16)
MEAN = {"mean": (0.5, 0.25, 1.0), "std": (0.5, 0.5, 0.5)}


def test_squash_fills_the_whole_image_and_letterbox_keeps_the_shape() -> None:
    tall = np.zeros((128, 64, 3), np.uint8)
    tall[:, :, 1] = 90
    squashed = resize(tall, ImageOptions(height=64, width=64, **MEAN))
    assert (squashed[1] == 90).all()
    boxed = resize(tall, ImageOptions(height=64, width=64, resize="letterbox", **MEAN))
    assert boxed.shape == (3, 64, 64)
    assert (boxed[1, :, 16:48] == 90).all()
    bars = torch.cat([boxed[:, :, :16], boxed[:, :, 48:]], dim=2)
    assert (bars == torch.tensor([128, 64, 255], dtype=torch.uint8)[:, None, None]).all(), "the mean colour"
    bar = normalise(boxed[None], ImageOptions(**MEAN))[0, :, 0, 0]
    assert bar.abs().max() < 0.01, "which the network sees as zero"


def test_letterbox_of_a_flat_image_has_bars_above_and_below() -> None:
    flat = np.full((10, 300, 3), 7, np.uint8)
    boxed = resize(flat, ImageOptions(height=32, width=30, resize="letterbox", **MEAN))
    assert (boxed[0] == 7).sum() == 1 * 30
    assert (boxed[0, 15] == 7).all()


def test_an_image_of_the_size_asked_for_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 16, 3), np.uint8)
    for way in ("squash", "letterbox"):
        same = resize(pixels, ImageOptions(height=32, width=16, resize=way))
        np.testing.assert_array_equal(same.permute(1, 2, 0).numpy(), pixels)


def test_interpolation_is_pillows() -> None:
    """Which torchreid (bilinear) and FastReID (bicubic) resize with; nearest takes pixels as they are."""
    pixels = np.random.default_rng(0).integers(0, 255, (50, 40, 3), np.uint8)
    for name, filter in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
        ours = resize(pixels, SIZE.model_copy(update={"interpolation": name})).permute(1, 2, 0).numpy()
        theirs = np.asarray(Image.fromarray(pixels).resize((16, 32), filter))
        assert np.abs(ours.astype(int) - theirs).max() <= 1, name
    assert torch.equal(resize(pixels, SIZE), resize(pixels, SIZE.model_copy(update={"interpolation": "bilinear"})))
    nearest = resize(
        np.arange(64, dtype=np.uint8).repeat(3).reshape(8, 8, 3),
        ImageOptions(height=16, width=16, interpolation="nearest"),
    )
    assert nearest[0, :4, :4].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [8, 8, 9, 9], [8, 8, 9, 9]]


def test_a_letterbox_is_interpolated_too() -> None:
    tall = np.random.default_rng(0).integers(0, 255, (64, 16, 3), np.uint8)
    boxed = resize(tall, ImageOptions(height=32, width=32, resize="letterbox", interpolation="bicubic"))
    assert torch.equal(boxed[:, :, 12:20], resize(tall, ImageOptions(height=32, width=8, interpolation="bicubic")))


def test_a_network_may_read_blue_first() -> None:
    image = torch.tensor([255, 0, 51], dtype=torch.uint8)[None, :, None, None]
    blue_first = ImageOptions(**MEAN, colours="bgr")
    assert torch.equal(normalise(image, blue_first), normalise(image, ImageOptions(**MEAN)).flip(1))
    assert torch.equal(denormalise(normalise(image, blue_first), blue_first), image)


def test_normalised_values_by_hand() -> None:
    image = torch.tensor([255, 0, 51], dtype=torch.uint8)[None, :, None, None]
    # (1 - 0.5) / 0.5, (0 - 0.25) / 0.5, (0.2 - 1) / 0.5
    assert normalise(image, ImageOptions(**MEAN)).flatten().tolist() == pytest.approx([1, -0.5, -1.6])


def test_denormalise_is_the_way_back() -> None:
    images = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    image = ImageOptions()
    assert torch.equal(denormalise(normalise(images, image), image), images)
    assert denormalise(torch.full((1, 3, 1, 1), 99.0), image).amin() == 255, "clipped"


def test_whole_groups_are_those_without_a_gap() -> None:
    # Three triplets, the image at place 4 unreadable: the first triplet is in rows 0 to 2, the third in rows 5 to 7.
    places = np.array([0, 1, 2, 3, 5, 6, 7, 8])
    assert whole_groups(places, 3).tolist() == [[0, 1, 2], [5, 6, 7]]
    assert whole_groups(np.array([1, 2]), 3).shape == (0, 3)
    assert whole_groups(np.arange(4), 2).tolist() == [[0, 1], [2, 3]]


@pytest.fixture
def people(tmp_path: Path) -> list[Record]:
    """Four grey images, 10, 20, 30 and 40 bright, of two identities and cameras; the third cannot be read."""
    records = []
    for number in range(4):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (16, 32), (10 * number + 10,) * 3).save(path)
        records.append(Record(str(path), identity=7 + number // 2, camera=1 + number % 2))
    (tmp_path / "2.png").write_bytes(b"\x89PNG and no more")
    return records


def brightness(batch: Batch) -> list[int]:
    return batch.images[:, 0, 0, 0].tolist()


def test_an_image_that_cannot_be_read_is_left_out_and_named(people: list[Record]) -> None:
    dataset = ImageDataset(people, SIZE)
    batch = dataset.collate([dataset[index] for index in (3, 2, 0)])
    assert brightness(batch) == [40, 10]
    assert batch.index.tolist() == [3, 0]
    assert batch.places.tolist() == [0, 2]
    assert batch.ids.tolist() == [8, 7]
    assert batch.cameras.tolist() == [2, 1]
    assert batch.targets.shape == (2, 0)
    assert batch.masks.shape == (2, 0, 32, 16)
    assert len(batch.failed) == 1
    assert people[2].path in batch.failed[0]


def test_a_batch_without_a_readable_image_is_empty(people: list[Record]) -> None:
    dataset = ImageDataset(people, SIZE)
    batch = dataset.collate([dataset[2]])
    assert batch.images.shape == (0, 3, 32, 16)
    assert batch.images.dtype == torch.uint8
    assert len(batch.ids) == len(batch.places) == 0
    assert len(batch.failed) == 1


def test_labels_take_the_place_of_identities(people: list[Record]) -> None:
    dataset = ImageDataset(people, SIZE, labels=[0, 0, 1, 1])
    assert dataset.collate([dataset[0], dataset[3]]).ids.tolist() == [0, 1]


def test_a_draw_is_augmented_by_its_seed_and_a_plain_index_never(people: list[Record]) -> None:
    augment = build_augmentation({"jitter": {"brightness": 0.9}}, SIZE)
    dataset = ImageDataset(people, SIZE, augment)
    drawn = [dataset[Draw(3, seed)].image for seed in (1, 2, 1)]
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert (dataset[3].image == 40).all()
    assert (ImageDataset(people, SIZE)[Draw(3, 1)].image == 40).all(), "nothing to augment by"


def test_a_junk_draw_shows_a_part_and_has_the_targets_of_junk(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(0, 256, 8, np.uint8)[:, None, None], 16, 1).repeat(3, 2)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    targets, junk_targets = np.array([[1, 0]]), np.array([[-1, 1]])
    dataset = ImageDataset(
        [Record(str(tmp_path / "ramp.png"), 1)],
        SIZE,
        build_augmentation({}, SIZE),
        targets=targets,
        junk_targets=junk_targets,
    )
    batch = dataset.collate([dataset[Draw(0, 5)], dataset[Draw(0, 5, junk=True)]])
    assert batch.junk.tolist() == [False, True]
    assert batch.targets.tolist() == [[1, 0], [-1, 1]]
    spans = [int(image.max()) - int(image.min()) for image in batch.images]
    assert spans[0] == 248
    assert spans[1] <= 0.5 * 248, "at most 0.45 of the rows"


def test_a_cached_image_is_read_once(people: list[Record]) -> None:
    kept, fresh = ImageDataset(people, SIZE, cache=True), ImageDataset(people, SIZE)
    assert (kept[0].image == 10).all()
    Image.new("RGB", (16, 32), (99, 99, 99)).save(people[0].path)
    assert (kept[0].image == 10).all()
    assert (fresh[0].image == 99).all()


def test_evaluation_brings_every_image_once_in_order(people: list[Record]) -> None:
    loader = evaluation_loader(ImageDataset(people, SIZE), LoaderOptions(workers=0, batch_size=3))
    batches = list(loader)
    assert [brightness(batch) for batch in batches] == [[10, 20], [40]]
    assert [batch.index.tolist() for batch in batches] == [[0, 1], [3]]
    assert [len(batch.failed) for batch in batches] == [1, 0]


def test_one_image_in_twenty_is_judged_as_junk_whatever_their_order(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    records = []
    for number in range(21):
        path = tmp_path / f"{number:02d}.png"
        Image.fromarray(random.integers(0, 255, (32, 16, 3), dtype=np.uint8)).save(path)
        records.append(Record(str(path), 1 + number, attributes={"hat": "yes"}))
    schema = AttributeSchema({"hat": ("no", "yes"), "junk": ("no", "yes")})
    options = LoaderOptions(workers=0, batch_size=22)
    (forth,), (back,) = (judged_loader(people, schema, SIZE, options) for people in (records, records[::-1]))
    assert forth.index.tolist() == [*range(21), 19]
    assert back.index.tolist() == [*range(21), 1]
    assert forth.junk.tolist() == [False] * 21 + [True]
    assert forth.targets.tolist() == [[1, 0]] * 21 + [[-1, 1]]
    assert torch.equal(forth.images[:21], back.images[:21].flip(0)), "as they are"
    assert torch.equal(forth.images[21], back.images[21]), "and the same part"
    assert not torch.equal(forth.images[21], forth.images[19])
    (plain,) = judged_loader(records, AttributeSchema({"hat": ("no", "yes")}), SIZE, options)
    assert plain.index.tolist() == [*range(21)]


def test_training_batches_are_the_samplers(people: list[Record]) -> None:
    dataset = ImageDataset(people, SIZE)
    sampler = IdentitySampler([record.identity for record in people], identities=2, images=2)
    (batch,) = training_loader(dataset, sampler, LoaderOptions(workers=0))
    wanted = [draw.index for draw in next(iter(sampler)) if draw.index != 2]
    assert batch.index.tolist() == wanted
    assert whole_groups(batch.places, 2).tolist() == [[row for row, index in enumerate(wanted) if index < 2]]


# Masks: they go with their image, whatever is done to it.

MOVING = {"flip": {"probability": 1.0}, "pad-crop": {"padding": 4}, "rotation": {"degrees": 10}}
SHIFTING = {"translation": {"probability": 1.0}, "centre-crop": {"probability": 0.5}}
COLOURING = {
    "jitter": {"brightness": 0.3},
    "pca-colour": {"probability": 1.0},
    "equalise": {"probability": 0.5},
    "erasing": {"probability": 1.0, "area": [0.02, 0.03]},
}


@pytest.fixture
def pair(tmp_path: Path) -> Record:
    """A white box on black, which is its own mask."""
    pixels = np.zeros((32, 16, 3), np.uint8)
    pixels[6:20, 3:9] = 255
    Image.fromarray(pixels).save(tmp_path / "image.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "mask.png")
    return Record(str(tmp_path / "image.png"), mask=str(tmp_path / "mask.png"))


def batch_of(pair: Record, augmentation: dict, seeds: range) -> Batch:
    dataset = ImageDataset([pair], SIZE, build_augmentation(augmentation, SIZE), masks=True)
    return dataset.collate([dataset[Draw(0, seed)] for seed in seeds])


@pytest.mark.parametrize("augmentation", [MOVING, SHIFTING, COLOURING])
def test_what_moves_the_image_moves_the_mask(pair: Record, augmentation: dict) -> None:
    batch = batch_of(pair, augmentation, range(20))
    assert batch.masks.shape == (20, 1, 32, 16)
    assert batch.masks.dtype == torch.uint8
    assert set(batch.masks.unique().tolist()) == {0, 1}
    assert type(batch.masks) is type(batch.images) is torch.Tensor
    # Bilinear edges of the image, nearest ones of the mask: they differ on the outline. Masks apart agree on 0.67.
    agree = ((batch.images[:, :1] > 127) == (batch.masks > 0)).float().mean((1, 2, 3))
    assert agree.min() > 0.8
    if augmentation is not COLOURING:
        assert len({mask.numpy().tobytes() for mask in batch.masks}) > 5, "and they do move"


def test_colours_leave_the_mask_alone(pair: Record) -> None:
    batch = batch_of(pair, COLOURING, range(3))
    still = batch_of(pair, {}, range(3))
    assert torch.equal(batch.masks, still.masks)
    assert torch.equal(still.images[:, :1] > 127, still.masks > 0)


def test_masks_are_enlarged_without_new_values() -> None:
    small = np.array([[0, 1], [1, 0]], np.uint8)
    large = resize_mask(small, ImageOptions(height=8, width=8))
    np.testing.assert_array_equal(large[0].numpy(), np.kron(small, np.ones((4, 4), np.uint8)))


@pytest.mark.parametrize("shape", [(64, 16), (16, 64), (30, 20)])
def test_a_letterboxed_mask_lies_on_its_image_and_says_where_bars_are(shape: tuple[int, int]) -> None:
    boxes = ImageOptions(height=32, width=32, resize="letterbox", **MEAN)
    mask = np.zeros(shape, np.uint8)
    mask[: shape[0] // 2] = 1
    image, boxed = resize(np.repeat(mask[..., None] * 255, 3, -1), boxes), resize_mask(mask, boxes)[0]
    rows, columns = covered(shape, boxes)
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[rows, columns] = True
    assert torch.equal(boxed == BAR, ~inside)
    assert torch.equal(boxed[inside] == 1, image[0][inside] > 127)
    assert covered(shape, SIZE) == (slice(0, 32), slice(0, 16)), "what is squashed has no bars"


def test_an_image_whose_mask_does_not_fit_is_left_out_and_named(pair: Record, tmp_path: Path) -> None:
    Image.new("L", (5, 5)).save(tmp_path / "small.png")
    records = [pair, Record(pair.path, mask=str(tmp_path / "small.png")), Record(pair.path)]
    dataset = ImageDataset(records, SIZE, masks=True)
    batch = dataset.collate([dataset[i] for i in range(3)])
    assert batch.index.tolist() == [0]
    assert "small.png: the mask has 5 × 5 pixels, its image 16 × 32" in batch.failed[0]
    assert "no mask is known" in batch.failed[1]


def test_beside_a_gallery_workers_are_not_forked(crowd: ReidDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """LanceDB's threads, and those of connections, are not in a fork, which could wait for them for ever."""
    monkeypatch.delitem(sys.modules, "psycopg_pool", raising=False)
    images = ImageDataset(list(crowd.train), ImageOptions(height=32, width=16))
    options = LoaderOptions(workers=1, batch_size=2)
    monkeypatch.setitem(sys.modules, "lancedb", None)
    loader = evaluation_loader(images, options)
    assert started(loader) == "forkserver"
    assert sum(len(batch.images) for batch in loader) == len(crowd.train)
    assert evaluation_loader(images, LoaderOptions(workers=0, batch_size=2)).multiprocessing_context is None
    monkeypatch.delitem(sys.modules, "lancedb")
    assert started(evaluation_loader(images, options)) == multiprocessing.get_start_method()
    monkeypatch.setitem(sys.modules, "psycopg_pool", None)
    assert started(evaluation_loader(images, options)) == "forkserver"


def started(loader: DataLoader[Batch]) -> str:
    """How its workers start."""
    assert loader.multiprocessing_context is not None
    return loader.multiprocessing_context.get_start_method()
