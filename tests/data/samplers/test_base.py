"""What samplers share, on one that counts: shards in turns, seeds of each draw, the share of junk, identities' images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resight.data.samplers.base import BatchSampler, images_by_identity


class Counting(BatchSampler):
    """`count` batches of three: 0 1 2, 3 4 5, …"""

    def __init__(self, count: int, rank: int = 0, world: int = 1, seed: int = 0) -> None:
        super().__init__(seed)
        self.share(rank, world)
        self.count = count

    def batches(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        return list(np.arange(3 * self.count).reshape(-1, 3))


def firsts(sampler: BatchSampler) -> list[int]:
    return [batch[0].index for batch in sampler]


def test_processes_take_turns_and_the_odd_batch_is_left_out() -> None:
    assert firsts(Counting(7)) == [0, 3, 6, 9, 12, 15, 18]
    # Of seven batches each of two processes gets three: one that had a fourth would wait for the other forever.
    assert firsts(Counting(7, rank=0, world=2)) == [0, 6, 12]
    assert firsts(Counting(7, rank=1, world=2)) == [3, 9, 15]
    assert len(Counting(7, rank=1, world=2)) == 3


def test_every_draw_has_a_seed_of_its_own_that_no_process_changes() -> None:
    whole = [draw for batch in Counting(40) for draw in batch]
    assert len({draw.seed for draw in whole}) == 120
    second = list(Counting(40, rank=1, world=2))
    assert [draw for batch in second for draw in batch] == [
        draw for at in range(1, 40, 2) for draw in whole[3 * at :][:3]
    ]
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
