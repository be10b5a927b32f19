"""P×K batches: the counts of a batch, of an epoch, and what is left for later epochs."""

from __future__ import annotations

from collections import Counter

import pytest

from resight.data.samplers import IdentitySampler
from resight.errors import DataError
from tests.support.sampling import IDS


def test_every_batch_has_p_identities_with_k_images() -> None:
    sampler = IdentitySampler(IDS, identities=4, images=3)
    for epoch in range(5):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        # Identities with 1 to 5 images make a group of three, with 6 to 8 two, 9 to 11 three, 12 four: 24 groups of 3.
        assert len(batches) == len(sampler) == sampler.count == (5 * 1 + 3 * 2 + 3 * 3 + 4) // 4
        for batch in batches:
            counts = Counter(IDS[draw.index] for draw in batch)
            assert len(counts) == 4
            assert set(counts.values()) == {3}


def test_a_batch_lists_each_identitys_images_side_by_side() -> None:
    for batch in IdentitySampler(IDS, identities=4, images=3):
        names = [IDS[draw.index] for draw in batch]
        assert all(len(set(names[start : start + 3])) == 1 for start in range(0, 12, 3))


def test_an_image_comes_twice_only_where_its_identity_has_fewer_than_k() -> None:
    for batch in IdentitySampler(IDS, identities=6, images=4):
        for start in range(0, 24, 4):
            images = {draw.index for draw in batch[start : start + 4]}
            assert len(images) == min(4, IDS[batch[start].index] + 1)


def test_an_epoch_has_as_many_batches_as_groups_make_and_later_ones_bring_what_it_left() -> None:
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


def test_fewer_identities_than_a_batch_wants_is_refused_with_the_number_there_is() -> None:
    with pytest.raises(DataError, match="wants 16 identities in a batch and the training split has 12.*identities=12"):
        IdentitySampler(IDS, identities=16)
