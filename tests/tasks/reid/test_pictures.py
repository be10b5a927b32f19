"""Pictures of an evaluation: which queries are shown, what each image found is said to be, where a network looked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from resight.errors import DataError, RunError
from resight.recognizer import Recognizer
from resight.run import build_model
from resight.tasks.reid.pictures import (
    Pick,
    drawn_queries,
    feature_space,
    hardest_queries,
    lists_of,
    looks,
    picks_picture,
    stages,
    verdicts,
)
from resight.views.grids import ranked_lists
from tests.support.grids import plain_image, ranked, tiled
from tests.support.search import Search

RED, GREEN, BLUE, GREY = (250, 0, 0), (0, 250, 0), (0, 0, 250), (90, 90, 90)


@pytest.fixture(scope="module")
def model(tiny) -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(build_model(tiny(), classes=4), tiny(), device="cpu")


def test_only_queries_that_count_are_drawn(search: Search) -> None:
    assert drawn_queries(search.result, 10).tolist() == [0, 1, 3]
    two = drawn_queries(search.result, 2).tolist()
    assert len(two) == 2
    assert two == sorted(two)
    assert drawn_queries(search.result, 2).tolist() == two, "the same whoever asks"


def test_the_hardest_come_with_the_lowest_precision_first(search: Search) -> None:
    assert hardest_queries(search.result, 10).tolist() == [3, 1, 0]
    assert hardest_queries(search.result, 1).tolist() == [3]


def test_verdicts_by_hand(search: Search) -> None:
    assert verdicts(search.result, 0) == ["right", "wrong", "junk", "wrong", "junk", "wrong"]
    assert verdicts(search.result, 1) == ["wrong", "right", "wrong", "junk", "junk", "wrong"]
    assert verdicts(search.result, 2) == ["wrong", "wrong", "wrong", "wrong", "junk", "wrong"]


def test_lists_hold_the_nearest_images_that_count_with_distance_and_camera(search: Search) -> None:
    first, last = lists_of(search.result, np.array([0, 3]), length=3)
    assert (first.caption, last.caption) == ("1 AP 100", "3 AP 20")
    assert first.query == search.result.query.records[0].path
    assert [tile.caption for tile in first.tiles] == ["0.100 c2", "0.200 c2", "1.000 c1"]
    assert [tile.caption for tile in last.tiles] == ["0.100 c1", "0.800 c1", "0.900 c2"]
    assert (first.left_out, last.left_out) == (1, 1), "its own camera's before the third; junk before the second"
    assert [row.left_out for row in lists_of(search.result, np.array([0, 3]), length=1)] == [0, 0]
    ((query, found), _) = ranked(ranked_lists([first, last]))
    assert query == search.queries[0]
    assert found == [("right", search.gallery[0]), ("wrong", search.gallery[1]), ("wrong", search.gallery[3])]


def test_junk_that_the_model_called_so_comes_last(search: Search) -> None:
    called = replace(search.result, junk=np.array([True, False, False, False, False, False]))
    (shown,) = lists_of(called, np.array([0]), length=6)
    assert shown.tiles[-1].path == search.result.gallery.records[0].path


def test_the_feature_space_wants_five_images(search: Search) -> None:
    few = replace(search.result, gallery=search.result.gallery.select(np.arange(4)))
    assert feature_space(few) is None
    assert feature_space(search.result) is not None


def test_picks_are_framed_by_what_became_of_them(tmp_path: Path) -> None:
    same, near, far, other = (
        plain_image(str(tmp_path / f"{number}.png"), colour) for number, colour in enumerate((RED, GREEN, BLUE, GREY))
    )
    picks = [
        Pick([same], [far, near, other], [0.9, 0.1, 0.5], [1]),
        Pick([same], [near, far, other], [0, 1, 2], [0, 2]),
    ]
    assert tiled(picks_picture(picks)) == [
        [("right", RED), ("junk", BLUE), ("wrong", GREEN), ("junk", GREY)],
        [("right", RED), ("wrong", GREEN), ("junk", BLUE), ("wrong", GREY)],
    ]
    with pytest.raises(DataError, match="no tile to draw"):
        picks_picture([])


def test_a_query_stands_below_each_image_as_it_was_compared_with_it(search: Search, model: Recognizer) -> None:
    picture = looks(search.result, model)
    assert picture is not None
    rows = ranked(picture)
    assert len(rows) == 2 * 3, "two rows for each of the three queries that count"
    assert [len(found) for _, found in rows[::2]] == [4, 4, 5], "images of the gallery that count for each"
    for found, queries in zip(rows[::2], rows[1::2], strict=True):
        assert [verdict for verdict, _ in queries[1]] == ["unknown"] * len(found[1])


def test_feature_maps_are_those_of_the_queries_drawn(search: Search, model: Recognizer) -> None:
    pictures = stages(search.result, model)
    assert list(pictures) == [
        Path(search.result.query.records[row].path).name for row in drawn_queries(search.result, 2)
    ]
    # Four stages of a small ResNet, a row each.
    assert all(picture.height > 4 * 128 for picture in pictures.values())


def test_nothing_is_drawn_where_no_query_counts(search: Search, model: Recognizer) -> None:
    unmatched = search.of(2).result
    assert drawn_queries(unmatched, 3).tolist() == []
    assert lists_of(unmatched, drawn_queries(unmatched, 3)) == []
    assert looks(unmatched, model) is None
    assert stages(unmatched, model) == {}


def test_a_network_without_maps_has_nowhere_to_look(search: Search, flat: Recognizer) -> None:
    for draw in (looks, stages):
        with pytest.raises(RunError, match="yields no maps"):
            draw(search.result, flat)
