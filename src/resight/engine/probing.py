"""How a training is computed: precision, memory layout, threads, compiled or not; by hand, by rule, or by a few steps of each."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, repeat
from time import perf_counter as clock
from typing import Any

import torch
from torch import Tensor

from resight.data.loaders import Batch, Item
from resight.engine.data_module import DataModule
from resight.engine.system import System, computed_as
from resight.machine import (
    LONG,
    STEPS,
    Way,
    fastest,
    fewest_workers,
    likely,
    machine,
    remembered,
    told,
    ways,
)
from resight.models.cost import use_of
from resight.processors import cores
from resight.recipe import Recipe

__all__ = ["likely_way", "training_device", "way_of"]

_FEW = 4
"""Threads of a CPU below which fewer are not tried: they would leave cores idle."""
_LOADED = 6
"""Steps, about, that are taken for each worker that is tried."""
_APART = 0.25
"""How far what a network makes, and its gradients, may be from the exact ones, as a share of these: roundings are less."""
_COMPILING = 60
"""Seconds that torch.compile takes, about: 28 to 92 were measured (docs/log.md)."""


def training_device(recipe: Recipe) -> torch.device:
    """Where a recipe trains: the kind of device, as its accelerator says."""
    asked = recipe.trainer.accelerator
    if asked in ("auto", "gpu") and torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if asked == "mps" else "cpu")


def way_of(
    system: System, batches: DataModule, tell: Callable[[str], None] = lambda line: None, kept: Way | None = None
) -> Way:
    """How a training is computed; a resumed one as it was, `kept`.

    What the recipe names is taken. Otherwise a training that takes over fifty times as many steps as the probe has a few
    steps of each way timed, on a copy of the network and random pixels, then with the loading of its own images beside,
    and `tell` gets a line; a shorter one, or one on several devices, takes the likely way. Where torch.compile does not
    work, `tell` gets a line and the network is computed without; so for CUDA graphs, which also must make what it makes
    without, up to rounding.
    """
    way = kept or _chosen(system, batches, tell)
    if way.graphs and (reason := _graphs_refused(system, way, batches)):
        tell(f"computing without CUDA graphs: {reason}")
        way = replace(way, graphs=False)
    if way.compiled and not _several(system.recipe):
        try:
            with way.on_its_threads():
                _step(system, way, _whole_batch(batches), training_device(system.recipe))()
        except Exception as error:  # each compiler has its own
            tell(_without(error))
            return replace(way, compiled=False)
    return way


def _several(recipe: Recipe) -> bool:
    return recipe.trainer.processes > 1


def _without(error: Exception) -> str:
    return f"computing without torch.compile, which does not work here: {str(error).strip().partition(chr(10))[0]}"


def _graphs_refused(system: System, way: Way, batches: DataModule) -> str | None:
    """Why training passes cannot be launched as CUDA graphs; None if they can, and then make the same."""
    options, device = system.recipe.trainer, training_device(system.recipe)
    if not _has_graphs(device):
        return "they are for GPUs by NVIDIA"
    if _several(system.recipe):
        return "they are for one device"
    if options.accumulate > 1:
        return "they overwrite the gradients that trainer.accumulate adds up"
    if options.checkpointing:
        return "trainer.checkpointing computes parts of the network again, which cannot be recorded"
    try:
        shown = _told_apart(_whole_batch(batches))
        both = (way, replace(way, graphs=False))
        found, exact = (_Passes(system, one, shown, device).compared() for one in both)
    except Exception as error:  # of what cannot be recorded there are many
        return f"recording failed ({str(error).strip().partition(chr(10))[0]})"
    far = max(map(_apart, found, exact))
    return None if far <= _APART else f"what they make differs by {100 * far:.0f} %"


def _has_graphs(device: torch.device) -> bool:
    return device.type == "cuda"


def _told_apart(shown: Batch) -> Batch:
    """A batch's images, each as bright as no other: noise alone looks alike to a network."""
    light = torch.linspace(0.1, 1, len(shown.images))[:, None, None, None]
    return shown._replace(images=(shown.images * light).to(torch.uint8))


def _apart(found: Tensor, exact: Tensor) -> float:
    """How far numbers are from the exact ones, as a share of these."""
    error = (found - exact).norm() / exact.norm().clamp(min=1e-12)
    return float(error) if bool(error.isfinite()) else math.inf


def _chosen(system: System, batches: DataModule, tell: Callable[[str], None]) -> Way:
    recipe, likeliest = system.recipe, likely_way(system)
    device, options = training_device(recipe), recipe.trainer
    candidates = [replace(likeliest, compiled=False, graphs=False)]
    if options.precision == "auto":
        every = ways(device, system.model, _once(system))
        candidates = [one for one in every if options.channels_last in ("auto", one.channels_last)]
    steps = recipe.epochs * len(batches.sampler)
    short = steps <= LONG * len(candidates) * (1 + STEPS)
    if short or _several(recipe) or device.type == "mps":
        return likeliest
    shown = _whole_batch(batches)

    def step(one: Way) -> Callable[[], None]:
        return _step(system, one, shown, device)

    def measure() -> tuple[Way, dict[Way, float]]:
        best, seconds = fastest(candidates, step)
        return (best, seconds) if device.type == "cuda" else _on_fewer_threads(best, seconds, step)

    facts = _facts(system, len(shown.images), device, candidates)
    way, seconds, before = remembered(facts, measure)
    if options.compile == "auto" and steps * seconds[way] > LONG * _COMPILING:
        facts |= {"compile": way.to_json(), "steps": steps.bit_length()}
        way, more, known = remembered(facts, lambda: _compiled_where_it_pays(way, step, steps, tell))
        seconds, before = {**seconds, **more}, before and known
    if recipe.loader.workers == "auto" and steps > LONG * _LOADED * min(cores(), 8):
        facts |= {"workers": way.to_json(), "cores": cores(), "loader": recipe.loader.model_dump()}
        facts |= {"augmentation": recipe.augmentation}
        way, more, known = remembered(facts, lambda: _with_workers(way, batches, step(way), device))
        seconds, before = {**seconds, **more}, before and known
    way = replace(way, compiled=way.compiled or likeliest.compiled, graphs=likeliest.graphs)
    tell(f"computing in {told(way, seconds, before, f'a step of {len(shown.images)} images')}")
    return way


def likely_way(system: System) -> Way:
    """The way of a training that kept none: the recipe's, or the likely one here."""
    options, device = system.recipe.trainer, training_device(system.recipe)
    likeliest = Way() if options.precision != "auto" else likely(device, system.model, _once(system))
    precision = likeliest.precision if options.precision == "auto" else options.precision
    layout = True if options.channels_last == "auto" else options.channels_last
    return Way(precision, layout, compiled=options.compile is True, graphs=options.compile == "graphs")


def _once(system: System) -> Callable[[], object]:
    """The network's use on one black image."""
    image, model = system.recipe.image, system.model
    like = next(model.parameters(), torch.zeros(()))
    return lambda: use_of(model)(torch.zeros(1, 3, image.height, image.width, device=like.device))


def _facts(system: System, batch: int, device: torch.device, candidates: list[Way]) -> dict[str, Any]:
    """What a choice depends on."""
    recipe = system.recipe
    return {
        "work": "training",
        "machine": machine(device),
        "model": recipe.model,
        "classes": system.training_set.classes,
        "image": [recipe.image.height, recipe.image.width],
        "batch": batch,
        "checkpointing": recipe.trainer.checkpointing,
        "ways": [str(way) for way in candidates],
    }


def _on_fewer_threads(
    best: Way, seconds: dict[Way, float], step: Callable[[Way], Callable[[], None]]
) -> tuple[Way, dict[Way, float]]:
    """The best way with half the threads, where that is faster: two threads of one core get in each other's way."""
    threads = torch.get_num_threads()
    if threads < _FEW:
        return best, seconds
    way, more = fastest([replace(best, threads=threads), replace(best, threads=threads // 2)], step)
    return way, {**{one: taken for one, taken in seconds.items() if one != best}, **more}


def _compiled_where_it_pays(
    way: Way, step: Callable[[Way], Callable[[], None]], steps: int, tell: Callable[[str], None]
) -> tuple[Way, dict[Way, float]]:
    """The way compiled, if in so many steps that saves twice the time that compiling takes."""
    compiled, began = replace(way, compiled=True), clock()
    try:
        best, seconds = fastest([way, compiled], step)
    except Exception as error:  # each compiler has its own
        tell(_without(error))
        return way, {}
    pays = (seconds[way] - seconds[compiled]) * steps > 2 * (clock() - began)
    return (best if pays else way), seconds


def _with_workers(
    way: Way, batches: DataModule, once: Callable[[], None], device: torch.device
) -> tuple[Way, dict[Way, float]]:
    """The way with the fewest workers beside which steps on the training's own images are as fast as beside more."""
    batches.open_images(device)

    def load(workers: int) -> Iterator[Batch]:
        # Other images for each, since those that were read once are read faster.
        return chain.from_iterable(repeat(batches.batches_of(workers, workers)))

    with torch.random.fork_rng():
        return fewest_workers(way, load, lambda batch: once(), cores())


def _step(system: System, way: Way, shown: Batch, device: torch.device) -> Callable[[], None]:
    """A step of training without its losses, whose precision is the same in all: forwards and backwards."""
    passes = _Passes(system, way, shown, device)

    def once() -> None:
        with torch.random.fork_rng():
            made = passes.forwards()
            total = torch.stack([values.float().mean() for values in made]).sum()
        total.backward()
        passes.network.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return once


class _Passes:
    """A copy of a system's network that is computed as a way says."""

    def __init__(self, system: System, way: Way, shown: Batch, device: torch.device) -> None:
        network = copy.deepcopy(system.model).to(device).train()
        network = computed_as(network, way, on_cpu=device.type == "cpu", steady=1)
        moved = {name: part.to(device) for name, part in shown._asdict().items() if isinstance(part, Tensor)}
        self.shown = shown._replace(**moved)  # type: ignore[arg-type]  # `failed`, a list, is none of them
        self.system, self.way, self.device, self.network = system, way, device, network
        self.inputs = system.prepared(self.shown, way)

    def forwards(self, backwards: bool = False) -> list[Tensor]:
        """The tensors that it makes of the images, or of the same `backwards`, with a gradient."""
        inputs = self.inputs.flip(0) if backwards else self.inputs
        with self.way.autocast(self.device), self.system.in_place_of_its_own(self.network):
            return [*_tensors(self.system.run_model(inputs, self.shown))]

    def compared(self) -> list[Tensor]:
        """What it makes of the images after it had the same in another order, and the gradients, each flat."""
        random = torch.Generator().manual_seed(0)
        with torch.random.fork_rng():
            for backwards in (True, False):
                torch.manual_seed(0)
                self.network.zero_grad()
                made = self.forwards(backwards)
                weights = [torch.randn(values.shape, generator=random).to(self.device) for values in made]
                torch.stack(
                    [(values.float() * one).mean() for values, one in zip(made, weights, strict=True)]
                ).sum().backward()
        numbers = [values.detach().float().flatten() for values in made]
        gradients = [values.grad.float().flatten() for values in self.network.parameters() if values.grad is not None]
        return [*numbers, torch.cat(gradients)]


def _whole_batch(batches: DataModule) -> Batch:
    """A batch of the size that training has, of random pixels."""
    dataset, image, size = batches.images, batches.recipe.image, len(next(iter(batches.sampler)))
    random = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, image.height, image.width, dtype=torch.uint8) if dataset.masks else None
    items = []
    for place in range(size):
        pixels = torch.randint(0, 256, (3, image.height, image.width), dtype=torch.uint8, generator=random)
        items.append(Item(pixels, mask, place % len(dataset), junk=False, failed=None))
    return dataset.collate(items)


def _tensors(made: Any) -> Iterator[Tensor]:
    """The tensors with a gradient in what a network returns: one, or tuples and mappings of them."""
    if isinstance(made, Tensor):
        if made.requires_grad:
            yield made
    elif isinstance(made, Mapping):
        yield from (found for part in made.values() for found in _tensors(part))
    elif isinstance(made, tuple | list):
        yield from (found for part in made for found in _tensors(part))
