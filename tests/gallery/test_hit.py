"""A hit: what was found cannot be changed afterwards."""

from __future__ import annotations

import dataclasses

import pytest

from resight.gallery import Hit
from resight.records import Record


def test_a_hit_is_a_value_that_stays() -> None:
    hit = Hit(3, 0.5, None, Record("a.jpg", 7))
    assert hit == Hit(3, 0.5, None, Record("a.jpg", 7)) != Hit(4, 0.5, None, Record("a.jpg", 7))
    assert hit in {hit}
    with pytest.raises(dataclasses.FrozenInstanceError):
        hit.score = 1.0  # type: ignore[misc]
