"""Plain shuffling: each image once an epoch; and the shares of Bruna's mixture."""

from __future__ import annotations

import numpy as np
import pytest

from resight.data.samplers import RandomSampler
from resight.errors import DataError, RecipeError
from tests.support.sampling import IDS, TARGETS


def test_each_image_comes_at_most_once_an_epoch_in_whole_batches() -> None:
    drawn = [draw.index for batch in RandomSampler(IDS, batch_size=10) for draw in batch]
    assert len(drawn) == len(set(drawn)) == 78 // 10 * 10
    every = [draw.index for batch in RandomSampler(IDS, batch_size=39) for draw in batch]
    assert sorted(every) == list(range(78))


def test_weak_classes_take_their_share_of_the_draws() -> None:
    mixed = RandomSampler(IDS, targets=TARGETS, batch_size=13, weak=0.5, weak_people=5)
    drawn = []
    for epoch in range(20):
        mixed.set_epoch(epoch)
        drawn += [IDS[draw.index] >= 10 for batch in mixed for draw in batch]
    # 23 of the 78 images are theirs: 0.5 + 0.5 * 23 / 78 = 0.647; a deviation is 0.012
    assert np.mean(drawn) == pytest.approx(0.647, abs=0.05)


def test_without_a_rare_class_nothing_is_replaced() -> None:
    # Class 1 has two identities, which is not fewer than two.
    mixed = RandomSampler(IDS, targets=TARGETS, batch_size=13, weak=0.5, weak_people=2)
    assert sorted(draw.index for batch in mixed for draw in batch) == list(range(78))


def test_junk_and_weak_images_have_their_shares_together() -> None:
    sampler = RandomSampler(IDS, targets=TARGETS, batch_size=13, junk=0.5, weak=0.3, weak_people=3)
    draws = []
    for epoch in range(30):
        sampler.set_epoch(epoch)
        draws += [draw for batch in sampler for draw in batch]
    assert 0.46 < np.mean([draw.junk for draw in draws]) < 0.54, "of 2,340 draws; a deviation is 0.01"
    # Whole images are the other half: 0.3 are replaced, and of the 0.2 that stay 23 of 78 are of the rare classes.
    weak = np.mean([IDS[draw.index] >= 10 and not draw.junk for draw in draws])
    assert weak == pytest.approx(0.3 + 0.2 * 23 / 78, abs=0.04)


def test_too_little_data_and_a_mixture_without_attributes_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 training images make no batch of 4; lower sampler\.batch_size"):
        RandomSampler([1, 2], batch_size=4)
    for option in ({"junk": 0.1}, {"weak": 0.1}):
        with pytest.raises(RecipeError, match="for systems that learn attributes"):
            RandomSampler(IDS, batch_size=50, **option)
    with pytest.raises(RecipeError, match=r"sampler.junk \+ sampler.weak = 1.1: shares of the draws"):
        RandomSampler(IDS, targets=TARGETS, batch_size=13, junk=0.5, weak=0.6)
