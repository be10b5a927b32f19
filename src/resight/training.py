"""Train a recipe on a dataset into a run folder; resume an interrupted run."""

from __future__ import annotations

import os
import shlex
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import lightning
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from resight.data.formats import absolute_spec
from resight.data.training_set import TrainingSet
from resight.engine.callbacks import OnValidation
from resight.engine.data_module import DataModule
from resight.engine.probing import likely_way, training_device, way_of
from resight.engine.processes import process_rank
from resight.engine.system import System
from resight.engine.trainer import make_trainer, make_validator
from resight.errors import RecipeError, RunError
from resight.files import locked
from resight.importing.start import start_from
from resight.recipe import Recipe, make
from resight.records import ReidDataset
from resight.run import Run, build_model, leftovers
from resight.tasks.systems import SYSTEMS, own_training_set, training_set_of
from resight.words import counted

__all__ = ["alone", "check", "resume", "train", "validate"]

Tell = Callable[[str], None]
_NAMED = 10
"""Number of unreadable images that are listed by name."""


def train(
    recipe: Recipe,
    dataset: ReidDataset,
    out: str | os.PathLike[str],
    *,
    data: Sequence[str] = (),
    start: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    tell: Tell = lambda line: None,
    on_validation: OnValidation | None = None,
) -> Run:
    """Train from the beginning into the folder `out`, and return its run.

    >>> train(load_recipe("reid-strong-baseline"), read_dataset("market1501:/data/Market-1501-v15.09.15"), "runs/base")

    `data` are the dataset's specs, stored so that `resume` can read it again. `start` is a run or a file whose weights the
    network has at first, all but a classifier of another number of identities. The state is saved after each epoch, so a
    killed run loses less than one. `tell` receives a line for what is left out of training, and for how to continue an
    interrupted run. Unless `quiet`, a terminal shows a progress bar; without a terminal `tell` receives a line per
    epoch. `on_validation` is called with each validated epoch, from 1, and its figures; an error that it raises ends
    the run, and `resume` repeats that epoch. Raises DataError, RecipeError, WeightsError, or RunError when `out` holds files of
    a training already, when another process trains in it and when the training diverges.
    """
    tell = _told_once(tell)
    folder = Path(out)
    _require_free(folder)
    training_set = training_set_of(recipe, dataset, tell)
    run = Run(
        folder,
        recipe,
        training_set.classes,
        training_set.schema,
        data=[absolute_spec(spec) for spec in data],
        digest=training_set.digest,
        start=None if start is None else _findable(start),
        processes=recipe.trainer.processes,
    )
    # Everything is built, and so checked, before anything is written.
    system = _system(run, training_set, pretrained=None)
    batches = DataModule(recipe, training_set, tell)
    system.configure_optimizers()
    run.way = way_of(system, batches, tell)
    trainer = make_trainer(run, quiet, on_validation, tell)
    with alone(folder):
        _require_free(folder)
        if process_rank() == 0:
            run.save()
        return _fit(run, trainer, system, batches, None, tell)


def resume(
    folder: str | os.PathLike[str],
    dataset: ReidDataset,
    *,
    quiet: bool = False,
    tell: Tell = lambda line: None,
    on_validation: OnValidation | None = None,
) -> Run:
    """Continue an interrupted run; on the CPU the final weights equal those of an uninterrupted run.

    >>> resume("runs/base", read_dataset("market1501:/data/Market-1501-v15.09.15"))

    `quiet`, `tell` and `on_validation` as in `train`. A run that is finished stays as it is. Raises RunError when the
    folder is no run or another process trains in it, when the data is not what the run was started on, and when the
    training diverges.
    """
    run = Run.open(folder)
    if run.finished:
        return run
    with alone(run.folder):
        run = Run.open(folder)  # as another process has left it, perhaps
        return run if run.finished else _resume(run, dataset, quiet, tell, on_validation)


def _resume(run: Run, dataset: ReidDataset, quiet: bool, tell: Tell, on_validation: OnValidation | None) -> Run:
    tell = _told_once(tell)
    folder, training_set = run.folder, training_set_of(run.recipe, dataset, tell)
    if training_set.classes != run.classes:
        raise RunError(
            f"{folder} was trained on {run.classes} identities and this data has {training_set.classes}; resume on the same data"
        )
    if training_set.schema != run.schema:
        raise RunError(f"{folder} was trained on other attributes than this data has; resume on the same data")
    if run.digest is not None and not training_set.has_digest(run.digest):  # None: made by a version that kept none
        raise RunError(
            f"{folder} was trained on other images, identities or classes than this data has; resume on the same data"
        )
    fresh = not run.checkpoint.exists()  # killed in its first epoch: starts again
    system = _system(run, training_set, pretrained=None if fresh else False)
    checkpoint, batches = None if fresh else run.checkpoint, DataModule(run.recipe, training_set, tell)
    # One of a version that kept no way goes on in the likely one, which it had.
    run.way = way_of(system, batches, tell, run.way or (None if fresh else likely_way(system)))
    if not fresh:
        _tell_processes(run, tell)
    if run.processes != run.recipe.trainer.processes:
        run.processes = run.recipe.trainer.processes
        if process_rank() == 0:
            run.save()
    trainer = make_trainer(run, quiet, on_validation, tell)
    return _fit(run, trainer, system, batches, checkpoint, tell)


def _tell_processes(run: Run, tell: Tell) -> None:
    """Tell what another number of processes than before does to a training."""
    before, now = run.processes, run.recipe.trainer.processes
    if before is None and now > 1:
        tell(f"each of {now} processes had batches of its own before; now they share each batch, as one would have it")
    elif before not in (None, now):
        tell(
            f"trained by {before} process{'es' if before != 1 else ''} before, by {now} from here on: the batches are the same, "
            "the end is not quite that of an uninterrupted training, since dropout and BatchNorm go by each one's share"
        )


def _told_once(tell: Tell) -> Tell:
    """`tell` in the first of the processes that train together."""
    return tell if process_rank() == 0 else lambda line: None


def alone(folder: str | os.PathLike[str]) -> AbstractContextManager[None]:
    """Keep other processes from training in a folder, or below one; those that train together pass by the first one's lock.

    Raises RunError, which names the other process, when one does so already.
    """
    return locked(folder, RunError) if process_rank() == 0 else nullcontext()


def check(recipe: Recipe, dataset: ReidDataset) -> None:
    """Build everything that `train` needs, to check it; nothing is written and no weights are fetched.

    >>> check(load_recipe("reid-camera-mining"), read_dataset("folders:crops"))

    Raises DataError or RecipeError as `train` does.
    """
    training_set = training_set_of(recipe, dataset)
    DataModule(recipe, training_set)
    run = Run(Path(), recipe, training_set.classes, training_set.schema)
    _system(run, training_set, pretrained=False).configure_optimizers()


def validate(folder: str | os.PathLike[str], dataset: ReidDataset) -> dict[str, float]:
    """The figures that validation logs, by name, of the weights that a run has kept: those of metrics.csv at its best epoch.

    >>> validate("runs/two-branch", read_dataset("market1501:/data/Market-1501-v15.09.15"))["loss"]

    Losses have the state that they had then, such as weights that adapt; in runs of versions that kept none, the one that
    training left. Raises RunError for other data than that of the training, and when the run holds nobody out.
    """
    run = Run.open(folder)
    training_set = own_training_set(run, dataset)
    if not training_set.validation:
        raise RunError(f"{folder} holds nobody out (validation.ratio=0), so there is no validation")
    run.recipe.validation.pictures = False
    system = _system(run, training_set, pretrained=False)
    run.load_weights(system.model)
    system.run_as(run.way or likely_way(system))
    if (state := run.load_validation_state()) is not None:
        tensors, epoch = state
        system.load_state_dict(tensors, strict=False)  # the network's are loaded
        for loss in system.losses.values():
            loss.begin_epoch(epoch)
    elif run.checkpoint.exists():
        kept = torch.load(run.checkpoint, map_location="cpu", weights_only=True)["state_dict"]
        system.load_state_dict({name: kept[name] for name in kept if not name.startswith("model.")}, strict=False)
    with tempfile.TemporaryDirectory() as drawn, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = make_validator(run.recipe, system.way, drawn)
        trainer.validate(system, datamodule=DataModule(run.recipe, training_set), verbose=False)
    found = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {name.removeprefix("val/"): value for name, value in found.items() if name.startswith("val/")}


def _system(run: Run, training_set: TrainingSet, pretrained: bool | None) -> System:
    """The system of a run; unless `pretrained` is False it has the weights that the training starts from."""
    lightning.seed_everything(run.recipe.seed, verbose=False)
    model = build_model(run.recipe, run.classes, run.schema, False if run.start else pretrained)
    notes = []
    if run.start is not None and pretrained is not False:
        begun = start_from(run.start, model, run.recipe, run.classes)
        run.origin, notes = begun.origin, begun.notes
    system = make(SYSTEMS, run.recipe.system, "system", recipe=run.recipe, model=model, training_set=training_set)
    system.notes += notes
    return system


def _findable(start: str | os.PathLike[str]) -> str:
    """A start that a resume finds from any folder."""
    name = os.fspath(start)
    return name if name.startswith(("hf:", "hf-hub:")) else os.path.abspath(name)


def _require_free(folder: Path) -> None:
    if process_rank():  # further processes find what the first one made
        return
    if (folder / "run.json").exists():
        raise RunError(
            f"{folder} holds a run already; `resight train --resume {folder}` continues it, or choose another --out"
        )
    if left := leftovers(folder):
        raise RunError(f"{folder} holds {', '.join(left)} of another training; choose another --out, or remove that")


def _fit(
    run: Run, trainer: lightning.Trainer, system: System, batches: DataModule, checkpoint: Path | None, tell: Tell
) -> Run:
    for note in system.notes:
        tell(note)
    system.run_as(run.computed, on_cpu=training_device(run.recipe).type == "cpu", tell=tell)
    batches.workers = run.computed.workers
    with warnings.catch_warnings(), run.computed.on_its_threads():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        try:
            trainer.fit(system, datamodule=batches, ckpt_path=None if checkpoint is None else str(checkpoint))
        except SystemExit:  # Lightning's answer to Ctrl-C
            tell(f"continue with: {shlex.join(['resight', 'train', '--resume', str(run.folder)])}")
            raise KeyboardInterrupt from None
        except MisconfigurationException as error:  # such as a checkpoint further on than the recipe's epochs now
            raise RecipeError(f"{run.folder}: {str(error).splitlines()[0]}") from None
        except OSError as error:
            raise RunError(
                f"{run.folder}: cannot write ({error.strerror or error}); earlier checkpoints are intact: make room, "
                f"then `resight train --resume {run.folder}`"
            ) from error
    if trainer.is_global_zero:
        if not run.weights.exists():  # no validation has kept any
            run.save_weights(system.kept)
            if batches.training_set.validation:
                every = run.recipe.validation.every
                tell(
                    f"fewer epochs than validation.every = {every}: there was no validation; the last weights are kept"
                )
        run.finished = True
        run.save()
        _tell_unreadable(system.unreadable, tell)
    return run


def _tell_unreadable(unreadable: set[str], tell: Tell) -> None:
    if unreadable:
        tell(f"{counted(len(unreadable), 'image')} could not be read, left out:")
        for line in sorted(unreadable)[:_NAMED]:
            tell(f"  {line}")
