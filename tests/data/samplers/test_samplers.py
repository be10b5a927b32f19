"""All samplers of the table: an epoch repeats from its seed, is shared among processes, and leaves no image out."""

from __future__ import annotations

import pytest

from resight.data.samplers import SAMPLERS, BatchSampler
from tests.support.sampling import CAMERAS, IDS, TARGETS

SAMPLES: dict[str, dict] = {
    "identities": {"identities": 4, "images": 2},
    "cameras": {"identities": 4, "images": 2},
    "random": {"batch_size": 10, "weak": 0.2, "weak_people": 3, "junk": 0.2, "targets": TARGETS},
    "random-triplets": {"batch_size": 10},
    "items": {"items": 2, "junk": 4},
}


def sampler(name: str, **options: int) -> BatchSampler:
    return SAMPLERS[name](ids=IDS, cameras=CAMERAS, **SAMPLES[name], **options)


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
def test_processes_share_each_batch_without_overlap_and_in_equal_parts(name: str) -> None:
    whole, shares = list(sampler(name)), []
    for rank in range(2):
        share = sampler(name)
        share.share(rank, 2)
        shares.append(list(share))
        assert len(shares[rank]) == len(share) == len(whole)
    for batch, one, other in zip(whole, *shares, strict=True):
        assert len(one) == len(other)
        if name != "items":
            assert one + other == batch
        assert sorted(one + other) == sorted(batch)


@pytest.mark.parametrize("name", ["identities", "cameras"])
def test_no_identity_is_in_two_processes(name: str) -> None:
    one, other = sampler(name), sampler(name)
    one.share(0, 2)
    other.share(1, 2)
    for here, there in zip(one, other, strict=True):
        assert len({IDS[draw.index] for draw in here}) == 2
        assert {IDS[draw.index] for draw in here}.isdisjoint(IDS[draw.index] for draw in there)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_image_is_seen_in_time(name: str) -> None:
    made, seen = sampler(name), set()
    for epoch in range(40):
        made.set_epoch(epoch)
        seen |= {draw.index for batch in made for draw in batch}
    assert seen == set(range(len(IDS)))
