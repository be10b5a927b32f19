"""Train a recipe on a dataset into a run folder; resume one that was cut."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch

from resight.data.augmentations import build_augmentation
from resight.data.formats import absolute_spec
from resight.data.loaders import ImageDataset, evaluation_loader, training_loader
from resight.data.samplers import SAMPLERS
from resight.data.targets import class_counts, encode, junk_targets
from resight.data.training_set import Learned, TrainingSet, divide
from resight.engine.callbacks import (
    OnValidation,
    console,
)
from resight.engine.trainer import make_trainer, process_rank
from resight.errors import DataError, RunError
from resight.recipe import Recipe, make
from resight.records import Record, ReidDataset
from resight.run import Run, build_model
from resight.tasks.systems import SYSTEMS, System

__all__ = ["check", "resume", "train"]


def train(
    recipe: Recipe,
    dataset: ReidDataset,
    out: str | os.PathLike[str],
    *,
    data: Sequence[str] = (),
    quiet: bool = False,
    on_validation: OnValidation | None = None,
) -> Run:
    """Train from the beginning into the folder `out`, and return its run.

    >>> train(load_recipe("reid-strong-baseline"), read_dataset("market1501:/data/Market-1501-v15.09.15"), "runs/base")

    `data` are the dataset's specs, kept so that `resume` can read it again. The last epoch's state is on disk after
    each epoch, so a killed run loses less than one. `on_validation` is told each validated epoch, from 1, and its
    figures; an error that it raises ends the run there, and `resume` repeats that epoch. Raises DataError, RecipeError, or RunError when `out` is taken.
    """
    folder = Path(out)
    if (folder / "run.json").exists() and process_rank() == 0:  # further processes find what the first one made
        raise RunError(
            f"{folder} holds a run already; `resight train --resume {folder}` continues it, or choose another --out"
        )
    training_set = _divided(recipe, dataset)
    run = Run(folder, recipe, training_set.classes, training_set.schema, data=[absolute_spec(spec) for spec in data])
    # All is built, and so checked, before anything is written.
    trainer, system, loader = (
        make_trainer(run, quiet, on_validation),
        _system(run, training_set, pretrained=None),
        _loader(recipe, training_set),
    )
    system.configure_optimizers()
    if process_rank() == 0:
        run.save()
    return _fit(run, trainer, system, loader)


def check(recipe: Recipe, dataset: ReidDataset) -> None:
    """Build all that `train` builds before it begins; nothing is written and no weights are fetched.

    >>> check(load_recipe("reid-camera-mining"), read_dataset("folders:crops"))

    Raises DataError or RecipeError as `train` does.
    """
    training_set = divide(recipe, dataset, _learns(recipe), tell=lambda line: None)
    run = Run(Path(), recipe, training_set.classes, training_set.schema)
    _loader(recipe, training_set)
    _system(run, training_set, pretrained=False).configure_optimizers()


def resume(
    folder: str | os.PathLike[str],
    dataset: ReidDataset,
    *,
    quiet: bool = False,
    on_validation: OnValidation | None = None,
) -> Run:
    """Continue a run that was interrupted; on the CPU it ends at the weights that an uninterrupted one has.

    >>> resume("runs/base", read_dataset("market1501:/data/Market-1501-v15.09.15"))

    Raises RunError when the folder is no run, or when the data is not what the run was started on.
    """
    run = Run.open(folder)
    if run.finished:
        return run
    training_set = _divided(run.recipe, dataset)
    if training_set.classes != run.classes:
        raise RunError(
            f"{folder} was trained on {run.classes} identities and this data has {training_set.classes}; resume on the same data"
        )
    if training_set.schema != run.schema:
        raise RunError(f"{folder} was trained on other attributes than this data has; resume on the same data")
    fresh = not run.checkpoint.exists()  # killed before its first epoch ended: begins again
    system = _system(run, training_set, pretrained=None if fresh else False)
    return _fit(run, make_trainer(run, quiet, on_validation), system, _loader(run.recipe, training_set))


def _divided(recipe: Recipe, dataset: ReidDataset) -> TrainingSet:
    return divide(recipe, dataset, _learns(recipe), tell=console.print)


def _learns(recipe: Recipe) -> frozenset[Learned]:
    # An unknown system is named when it is made.
    return getattr(SYSTEMS.get(recipe.system["name"]), "learns", frozenset())


def _system(run: Run, training_set: TrainingSet, pretrained: bool | None) -> System:
    lightning.seed_everything(run.recipe.seed, verbose=False)
    model = build_model(run.recipe, run.classes, run.schema, pretrained)
    return make(
        SYSTEMS,
        run.recipe.system,
        "system",
        recipe=run.recipe,
        model=model,
        classes=run.classes,
        query=training_set.query,
        gallery=training_set.gallery,
        training=training_set.fitted,
        schema=training_set.schema,
        counts=class_counts(training_set.targets, training_set.schema),
        validation=training_set.query + training_set.gallery,
    )


def _loader(recipe: Recipe, training_set: TrainingSet) -> torch.utils.data.DataLoader[Any]:
    records, targets = training_set.fitted, training_set.targets
    numbers = {identity: number for number, identity in enumerate(sorted({record.identity for record in records}))}
    labels = [numbers[record.identity] for record in records]
    dataset = ImageDataset(
        records,
        recipe.image,
        build_augmentation(recipe.augmentation, recipe.image),
        labels,
        cache=recipe.loader.cache,
        targets=targets,
        junk_targets=junk_targets(targets, training_set.schema),
        masks="masks" in _learns(recipe),
    )
    sampler = make(
        SAMPLERS,
        recipe.sampler,
        "sampler",
        ids=labels,
        cameras=[record.camera for record in records],
        targets=targets if targets.shape[1] else None,
        seed=recipe.seed,
    )
    return training_loader(dataset, sampler, recipe.loader)


def _fit(run: Run, trainer: lightning.Trainer, system: System, loader: torch.utils.data.DataLoader[Any]) -> Run:
    validation = system.validation
    data = _Data(loader, validation, run)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        try:
            trainer.fit(system, datamodule=data, ckpt_path=str(run.checkpoint) if run.checkpoint.exists() else None)
        except SystemExit:  # Lightning's answer to Ctrl-C
            following = shlex.join(["resight", "train", "--resume", str(run.folder)])
            console.print(f"continue with: {following}", markup=False)
            raise KeyboardInterrupt from None
        except OSError as error:
            raise RunError(
                f"{run.folder}: cannot write ({error.strerror or error}); earlier checkpoints are intact: make room, "
                f"then `resight train --resume {run.folder}`"
            ) from error
    if trainer.is_global_zero:
        if not validation:
            run.save_weights(system.model)
        run.finished = True
        run.save()
        if system.unreadable:
            console.print(f"[yellow]{len(system.unreadable)} images could not be read and were left out:[/]")
            for line in sorted(system.unreadable)[:10]:
                console.print(f"  {line}", highlight=False, markup=False)
    return run


class _Data(lightning.LightningDataModule):
    """Loaders that know epoch and rank at the time Lightning asks for them."""

    def __init__(self, loader: torch.utils.data.DataLoader[Any], validation: Sequence[Record], run: Run) -> None:
        super().__init__()
        self.loader, self.validation, self.run = loader, validation, run

    def train_dataloader(self) -> Any:
        sampler: Any = self.loader.batch_sampler
        assert self.trainer is not None
        sampler.rank, sampler.world = self.trainer.global_rank, self.trainer.world_size
        # The first batches are asked for before Lightning announces the epoch.
        sampler.set_epoch(self.trainer.lightning_module.first_epoch)
        if len(sampler) == 0:
            raise DataError(
                "the training split makes no whole batch for every process; lower the sampler's batch or devices"
            )
        return self.loader

    def val_dataloader(self) -> Any:
        if not self.validation:
            return []
        recipe = self.run.recipe
        targets = encode(self.validation, self.run.schema)
        masks = "masks" in _learns(recipe)
        return evaluation_loader(
            ImageDataset(self.validation, recipe.image, targets=targets, masks=masks), recipe.loader
        )
