"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from resight.words import counted


@pytest.mark.parametrize(
    ("count", "words", "expected"),
    [
        (0, ("image",), "0 images"),
        (1, ("image",), "1 image"),
        (2, ("image",), "2 images"),
        (1, ("query", "queries"), "1 query"),
        (12_936, ("query", "queries"), "12,936 queries"),
    ],
)
def test_one_is_one_and_all_others_are_several(count: int, words: tuple[str, ...], expected: str) -> None:
    assert counted(count, *words) == expected
