"""What samplers share, on one that counts: shares of a batch, seeds of each draw, the share of junk, identities' images."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from resight.data.samplers.base import BatchSampler, Part, images_by_identity
from resight.errors import RecipeError


class Counting(BatchSampler):
    """`count` batches of two pairs and two others: 0 to 5, 6 to 11, …"""

    parts = (Part("pairs", 2, 2), Part("others", 2, 1))

    def __init__(self, count: int, rank: int = 0, world: int = 1, seed: int = 0) -> None:
        super().__init__(seed)
        self.share(rank, world)
        self.count = count

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        return list(np.arange(6 * self.count).reshape(-1, 6))


def numbers(sampler: BatchSampler) -> list[list[int]]:
    return [[draw.index for draw in batch] for batch in sampler]


def test_processes_share_each_batch_and_what_belongs_together_stays_so() -> None:
    assert numbers(Counting(2, rank=0, world=2)) == [[0, 1, 4], [6, 7, 10]]
    assert numbers(Counting(2, rank=1, world=2)) == [[2, 3, 5], [8, 9, 11]]
    assert len(Counting(2, rank=1, world=2)) == 2


def test_a_batch_that_cannot_be_divided_is_refused_with_the_sizes_that_can() -> None:
    sampler = Counting(1)
    sampler.parts = (Part("identities", 16, 4),)
    sampler.share(0, 8)
    for world, fits in ((3, "15 or 18"), (32, "32")):
        with pytest.raises(
            RecipeError, match=rf"sampler\.identities=16 cannot be .* {world} processes .* set it to {fits},"
        ):
            sampler.share(0, world)


def test_every_draw_has_a_seed_of_its_own_that_no_process_changes() -> None:
    whole = [draw for batch in Counting(40) for draw in batch]
    assert len({draw.seed for draw in whole}) == 240
    second = [draw for batch in Counting(40, rank=1, world=2) for draw in batch]
    assert second == [draw for draw in whole if draw.index % 6 in (2, 3, 5)]
    assert [draw.seed for draw in whole] != [draw.seed for batch in Counting(40, seed=1) for draw in batch]


def test_a_share_of_the_draws_is_junk() -> None:
    plain, sampler = Counting(400), Counting(400)
    sampler.junk = 0.25
    assert not any(draw.junk for batch in plain for draw in batch)
    share = np.mean([draw.junk for batch in sampler for draw in batch])
    assert 0.2 < share < 0.3, "a deviation is 0.0125"


def test_lightning_finds_the_sampler_that_it_announces_epochs_to() -> None:
    sampler = Counting(2)
    sampler.sampler.set_epoch(5)
    assert sampler.epoch == 5


def test_images_by_identity_are_in_order() -> None:
    groups = images_by_identity([7, 3, 7, 9, 3, 7])
    assert [group.tolist() for group in groups] == [[1, 4], [0, 2, 5], [3]]
    assert [group.tolist() for group in images_by_identity([5])] == [[0]]
    assert images_by_identity([]) == []
