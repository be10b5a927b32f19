"""Changes of place: how far each moves, turns or crops, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from resight.data.augmentations import augmented, random_part
from tests.support.augmenting import build, draws, noise


def test_flip_mirrors_left_to_right_or_leaves_the_image() -> None:
    image = noise(12, 8)
    made = draws(build(12, 8, flip={}), image, 200)
    flipped = [torch.equal(one, image.flip(2)) for one in made]
    assert all(was or torch.equal(one, image) for was, one in zip(flipped, made, strict=True))
    assert 70 < sum(flipped) < 130, "100 of 200; a deviation is 7"


def test_translation_zooms_and_moves_by_at_most_a_sixteenth_and_shows_no_border() -> None:
    # A pixel's value is its column in red, its row in green: where in the old image a new pixel comes from.
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(64), indexing="ij")
    image = torch.stack([columns, rows, torch.full_like(rows, 255)]).to(torch.uint8)
    change = build(96, 64, translation={"probability": 1})
    corners = torch.stack([made[:2, 48, 32].double() for made in draws(change, image, 300)])
    # The enlarged image is 8 columns and 12 rows larger: the pixel at (48, 32) comes from within
    # (32.5 + 0 to 8) / 1.125 - 0.5 = 28.4 to 35.5 and (48.5 + 0 to 12) / 1.125 - 0.5 = 42.6 to 53.3: ± 3.6 and ± 5.3 of
    # the old image, which the zoom makes ± 4 of 64 and ± 6 of 96 in the new one, a sixteenth.
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
        # a point 40 above the centre moves sideways by 40 tan(angle)
        moved = [
            int(made[0, 10].argmax()) - 50 for made in draws(build(101, 101, rotation={"degrees": degrees}), image, 100)
        ]
        reach = 40 * math.tan(math.radians(degrees))
        assert max(map(abs, moved)) <= reach + 1
        assert max(moved) > reach / 2
        assert min(moved) < -reach / 2


def test_a_random_part_is_one_of_the_image() -> None:
    image = torch.zeros(3, 64, 32, dtype=torch.uint8)
    image[:, 32:] = 200
    means = [augmented(image, random_part, seed).double().mean() for seed in range(40)]
    assert min(means) == 0
    assert max(means) == 200


def test_a_random_part_shows_less_than_half_at_full_size() -> None:
    ramp = torch.arange(128, dtype=torch.uint8)[None, :, None].expand(3, 128, 64).contiguous()
    spans = []
    for seed in range(40):
        part = augmented(ramp, random_part, seed)
        assert part.shape == ramp.shape
        assert part.dtype == torch.uint8
        spans.append(int(part.max()) - int(part.min()) + 1)
    # 0.15 to 0.45 of 128 rows are 19.2 to 57.6
    assert 18 <= min(spans) < 30
    assert 48 < max(spans) <= 58
