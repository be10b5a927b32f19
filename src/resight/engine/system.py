"""What all systems share: optimisers, schedule, seeds, logging. A system adds its losses, step and validation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from PIL import Image
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from resight.data.loaders import Batch, normalise
from resight.data.training_set import Learned, TrainingSet
from resight.engine.averaging import average_of
from resight.engine.checkpointing import checkpoint_blocks
from resight.engine.freezing import require_freezable
from resight.engine.gradients import quicken
from resight.engine.graphs import launch_whole
from resight.engine.means import Means
from resight.engine.optimisers import OPTIMISERS, Apart, Jointly
from resight.engine.parts import begins, require_parts
from resight.engine.processes import rows_of_all, together, told_by_all
from resight.engine.schedules import SCHEDULES
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import RecipeError, none_readable
from resight.machine import Way
from resight.models.depths import layers_to_head
from resight.recipe import Recipe, arguments, make
from resight.views.grids import save

__all__ = ["System", "computed_as"]


class System(lightning.LightningModule):
    """Base of all systems: a recipe's model and losses, trained on a training set.

    A subclass sets `losses` and implements `step`, which returns the weighted losses by name. For validation it
    implements `look`, which returns what to keep of a batch, and `judge`, which logs the figures of all of them. Its
    further parameters are options of the recipe's `system`. Raises RecipeError for a model that lacks an ability.
    """

    learns: frozenset[Learned] = frozenset()
    """Labels of the records that a subclass learns from; empty if it learns from the pixels alone."""
    wants: tuple[type, ...] = ()
    """Abilities that the model must have: Protocols of `resight.models.abilities`."""
    model: Any
    """The network: an nn.Module with the abilities that the system wants."""
    losses: WeightedLosses
    first_epoch: int
    """The first epoch of this process: above 0 after a resume."""

    def __init__(self, recipe: Recipe, model: nn.Module, training_set: TrainingSet) -> None:
        super().__init__()
        self.recipe, self.training_set = recipe, training_set
        for ability in self.wants:
            if not isinstance(model, ability):
                raise RecipeError(
                    f"model.name={recipe.model['name']}: the system {recipe.system['name']} wants a model that "
                    f"{ability.__name__.lower()}"
                )
        if recipe.trainer.checkpointing and not checkpoint_blocks(model):
            raise RecipeError(
                f"trainer.checkpointing: {recipe.model['name']} has no blocks that could be computed twice"
            )
        self.model = model
        self.way = Way(channels_last=False)
        """How the network is computed; see `run_as`."""
        self.unreadable: set[str] = set()
        """One line for each image that could not be read so far."""
        self.first_epoch = 0
        self.notes: list[str] = []
        """What the user is told when training starts, a line each."""
        self.looked: list[Any] = []
        """What `look` returned for the batches of the current validation, with each batch's number before it."""
        self.beside: dict[str, nn.Module] = {}
        """Networks that a validation judges beside the one that is trained, by the word before their figures."""
        self.counts = [0]
        """Images that each of the processes that train together has in the current batch."""
        self.looked_beside: dict[str, list[Any]] = {}
        """What `look` returned for these."""
        self.judged = ""
        """The word of the one that is judged now; empty for the one that is trained."""
        self.figures: dict[str, Tensor] = {}
        """Scalars of the current training batch by name, on the losses' device, whose means over the epoch are logged."""
        self.means = Means()
        self._learned: bool | None = None
        """Whether a batch since the last step of the optimiser was not passed over; None where there was no batch."""
        self._batch_index = 0

    def run_as(self, way: Way, on_cpu: bool = False, tell: Callable[[str], None] = lambda line: None) -> None:
        """Have the network and its inputs in a way's memory layout, and as is fastest `on_cpu`; its precision is the trainer's.

        `tell` gets a line where CUDA graphs cannot be recorded.
        """
        self.way = way
        self.model = computed_as(self.model, way, on_cpu, tell=tell)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Checkpoints are saved at the end of an epoch; Lightning's own counter is set only once its loop runs.
        self.first_epoch = checkpoint["epoch"] + 1

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The network's inputs and their batch -> losses by name, each times its weight."""
        raise NotImplementedError

    def look(self, inputs: Tensor, batch: Batch) -> Any:
        """What validation keeps of a batch, on the CPU."""
        raise NotImplementedError

    def judge(self, looked: Sequence[Any]) -> None:
        """Log the figures of a validation, and draw its pictures, from what `look` returned for its batches."""
        raise NotImplementedError

    def run_model(self, inputs: Tensor, batch: Batch) -> Any:
        """What the network makes of its inputs and, if it reads them, of their labels."""
        return self.model(inputs)

    def prepare(self, batch: Batch) -> Tensor:
        """uint8 batch -> the network's inputs."""
        return self.prepared(batch, self.way)

    def prepared(self, batch: Batch, way: Way) -> Tensor:
        """uint8 batch -> inputs in the memory layout of a way."""
        inputs = normalise(batch.images, self.recipe.image)
        return inputs.contiguous(memory_format=torch.channels_last) if way.channels_last else inputs

    def training_step(self, batch: Batch, batch_index: int) -> Tensor | None:
        self.unreadable.update(batch.failed)
        self.counts = told_by_all(len(batch.images))
        if min(self.counts) < 2:  # BatchNorm needs two, and no process goes on alone
            return self._nothing()
        self._learned = True
        with self._compiled_if(not batch.failed):
            losses = self.step(self.prepare(batch), batch)
        total = torch.stack(list(losses.values())).sum()
        self.figures |= {f"train/{name}": value for name, value in {"loss": total, **losses}.items()}
        for label, loss in self.losses.items():
            self.figures |= {f"train/{label}/{name}": value for name, value in loss.figures().items()}
        self.means.add(self.figures, sum(self.counts) if self.gathers else len(batch.images))
        self.figures = {}
        self.log("loss", total.detach(), prog_bar=True, logger=False)
        return total

    def _compiled_if(self, whole: bool) -> AbstractContextManager[Any]:
        """Meanwhile the network is compiled, if that is its way, but for batches of other sizes than the sampler's.

        Kernels for any size would have other roundings, and a resumed run has not seen the sizes that came before.
        """
        return torch.compiler.set_stance("force_eager") if self.way.compiled and not whole else nullcontext()

    def _nothing(self) -> Tensor | None:
        """The loss of a batch that is passed over: none, or where processes train together, one without a gradient."""
        self._learned = bool(self._learned)
        if together() == 1:
            return None
        # DDP wants every process to go backwards in every batch.
        return torch.stack([values.sum() for values in self.parameters() if values.requires_grad]).sum() * 0.0

    @property
    def gathers(self) -> bool:
        """Whether losses are computed on what all processes have of a batch; see `of_all`."""
        return self.recipe.trainer.gather and together() > 1

    def of_all(self, values: Tensor) -> Tensor:
        """The rows of a training batch in all processes, in the order of the whole batch: (own, …) -> (all, …).

        Each process then computes the loss of the whole batch, with the same random numbers, and the gradient that they
        share is the one that a single process would have.
        """
        self._seed(0)
        return rows_of_all(values, self.counts)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self.unreadable.update(batch.failed)
        if len(batch.images):
            inputs, number = self.prepare(batch), self._validation_number(batch_index)
            with self._compiled_if(False):
                self.looked.append((number, self.look(inputs, batch)))
            for word in self.beside:
                with self.judging(word):
                    self.looked.append((number, self.look(inputs, batch)))

    def on_validation_epoch_end(self) -> None:
        # Each process judges what all have looked at, so that all have the same figures.
        looked, self.looked = _in_order(self.looked), []
        self.unreadable = set().union(*told_by_all(self.unreadable))
        if not looked:
            raise none_readable(len(self.training_set.validation), sorted(self.unreadable))
        self.judge(looked)
        for word in self.beside:
            with self.judging(word):
                self.judge(_in_order(self.looked))
        self.looked_beside = {}

    def _validation_number(self, batch_index: int) -> int:
        """A validation batch's number among those of all processes, which take turns."""
        return batch_index * together() + self.global_rank

    @contextmanager
    def judging(self, word: str) -> Iterator[None]:
        """Meanwhile the network is the one `beside` of this word: its figures have the word in their names, without pictures."""
        trained, looked = self.model, self.looked
        self.model, self.judged = self.beside[word], word
        self.looked = self.looked_beside.setdefault(word, [])
        try:
            yield
        finally:
            self.model, self.looked, self.judged = trained, looked, ""

    @contextmanager
    def in_place_of_its_own(self, network: nn.Module) -> Iterator[None]:
        """Meanwhile the network is another one of its kind, such as a copy whose speed is measured."""
        own, self.model = self.model, network
        try:
            yield
        finally:
            self.model = own

    @property
    def kept(self) -> nn.Module:
        """The network whose weights a training without validation keeps: an average, where there is one."""
        return next(iter(self.beside.values()), self.model)

    @property
    def pictured(self) -> bool:
        """Whether pictures are drawn now."""
        return self.recipe.validation.pictures and not self.judged

    def log(self, name: str, value: Any, *args: Any, **options: Any) -> None:
        """As Lightning's, which `log_dict` calls for each figure; see `judging`."""
        super().log(name.replace("val/", f"val/{self.judged}/", 1) if self.judged else name, value, *args, **options)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        self._batch_index = batch_index
        self._seed(self.global_rank)

    def _seed(self, rank: int) -> None:
        # The random numbers of dropout and the like depend on the step alone, so a resumed run draws the same ones.
        torch.manual_seed(hash((self.recipe.seed, rank, self.current_epoch, self._batch_index)) % 2**63)

    def on_validation_batch_start(self, batch: Batch, batch_index: int, dataloader_index: int = 0) -> None:
        # A loss that draws, such as of the prior, has the same value whenever the same weights are validated.
        torch.manual_seed(hash((self.recipe.seed, self._validation_number(batch_index))) % 2**63)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        for loss in self.losses.values():
            loss.end_batch()
        if self.trainer.is_last_batch:  # callbacks read them at the end of the epoch, before the system's own hook
            for name, (mean, images) in self.means.taken().items():
                self.log(name, mean, on_step=False, on_epoch=True, batch_size=images, sync_dist=True)

    def on_train_epoch_start(self) -> None:
        for loss in self.losses.values():
            loss.begin_epoch(self.current_epoch)
        # Logged once per epoch, together with the epoch's averages.
        self.log("lr", self.optimizers().param_groups[0]["lr"], on_step=False, on_epoch=True)  # type: ignore[union-attr]

    def on_train_epoch_end(self) -> None:
        for loss in self.losses.values():
            loss.end_epoch(self._total)

    def _total(self, values: Tensor) -> Tensor:
        """A tensor summed over the processes that train together."""
        return torch.as_tensor(self.all_gather(values)).sum(0) if self.trainer.world_size > 1 else values

    def on_train_end(self) -> None:
        self.unreadable = set().union(*told_by_all(self.unreadable))

    def picture(self, name: str, image: Image.Image, file: str | None = None) -> None:
        """Write a picture to a file in the run folder (`NAME.png`), and to the loggers that show pictures."""
        if self.judged or not self.trainer.is_global_zero:
            return
        path = Path(self.trainer.default_root_dir) / (file or f"{name}.png")
        path.parent.mkdir(exist_ok=True)
        save(image, path)
        for logger in self.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(name, np.asarray(image), self.current_epoch + 1, dataformats="HWC")
            elif isinstance(logger, WandbLogger):
                logger.log_image(name, [image])

    def apart(self) -> list[Apart]:
        """Parts with their own optimiser: the losses that state one. A subclass may add others."""
        return [
            Apart(loss, loss.own_optimiser, loss.learning_rate, self.losses.weights[label])
            for label, loss in self.losses.items()
            if loss.own_optimiser is not None
        ]

    def _together(self) -> list[tuple[str, nn.Parameter]]:
        """Names and parameters of everything without its own optimiser."""
        theirs = {id(parameter) for apart in self.apart() for parameter in apart.part.parameters()}
        return [(name, parameter) for name, parameter in self.named_parameters() if id(parameter) not in theirs]

    def configure_optimizers(self) -> Any:
        rest = [(name, parameter) for name, parameter in self._together() if parameter.requires_grad]
        require_freezable(self.recipe.freeze, [name for name, _ in self.model.named_parameters()])
        average_of(self.recipe)
        main = make(OPTIMISERS, self.recipe.optimiser, "optimiser", parameters=self._groups(rest))
        others = [apart.optimiser(apart.part.parameters(), lr=apart.learning_rate) for apart in self.apart()]
        schedule = make(SCHEDULES, self.recipe.schedule, "schedule", epochs=self.recipe.epochs)
        optimiser = Jointly(main, *others) if others else main
        still = [lambda epoch: 1.0] * len(others)
        factors = [schedule] * len(main.param_groups) + still
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": LambdaLR(optimiser, factors), "interval": "epoch"},
        }

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # Parts with their own optimiser are not clipped and do not count in the norm.
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_([parameter for _, parameter in self._together()], gradient_clip_val)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self._learned is False:
            self.zero_grad()  # weights without a gradient stay as they are; with one of 0 momentum would move them
        self._learned = None
        for apart in self.apart():
            for parameter in apart.part.parameters():
                if parameter.grad is not None:
                    parameter.grad.div_(apart.weight)

    def _groups(self, named: list[tuple[str, nn.Parameter]]) -> list[dict[str, Any]]:
        """Parameters by learning rate, the optimiser's own first.

        The longest beginning in `rates` that fits a name decides; `layer_decay` lowers it layer by layer.
        """
        rates, decay = self.recipe.rates, self.recipe.layer_decay
        bare = {name: name.removeprefix("model.") for name, _ in named}
        require_parts("rates", rates, bare.values())
        beginnings = sorted(rates, key=len, reverse=True)
        depths = layers_to_head(self.model) if decay < 1 else {}
        own = arguments(OPTIMISERS, self.recipe.optimiser, "optimiser", ("parameters",))["lr"]
        groups: dict[tuple[int, int], list[nn.Parameter]] = {}
        for name, parameter in named:
            fits = next((beginning for beginning in beginnings if begins(bare[name], beginning)), "")
            # Those of losses have no depth: they stand behind the head.
            place = (["", *rates].index(fits), depths.get(bare[name], 0) if name.startswith("model.") else 0)
            groups.setdefault(place, []).append(parameter)
        bases = [own, *rates.values()]
        return [
            {"params": groups[place], **({"lr": bases[place[0]] * decay ** place[1]} if any(place) else {})}
            for place in sorted(groups)
        ]


def computed_as(network: nn.Module, way: Way, on_cpu: bool, **recording: Any) -> nn.Module:
    """The network in a way's memory layout, as is fastest `on_cpu`, and compiled or launched whole where the way is that.

    `recording` are the options of `launch_whole`.
    """
    network = network.to(memory_format=torch.channels_last if way.channels_last else torch.contiguous_format)  # type: ignore[call-overload]
    if way.precision == "bf16" and on_cpu:
        quicken(network)
    if way.compiled:
        network.compile(dynamic=False)
    if way.graphs:
        launch_whole(network, **recording)
    return network


def _in_order(looked: list[tuple[int, Any]]) -> list[Any]:
    """What all processes have looked at, in the order of its numbers."""
    return [found for _, found in sorted(itertools.chain(*told_by_all(looked)), key=lambda pair: pair[0])]
