"""What training iterates over: an epoch's batches in the sampler's order, augmented, and how long it waited for them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from resight.data.loaders import Batch, ImageDataset, training_loader
from resight.data.samplers import BatchSampler
from resight.recipe import LoaderOptions

__all__ = ["Batches"]


class Batches:
    """An epoch's batches, again each time it is iterated over.

    >>> batches = Batches(images, sampler, recipe.loader, torch.device("cuda"))

    Decoded images that are augmented as whole batches, or without workers, are taken from the cache as they are asked
    for; all others come from a loader. With augmentation of whole batches the images are on `device`.
    """

    def __init__(
        self, images: ImageDataset, sampler: BatchSampler, options: LoaderOptions, device: torch.device
    ) -> None:
        self.images, self.device = images, device
        self.batch_sampler = sampler  # where Lightning looks for whom to tell the epoch
        gathered = images.crops is not None and (images.batched is not None or not options.processes)
        self._loader = None if gathered else training_loader(images, sampler, options)
        self.waited = 0.0
        """Seconds so far that training had nothing to compute while it asked for a batch."""

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        started, computing = time.perf_counter(), self._step()
        source = map(self.images.gather, self.batch_sampler) if self._loader is None else iter(self._loader)
        while True:
            batch = next(source, None)
            if batch is None:
                return
            batch = self.images.finished(batch, self.device)
            if computing is None or computing.query():  # a GPU that has not finished the step yet waits for nothing
                self.waited += time.perf_counter() - started
            yield batch
            started, computing = time.perf_counter(), self._step()

    def _step(self) -> torch.cuda.Event | None:
        """Tells when a GPU has finished what it was given so far."""
        if self.device.type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event
