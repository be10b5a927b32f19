"""Bruna's items: four images of one identity, eight of others, junk behind."""

from __future__ import annotations

from collections import Counter

import pytest

from resight.data.samplers import ItemSampler
from resight.errors import DataError
from tests.support.sampling import IDS


def test_an_item_is_four_of_one_identity_and_eight_of_others() -> None:
    sampler = ItemSampler(IDS, items=3)
    for epoch in range(20):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler) == 15 // 3, "4 to 7 images make an item, 8 to 11 two, 12 three"
        for batch in batches:
            for start in range(0, 36, 12):
                item = [draw.index for draw in batch[start : start + 12]]
                assert len(set(item)) == 12
                (person,) = {IDS[index] for index in item[:4]}
                assert person not in {IDS[index] for index in item[4:]}


def test_an_identity_with_fewer_than_four_images_is_among_the_others_only() -> None:
    sampler = ItemSampler(IDS, items=3)
    first, others = Counter(), Counter()
    for epoch in range(60):
        sampler.set_epoch(epoch)
        for batch in sampler:
            for start in range(0, 36, 12):
                first[IDS[batch[start].index]] += 1
                others.update(IDS[draw.index] for draw in batch[start + 4 : start + 12])
    assert set(first) == set(range(3, 12))
    assert first[11] == 60 * 3, "an epoch deals every four once"
    assert set(others) == set(range(12))
    # every image of the others is as likely: identity 0 has one of 78, in items of identities with 4 to 12
    assert others[2] == pytest.approx(3 * others[0], rel=0.4)


def test_junk_ends_a_batch_and_is_no_part_of_an_item() -> None:
    (batch, *_) = ItemSampler(IDS, items=2, junk=3)
    assert [draw.junk for draw in batch] == [False] * 24 + [True] * 3


def test_what_makes_no_item_is_named() -> None:
    with pytest.raises(DataError, match="4 images of one person, and no training identity has more than 3"):
        ItemSampler([1, 1, 1, 2, 2, 2], items=1)
    with pytest.raises(DataError, match="8 images of other people, and the training split has 5"):
        ItemSampler([1] * 6 + [2] * 5, items=1)
    with pytest.raises(DataError, match="makes 5 items, too few for sampler.items=8"):
        ItemSampler([1] * 8 + [2] * 8 + [3] * 4, items=8)
