"""Lightning's source of batches: those of training and of validation."""

from __future__ import annotations

import copy

import lightning
from torch.utils.data import DataLoader

from resight.data.augmentations import build_augmentation
from resight.data.loaders import Batch, ImageDataset, evaluation_loader, judged_loader, training_loader
from resight.data.samplers import SAMPLERS, BatchSampler
from resight.data.targets import encode, junk_targets
from resight.data.training_set import TrainingSet
from resight.engine.system import System
from resight.errors import DataError, RecipeError
from resight.recipe import Recipe, make

__all__ = ["DataModule"]


class DataModule(lightning.LightningDataModule):
    """Batches of the fitted records, drawn by the recipe's sampler and augmented; each held-out record once, in order.

    Where attributes alone are learned, and junk is one of them, random parts of some held-out records follow as junk.

    Raises DataError when the sampler can make no batch of the records, RecipeError for options that do not fit and for
    a sampler whose batches hold one image: `System` trains on two at least.
    """

    def __init__(self, recipe: Recipe, training_set: TrainingSet) -> None:
        super().__init__()
        self.recipe, self.training_set = recipe, training_set
        self.sampler = _sampler(recipe, training_set)
        if len(self.sampler) and all(len(batch) < 2 for batch in self.sampler):
            sizes = ", ".join(f"sampler.{name}={value}" for name, value in recipe.sampler.items() if value == 1)
            raise RecipeError(
                f"{sizes or 'sampler'}: its batches are of one image, and training learns from two at least; raise it"
            )
        self.images = _images(recipe, training_set)

    def train_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        system = self.trainer.lightning_module
        assert isinstance(system, System)
        # Epoch and process are known only now, and the first batches are asked for before Lightning announces the epoch.
        self.sampler.share(self.trainer.global_rank, self.trainer.world_size)
        self.sampler.set_epoch(system.first_epoch)
        if len(self.sampler) == 0:
            raise DataError(
                "the training split has no full batch for each process; lower the sampler's batch or trainer.devices"
            )
        return training_loader(self.images, self.sampler, self.recipe.loader)

    def batches_of(self, epoch: int) -> DataLoader[Batch]:
        """The batches that training has in an epoch, once more."""
        sampler = copy.copy(self.sampler)
        sampler.set_epoch(epoch)
        return training_loader(self.images, sampler, self.recipe.loader)

    def val_dataloader(self) -> DataLoader[Batch] | list[object]:
        held_out = self.training_set.validation
        if not held_out:
            return []
        if self.training_set.learns == {"attributes"}:
            return judged_loader(held_out, self.training_set.schema, self.recipe.image, self.recipe.loader)
        targets = encode(held_out, self.training_set.schema)
        masks = "masks" in self.training_set.learns
        images = ImageDataset(held_out, self.recipe.image, targets=targets, masks=masks)
        return evaluation_loader(images, self.recipe.loader)


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
        cache=recipe.loader.cache,
        targets=training_set.targets,
        junk_targets=junk_targets(training_set.targets, training_set.schema),
        masks="masks" in training_set.learns,
    )
