"""Concurrent questions share a batch, and too many are turned away."""

from __future__ import annotations

import asyncio

import pytest

from resight.errors import BusyError
from resight.serving.batching import Batcher


def test_questions_asked_together_are_answered_together_and_in_order() -> None:
    sizes: list[int] = []

    async def ask() -> list[int]:
        async with Batcher[int, int](lambda numbers: [2 * n for n in numbers], wait=0.2, told=sizes.append) as batcher:
            return list(await asyncio.gather(*(batcher.ask(number) for number in range(10))))

    assert asyncio.run(ask()) == [2 * number for number in range(10)]
    assert sizes == [10]


def test_what_the_work_raises_reaches_all_who_asked_and_the_next_are_served() -> None:
    def work(numbers: list[int]) -> list[int]:
        if 0 in numbers:
            raise ValueError("nothing")
        return numbers

    async def ask() -> tuple[list[object], int]:
        async with Batcher[int, int](work, wait=0.05) as batcher:
            failed = await asyncio.gather(batcher.ask(0), batcher.ask(1), return_exceptions=True)
            return list(failed), await batcher.ask(2)

    failed, served = asyncio.run(ask())
    assert [str(error) for error in failed] == ["nothing", "nothing"]
    assert served == 2


def test_where_the_queue_is_full_nobody_waits() -> None:
    async def ask() -> list[object]:
        async with Batcher[int, int](lambda numbers: numbers, most=1, wait=0, queue=2) as batcher:
            return list(await asyncio.gather(*(batcher.ask(n) for n in range(20)), return_exceptions=True))

    found = asyncio.run(ask())
    assert any(isinstance(answer, BusyError) for answer in found)
    assert all(isinstance(answer, BusyError | int) for answer in found)


def test_after_its_end_nothing_is_taken() -> None:
    async def ask() -> None:
        async with Batcher[int, int](lambda numbers: numbers) as batcher:
            await batcher.ask(1)
        await batcher.ask(2)

    with pytest.raises(BusyError):
        asyncio.run(ask())
