"""Augmentations: each keeps its parameter's promise, and owes its numbers to the seed alone."""

from __future__ import annotations

import inspect
import math
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from resight.data.augmentations import AUGMENTATIONS, augmented, build_augmentation, random_part
from resight.data.augmentations.colour import EIGENVALUES, EIGENVECTORS
from resight.data.augmentations.examples import examples
from resight.errors import RecipeError
from resight.recipe import ImageOptions

# As spelled in a recipe; each name of the table once, and its further forms.
SPELLED: list[dict[str, dict]] = [
    *({name: {}} for name in AUGMENTATIONS),
    {"erasing": {"aspect": "squarish", "fill": "black"}},
    *({"auto-augment": {"policy": policy, "probability": 1}} for policy in ("imagenet", "cifar10", "svhn")),
    *({"auto-augment": {"policy": policy, "probability": 1}} for policy in ("rand", "trivial")),
    {"flip": {}, "jitter": {}, "erasing": {}},
    {},
]


def build(height: int, width: int, **options: dict) -> Callable[[Tensor], Tensor]:
    """`build(64, 32, centre_crop={...})`: of images of this size."""
    sections = {name.replace("_", "-"): given for name, given in options.items()}
    return build_augmentation(sections, ImageOptions(height=height, width=width))


def draws(change: Callable[[Tensor], Tensor], image: Tensor, number: int) -> list[Tensor]:
    return [augmented(image, change, seed) for seed in range(number)]


def noise(height: int, width: int) -> Tensor:
    return torch.randint(256, (3, height, width), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("sections", SPELLED, ids=str)
def test_size_and_kind_stay_and_the_seed_decides(sections: dict[str, dict]) -> None:
    image = noise(48, 24)
    before, chance = image.clone(), torch.random.get_rng_state()
    change = build_augmentation(sections, ImageOptions(height=48, width=24))
    first = draws(change, image, 20)
    assert all(made.dtype == torch.uint8 and made.shape == (3, 48, 24) for made in first)
    # a worker on macOS or Windows gets the function pickled
    again = draws(pickle.loads(pickle.dumps(change)), image, 20)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(image, before)
    assert torch.equal(chance, torch.random.get_rng_state()), "others' chance is left alone"


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_probability_is_how_often(name: str) -> None:
    assert "probability" in inspect.signature(AUGMENTATIONS[name]).parameters
    image = noise(48, 24)
    for probability, least, most in ((0, 0, 0), (0.5, 10, 40), (1, 40, 60)):
        change = build(48, 24, **{name.replace("-", "_"): {"probability": probability}})
        changed = sum(not torch.equal(made, image) for made in draws(change, image, 60))
        assert least <= changed <= most


def erased_boxes(number: int, **options: object) -> list[tuple[int, int]]:
    """Heights and widths of the boxes painted on black images of 128 × 64; each is checked to be a box of one colour."""
    boxes = []
    change = build(128, 64, erasing={"probability": 1, **options})
    for made in draws(change, torch.zeros(3, 128, 64, dtype=torch.uint8), number):
        painted = (made > 0).any(0)
        height, width = int(painted.any(1).sum()), int(painted.any(0).sum())
        assert painted.sum() == height * width
        assert made[:, painted].unique(dim=1).tolist() == [[124], [116], [104]], "the pixel mean"
        boxes.append((height, width))
    return boxes


def test_erased_boxes_have_the_area_and_aspect_asked_for() -> None:
    boxes = erased_boxes(200)
    shares = [height * width / (128 * 64) for height, width in boxes]
    assert min(shares) > 0.02 * 0.9, "but for whole pixels"
    assert 0.3 < max(shares) < 0.4 * 1.03
    ratios = [height / width for height, width in boxes]
    assert 0.3 * 0.9 < min(ratios) < 0.5
    assert 2 < max(ratios) < 1 / 0.3 * 1.1


def test_squarish_boxes_are_squarish() -> None:
    ratios = [height / width for height, width in erased_boxes(200, aspect="squarish")]
    assert 0.75 * 0.9 < min(ratios) < 0.85
    assert 1.2 < max(ratios) < 1 / 0.75 * 1.1


def test_translation_moves_by_at_most_an_eighth_and_shows_no_border() -> None:
    # A pixel's value is its column in red, its row in green: where in the old image a new pixel comes from.
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(64), indexing="ij")
    image = torch.stack([columns, rows, torch.full_like(rows, 255)]).to(torch.uint8)
    change = build(96, 64, translation={"probability": 1})
    corners = torch.stack([made[:2, 48, 32].double() for made in draws(change, image, 300)])
    # The enlarged image is 8 columns and 12 rows larger: the pixel at (48, 32) comes from within
    # (32.5 + 0 to 8) / 1.125 - 0.5 = 28.4 to 35.5 and (48.5 + 0 to 12) / 1.125 - 0.5 = 42.6 to 53.3
    assert corners.amin(0).tolist() == pytest.approx([28.4, 42.6], abs=0.8)
    assert corners.amax(0).tolist() == pytest.approx([35.5, 53.3], abs=0.8)
    for made in draws(change, image, 20):
        assert (made[2] == 255).all()
        step = made[0, 0].diff().double()
        assert step.max() <= 1, "one picture, whole"
        assert step.mean() == pytest.approx(1 / 1.125, abs=0.03)


def test_pad_crop_moves_by_at_most_the_padding() -> None:
    image = torch.zeros(3, 40, 20, dtype=torch.uint8)
    image[:, 20, 10] = 255
    places = {
        tuple(made[0].nonzero()[0].tolist()) for made in draws(build(40, 20, pad_crop={"padding": 2}), image, 300)
    }
    assert places == {(row, column) for row in range(18, 23) for column in range(8, 13)}


def test_centre_crop_takes_the_border_away() -> None:
    image = torch.full((3, 224, 224), 255, dtype=torch.uint8)
    image[:, 12:-12, 12:-12] = 50  # the inner 200 × 200
    for options in ({}, {"height": 200, "width": 200}):
        assert (build(224, 224, centre_crop=options)(image) == 50).all()
    assert not (build(224, 224, centre_crop={"height": 204})(image) == 50).all()
    # of a person's image the same share, at its own size
    ramp = torch.arange(112, dtype=torch.uint8).repeat(3, 224, 1)
    made = build(224, 112, centre_crop={})(ramp)
    assert made.shape == (3, 224, 112)
    assert (int(made.min()), int(made.max())) == (6, 105), "100 of 112 columns"


def test_rotation_turns_by_at_most_the_degrees() -> None:
    image = torch.zeros(3, 101, 101, dtype=torch.uint8)
    image[:, :, 50] = 255
    for degrees in (4.0, 15.0):
        # a point 40 above the centre moves sideways by 40 sin(angle)
        moved = [
            int(made[0, 10].argmax()) - 50 for made in draws(build(101, 101, rotation={"degrees": degrees}), image, 100)
        ]
        reach = 40 * math.tan(math.radians(degrees))
        assert max(map(abs, moved)) <= reach + 1
        assert max(moved) > reach / 2
        assert min(moved) < -reach / 2


def test_pca_colour_adds_one_colour_to_all_pixels() -> None:
    image = torch.randint(100, 150, (3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    change = build(8, 8, pca_colour={"probability": 1})
    shifts = [(made.int() - image.int()).flatten(1) for made in draws(change, image, 40)]
    assert all((shift == shift[:, :1]).all() for shift in shifts)
    assert any(shift.any() for shift in shifts)


def test_pca_colour_spreads_along_the_components_by_their_eigenvalues() -> None:
    change = build(8, 8, pca_colour={"probability": 1, "sigma": 1})
    grey = torch.full((3, 8, 8), 128, dtype=torch.uint8)
    shifts = torch.stack([made[:, 0, 0].double() - 128 for made in draws(change, grey, 1000)])
    along = (shifts @ torch.tensor(EIGENVECTORS, dtype=torch.float64)).std(0)
    # 55.5, 4.8 and 1.15 of 255; whole numbers add a deviation of 0.29
    expected = [math.hypot(255 * value, 0.29) for value in EIGENVALUES]
    assert along.tolist() == pytest.approx(expected, rel=0.08)


def test_the_eigenvectors_are_orthogonal_units_the_first_nearly_grey() -> None:
    vectors = torch.tensor(EIGENVECTORS)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(3), atol=2e-3, rtol=0)
    assert vectors[:, 0].std() < 0.01


def test_jitter_keeps_within_its_factors() -> None:
    grey = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    change = build(8, 8, jitter={"brightness": 0.2, "contrast": 0, "saturation": 0, "hue": 0})
    values = [int(made[0, 0, 0]) for made in draws(change, grey, 200)]
    assert 79 <= min(values) < 85
    assert 115 < max(values) <= 121


def test_equalise_uses_the_whole_range() -> None:
    dull = torch.randint(100, 120, (3, 32, 32), dtype=torch.uint8)
    made = build(32, 32, equalise={"probability": 1})(dull)
    assert (int(made.min()), int(made.max())) == (0, 255)


def test_a_random_part_is_one_of_the_image() -> None:
    image = torch.zeros(3, 64, 32, dtype=torch.uint8)
    image[:, 32:] = 200
    means = [augmented(image, random_part, seed).double().mean() for seed in range(40)]
    assert min(means) == 0
    assert max(means) == 200


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"erasing": {"area": [0.4, 0.02]}}, "least share comes first"),
        ({"erasing": {"aspect": "square"}}, "squarish"),
        ({"erasing": {"probability": 1.5}}, "probability = 1.5"),
        ({"translation": {"enlarge": 0.5}}, "enlarge = 0.5"),
        ({"centre-crop": {"height": 200}}, "200×21 is more than the image's 48×24"),
        ({"jitter": {"hue": 1}}, "hue = 1"),
        ({"pca-colour": {"sigma": -1}}, "sigma = -1"),
        ({"auto-augment": {"policy": "random"}}, "policy = 'random'"),
        ({"centre_crop": {}}, "did you mean 'centre-crop'"),
    ],
)
def test_bad_values_are_named(sections: dict[str, dict], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        build_augmentation(sections, ImageOptions(height=48, width=24))


def test_examples_show_each_alone_for_certain_and_all_by_chance() -> None:
    image, options = noise(48, 24), ImageOptions(height=48, width=24)
    sections: dict[str, dict] = {"flip": {}, "equalise": {"probability": 0}}
    rows = examples(sections, options, image, draws=5, seed=3)
    assert list(rows) == ["original", "flip (0.5)", "equalise (0)", "all, as in training"]
    assert [len(pictures) for pictures in rows.values()] == [1, 5, 5, 5]
    assert all(torch.equal(made, image.flip(2)) for made in rows["flip (0.5)"])
    assert not any(torch.equal(made, image) for made in rows["equalise (0)"])
    chain = build_augmentation(sections, options)
    assert all(
        torch.equal(made, augmented(image, chain, seed)) for seed, made in enumerate(rows["all, as in training"], 3)
    )
