"""Lightning's trainer as a recipe asks for it: precision, devices, loggers, progress, and checkpoints that run no code."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger

from resight.engine.callbacks import BestWeights, Complaints, EpochBar, EpochLines, ValidationListener
from resight.engine.trainer import make_trainer
from resight.errors import MissingExtraError, RecipeError, RunError
from resight.machine import Way
from resight.recipe import Recipe
from resight.run import Run


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., lightning.Trainer]:
    """`made(recipe)`: the trainer of a run in `tmp_path`; `quiet`, `tell` and `on_validation` as it takes them."""

    def make(recipe: Recipe, quiet: bool = True, on_validation=None, tell=lambda line: None):  # type: ignore[no-untyped-def]
        return make_trainer(Run(tmp_path, recipe, classes=1), quiet, on_validation, tell)

    return make


def kinds(trainer: lightning.Trainer) -> set[type]:
    return {type(callback) for callback in trainer.callbacks}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("asked", "given"), [("32", "32-true"), ("bf16", "bf16-mixed")])
def test_precision_is_what_the_recipe_says(asked: str, given: str, made, tiny) -> None:
    assert made(tiny(f"trainer.precision={asked}")).precision == given


def test_what_was_decided_for_a_run_is_its_precision(tiny, tmp_path: Path) -> None:
    run = Run(tmp_path, tiny("trainer.precision=auto"), classes=1, way=Way("bf16"))
    assert make_trainer(run, True, None, lambda line: None).precision == "bf16-mixed"


def test_epochs_accumulation_and_clipping_reach_lightning(made, tiny) -> None:
    trainer = made(tiny("epochs=7", "trainer.accumulate=3", "trainer.clip=2.5", "validation.every=4"))
    assert (trainer.max_epochs, trainer.accumulate_grad_batches, trainer.gradient_clip_val) == (7, 3, 2.5)
    assert trainer.check_val_every_n_epoch == 4
    assert made(tiny("trainer.clip=0")).gradient_clip_val is None


def test_several_devices_train_with_heads_that_no_loss_reads(made, tiny) -> None:
    trainer = made(tiny("trainer.devices=2"))
    assert trainer.num_devices == 2
    assert trainer.strategy._ddp_kwargs == {"find_unused_parameters": True}


def test_a_setting_that_fits_no_machine_is_one_line(made, tiny) -> None:
    with pytest.raises(RecipeError, match=r"^trainer: .*nonsense") as told:
        made(tiny("trainer.strategy=nonsense"))
    assert "\n" not in str(told.value)


def test_validation_brings_best_weights_and_patience_an_early_stop(made, tiny) -> None:
    assert not {BestWeights, EarlyStopping} & kinds(made(tiny("validation.patience=2")))
    held_out = "validation.ratio=0.4"
    assert BestWeights in kinds(made(tiny(held_out)))
    assert EarlyStopping not in kinds(made(tiny(held_out)))
    trainer = made(tiny(held_out, "validation.patience=2", "validation.monitor=loss"))
    (stop,) = trainer.early_stopping_callbacks
    assert (stop.monitor, stop.mode, stop.patience) == ("val/loss", "min", 2)
    assert ValidationListener in kinds(made(tiny(held_out), on_validation=lambda epoch, figures: None))


def test_processes_that_were_started_elsewhere_are_those_of_the_recipe(
    made, tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match="num_nodes=2: start the training on each machine by torchrun or srun"):
        made(tiny("trainer.num_nodes=2"))
    for started in ({"RANK": "0", "WORLD_SIZE": "4"}, {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"}):
        with monkeypatch.context() as patch:
            for name, value in started.items():
                patch.setenv(name, value)
            with pytest.raises(
                RecipeError, match=r"4 processes were started .*devices=3 × trainer.num_nodes=1; start 3"
            ):
                made(tiny("trainer.devices=3"))
    monkeypatch.setenv("WORLD_SIZE", "4")  # without a RANK, which a share of something else may be
    assert made(tiny("trainer.devices=1")).world_size == 1


def test_batchnorm_over_devices_is_for_gpus(made, tiny) -> None:
    with pytest.raises(RecipeError, match="trainer.sync_batchnorm is for GPUs; leave it out"):
        made(tiny("trainer.sync_batchnorm=true", "trainer.devices=2"))


def test_losses_are_not_judged_while_the_rate_rises_or_parts_are_frozen(made, tiny) -> None:
    for overrides, spared in (
        (["schedule.warmup_epochs=0"], 0),
        (["schedule.warmup_epochs=2"], 2),
        (["schedule.warmup_epochs=1", "freeze={backbone: 3, neck: always}"], 3),
    ):
        (judge,) = [callback for callback in made(tiny(*overrides)).callbacks if isinstance(callback, Complaints)]
        assert judge.spared == spared


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(made, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert EpochLines in kinds(made(tiny(), quiet=False))
    assert not {EpochLines, EpochBar} & kinds(made(tiny(), quiet=True))
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    assert EpochBar in kinds(made(tiny(), quiet=False))
    assert not {EpochLines, EpochBar} & kinds(made(tiny(), quiet=True))


def test_loggers_are_those_of_the_recipe(made, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (logger,) = made(tiny()).loggers
    assert isinstance(logger, TensorBoardLogger)
    assert Path(logger.log_dir) == tmp_path / "tensorboard"
    assert made(tiny("loggers=[]")).loggers == []
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'resight\[wandb\]'"):
        made(tiny("loggers=[wandb]"))


class Exploit:
    def __reduce__(self):  # type: ignore[no-untyped-def]  # what a malicious pickle does
        return os.system, ("touch exploited",)


def test_checkpoints_come_back_and_run_no_code(made, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoints, file = made(tiny()).strategy.checkpoint_io, tmp_path / "last.ckpt"
    checkpoints.save_checkpoint({"epoch": 3, "weight": torch.ones(2)}, file)
    found = checkpoints.load_checkpoint(file)
    assert found["epoch"] == 3
    assert torch.equal(found["weight"], torch.ones(2))
    torch.save({"state_dict": Exploit()}, file)
    with pytest.raises(RunError, match=r"last.ckpt is damaged or not a checkpoint") as told:
        checkpoints.load_checkpoint(file)
    assert "\n" not in str(told.value)
    assert not Path("exploited").exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(made, tiny, tmp_path: Path) -> None:
    checkpoints, file = made(tiny()).strategy.checkpoint_io, tmp_path / "last.ckpt"
    checkpoints.save_checkpoint({"epoch": 3}, file)
    # Which of the two, and whether it cannot be got or pickled, goes by the version of Python.
    with pytest.raises((AttributeError, pickle.PicklingError), match="local object"):
        checkpoints.save_checkpoint({"epoch": 4, "unwritable": lambda: None}, file)
    assert checkpoints.load_checkpoint(file) == {"epoch": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
