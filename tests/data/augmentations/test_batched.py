"""Augmentations of a batch: each does exactly what its namesake does to one image, as often and as far, by its own seed."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as vision

from resight.data.augmentations import AUGMENTATIONS, batched, build_augmentation
from resight.data.augmentations.batched import BATCHED, build_batched
from resight.data.augmentations.colour import EIGENVALUES, EIGENVECTORS
from resight.data.augmentations.numbers import normal, uniform
from resight.data.augmentations.policies import policy_of
from resight.errors import RecipeError
from resight.recipe import ImageOptions
from tests.support.augmenting import draws, noise

HEIGHT, WIDTH = 24, 12
IMAGE = ImageOptions(height=HEIGHT, width=WIDTH)
SEEDS = np.random.default_rng(0).integers(2**62, size=40)
POLICIES = ("imagenet", "cifar10", "svhn", "rand", "trivial")

SPELLED: list[dict[str, dict]] = [
    *({name: {}} for name in AUGMENTATIONS),
    {"erasing": {"aspect": "squarish", "fill": "black", "area": [0.3, 0.9]}},
    *({"auto-augment": {"policy": policy, "probability": 1}} for policy in POLICIES),
    {"jitter": {"brightness": 0, "contrast": 0.5, "saturation": 0.9, "hue": 0.5, "probability": 0.7}},
    {"pad-crop": {"padding": 4}, "flip": {}, "jitter": {}, "rotation": {"degrees": 20}, "erasing": {}},
    {},
]


@pytest.fixture(params=[True, False], ids=["as-on-the-cpu", "as-on-a-gpu"])
def anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to move pixels: image by image, and by an index of all of them."""
    monkeypatch.setattr(batched, "_one_by_one", lambda images: request.param)


def pictures(number: int) -> Tensor:
    """Smooth random pictures, different each, with colours from dark to light."""
    coarse = torch.rand(number, 3, 6, 3, generator=torch.Generator().manual_seed(1))
    return (vision.resize(coarse, [HEIGHT, WIDTH]) * 255).to(torch.uint8)


def changed(sections: dict[str, dict], images: Tensor, seeds: np.ndarray = SEEDS) -> Tensor:
    return build_batched(sections, IMAGE)(images.clone(), seeds)[0]


def own_numbers(name: str, **options: object) -> np.ndarray:
    """The numbers of an augmentation that stands alone, without the first, which says whether it is applied."""
    change = build_batched({name: dict(options)}, IMAGE).changes[0]
    return uniform(SEEDS, change.wanted + 1)[:, 1:]


def nearly(made: Tensor, expected: Tensor, share: float = 0.002) -> None:
    """Equal but for the last bit of rounding in a few pixels."""
    off = (made.int() - expected.int()).abs()
    assert off.max() <= 1
    assert (off > 0).float().mean() <= share


def test_the_tables_have_the_same_names_and_options() -> None:
    assert list(BATCHED) == list(AUGMENTATIONS)
    for name, change in BATCHED.items():
        assert set(inspect.signature(change).parameters) == {
            "image",
            *inspect.signature(AUGMENTATIONS[name]).parameters,
        }


@pytest.mark.parametrize("sections", SPELLED, ids=str)
@pytest.mark.usefixtures("anywhere")
def test_each_image_owes_its_numbers_to_its_seed_alone(sections: dict[str, dict]) -> None:
    images, change = pictures(len(SEEDS)), build_batched(sections, IMAGE)
    torch.manual_seed(3)
    chance = torch.random.get_rng_state()
    made = change(images.clone(), SEEDS)[0]
    assert made.dtype == torch.uint8
    assert made.shape == images.shape
    order = np.random.default_rng(5).permutation(len(SEEDS))
    turned = change(images[order].clone(), SEEDS[order])[0]
    nearly(turned, made[order])
    for row in (0, 7):  # alone in its batch
        nearly(change(images[row : row + 1].clone(), SEEDS[row : row + 1])[0], made[row : row + 1])
    assert torch.equal(change(images.clone(), SEEDS)[0], made)
    assert torch.equal(chance, torch.random.get_rng_state()), "the generator of everything else is left alone"


@pytest.mark.parametrize("sections", SPELLED[:-1], ids=str)
def test_images_are_distributed_as_the_references(sections: dict[str, dict]) -> None:
    number = 1500
    image = pictures(1)[0]
    ours = changed(sections, image.expand(number, -1, -1, -1), np.arange(number)).flatten(1).double()
    theirs = torch.stack(draws(build_augmentation(sections, IMAGE), image, number)).flatten(1).double()
    ways = torch.randn(image.numel(), 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for one, other in zip((ours @ ways).T, (theirs @ ways).T, strict=True):
        assert stats.ks_2samp(one.round(decimals=6), other.round(decimals=6)).pvalue > 0.001
    often = [len(set(map(bytes, made.to(torch.uint8).numpy()))) for made in (ours, theirs)]
    assert 0.8 < often[0] / often[1] < 1.25, "as many different images"


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_probability_is_how_often_and_images_are_hit_apart(name: str) -> None:
    image = noise(HEIGHT, WIDTH)
    for probability, least, most in ((0, 0, 0), (0.5, 120, 280), (1, 270, 400)):
        made = changed({name: {"probability": probability}}, image.expand(400, -1, -1, -1), np.arange(400))
        assert least <= int((made != image).flatten(1).any(1).sum()) <= most


def test_a_flip_mirrors() -> None:
    images = pictures(len(SEEDS))
    assert torch.equal(changed({"flip": {"probability": 1}}, images), images.flip(3))


@pytest.mark.usefixtures("anywhere")
def test_crops_are_torchvisions_at_the_places_drawn() -> None:
    images = pictures(len(SEEDS))
    spare = own_numbers("pad-crop", padding=5) * 11
    expected = [
        vision.crop(vision.pad(image, [5] * 4), int(top), int(left), HEIGHT, WIDTH)
        for image, (top, left) in zip(images, spare, strict=True)
    ]
    assert torch.equal(changed({"pad-crop": {"padding": 5}}, images), torch.stack(expected))
    larger = [27, 14]  # 1.125 times
    spare = own_numbers("translation", probability=1) * [27 - HEIGHT + 1, 14 - WIDTH + 1]
    expected = [
        vision.crop(vision.resize(image, larger), int(top), int(left), HEIGHT, WIDTH)
        for image, (top, left) in zip(images, spare, strict=True)
    ]
    assert torch.equal(changed({"translation": {"probability": 1}}, images), torch.stack(expected))
    centre = torch.stack([build_augmentation({"centre-crop": {}}, IMAGE)(image) for image in images])
    assert torch.equal(changed({"centre-crop": {}}, images), centre)


def test_rotations_are_torchvisions_by_the_angles_drawn() -> None:
    images = pictures(len(SEEDS))
    angles = own_numbers("rotation", degrees=30)[:, 0] * 60 - 30
    expected = [
        vision.rotate(image, angle, v2.InterpolationMode.BILINEAR, fill=0)
        for image, angle in zip(images, angles.tolist(), strict=True)
    ]
    nearly(changed({"rotation": {"degrees": 30}}, images), torch.stack(expected))


def drawn_box(numbers: list[float], area: tuple[float, float], aspect: float) -> tuple[int, int, int, int]:
    """torchvision's loop, with these numbers in place of its own."""
    low, high = math.log(aspect), math.log(1 / aspect)
    for attempt in range(10):
        share = HEIGHT * WIDTH * (area[0] + (area[1] - area[0]) * numbers[attempt])
        ratio = math.exp(low + (high - low) * numbers[10 + attempt])
        height, width = round(math.sqrt(share * ratio)), round(math.sqrt(share / ratio))
        if height < HEIGHT and width < WIDTH:
            top, left = int(numbers[20] * (HEIGHT - height + 1)), int(numbers[21] * (WIDTH - width + 1))
            return top, left, height, width
    return 0, 0, 0, 0


@pytest.mark.usefixtures("anywhere")
@pytest.mark.parametrize("area", [(0.02, 0.4), (0.7, 1.0), (1.0, 1.0)])
def test_erased_boxes_are_those_of_torchvisions_loop(area: tuple[float, float]) -> None:
    images, options = pictures(len(SEEDS)), {"area": list(area), "aspect": 0.3, "probability": 1}
    expected = []
    for image, numbers in zip(images, own_numbers("erasing", **options).tolist(), strict=True):
        top, left, height, width = drawn_box(numbers, area, 0.3)
        colour = torch.tensor([124, 116, 104], dtype=torch.uint8)[:, None, None]
        expected.append(vision.erase(image, top, left, height, width, colour))
    assert torch.equal(changed({"erasing": options}, images), torch.stack(expected))
    whole = sum(torch.equal(made, image) for made, image in zip(expected, images, strict=True))
    assert (whole == len(SEEDS)) == (area == (1.0, 1.0)), "no box is as large as the image"


def test_jitter_is_torchvisions_by_the_factors_and_the_order_drawn() -> None:
    images, spreads = pictures(len(SEEDS)), {"brightness": 0.4, "contrast": 0.6, "saturation": 1.5, "hue": 0.3}
    adjust = (vision.adjust_brightness, vision.adjust_contrast, vision.adjust_saturation, vision.adjust_hue)
    ranges = ((0.6, 1.4), (0.4, 1.6), (0, 2.5), (-0.3, 0.3))
    expected = []
    for image, numbers in zip(images, own_numbers("jitter", **spreads).tolist(), strict=True):
        for place in np.argsort(numbers[:4]).tolist():
            low, high = ranges[place]
            image = adjust[place](image, low + (high - low) * numbers[4 + place])
        expected.append(image)
    made = changed({"jitter": spreads}, images)
    off = (made.int() - torch.stack(expected).int()).abs()
    assert (off > 1).float().mean() < 0.003, "a last bit that contrast or saturation enlarges"
    assert off.max() <= 4
    orders = np.argsort(own_numbers("jitter")[:, :4], axis=1)
    assert len({tuple(order) for order in orders}) > 12, "of 24"


@pytest.mark.parametrize("place", range(4))
def test_each_change_of_colour_alone_is_torchvisions(place: int) -> None:
    name = ("brightness", "contrast", "saturation", "hue")[place]
    options = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0) | {name: 0.4}
    adjust = (vision.adjust_brightness, vision.adjust_contrast, vision.adjust_saturation, vision.adjust_hue)[place]
    images, (low, high) = pictures(len(SEEDS)), ((-0.4, 0.4) if name == "hue" else (0.6, 1.4))
    factors = low + (high - low) * own_numbers("jitter", **options)[:, 4 + place]
    expected = [adjust(image, factor) for image, factor in zip(images, factors.tolist(), strict=True)]
    nearly(changed({"jitter": options}, images), torch.stack(expected))


def test_a_random_colour_lies_along_the_components() -> None:
    images = pictures(len(SEEDS))
    strengths = normal(own_numbers("pca-colour", probability=1))
    shifts = [
        [255 * sum(EIGENVECTORS[channel][k] * EIGENVALUES[k] * own[k] * 0.5 for k in range(3)) for channel in range(3)]
        for own in strengths
    ]
    expected = (images + torch.tensor(shifts)[:, :, None, None]).round().clamp(0, 255).to(torch.uint8)
    nearly(changed({"pca-colour": {"sigma": 0.5, "probability": 1}}, images), expected)


def test_equalised_histograms_are_torchvisions() -> None:
    images = pictures(len(SEEDS))
    expected = torch.stack([vision.equalize(image) for image in images])
    assert torch.equal(changed({"equalise": {"probability": 1}}, images), expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_take_torchvisions_steps_as_drawn(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's own `forward`, fed with our numbers in the order in which it asks for them."""
    images, reference = pictures(len(SEEDS)), policy_of(policy)
    expected = []
    for image, numbers in zip(images, own_numbers("auto-augment", policy=policy).tolist(), strict=True):
        with monkeypatch.context() as fed:
            asked = Feed(policy, reference, numbers)
            fed.setattr(torch, "rand", asked.rand)
            fed.setattr(torch, "randint", asked.randint)
            expected.append(reference(image))
    made = changed({"auto-augment": {"policy": policy, "probability": 1}}, images)
    nearly(made, torch.stack(expected), share=0.01)
    assert (made != images).flatten(1).any(1).sum() > len(SEEDS) / 2


class Feed:
    """Hands an image's numbers out, one at a time: which change, whether, how much, to which side."""

    def __init__(self, policy: str, reference: Any, numbers: list[float]) -> None:
        self.searched, self.reference, self.numbers = policy in POLICIES[:3], reference, numbers
        self.at = 0
        self.pair: list[tuple[str, float, int | None]] = []
        self.signed = False

    def randint(self, count: int, size: tuple[()]) -> Tensor:
        chosen = int(self.numbers[self.at] * count)
        # RandAugment has a number for the side of each change, whether it is asked for or not.
        self.at += 2 if isinstance(self.reference, v2.RandAugment) else 1
        if self.searched:
            self.pair = list(self.reference._policies[chosen])
        return torch.tensor(chosen)

    def rand(self, size: tuple[()]) -> Tensor:
        if not self.searched:
            last = 2 if isinstance(self.reference, v2.TrivialAugmentWide) else self.at - 1
            return torch.tensor(self.numbers[last], dtype=torch.float64)
        if self.signed:
            self.signed = False
            return torch.tensor(self.numbers[self.at - 1], dtype=torch.float64)
        name, often, _ = self.pair.pop(0)
        decides = self.numbers[self.at]
        self.signed = decides <= often and self.reference._AUGMENTATION_SPACE[name][1]
        self.at += 2
        return torch.tensor(decides, dtype=torch.float64)


MOVING = {"flip": {}, "pad-crop": {"padding": 4}, "rotation": {"degrees": 10}, "translation": {}, "centre-crop": {}}


@pytest.mark.usefixtures("anywhere")
def test_a_mask_moves_with_its_image_and_keeps_its_values() -> None:
    box = torch.zeros(len(SEEDS), 1, HEIGHT, WIDTH, dtype=torch.uint8)
    box[:, :, 5:17, 3:8] = 1
    for sections in ({name: options} for name, options in [*MOVING.items(), ("all", {})]):
        sections = MOVING if "all" in sections else sections
        images, masks = build_batched(sections, IMAGE)((box * 255).repeat(1, 3, 1, 1), SEEDS, box.clone())
        assert masks is not None
        assert set(masks.unique().tolist()) == {0, 1}
        assert masks.shape == box.shape
        agree = ((images[:, :1] > 127) == (masks > 0)).float().mean((1, 2, 3))
        assert agree.min() > 0.8, sections
        assert len({mask.numpy().tobytes() for mask in masks}) > 1 or "centre-crop" in sections


def test_colours_leave_a_mask_alone() -> None:
    masks = (pictures(len(SEEDS))[:, :1] > 127).to(torch.uint8)
    sections: dict[str, dict] = {"jitter": {}, "erasing": {"probability": 1}, "equalise": {"probability": 1}}
    _, same = build_batched(sections, IMAGE)(pictures(len(SEEDS)), SEEDS, masks.clone())
    assert same is not None
    assert torch.equal(same, masks)


def test_the_order_of_the_recipe_is_kept_and_what_stands_before_gives_no_numbers_away() -> None:
    # A dull centre between black and white: it fills the range only when the border is cropped away first.
    image = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
    image[:, 12:] = 255
    image[:, 4:20, 2:10] = noise(16, 8) // 12 + 100
    crop, equalise = {"centre-crop": {"height": 16, "width": 8}}, {"equalise": {"probability": 1}}
    first, last = (changed(sections, image[None], SEEDS[:1])[0] for sections in (crop | equalise, equalise | crop))
    assert (int(first.min()), int(first.max())) == (0, 255)
    assert int(last.max()) - int(last.min()) < 255


def test_bad_options_are_refused_as_by_the_reference() -> None:
    with pytest.raises(RecipeError, match="did you mean 'flip'"):
        build_batched({"flop": {}}, IMAGE)
    with pytest.raises(RecipeError, match="padding = -1"):
        build_batched({"pad-crop": {"padding": -1}}, IMAGE)
    with pytest.raises(RecipeError, match="the least share comes first"):
        build_batched({"erasing": {"area": [0.4, 0.1]}}, IMAGE)
    with pytest.raises(RecipeError, match="is more than the image"):
        build_batched({"centre-crop": {"height": 99}}, IMAGE)
