"""Queries that lie in the gallery themselves, and galleries without any right answer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from resight.errors import DataError
from resight.records import NO_CAMERA, Embeddings, Record, ReidDataset, Relevance
from resight.tasks.answers import own_positions, require_answers
from resight.tasks.reid.evaluation import evaluate_embeddings


def sides(*rows: list[tuple[str, int, int]]) -> list[Embeddings]:
    """Query and gallery of records (path, identity, camera), at 0, 1, 2, … on a line."""
    return [
        Embeddings(np.array([[place, 0] for place in range(len(side))], np.float32), [Record(*row) for row in side])
        for side in rows
    ]


def test_a_query_is_found_in_the_gallery_by_whatever_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x.jpg", "y.jpg"):
        (tmp_path / "a" / name).touch()
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    (tmp_path / "y2.jpg").symlink_to(tmp_path / "a/y.jpg")
    os.link(tmp_path / "a/x.jpg", tmp_path / "hard.jpg")
    monkeypatch.chdir(tmp_path)
    gallery = [Record(str(tmp_path / "other/x.jpg")), Record("linked/x.jpg"), Record("y2.jpg")]
    query = [Record("a/../a/x.jpg"), Record(str(tmp_path / "a/y.jpg")), Record("x.jpg"), Record("hard.jpg")]
    assert own_positions(query, gallery).tolist() == [1, 2, -1, 1]


@pytest.mark.parametrize("protocol", ["market1501", "course", None])
def test_the_querys_own_file_is_neither_right_nor_wrong(protocol: str | None) -> None:
    query, gallery = sides([("a", 1, NO_CAMERA)], [("a", 1, NO_CAMERA), ("b", 2, 1), ("c", 1, 1)])
    lists = Relevance([np.array([0, 2])], [np.array([], np.int64)]) if protocol is None else None
    dataset = ReidDataset("x", query=query.records, gallery=gallery.records, relevance=lists)
    found = evaluate_embeddings(query, gallery, dataset, metric="euclidean", protocol=protocol)
    # Nearest first: itself is left out, b is wrong, c is right.
    assert found.mean_average_precision == 1 / 2
    assert found.first_rank.tolist() == [2]


def test_junk_that_is_the_querys_own_file_takes_no_other_image_with_it() -> None:
    query, gallery = sides([("a", 1, 1)], [("a", -1, 1), ("c", 1, 2)])
    found = evaluate_embeddings(query, gallery, ReidDataset("x", query=query.records, gallery=gallery.records))
    assert found.mean_average_precision == 1


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ([("c", 8, 2), ("d", 9, 2)], "no image there has the identity of a query"),
        ([("c", 1, 1), ("d", 2, 1)], "all images of their identity are of the query's own camera"),
        ([("c", 1, 1), ("d", 9, 1)], "1 have an identity that is not there, and of the other 1 all images"),
    ],
)
def test_a_gallery_without_right_answers_says_why(shown: list[tuple[str, int, int]], why: str) -> None:
    query, gallery = sides([("a", 1, 1), ("b", 2, 1)], shown)
    found = evaluate_embeddings(query, gallery, ReidDataset("x", query=query.records, gallery=gallery.records))
    with pytest.raises(DataError, match=f"^none of the 2 queries has a right answer in the gallery: {why}"):
        require_answers(found, query.records, gallery.records)
