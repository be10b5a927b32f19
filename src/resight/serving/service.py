"""A gallery at work for many at once: images decoded in threads, embedded in batches, searched in threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import torch
from anyio import CapacityLimiter, to_thread
from torch import Tensor

from resight.data.loaders import resize
from resight.processors import cores
from resight.recognizer import FeaturesAndAttributes
from resight.serving.answers import Answers
from resight.serving.batching import Batcher
from resight.serving.limits import Limits
from resight.serving.metrics import Metrics
from resight.serving.pictures import decoded
from resight.serving.schemas import Found, Options

__all__ = ["Service"]

Result = TypeVar("Result")


class Service:
    """What the routes call. Its work is done within `running`.

    >>> async with service.running():
    ...     found = await service.search([data], Options(k=10))
    """

    def __init__(self, answers: Answers, limits: Limits, metrics: Metrics) -> None:
        self.answers, self.limits, self.metrics = answers, limits, metrics
        self.model = answers.gallery.model
        self.batcher: Batcher[Tensor, FeaturesAndAttributes] | None = None
        metrics.watch("resight_waiting_images", "Images that wait for the model.", self._waiting)
        metrics.watch("resight_gallery_images", "Images in the gallery.", lambda: len(answers.gallery))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Takes work within the block; what was taken is finished at its end."""
        limits = self.limits
        self._threads, self._changes = CapacityLimiter(max(2, cores())), CapacityLimiter(1)
        batcher = Batcher(
            self._embed, most=limits.batch, wait=limits.wait, queue=limits.queue, told=self.metrics.batched
        )
        async with batcher as self.batcher:
            yield

    @property
    def ready(self) -> bool:
        """Whether a search would be taken."""
        return self.batcher is not None and self.batcher.running and self.batcher.waiting < self.limits.queue

    async def search(self, images: Sequence[bytes], options: Options) -> Found:
        """Hits for images of one individual, as their files were sent.

        Raises ImageError for one that cannot be read, BusyError where too many wait.
        """
        assert self.batcher is not None
        began = time.perf_counter()
        inputs = [await self.do(self._input, data, number) for number, data in enumerate(images, 1)]
        asked = await asyncio.gather(*(self.batcher.ask(one) for one in inputs))
        embedded = _milliseconds(began) if images else 0
        found = await self.do(self.answers.search, asked, options)
        return found.model_copy(update={"took_ms": _milliseconds(began), "embed_ms": embedded})

    async def do(self, work: Callable[..., Result], *arguments: object) -> Result:
        """What `work` returns, from a thread; a few at once."""
        return await to_thread.run_sync(work, *arguments, limiter=self._threads)

    async def change(self, work: Callable[..., Result], *arguments: object) -> Result:
        """As `do`, one at a time: a change may wait for another process's, and searches need their threads."""
        return await to_thread.run_sync(work, *arguments, limiter=self._changes)

    def _input(self, data: bytes, number: int) -> Tensor:
        return resize(decoded(data, f"image {number}", self.limits.pixels), self.model.recipe.image)

    def _embed(self, images: list[Tensor]) -> list[FeaturesAndAttributes]:
        features, attributes = self.model.embed_batch(torch.stack(images))
        return [(one, None if attributes is None else attributes[place]) for place, one in enumerate(features)]

    def _waiting(self) -> float:
        return 0 if self.batcher is None else self.batcher.waiting


def _milliseconds(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 2)
