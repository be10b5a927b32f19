"""Random triplets: an anchor, a positive of its identity and a negative of another, each choice alike."""

from __future__ import annotations

from collections import Counter

import pytest

from resight.data.samplers import TripletSampler
from resight.errors import DataError
from tests.support.sampling import IDS


def test_a_triplet_is_an_anchor_a_positive_and_a_negative() -> None:
    made = TripletSampler(IDS, batch_size=7)
    assert len(made) == 77 // 7, "the one image of identity 0 has no positive"
    for epoch in range(20):
        made.set_epoch(epoch)
        anchors = []
        for batch in made:
            assert len(batch) == 21
            for anchor, positive, negative in zip(*(batch[i::3] for i in range(3)), strict=True):
                assert anchor.index != positive.index
                assert IDS[anchor.index] == IDS[positive.index] != IDS[negative.index]
                anchors.append(anchor.index)
        assert sorted(anchors) == list(range(1, 78)), "each image with company is an anchor once an epoch"


def test_triplets_are_drawn_anew_and_each_choice_is_as_likely() -> None:
    made = TripletSampler([0, 0, 0, 1, 1, 2], batch_size=5)
    pairs: Counter[tuple[int, int]] = Counter()
    others: Counter[tuple[int, int]] = Counter()
    for epoch in range(600):
        made.set_epoch(epoch)
        (batch,) = made
        for anchor, positive, negative in zip(*(batch[i::3] for i in range(3)), strict=True):
            pairs[anchor.index, positive.index] += 1
            others[anchor.index, negative.index] += 1
    # each of the five anchors 600 times: anchor 0 has two positives, three negatives; anchor 3 one and four
    assert {pair: count for pair, count in pairs.items() if pair[0] == 3} == {(3, 4): 600}
    assert all(abs(pairs[0, other] - 300) < 60 for other in (1, 2))
    assert all(abs(others[0, other] - 200) < 60 for other in (3, 4, 5))
    assert all(abs(others[3, other] - 150) < 60 for other in (0, 1, 2, 5))


def test_too_little_data_is_named() -> None:
    with pytest.raises(DataError, match="2 training images have another one of their identity"):
        TripletSampler([1, 1, 2, 3], batch_size=4)
    with pytest.raises(DataError, match="one identity"):
        TripletSampler([1, 1, 1], batch_size=1)
