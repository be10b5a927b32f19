"""Shares of images."""

from __future__ import annotations

import pytest

from resight.data.sharding import Shard
from resight.errors import OptionError
from resight.records import Record


def test_every_image_is_in_one_share_and_stays_there() -> None:
    records = [Record(f"/crops/{number}.jpg") for number in range(1000)]
    shares = [Shard(number, 4).share(records) for number in (1, 2, 3, 4)]
    assert sorted(record.path for share in shares for record in share) == sorted(record.path for record in records)
    assert all(200 <= len(share) <= 300 for share in shares)
    more = [Record("/crops/more.jpg"), *records]
    assert [one for one in Shard(2, 4).share(more) if one.path != "/crops/more.jpg"] == shares[1]


def test_a_tracklet_is_not_divided() -> None:
    records = [
        Record(f"/crops/{number}.jpg", camera=number % 2, tracklet=number % 10 // 2, sequence=1)
        for number in range(200)
    ]
    shares = [{(r.camera, r.tracklet) for r in Shard(number, 3).share(records)} for number in (1, 2, 3)]
    assert not (shares[0] & shares[1] | shares[1] & shares[2] | shares[0] & shares[2])
    assert len(set.union(*shares)) == 10


def test_where_a_share_is_said() -> None:
    assert Shard.of("3/8", {}) == Shard(3, 8)
    assert Shard.of("3/8", {"RANK": "0", "WORLD_SIZE": "2"}) == Shard(3, 8)
    assert Shard.of(None, {"RANK": "0", "WORLD_SIZE": "2"}) == Shard(1, 2)
    assert Shard.of(None, {}) is None
    assert Shard.of(None, {"RANK": "0", "WORLD_SIZE": "1"}) is None
    assert Shard.of("1/1", {}) == Shard(1, 1)
    assert Shard(3, 8).file == "part-3-of-8.parquet"
    for wrong in ("0/8", "9/8", "x", "1/0", "1-8"):
        with pytest.raises(OptionError, match="--shard"):
            Shard.of(wrong, {})
    with pytest.raises(OptionError, match="RANK=2 of WORLD_SIZE=2"):
        Shard.of(None, {"RANK": "2", "WORLD_SIZE": "2"})
