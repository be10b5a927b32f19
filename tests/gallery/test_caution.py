"""Probabilities of another site are told of; those of the same data are not nagged about."""

from __future__ import annotations

import pytest

from resight.gallery.caution import caution_of
from resight.retrieval.calibration import Calibration, FittedOn

STREET = FittedOn("street", "f", "Street", (1, 2), 75, 750, 10, 1859, "2026-11-26")
HERE, ELSEWHERE = "/moved/Street/test/1.jpg", "/data/mall/1.jpg"


@pytest.mark.parametrize(
    ("paths", "cameras", "told"),
    [
        ([HERE, HERE], [1, 2], None),
        ([HERE, HERE, ELSEWHERE], [-1], None),
        ([], [], None),
        ([ELSEWHERE, HERE, ELSEWHERE], [1], "its images lie in a folder Street, which these do not"),
        ([HERE], [1, 7, 5], "this gallery has other cameras: 5, 7:"),
        ([HERE], range(9), "this gallery has other cameras: 0, 3, 4, 5, 6 …:"),
    ],
)
def test_other_folders_and_other_cameras_are_told(paths: list[str], cameras: list[int], told: str | None) -> None:
    found = caution_of(Calibration(None, None, fitted_on=STREET), paths, cameras)
    if told is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(f"the probabilities were fitted on street (75 individuals, 2026-11-26), and {told}")
        assert "\n" not in found


def test_entries_that_are_tracklets_are_told_of() -> None:
    told = caution_of(Calibration(None, None, fitted_on=STREET), [HERE], [1], pooled=True)
    assert told == "the probabilities were fitted on single images; of whole tracklets, as here, they are too high"


def test_one_that_does_not_know_its_data_is_told() -> None:
    for origin in (None, FittedOn("street", "f")):
        told = caution_of(Calibration(None, None, fitted_on=origin), [HERE], [1])
        assert told is not None
        assert "run `resight calibrate` again" in told
