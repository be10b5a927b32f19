"""Grids: frame colours and marks where they belong, images undistorted and in order, unreadable ones replaced."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from resight.errors import DataError
from resight.views.grids import (
    FRAMES,
    RankedList,
    Tile,
    Verdict,
    found_caption,
    image_rows,
    ranked_lists,
    reconstructions,
    save,
    tile_grid,
)

PINK = (250, 20, 240)
# At a tile height of 128 and images of 64 x 128: frame 4, gap 8, line 14.
GAP, OUTER, STEP = 8, (72, 136), 80


def picture(path: Path, size: tuple[int, int] = (64, 128)) -> str:
    Image.new("RGB", size, PINK).save(path)
    return str(path)


def cell(image: Image.Image, place: int) -> np.ndarray:
    """Hit `place` (0 is the first) with its frame; -1 is the query."""
    left = GAP if place < 0 else 2 * GAP + (1 + place) * STEP
    return np.asarray(image)[GAP : GAP + OUTER[1], left : left + OUTER[0]].astype(int)


def test_frames_and_marks_say_what_each_hit_is(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    verdicts = get_args(Verdict)
    image = ranked_lists([RankedList(path, "id 7", [Tile(path, verdict, "0.1 c2") for verdict in verdicts])])
    signs = []
    for place, verdict in enumerate(verdicts):
        shown = cell(image, place)
        for side in (shown[-4:], shown[20:, :4], shown[:, -4:], shown[:4, 20:]):
            assert (side == FRAMES[verdict]).all()
        assert (shown[20:-4, 4:-4] == PINK).all(), "as wide on all sides"
        signs.append((shown[:16, :16] > 250).all(2))
    for place, sign in enumerate(signs):  # Told apart without colour.
        assert sign.any() == (verdicts[place] != "unknown")
        assert all((sign ^ other).sum() > 6 for other in signs[:place])


def test_images_keep_their_shape_in_equal_cells(tmp_path: Path) -> None:
    path, wide, thin = (
        picture(tmp_path / name, size)
        for name, size in (("a.png", (64, 128)), ("w.png", (200, 100)), ("t.png", (10, 100)))
    )
    image = ranked_lists([RankedList(path, "", [Tile(name, "unknown") for name in (path, wide, thin)])])
    for place, (width, height) in enumerate([(64, 128), (64, 32), (13, 128)]):
        pink = (np.abs(cell(image, place) - PINK) < 3).all(2)
        rows, columns = np.flatnonzero(pink.any(1)), np.flatnonzero(pink.any(0))
        assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (width, height)
        assert abs(rows[0] + rows[-1] - (OUTER[1] - 1)) <= 1


def test_unreadable_images_become_crossed_boxes(tmp_path: Path) -> None:
    good = picture(tmp_path / "good.png")
    (tmp_path / "corrupt.jpg").write_bytes(b"\xff\xd8\xff\xe0 not an image")
    (tmp_path / "cut.png").write_bytes(Path(good).read_bytes()[:60])
    (tmp_path / "folder.png").mkdir()
    bad = [str(tmp_path / name) for name in ("corrupt.jpg", "cut.png", "folder.png", "missing.jpg")]
    image = ranked_lists([RankedList(good, "", [Tile(name, "wrong") for name in bad])])
    for place in range(len(bad)):
        shown = cell(image, place)
        assert (shown[-4:] == FRAMES["wrong"]).all()
        assert (shown[66:70, 34:38] == 150).any()


@pytest.mark.parametrize("caption", ["x" * 5000, "<b>&", "\u7ea2", ""])
def test_captions_stay_below_their_own_tile(tmp_path: Path, caption: str) -> None:
    path = picture(tmp_path / "a.png")
    pixels = np.asarray(ranked_lists([RankedList(path, caption, [Tile(path, "right", caption)] * 2)]))
    for place in range(2):
        right = 2 * GAP + (1 + place) * STEP + OUTER[0]
        assert (pixels[GAP + OUTER[1] + 1 :, right + 2 : right + GAP - 1] == 255).all()


def test_a_grid_has_its_tiles_in_rows(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    verdicts: list[Verdict] = ["right", "wrong", "junk", "unknown", "right"]
    grid = np.asarray(tile_grid([Tile(path, verdict) for verdict in verdicts], columns=3))
    step = (STEP, grid.shape[0] // 2)
    for place, verdict in enumerate(verdicts):
        left, top = GAP + place % 3 * step[0], GAP + place // 3 * (step[1] - GAP // 2)
        assert (grid[top + 40 : top + 60, left : left + 4] == FRAMES[verdict]).all()
    assert (grid[step[1] + 20 :, GAP + 2 * step[0] :] == 255).all()
    with pytest.raises(DataError, match="no tile"):
        tile_grid([])


def test_a_query_stands_apart_from_its_hits_and_every_list_has_its_row(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    rows = [RankedList(path, "", [Tile(path, "right")] * number) for number in (2, 0, 3)]
    framed = (np.asarray(ranked_lists(rows)) < 250).any(2)
    height = OUTER[1] + 14 + 2 * GAP
    for row, found in enumerate((3, 1, 4)):
        filled = framed[GAP + row * height + 60]
        starts = np.flatnonzero(np.diff(filled.astype(int), prepend=0) == 1)
        assert starts.tolist() == [GAP, *(2 * GAP + place * STEP for place in range(1, found))]


def test_no_list_is_refused() -> None:
    with pytest.raises(DataError, match="no ranked list"):
        ranked_lists([])


@pytest.mark.parametrize("name", ["a.png", "b.JPG", "c.jpeg", "d.webp"])
def test_save_writes_what_the_ending_says(tmp_path: Path, name: str) -> None:
    save(Image.new("RGB", (40, 30), PINK), tmp_path / name)
    with Image.open(tmp_path / name) as read:
        assert read.size == (40, 30)
        assert np.abs(np.subtract(read.convert("RGB").getpixel((5, 5)), PINK)).max() < 12
    with pytest.raises(DataError, match=r"list\.txt"):
        save(Image.new("RGB", (4, 4)), tmp_path / "list.txt")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_every_image_is_there_in_its_row_and_order() -> None:
    colours = {"one": [(255, 0, 0)], "two": [(0, 255, 0), (0, 0, 255)]}
    rows = {caption: [np.full((40, 20, 3), c, np.uint8) for c in found] for caption, found in colours.items()}
    pixels = np.asarray(image_rows(rows, height=80))
    corners = {}
    for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255)]:
        inside = (pixels == colour).all(2)
        assert inside.sum() == 80 * 40, "40 × 20 at a height of 80"
        corners[colour] = [int(places.min()) for places in inside.nonzero()]
    red, green, blue = corners.values()
    assert red[0] < green[0] == blue[0]
    assert red[1] == green[1] < blue[1]


def test_a_long_caption_fits() -> None:
    rows = {"a caption that is much wider than its one narrow image": [np.zeros((128, 8, 3), np.uint8)]}
    pixels = np.asarray(image_rows(rows))
    assert (pixels[:, -1] == 255).all()
    assert pixels.shape[1] > 200


def test_found_captions_name_the_camera_where_it_is_known() -> None:
    assert found_caption(0.98765, 3) == "0.988 c3"
    assert found_caption(1.5, -1) == "1.500"


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(DataError, match="no image"):
        image_rows({"empty": []})


def test_originals_stand_above_what_became_of_them() -> None:
    given = np.zeros((3, 3, 8, 4), np.uint8)
    given[1, 0] = 200
    made = given // 2
    picture = np.asarray(reconstructions(given, made, height=8))
    assert picture.shape == (2 * 8 + 2, 3 * 4 + 2 * 2, 3)
    assert picture[3, 6 + 1].tolist() == [200, 0, 0]
    assert picture[8 + 2 + 3, 6 + 1].tolist() == [100, 0, 0]
    assert (picture[8] == 255).all(), "paper between the rows"
    assert reconstructions(given, made, height=24).size == (3 * 16, 3 * 18)


@pytest.mark.parametrize("made", [np.zeros((2, 3, 8, 4), np.uint8), np.zeros((0, 3, 8, 4), np.uint8)])
def test_what_does_not_match_is_named(made: np.ndarray) -> None:
    with pytest.raises(DataError, match="have no reconstructions"):
        reconstructions(np.zeros((len(made) and 3, 3, 8, 4), np.uint8), made)
