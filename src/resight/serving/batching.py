"""Many requests, one forward pass: what is asked within a few milliseconds is worked on together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

from resight.errors import BusyError

__all__ = ["Batcher"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Collects items of concurrent requests and works on them in batches, in a thread of its own.

    >>> async with Batcher(lambda images: model.embed(images)) as batcher:
    ...     feature = await batcher.ask(image)

    `work` gets 1 to `most` items and returns an answer for each, in order; what it raises is raised to all who asked.
    The first item of a batch waits at most `wait` seconds for others. Where `queue` items wait already, `ask` raises
    BusyError at once. `told` is called with the size of each batch. Leaving the block works off what has been asked.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Sequence[Answer]],
        *,
        most: int = 32,
        wait: float = 0.005,
        queue: int = 128,
        told: Callable[[int], object] = lambda size: None,
    ) -> None:
        self.work, self.most, self.wait, self.told = work, most, wait, told
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Answer]] | None] = asyncio.Queue(queue)
        self._thread = ThreadPoolExecutor(1, "batches")
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    async def __aenter__(self) -> Batcher[Item, Answer]:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._task is not None
        self._ending = True
        await self._queue.put(None)
        await self._task
        self._thread.shutdown()

    @property
    def waiting(self) -> int:
        """Items that wait."""
        return self._queue.qsize()

    @property
    def running(self) -> bool:
        """Whether more may be asked."""
        return self._task is not None and not self._task.done() and not self._ending

    async def ask(self, item: Item) -> Answer:
        """The answer to an item. Raises BusyError where too many wait, and what `work` raises."""
        if not self.running:
            raise BusyError
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((item, answer))
        except asyncio.QueueFull:
            raise BusyError from None
        return await answer

    async def _run(self) -> None:
        going_on = True
        while going_on:
            batch = [await self._queue.get()]
            with suppress(TimeoutError):
                async with asyncio.timeout(self.wait):
                    while len(batch) < self.most and batch[-1] is not None:
                        batch.append(await self._queue.get())
            going_on = batch[-1] is not None
            await self._answer([asked for asked in batch if asked is not None and not asked[1].done()])

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        if not batch:
            return
        self.told(len(batch))
        try:
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._thread, self.work, [item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # its client may have gone away
                future.set_result(answer)
