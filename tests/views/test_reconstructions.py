"""The picture of originals above their reconstructions."""

from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.views.reconstructions import reconstructions


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
