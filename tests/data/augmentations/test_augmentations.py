"""All augmentations of the table: each keeps size and type, owes its numbers to the seed alone, and names bad options."""

from __future__ import annotations

import inspect
import pickle

import pytest
import torch

from resight.data.augmentations import AUGMENTATIONS, build_augmentation
from resight.errors import RecipeError
from resight.recipe import ImageOptions
from tests.support.augmenting import build, draws, noise

# As spelled in a recipe; each name of the table once, and its further forms.
SPELLED: list[dict[str, dict]] = [
    *({name: {}} for name in AUGMENTATIONS),
    {"erasing": {"aspect": "squarish", "fill": "black"}},
    *({"auto-augment": {"policy": policy, "probability": 1}} for policy in ("imagenet", "cifar10", "svhn")),
    *({"auto-augment": {"policy": policy, "probability": 1}} for policy in ("rand", "trivial")),
    {"flip": {}, "jitter": {}, "erasing": {}},
    {},
]


@pytest.mark.parametrize("sections", SPELLED, ids=str)
def test_size_and_type_stay_and_the_seed_decides(sections: dict[str, dict]) -> None:
    image = noise(48, 24)
    before, chance = image.clone(), torch.random.get_rng_state()
    change = build_augmentation(sections, ImageOptions(height=48, width=24))
    first = draws(change, image, 20)
    assert all(made.dtype == torch.uint8 and made.shape == (3, 48, 24) for made in first)
    # a worker on macOS or Windows gets the function pickled
    again = draws(pickle.loads(pickle.dumps(change)), image, 20)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(image, before)
    assert torch.equal(chance, torch.random.get_rng_state()), "the generator of everything else is left alone"


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_probability_is_how_often(name: str) -> None:
    assert "probability" in inspect.signature(AUGMENTATIONS[name]).parameters
    image = noise(48, 24)
    for probability, least, most in ((0, 0, 0), (0.5, 10, 40), (1, 40, 60)):
        change = build(48, 24, **{name.replace("-", "_"): {"probability": probability}})
        changed = sum(not torch.equal(made, image) for made in draws(change, image, 60))
        assert least <= changed <= most


def test_sections_are_applied_in_the_recipes_order() -> None:
    # A dull centre of 20 × 20 between black and white: it fills the range only when the border is cropped away first.
    image = torch.zeros(3, 28, 28, dtype=torch.uint8)
    image[:, 14:] = 255
    image[:, 4:24, 4:24] = noise(20, 20) // 12 + 100
    crop, equalise = {"centre-crop": {"height": 20, "width": 20}}, {"equalise": {"probability": 1}}
    first, last = (
        build_augmentation(sections, ImageOptions(height=28, width=28))(image)
        for sections in (crop | equalise, equalise | crop)
    )
    assert (int(first.min()), int(first.max())) == (0, 255)
    assert int(last.min()) > 30, "the black of the border took the low values"


def test_no_section_changes_nothing() -> None:
    assert torch.equal(build(48, 24)(noise(48, 24)), noise(48, 24))


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
