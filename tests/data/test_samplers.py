"""Samplers: what a batch holds, what an epoch holds, and that both repeat."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from resight.data.samplers import SAMPLERS, BatchSampler, IdentitySampler, RandomSampler
from resight.errors import DataError

# identity i has i + 1 images: 1 to 12
IDS = [identity for identity in range(12) for _ in range(identity + 1)]
CAMERAS = [1 + number % 3 for number in range(len(IDS))]
# one attribute; class 1 is that of the last two people
TARGETS = np.array([[int(identity >= 10)] for identity in IDS])


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


SAMPLES: dict[str, dict] = {
    "identities": {"identities": 4, "images": 2},
    "cameras": {"identities": 4, "images": 2},
    "random": {"batch_size": 10, "weak": 0.2, "weak_people": 3, "junk": 0.2},
    "random-triplets": {"batch_size": 10},
    "items": {"items": 2},
}


def sampler(name: str, **options: int) -> BatchSampler:
    given = {"targets": TARGETS} if name == "random" else {}
    return SAMPLERS[name](ids=IDS, cameras=CAMERAS, **SAMPLES[name], **given, **options)


@pytest.mark.parametrize("name", SAMPLERS)
def test_order_and_seeds_come_from_seed_and_epoch_alone(name: str) -> None:
    first, resumed = sampler(name, seed=3), sampler(name, seed=3)
    list(first)  # an epoch that the resumed one never sees
    sequences = []
    for epoch in (7, 8):
        first.set_epoch(epoch)
        resumed.set_epoch(epoch)
        sequences.append(list(resumed))
        assert list(first) == sequences[-1]
    assert sequences[0] != sequences[1], "epochs differ"
    assert {draw.seed for batch in sequences[0] for draw in batch}.isdisjoint(
        draw.seed for batch in sequences[1] for draw in batch
    )
    assert list(sampler(name, seed=4)) != list(sampler(name, seed=3))


@pytest.mark.parametrize("name", SAMPLERS)
def test_processes_share_an_epoch_without_overlap_and_in_equal_parts(name: str) -> None:
    whole, parts = list(sampler(name)), []
    for rank in range(2):
        part = sampler(name, rank=rank, world=2)
        assert len(list(part)) == len(part)
        parts.append(list(part))
    assert len(parts[0]) == len(parts[1]) == len(whole) // 2
    assert [batch for pair in zip(*parts, strict=True) for batch in pair] == whole[: len(parts[0]) * 2]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_image_is_seen_in_time(name: str) -> None:
    made, seen = sampler(name), set()
    for epoch in range(40):
        made.set_epoch(epoch)
        seen |= {draw.index for batch in made for draw in batch}
    assert seen == set(range(len(IDS)))


def test_random_sampler_shows_each_image_at_most_once_an_epoch() -> None:
    sampler = RandomSampler(IDS, batch_size=10)
    drawn = [draw.index for batch in sampler for draw in batch]
    assert len(drawn) == len(set(drawn)) == len(IDS) // 10 * 10


def test_weak_classes_take_their_share_of_the_draws() -> None:
    mixed = RandomSampler(IDS, targets=TARGETS, batch_size=13, weak=0.5, weak_people=5)
    drawn = []
    for epoch in range(20):
        mixed.set_epoch(epoch)
        drawn += [IDS[draw.index] >= 10 for batch in mixed for draw in batch]
    # 23 of the 78 images are theirs: 0.5 + 0.5 * 23 / 78 = 0.647; a deviation is 0.012
    assert np.mean(drawn) == pytest.approx(0.647, abs=0.05)


def test_an_identitys_images_come_from_as_many_cameras_as_it_has() -> None:
    made = SAMPLERS["cameras"](IDS, CAMERAS, identities=4, images=4)
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
    made = SAMPLERS["cameras"](ids, cameras, identities=2, images=4)
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


def test_random_triplets_are_an_anchor_a_positive_and_a_negative() -> None:
    made = SAMPLERS["random-triplets"](IDS, batch_size=7)
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


def test_random_triplets_are_drawn_anew_and_each_choice_alike() -> None:
    made = SAMPLERS["random-triplets"]([0, 0, 0, 1, 1, 2], batch_size=5)
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
    with pytest.raises(DataError, match="sampler.identities=12"):
        IdentitySampler(IDS, identities=16)
    with pytest.raises(DataError, match="batch_size"):
        RandomSampler([1, 2], batch_size=4)
    with pytest.raises(DataError, match="2 training images have another one of their identity"):
        SAMPLERS["random-triplets"]([1, 1, 2, 3], batch_size=4)
    with pytest.raises(DataError, match="no camera labels; set sampler=identities"):
        SAMPLERS["cameras"]([1, 1, 2, 2], [-1] * 4, identities=2, images=2)
    with pytest.raises(DataError, match="one identity"):
        SAMPLERS["random-triplets"]([1, 1, 1], batch_size=1)
