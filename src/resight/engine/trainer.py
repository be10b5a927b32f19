"""Lightning's Trainer, set up by a recipe: precision, devices, loggers, callbacks, checkpoints."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.strategies import DDPStrategy, Strategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from rich.console import Console

from resight.engine.averaging import Averaging
from resight.engine.callbacks import (
    BestWeights,
    Complaints,
    DataWait,
    EpochBar,
    EpochLines,
    FiniteNumbers,
    MetricsFile,
    OnValidation,
    Parting,
    SomethingLearned,
    SomethingRead,
    ValidationListener,
)
from resight.engine.freezing import Freezing
from resight.engine.probing import training_device
from resight.errors import MissingExtraError, RecipeError, RunError
from resight.files import written_whole
from resight.machine import Precision, Way
from resight.recipe import Recipe
from resight.run import Run

__all__ = ["make_trainer", "make_validator"]


def make_trainer(
    run: Run, quiet: bool, on_validation: OnValidation | None, tell: Callable[[str], None]
) -> lightning.Trainer:
    """The Trainer of a run, which writes into its folder.

    Unless `quiet`, a terminal shows a progress bar; without a terminal `tell` receives a line per epoch. Raises
    RecipeError for a setting that does not fit the machine.
    """
    recipe = run.recipe
    _require_startable(recipe)
    terminal = Console(stderr=True).is_terminal
    validated = recipe.validation.ratio > 0
    callbacks: list[Callback] = [SomethingRead(), SomethingLearned(), FiniteNumbers(run), DataWait(), MetricsFile(run)]
    callbacks.append(Complaints(_beginning(recipe), tell))
    if recipe.freeze:
        callbacks.append(Freezing(recipe.freeze))
    if recipe.average is not None:
        callbacks.append(Averaging(recipe))
    if validated:
        callbacks.append(BestWeights(run))
        if on_validation is not None:
            callbacks.append(ValidationListener(on_validation))
        if recipe.validation.patience:
            callbacks.append(
                EarlyStopping(
                    f"val/{recipe.validation.monitor}",
                    mode="min" if recipe.validation.monitor == "loss" else "max",
                    patience=recipe.validation.patience,
                    check_on_train_epoch_end=False,
                )
            )
    # Saves after the callbacks above have handled the epoch, so that their saved state includes it.
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
        callbacks.append(EpochBar() if terminal else EpochLines(tell))
    callbacks.append(Parting())
    _hush()
    try:
        return _lightning_trainer(run, callbacks, validated)
    except (MisconfigurationException, ValueError, RuntimeError) as error:  # RuntimeError: of Slurm's settings
        raise RecipeError(f"trainer: {str(error).splitlines()[0]}") from None


def _require_startable(recipe: Recipe) -> None:
    options = recipe.trainer
    if options.sync_batchnorm and training_device(recipe).type != "cuda":
        raise RecipeError("trainer.sync_batchnorm is for GPUs; leave it out")
    if options.num_nodes > 1 and not {"RANK", "SLURM_PROCID"} & os.environ.keys():
        raise RecipeError(
            f"trainer.num_nodes={options.num_nodes}: start the training on each machine by torchrun or srun; docs/scale.md "
            "shows the lines"
        )
    started = os.environ.get("WORLD_SIZE" if "RANK" in os.environ else "SLURM_STEP_NUM_TASKS")
    if started is not None and started != str(options.processes):
        raise RecipeError(
            f"{started} processes were started and the recipe is for trainer.devices={options.devices} × "
            f"trainer.num_nodes={options.num_nodes}; start {options.processes}, or change these"
        )


def _beginning(recipe: Recipe) -> int:
    """The number of epochs in which losses may be as they are: the rate rises, or parts of the network wait to be thawed."""
    frozen = [epochs for epochs in recipe.freeze.values() if epochs != "always"]
    return max([recipe.schedule.get("warmup_epochs", 0), *frozen])


def make_validator(recipe: Recipe, way: Way, folder: str) -> lightning.Trainer:
    """A Trainer that validates in a way's precision, logs nothing, and draws its pictures into a folder."""
    _hush()
    return lightning.Trainer(
        accelerator="cpu" if recipe.trainer.accelerator == "cpu" else "auto",
        devices=1,
        precision=_PRECISIONS[way.precision],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def _lightning_trainer(run: Run, callbacks: list[Callback], validated: bool) -> lightning.Trainer:
    recipe, options = run.recipe, run.recipe.trainer
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        strategy=_strategy(recipe),
        sync_batchnorm=options.sync_batchnorm,
        precision=_PRECISIONS[run.computed.precision],
        accumulate_grad_batches=options.accumulate,
        gradient_clip_val=options.clip or None,
        check_val_every_n_epoch=recipe.validation.every,
        limit_val_batches=None if validated else 0,
        callbacks=callbacks,
        logger=_loggers(run),
        plugins=[_WholeCheckpoints()],
        use_distributed_sampler=False,  # our sampler divides each batch among processes
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.folder,
    )


def _strategy(recipe: Recipe) -> str | Strategy:
    options = recipe.trainer
    if options.strategy == "auto" and options.processes > 1:
        # Heads that no loss reads, such as a classifier without identity loss, have no gradient. What processes tell each
        # other at each step goes past the GPUs, which would be waited for.
        return DDPStrategy(find_unused_parameters=True, process_group_backend=_backend(recipe))
    return options.strategy


def _backend(recipe: Recipe) -> str:
    return "cpu:gloo,cuda:nccl" if training_device(recipe).type == "cuda" else "gloo"


_PRECISIONS: dict[Precision, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
"""A way's precision -> Lightning's name of it."""


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
    # Silences Lightning's tips about hardware and workers: the recipe decides these settings.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)


class _WholeCheckpoints(CheckpointIO):
    """Checkpoints written whole or not at all, and read with PyTorch's restricted unpickler: no code runs."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        # Through memory, since PyTorch's own writer hides the cause of a disk error.
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
