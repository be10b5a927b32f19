"""A share of many images for each of several machines, the same whoever asks."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from resight.errors import OptionError
from resight.records import Record

__all__ = ["Shard"]


@dataclass(frozen=True)
class Shard:
    """One of `count` shares, `number` from 1."""

    number: int
    count: int

    @classmethod
    def of(cls, text: str | None, environment: Mapping[str, str] = os.environ) -> Self | None:
        """What `--shard` says, `3/8`; without it what RANK, from 0, and WORLD_SIZE say; None where there is one share.

        Raises OptionError for what is none.
        """
        if text is None:
            rank, size = environment.get("RANK", ""), environment.get("WORLD_SIZE", "1")
            if size in ("", "1"):
                return None
            if not (rank.isdecimal() and size.isdecimal() and int(rank) < int(size)):
                raise OptionError(f"RANK={rank} of WORLD_SIZE={size} is no share; give --shard, such as 3/8")
            return cls(int(rank) + 1, int(size))
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise OptionError(f"--shard {text}: write NUMBER/COUNT, such as 3/8; numbers begin at 1")
        return cls(int(found[1]), int(found[2]))

    @property
    def file(self) -> str:
        """The name of this share's part file."""
        return f"part-{self.number}-of-{self.count}.parquet"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def share(self, records: Sequence[Record]) -> list[Record]:
        """The records of this share, in their order; images of one tracklet stay together.

        A record's share depends on its path alone (on its camera, sequence and tracklet where it has one), so that it is
        the same on a machine that sees other images beside it.
        """
        return [record for record in records if self._has(record)]

    def _has(self, record: Record) -> bool:
        key = os.path.abspath(record.path)
        if record.tracklet is not None:
            key = f"{record.camera} {record.sequence} {record.tracklet}"
        number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
        return number % self.count == self.number - 1
