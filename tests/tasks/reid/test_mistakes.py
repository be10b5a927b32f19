"""What wrong first answers share with their queries, in shares worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resight.records import Embeddings
from resight.tasks.reid import mistakes
from resight.tasks.reid.mistakes import Shared, shared_attributes
from tests.support.search import Search


def test_shares_by_hand(search: Search) -> None:
    hat, top = shared_attributes(search.result)
    # Wrong first answers: g0 for query 1, whose hats differ, and g3 for query 3, whose hats agree.
    # Somebody else's hat, where both are known: query 0 agrees with g5 of g1, g3, g5; query 1 with none of g0, g5;
    # query 3 with g1, g3 of g0, g1, g3.
    assert hat == Shared("hat", agree=1 / 2, by_chance=3 / 8, known=2, wrong=2)
    # Tops are known of query 3 and of g0 and g3.
    assert top == Shared("top", agree=1.0, by_chance=1 / 2, known=1, wrong=2)


def test_what_is_unknown_of_an_answer_has_no_row(search: Search) -> None:
    """The bag is known of a query whose first answer is right, the shoes of no gallery image."""
    assert {row.attribute for row in shared_attributes(search.result)} == {"hat", "top"}


def test_without_attributes_there_is_no_row_and_no_distance_is_measured(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(search.result), "distances", None)
    bare = [replace(record, attributes={}) for record in search.result.query.records]
    assert shared_attributes(replace(search.result, query=Embeddings(search.result.query.features, bare))) == []


def test_many_queries_are_asked_in_parts(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = shared_attributes(search.result)
    monkeypatch.setattr(mistakes, "_AT_ONCE", 1)
    assert shared_attributes(search.result) == expected
