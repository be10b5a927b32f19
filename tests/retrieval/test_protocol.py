"""Protocols: which gallery images are right, wrong or left out for a query, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.records import Relevance
from resight.retrieval.protocol import PROTOCOLS, Judgement, Protocol, judge, judge_lists, within, without_themselves

# Two identities, a distractor (0), junk (-1), and an image whose camera is unknown (-1).
GALLERY_IDS = np.array([1, 0, 1, -1, 2, 1, 1])
GALLERY_CAMERAS = np.array([1, 1, 2, 1, 1, -1, 1])


def judged(name: str, ids: list[int], cameras: list[int] | None = None) -> Judgement:
    return judge(
        PROTOCOLS[name],
        np.array(ids),
        GALLERY_IDS,
        None if cameras is None else np.array(cameras),
        None if cameras is None else GALLERY_CAMERAS,
    )


def positions(judgement: Judgement, rows: list[np.ndarray]) -> list[list[int]]:
    """In the gallery, not in the judgement's columns."""
    return [judgement.columns[row].tolist() for row in rows]


def test_junk_counts_for_nobody_and_distractors_stay_as_wrong_answers() -> None:
    for name in PROTOCOLS:
        found = judged(name, [1, 2], [3, 3])
        assert found.columns.tolist() == [0, 1, 2, 4, 5, 6]
        assert positions(found, found.good) == [[0, 2, 5, 6], [4]]


@pytest.mark.parametrize("name", ["market1501", "veri776"])
def test_the_querys_own_camera_is_left_out(name: str) -> None:
    found = judged(name, [1, 1, 2], [1, 2, 1])
    assert positions(found, found.good) == [[2, 5], [0, 5, 6], []]
    assert positions(found, found.left_out) == [[0, 6], [2], [4]]


def test_an_unknown_camera_leaves_nothing_out() -> None:
    found = judged("market1501", [1], [-1])
    assert positions(found, found.good) == [[0, 2, 5, 6]]
    assert positions(found, found.left_out) == [[]]


@pytest.mark.parametrize("name", ["vehicleid", "course"])
def test_protocols_without_a_camera_rule_need_no_cameras(name: str) -> None:
    found = judged(name, [1, 2])
    assert positions(found, found.good) == [[0, 2, 5, 6], [4]]
    assert positions(found, found.left_out) == [[], []]


def test_every_protocol_looks_at_the_whole_gallery_unless_it_is_told_a_depth() -> None:
    assert all(protocol.name == name and protocol.depth is None for name, protocol in PROTOCOLS.items())
    found = judged("course", [1, 2])
    assert within(found, None).protocol == PROTOCOLS["course"]
    assert within(found, 80).protocol == Protocol("course", camera_rule=False, depth=80)
    with pytest.raises(DataError, match="depth = 0: at least one image"):
        within(found, 0)


def test_queries_without_an_identity_and_missing_cameras_are_refused() -> None:
    for wrong in (0, -1, -2):
        with pytest.raises(DataError, match=f"a query has identity {wrong}; queries need identities from 1"):
            judged("course", [1, wrong])
    with pytest.raises(DataError, match="market1501 leaves out the query's own camera, .* or use protocol='course'"):
        judged("market1501", [1])


def test_an_image_on_both_lists_is_junk() -> None:
    lists = Relevance([np.array([4, 0, 2]), np.array([], np.int64)], [np.array([2, 2, 1]), np.array([3])])
    found = judge_lists(lists, queries=2, gallery=5)
    assert [row.tolist() for row in found.good] == [[0, 4], []]
    assert [row.tolist() for row in found.left_out] == [[1, 2], [3]]
    assert found.columns.tolist() == [0, 1, 2, 3, 4]
    assert found.protocol == Protocol("lists", camera_rule=False)


def test_lists_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="good and junk lists for 1 and 1 queries do not fit 2 queries"):
        judge_lists(Relevance([[0]], [[]]), queries=2, gallery=3)
    with pytest.raises(DataError, match="the lists of query 1 name gallery image 3; there are 0 to 2"):
        judge_lists(Relevance([[0], [3]], [[], []]), queries=2, gallery=3)
    with pytest.raises(DataError, match="the lists of query 0 name gallery image -1"):
        judge_lists(Relevance([[0]], [[-1]]), queries=1, gallery=3)


def test_a_query_out_of_the_gallery_does_not_find_itself() -> None:
    found = without_themselves(judged("course", [1, 2]), np.array([2, 4]))
    assert positions(found, found.good) == [[0, 5, 6], []]
    assert positions(found, found.left_out) == [[2], [4]]
