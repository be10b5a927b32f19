"""Samplers: what a batch holds, what an epoch holds, and that both repeat."""

from __future__ import annotations

from collections import Counter

import pytest

from resight.data.samplers import IdentitySampler, RandomSampler
from resight.errors import DataError

# identity i has i + 1 images: 1 to 12
IDS = [identity for identity in range(12) for _ in range(identity + 1)]


def test_every_batch_has_p_identities_with_k_images() -> None:
    sampler = IdentitySampler(IDS, identities=4, images=3)
    for epoch in range(5):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler) == sampler.count
        for batch in batches:
            counts = Counter(IDS[draw.index] for draw in batch)
            assert len(counts) == 4
            assert set(counts.values()) == {3}


def test_an_epoch_deals_every_whole_group_and_repeats_images_only_where_it_must() -> None:
    ids = [identity for identity in range(8) for _ in range(8)]
    sampler = IdentitySampler(ids, identities=4, images=4)
    drawn = Counter(draw.index for batch in sampler for draw in batch)
    assert sum(drawn.values()) == 64
    assert len(drawn) >= 48, "identities join again only to fill the last batches"
    over_epochs: set[int] = set()
    for epoch in range(10):
        sampler.set_epoch(epoch)
        over_epochs |= {draw.index for batch in sampler for draw in batch}
    assert over_epochs == set(range(64))


def test_order_and_seeds_come_from_seed_and_epoch_alone() -> None:
    first, second = (
        IdentitySampler(IDS, identities=4, images=2, seed=3),
        IdentitySampler(IDS, identities=4, images=2, seed=3),
    )
    list(first)  # an epoch that the second one never sees
    first.set_epoch(7)
    second.set_epoch(7)
    assert list(first) == list(second)
    second.set_epoch(8)
    assert list(first) != list(second)
    assert list(IdentitySampler(IDS, identities=4, images=2, seed=4)) != list(
        IdentitySampler(IDS, identities=4, images=2, seed=3)
    )


def test_processes_share_an_epoch_without_overlap_and_in_equal_parts() -> None:
    whole = list(IdentitySampler(IDS, identities=3, images=2))
    parts = []
    for rank in range(2):
        sampler = IdentitySampler(IDS, identities=3, images=2, rank=rank, world=2)
        assert len(list(sampler)) == len(sampler)
        parts.append(list(sampler))
    assert len(parts[0]) == len(parts[1]) == len(whole) // 2
    assert [batch for pair in zip(*parts, strict=True) for batch in pair] == whole[: len(parts[0]) * 2]


def test_random_sampler_shows_each_image_at_most_once_an_epoch() -> None:
    sampler = RandomSampler(IDS, batch_size=10)
    drawn = [draw.index for batch in sampler for draw in batch]
    assert len(drawn) == len(set(drawn)) == len(IDS) // 10 * 10


def test_too_little_data_is_named() -> None:
    with pytest.raises(DataError, match="sampler.identities=12"):
        IdentitySampler(IDS, identities=16)
    with pytest.raises(DataError, match="batch_size"):
        RandomSampler([1, 2], batch_size=4)
