"""Random erasing: one box of one colour, with the area and the aspect asked for."""

from __future__ import annotations

import pytest
import torch

from tests.support.augmenting import build, draws

PIXEL_MEAN = [124, 116, 104]
"""255 · (0.485, 0.456, 0.406), ImageNet's mean."""


def erased_boxes(number: int, **options: object) -> list[tuple[int, int]]:
    """Heights and widths of the boxes painted on black images of 128 × 64; each is checked to be a box of one colour."""
    boxes = []
    change = build(128, 64, erasing={"probability": 1, **options})
    for made in draws(change, torch.zeros(3, 128, 64, dtype=torch.uint8), number):
        painted = (made > 0).any(0)
        height, width = int(painted.any(1).sum()), int(painted.any(0).sum())
        assert painted.sum() == height * width
        assert (made[:, painted] == torch.tensor(PIXEL_MEAN)[:, None]).all()
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


@pytest.mark.parametrize(
    ("fill", "colour"),
    [
        ("pixel-mean", PIXEL_MEAN),
        # What normalisation turns into (0.485, 0.456, 0.406): mean · deviation + mean, of 255.
        ("after-normalisation", [152, 142, 127]),
        ("black", [0, 0, 0]),
    ],
)
def test_the_fill_is_a_colour_of_its_own(fill: str, colour: list[int]) -> None:
    white = torch.full((3, 32, 16), 255, dtype=torch.uint8)
    for made in draws(build(32, 16, erasing={"probability": 1, "fill": fill}), white, 5):
        assert made[:, (made < 255).any(0)].unique(dim=1).T.tolist() == [colour]


def test_an_area_of_one_share_is_that_share() -> None:
    boxes = erased_boxes(20, area=(0.25, 0.25), aspect=1.0)
    # A square of a quarter of 128 × 64 pixels has sides of 45.25.
    assert set(boxes) == {(45, 45)}
