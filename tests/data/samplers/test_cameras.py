"""P×K batches balanced by camera: every group of K shows as many cameras as its identity has."""

from __future__ import annotations

from collections import Counter

import pytest

from resight.data.samplers import CameraSampler
from resight.errors import DataError
from tests.support.sampling import CAMERAS, IDS


def test_an_identitys_images_come_from_as_many_cameras_as_it_has() -> None:
    made = CameraSampler(IDS, CAMERAS, identities=4, images=4)
    seen_by = {identity: {c for i, c in zip(IDS, CAMERAS, strict=True) if i == identity} for identity in range(12)}
    for epoch in range(20):
        made.set_epoch(epoch)
        for batch in made:
            for start in range(0, 16, 4):
                images = [draw.index for draw in batch[start : start + 4]]
                (identity,) = {IDS[index] for index in images}
                assert {CAMERAS[index] for index in images} == seen_by[identity]
                assert len(set(images)) == min(4, identity + 1), "none twice unless there are fewer than four"


def test_a_rare_camera_is_in_every_group_and_the_others_take_turns() -> None:
    # identity 0: one image of camera 1 and nine of camera 2; identity 1 alike
    ids, cameras = [0] * 10 + [1] * 10, ([1] + [2] * 9) * 2
    made = CameraSampler(ids, cameras, identities=2, images=4)
    counts: Counter[int] = Counter(draw.index for batch in made for draw in batch)
    assert len(made) == 2
    assert counts[0] == counts[10] == 2, "in both groups"
    assert [counts[index] for index in range(1, 10)].count(1) == 6, "six others, none of them twice"
    seen: Counter[int] = Counter()
    for epoch in range(300):
        made.set_epoch(epoch)
        seen.update(draw.index for batch in made for draw in batch)
    # six of nine an epoch
    assert all(abs(seen[index] - 200) < 40 for index in range(1, 10))


def test_more_cameras_than_images_of_a_group_take_turns_too() -> None:
    # Each identity has two images of each of four cameras; a group of two shows two cameras.
    ids, cameras = [0] * 8 + [1] * 8, [1, 1, 2, 2, 3, 3, 4, 4] * 2
    made = CameraSampler(ids, cameras, identities=2, images=2)
    seen: Counter[int] = Counter()
    for epoch in range(100):
        made.set_epoch(epoch)
        for batch in made:
            for start in (0, 2):
                assert len({cameras[draw.index] for draw in batch[start : start + 2]}) == 2
            seen.update(cameras[draw.index] for draw in batch)
    # 100 epochs of 4 batches with 4 images each: every camera a quarter of 1,600.
    assert all(abs(count - 400) < 50 for count in seen.values())


def test_unknown_cameras_are_refused_with_the_sampler_that_serves() -> None:
    with pytest.raises(DataError, match="no camera labels; set sampler=identities"):
        CameraSampler([1, 1, 2, 2], [-1] * 4, identities=2, images=2)
    assert len(CameraSampler([1, 1, 2, 2], [-1, -1, 3, 4], identities=2, images=2)) == 1, "some are enough"
