"""Lightning's source of batches: those of training and of validation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import lightning
import torch
from torch.utils.data import DataLoader

from resight.data.augmentations import build_augmentation
from resight.data.augmentations.batched import build_batched
from resight.data.batches import Batches
from resight.data.cache import Crops, cached, stored_bytes
from resight.data.loaders import Batch, ImageDataset, Turn, evaluation_loader, judged_loader
from resight.data.samplers import SAMPLERS, BatchSampler
from resight.data.targets import encode, junk_targets
from resight.data.training_set import TrainingSet
from resight.engine.system import System
from resight.errors import DataError, RecipeError
from resight.processors import cores
from resight.recipe import Recipe, make
from resight.records import Record

__all__ = ["DataModule"]


class DataModule(lightning.LightningDataModule):
    """Batches of the fitted records, drawn by the recipe's sampler and augmented; each held-out record once, in order.

    Processes that train together share each batch, and take turns with the batches of held-out records.

    Where attributes alone are learned, and junk is one of them, random parts of some held-out records follow as junk.

    Raises DataError when the sampler can make no batch of the records, RecipeError for options that do not fit and for
    a sampler whose batches hold one image: `System` trains on two at least. `tell` receives a line when images are decoded
    into the cache.
    """

    def __init__(
        self, recipe: Recipe, training_set: TrainingSet, tell: Callable[[str], None] = lambda line: None
    ) -> None:
        super().__init__()
        self.recipe, self.training_set, self.tell = recipe, training_set, tell
        self.sampler = _sampler(recipe, training_set)
        self.sampler.share(0, recipe.trainer.processes)
        if all(len(batch) < 2 for batch in self.sampler):
            raise RecipeError(_too_small(recipe))
        self.images = _images(recipe, training_set)
        self.workers: int | None = None
        """That load what is trained on, where their number was measured."""

    def train_dataloader(self) -> Batches:
        assert self.trainer is not None
        system = self.trainer.lightning_module
        assert isinstance(system, System)
        # Epoch and process are known only now, and the first batches are asked for before Lightning announces the epoch.
        self.sampler.share(self.trainer.global_rank, self.trainer.world_size)
        self.sampler.set_epoch(system.first_epoch)
        self.open_images(system.device)
        return Batches(self.images, self.sampler, self.recipe.loader.with_workers(self.workers), self.device)

    def open_images(self, device: torch.device) -> None:
        """Have the images where the recipe wants them, decoded on disk or on the device that trains."""
        self.device = device
        if self.images.crops is None:
            self.images.crops = self._crops(self.training_set.fitted, device)
        if _in_batches(self.recipe, device):
            self.images.batched = build_batched(self.recipe.augmentation, self.recipe.image)

    def batches_of(self, epoch: int, workers: int | None = None) -> Batches:
        """The batches that training has in an epoch, once more; loaded by so many workers, if none are set by hand."""
        sampler = copy.copy(self.sampler)
        sampler.set_epoch(epoch)
        return Batches(self.images, sampler, self.recipe.loader.with_workers(workers), self.device)

    def val_dataloader(self) -> DataLoader[Batch] | list[object]:
        held_out = self.training_set.validation
        if not held_out:
            return []
        crops = self._crops(held_out, torch.device("cpu"))
        assert self.trainer is not None
        turn = Turn(self.trainer.global_rank, self.trainer.world_size)
        if self.training_set.learns == {"attributes"}:
            return judged_loader(held_out, self.training_set.schema, self.recipe.image, self.recipe.loader, crops, turn)
        targets = encode(held_out, self.training_set.schema)
        masks = "masks" in self.training_set.learns
        images = ImageDataset(held_out, self.recipe.image, targets=targets, masks=masks)
        images.crops = crops
        return evaluation_loader(images, self.recipe.loader, turn)

    def _crops(self, records: Sequence[Record], device: torch.device) -> Crops | None:
        """The records' images decoded, on disk or on a device, where the recipe wants that."""
        where, image, masks = self.recipe.loader.cache, self.recipe.image, "masks" in self.training_set.learns
        if isinstance(where, bool) or where == "memory":
            return None
        try:
            crops = cached(records, image, masks=masks, workers=_decoders(self.recipe), tell=self.tell)
        except DataError as error:
            if where != "auto":
                raise
            self.tell(f"going on without a cache: {error}")
            return None
        if where == "disk" or device.type != "cuda":
            return crops
        size, free = stored_bytes(len(records), image, masks), torch.cuda.mem_get_info(device)[0]
        if size <= free * (_SHARE if where == "auto" else 1):
            return crops.on(device)
        if where == "device":
            raise RecipeError(
                f"loader.cache=device: the images take {size / 2**30:.1f} GiB and the GPU has {free / 2**30:.1f} free; "
                "take auto or disk"
            )
        return crops


_SHARE = 0.25
"""Share of a GPU's free memory that `loader.cache=auto` fills with images at most: the network wants the rest."""


def _in_batches(recipe: Recipe, device: torch.device) -> bool:
    return recipe.loader.augment == "batch" or (recipe.loader.augment == "auto" and device.type == "cuda")


def _decoders(recipe: Recipe) -> int:
    """Processes that decode into the cache: all cores, or none besides this one where the recipe wants no workers."""
    return max(recipe.loader.processes, cores()) if recipe.loader.processes else 0


def _too_small(recipe: Recipe) -> str:
    processes = recipe.trainer.processes
    sizes = [f"sampler.{name}={value}" for name, value in recipe.sampler.items() if value == processes or value == 1]
    where = f" in each of {processes} processes" if processes > 1 else ""
    return f"{', '.join(sizes) or 'sampler'}: its batches are of one image{where}, and training learns from two at least; raise it"


def _sampler(recipe: Recipe, training_set: TrainingSet) -> BatchSampler:
    targets = training_set.targets
    return make(
        SAMPLERS,
        recipe.sampler,
        "sampler",
        ids=training_set.labels,
        cameras=[record.camera for record in training_set.fitted],
        targets=targets if targets.shape[1] else None,
        seed=recipe.seed,
    )


def _images(recipe: Recipe, training_set: TrainingSet) -> ImageDataset:
    return ImageDataset(
        training_set.fitted,
        recipe.image,
        build_augmentation(recipe.augmentation, recipe.image),
        training_set.labels,
        cache=recipe.loader.cache in (True, "memory"),
        targets=training_set.targets,
        junk_targets=junk_targets(training_set.targets, training_set.schema),
        masks="masks" in training_set.learns,
    )
