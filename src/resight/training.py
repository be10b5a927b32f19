"""Train a recipe on a dataset into a run folder; resume one that was cut."""

from __future__ import annotations

import csv
import io
import logging
import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from rich.console import Console

from resight.data.augmentations import build_augmentation
from resight.data.formats import absolute_spec
from resight.data.loaders import ImageDataset, evaluation_loader, training_loader
from resight.data.samplers import SAMPLERS
from resight.data.targets import class_counts, encode, junk_targets
from resight.data.training_set import Learned, Material, prepare
from resight.errors import DataError, MissingExtraError, RecipeError, RunError, none_readable
from resight.files import written_whole
from resight.recipe import Recipe, make
from resight.records import Record, ReidDataset
from resight.run import Run, build_model
from resight.systems import SYSTEMS, System

__all__ = ["OnValidation", "check", "resume", "train"]

OnValidation = Callable[[int, dict[str, float]], None]
"""Called with the epoch, from 1, and its figures by name, such as `{"mAP": 0.41, "rank-1": 0.6}`."""

console = Console(stderr=True, soft_wrap=True)


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
    if (folder / "run.json").exists() and _rank() == 0:  # further processes find what the first one made
        raise RunError(
            f"{folder} holds a run already; `resight train --resume {folder}` continues it, or choose another --out"
        )
    material = _prepare(recipe, dataset)
    run = Run(folder, recipe, material.classes, material.schema, data=[absolute_spec(spec) for spec in data])
    # All is built, and so checked, before anything is written.
    trainer, system, loader = (
        _trainer(run, quiet, on_validation),
        _system(run, material, pretrained=None),
        _loader(recipe, material),
    )
    system.configure_optimizers()
    if _rank() == 0:
        run.save()
    return _fit(run, trainer, system, loader)


def check(recipe: Recipe, dataset: ReidDataset) -> None:
    """Build all that `train` builds before it begins; nothing is written and no weights are fetched.

    >>> check(load_recipe("reid-camera-mining"), read_dataset("folders:crops"))

    Raises DataError or RecipeError as `train` does.
    """
    material = prepare(recipe, dataset, _learns(recipe), tell=lambda line: None)
    run = Run(Path(), recipe, material.classes, material.schema)
    _loader(recipe, material)
    _system(run, material, pretrained=False).configure_optimizers()


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
    material = _prepare(run.recipe, dataset)
    if material.classes != run.classes:
        raise RunError(
            f"{folder} was trained on {run.classes} identities and this data has {material.classes}; resume on the same data"
        )
    if material.schema != run.schema:
        raise RunError(f"{folder} was trained on other attributes than this data has; resume on the same data")
    fresh = not run.checkpoint.exists()  # killed before its first epoch ended: begins again
    system = _system(run, material, pretrained=None if fresh else False)
    return _fit(run, _trainer(run, quiet, on_validation), system, _loader(run.recipe, material))


def _prepare(recipe: Recipe, dataset: ReidDataset) -> Material:
    return prepare(recipe, dataset, _learns(recipe), tell=console.print)


def _learns(recipe: Recipe) -> frozenset[Learned]:
    # An unknown system is named when it is made.
    return getattr(SYSTEMS.get(recipe.system["name"]), "learns", frozenset())


def _system(run: Run, material: Material, pretrained: bool | None) -> System:
    lightning.seed_everything(run.recipe.seed, verbose=False)
    model = build_model(run.recipe, run.classes, run.schema, pretrained)
    return make(
        SYSTEMS,
        run.recipe.system,
        "system",
        recipe=run.recipe,
        model=model,
        classes=run.classes,
        query=material.query,
        gallery=material.gallery,
        training=material.fitted,
        schema=material.schema,
        counts=class_counts(material.targets, material.schema),
        validation=material.query + material.gallery,
    )


def _loader(recipe: Recipe, material: Material) -> torch.utils.data.DataLoader[Any]:
    records, targets = material.fitted, material.targets
    numbers = {identity: number for number, identity in enumerate(sorted({record.identity for record in records}))}
    labels = [numbers[record.identity] for record in records]
    dataset = ImageDataset(
        records,
        recipe.image,
        build_augmentation(recipe.augmentation, recipe.image),
        labels,
        cache=recipe.loader.cache,
        targets=targets,
        junk_targets=junk_targets(targets, material.schema),
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
            console.print(f"continue with: resight train --resume {run.folder}", markup=False)
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


def _trainer(run: Run, quiet: bool, on_validation: OnValidation | None) -> lightning.Trainer:
    recipe = run.recipe
    validated = recipe.validation.ratio > 0
    callbacks: list[Callback] = [_SomethingRead(), _MetricsFile(run)]
    if validated:
        callbacks.append(_BestWeights(run))
        if on_validation is not None:
            callbacks.append(_Told(on_validation))
        if recipe.validation.patience:
            callbacks.append(
                EarlyStopping(
                    f"val/{recipe.validation.monitor}",
                    mode="min" if recipe.validation.monitor == "loss" else "max",
                    patience=recipe.validation.patience,
                    check_on_train_epoch_end=False,
                )
            )
    # Saves after all other callbacks have seen the epoch, so their state is whole.
    callbacks.append(
        ModelCheckpoint(
            run.folder,
            filename=run.checkpoint.stem,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    if not quiet:
        callbacks.append(_BarOfEpochs(leave=False) if console.is_terminal else _EpochLines())
    _hush()
    try:
        return _lightning_trainer(run, callbacks, validated, quiet)
    except (MisconfigurationException, ValueError) as error:
        raise RecipeError(f"trainer: {str(error).splitlines()[0]}") from None


def _lightning_trainer(run: Run, callbacks: list[Callback], validated: bool, quiet: bool) -> lightning.Trainer:
    recipe, options = run.recipe, run.recipe.trainer
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        strategy=_strategy(recipe),
        precision=_precision(recipe),
        accumulate_grad_batches=options.accumulate,
        gradient_clip_val=options.clip or None,
        check_val_every_n_epoch=recipe.validation.every,
        limit_val_batches=None if validated else 0,
        callbacks=callbacks,
        logger=_loggers(run),
        plugins=[_WholeCheckpoints()],
        use_distributed_sampler=False,  # the sampler shares its batches out itself
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_progress_bar=not quiet and console.is_terminal,
        enable_model_summary=False,
        default_root_dir=run.folder,
    )


def _strategy(recipe: Recipe) -> str:
    options = recipe.trainer
    if options.strategy == "auto" and options.devices * options.num_nodes > 1:
        # Heads that no loss reads, as without an identity loss, have no gradient.
        return "ddp_find_unused_parameters_true"
    return options.strategy


def _precision(recipe: Recipe) -> Any:
    chosen = recipe.trainer.precision
    if chosen == "auto":
        on_gpu = recipe.trainer.accelerator in ("auto", "gpu") and torch.cuda.is_available()
        chosen = "bf16" if (torch.cuda.is_bf16_supported() if on_gpu else _cpu_has_bf16()) else "32"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[chosen]


def _rank() -> int:
    return int(getattr(rank_zero_only, "rank", 0))


def _cpu_has_bf16() -> bool:
    # Only where the processor multiplies bfloat16 itself: emulated, it is slower than float32. Without a public
    # question to ask, an absent private one counts as no.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def _loggers(run: Run) -> list[Logger]:
    made: list[Logger] = []
    for name in run.recipe.loggers:
        if name == "tensorboard":
            made.append(TensorBoardLogger(run.folder, name="", version="tensorboard"))
        else:
            try:
                import wandb  # noqa: F401
            except ImportError:
                raise MissingExtraError("logging to Weights & Biases needs: pip install 'resight[wandb]'") from None
            from lightning.pytorch.loggers import WandbLogger

            made.append(WandbLogger(name=run.folder.name, save_dir=run.folder, project="resight"))
    return made


def _hush() -> None:
    # Lightning's tips about hardware and workers; every setting they speak of is the recipe's.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)


class _WholeCheckpoints(CheckpointIO):
    """Checkpoints written whole or not at all, and read with PyTorch's restricted unpickler: no code runs."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        # Through memory, since PyTorch's own writer hides what went wrong on the disk.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with written_whole(path) as partial:
            partial.write_bytes(buffer.getbuffer())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise RunError(f"{path} is damaged or not a checkpoint: {str(error).splitlines()[0]}") from None

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class _BestWeights(Callback):
    """Keeps model.safetensors at the best validated epoch."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.key = f"val/{run.recipe.validation.monitor}"
        # A loss is better when it is lower: kept negated.
        self.sign = -1 if run.recipe.validation.monitor == "loss" else 1
        self.best = float("-inf")

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if self.key not in trainer.callback_metrics:
            known = sorted(key[4:] for key in trainer.callback_metrics if key.startswith("val/"))
            raise RecipeError(
                f"validation.monitor = {self.run.recipe.validation.monitor!r}; there is: {', '.join(known)}"
            )
        value = self.sign * float(trainer.callback_metrics[self.key])
        # NaN (no query had a match) counts as the lowest figure, so that some weights are always kept.
        if trainer.is_global_zero and (value > self.best or not self.run.weights.exists()):
            self.best = max(value, self.best)
            self.run.save_weights(pl_module.model)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


class _Told(Callback):
    """Tells somebody each validation's figures."""

    def __init__(self, on_validation: OnValidation) -> None:
        self.on_validation = on_validation

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        figures = {
            name.removeprefix("val/"): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        self.on_validation(trainer.current_epoch + 1, figures)


class _SomethingRead(Callback):
    """Ends a training that has not read one image in an epoch: its weights would be those it began with."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.read = 0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.read += len(batch.images)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if not self.read:
            failed = sorted(pl_module.unreadable)
            raise none_readable(len(failed), failed)


class _BarOfEpochs(RichProgressBar):
    """Lightning's bar without the number that it gives a logger's folder."""

    def get_metrics(self, trainer: lightning.Trainer, pl_module: Any) -> dict[str, Any]:
        figures = dict(super().get_metrics(trainer, pl_module))
        figures.pop("v_num", None)
        return figures


class _MetricsFile(Callback):
    """metrics.csv: one row an epoch, kept across a resume, rows of epochs that will be repeated dropped."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rows: list[dict[str, Any]] = []
        self.validated = False
        self.started = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if self.run.metrics.exists():
            with open(self.run.metrics, newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= pl_module.first_epoch]

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.started, self.validated = time.monotonic(), False

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.validated = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "seconds": round(time.monotonic() - self.started, 2),
        }
        for name, value in trainer.callback_metrics.items():
            if name == "lr" or name.startswith("train/") or (name.startswith("val/") and self.validated):
                row[name] = f"{float(value):.6g}"
        self.rows = [kept for kept in self.rows if int(kept["epoch"]) < row["epoch"]] + [row]
        columns = list(dict.fromkeys(name for kept in self.rows for name in kept))
        with (
            written_whole(self.run.metrics) as partial,
            open(partial, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)


class _EpochLines(Callback):
    """Where there is no terminal to draw a bar on: a line an epoch."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.started, self.first = time.monotonic(), pl_module.first_epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
            rest = (time.monotonic() - self.started) / (done - self.first) * (total - done)
            figures = "  ".join(
                f"{name} {float(value):.3f}" for name, value in trainer.callback_metrics.items() if "/" in name
            )
            console.print(f"epoch {done}/{total}  {figures}  {rest:.0f} s left", highlight=False, soft_wrap=True)
