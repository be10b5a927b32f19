"""A training takes the precision that it names, measures where that pays, and a resumed one keeps what it had."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import resight.engine.data_module as data_module
import resight.engine.probing as probing
import resight.training as training
from resight.data.batches import Batches
from resight.data.loaders import Batch
from resight.data.training_set import TrainingSet
from resight.engine.data_module import DataModule
from resight.engine.probing import way_of
from resight.engine.system import System
from resight.errors import RunError
from resight.machine import Way
from resight.recipe import LoaderOptions, Recipe, make
from resight.records import Record, ReidDataset
from resight.run import Run, build_model
from resight.tasks.systems import SYSTEMS, training_set_of
from resight.training import resume, train
from tests.support.graphs import Recorder, recorder
from tests.support.runs import assert_equal_weights

__all__ = ["recorder"]


@pytest.fixture(autouse=True)
def bf16_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "cache"))
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, question, lambda: True, raising=False)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[list[Way]]:
    """The candidates of each measuring, whose last one wins; no step is taken."""
    asked: list[list[Way]] = []

    def last(candidates: list[Way], step: object) -> tuple[Way, dict[Way, float]]:
        asked.append(candidates)
        return candidates[-1], dict.fromkeys(candidates, 1.0)

    monkeypatch.setattr(probing, "fastest", last)
    return asked


def made(recipe: Recipe, dataset: ReidDataset) -> tuple[System, DataModule]:
    training_set: TrainingSet = training_set_of(recipe, dataset)
    model = build_model(recipe, training_set.classes, training_set.schema)
    system = make(SYSTEMS, recipe.system, "system", recipe=recipe, model=model, training_set=training_set)
    return system, DataModule(recipe, training_set)


def cut_after_an_epoch(recipe: Recipe, dataset: ReidDataset, folder: Path, spec: str) -> None:
    """Train until the second epoch is told, which nothing has kept yet."""

    def kill(line: str) -> None:
        if line.startswith("epoch 2"):
            raise InterruptedError

    with pytest.raises(RunError, match="cannot write"):
        train(recipe, dataset, folder, data=[spec], tell=kill)


LONG = "epochs=1000"
WIDE = "image.width=32"
"""Of narrower images the last maps have width 1, which bfloat16 on a CPU does not compute."""


@pytest.mark.parametrize(("asked", "layout"), [("32", True), ("bf16", False), ("16", True)])
def test_what_the_recipe_names_is_taken(asked: str, layout: bool, crowd, tiny, measured) -> None:
    recipe = tiny(LONG, f"trainer.precision={asked}", *([] if layout else ["trainer.channels_last=false"]))
    assert way_of(*made(recipe, crowd)) == Way(asked, layout)
    assert measured == [[Way(asked, layout)]]


def test_short_training_takes_the_likely_way(crowd, tiny, measured) -> None:
    assert way_of(*made(tiny("trainer.precision=auto", WIDE), crowd)) == Way("bf16")
    assert not measured


def test_long_training_is_measured_once_and_told(crowd, tiny, measured) -> None:
    lines: list[str] = []
    system = made(tiny("trainer.precision=auto", WIDE, LONG), crowd)
    first, again = way_of(*system, lines.append), way_of(*system, lines.append)
    assert first == again == measured[0][-1]
    assert len(measured) == 1
    assert lines[0].startswith(f"computing in {first}: measured, a step of 16 images takes ")
    assert "measured here before" in lines[1]
    way_of(*made(tiny("trainer.precision=auto", WIDE, LONG, "image.height=48"), crowd))
    assert len(measured) == 2, "another size is another choice"


def test_a_layout_by_hand_narrows_what_is_measured(crowd, tiny, measured) -> None:
    way_of(*made(tiny("trainer.precision=auto", WIDE, LONG, "trainer.channels_last=false"), crowd))
    assert {way.channels_last for way in measured[0]} == {False}


class Compiler:
    """Stands for `fastest` and the clock: steps of a tenth of a second, compiled ones of 0.08, and a minute to compile."""

    def __init__(self) -> None:
        self.now, self.compiled, self.works = 0.0, 0, True

    def fastest(self, candidates: list[Way], step: object) -> tuple[Way, dict[Way, float]]:
        if any(way.compiled for way in candidates):
            self.now, self.compiled = self.now + 60, self.compiled + 1
            if not self.works:
                raise RuntimeError("no working C++ compiler\nand much more")
        seconds = {way: 0.08 if way.compiled else 0.1 for way in candidates}
        return min(candidates, key=lambda way: seconds[way]), seconds


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    made = Compiler()
    monkeypatch.setattr(probing, "fastest", made.fastest)
    monkeypatch.setattr(probing, "clock", lambda: made.now)
    monkeypatch.setattr(probing, "_step", lambda *how: lambda: None)
    return made


AUTO = ("trainer.precision=auto", WIDE)


@pytest.mark.parametrize(
    ("epochs", "tried", "taken"),
    [
        (10_000, 0, False),  # 30,000 steps, 50 minutes: no more than fifty times a minute
        (20_000, 1, True),  # saves 20 minutes
    ],
)
def test_a_long_training_is_compiled_where_that_pays(epochs, tried, taken, crowd, tiny, compiler) -> None:
    lines: list[str] = []
    system = made(tiny(*AUTO, f"epochs={epochs}"), crowd)
    assert len(system[1].sampler) == 3
    first, again = way_of(*system, lines.append), way_of(*system, lines.append)
    assert first == again
    assert (compiler.compiled, first.compiled) == (tried, taken)
    assert ("compiled 80 ms" in lines[0]) == taken
    assert "measured here before" in lines[1]


def test_a_compiler_that_takes_longer_than_it_saves_is_not_used(crowd, tiny, compiler, monkeypatch) -> None:
    monkeypatch.setattr(probing, "clock", iter([0.0, 650.0]).__next__)
    assert not way_of(*made(tiny(*AUTO, "epochs=20_000"), crowd)).compiled
    assert compiler.compiled == 1


@pytest.mark.parametrize("asked", ["true", "false"])
def test_compiling_by_hand_is_not_measured(asked: str, crowd, tiny, compiler) -> None:
    for length in ("epochs=1", "epochs=20_000"):
        assert way_of(*made(tiny(*AUTO, length, f"trainer.compile={asked}"), crowd)).compiled == (asked == "true")
    assert not compiler.compiled


def test_without_a_working_compiler_a_training_is_computed_without(crowd, tiny, compiler) -> None:
    compiler.works = False
    lines: list[str] = []
    system = made(tiny(*AUTO, "epochs=20_000"), crowd)
    assert not way_of(*system, lines.append).compiled
    assert lines[0] == "computing without torch.compile, which does not work here: no working C++ compiler"
    assert not way_of(*system, lines.append).compiled
    assert compiler.compiled == 1, "it is known by then"


def test_a_missing_compiler_is_no_error(crowd, tiny, monkeypatch) -> None:
    def compile_without_compiler(network: torch.nn.Module, dynamic: bool) -> None:
        monkeypatch.setattr(network, "forward", lambda images, *labels: Path("no-such-compiler").read_text())

    monkeypatch.setattr(torch.nn.Module, "compile", compile_without_compiler)
    lines: list[str] = []
    system = made(tiny("trainer.compile=true"), crowd)
    assert way_of(*system, lines.append) == Way("32")
    assert way_of(*system, lines.append, kept=Way("32", compiled=True)) == Way("32"), "nor in a resumed run"
    assert len(lines) == 2
    assert lines[0].startswith("computing without torch.compile, which does not work here: ")


@pytest.mark.slow
def test_whole_batches_of_training_alone_are_compiled(crowd, tiny, tmp_path: Path, monkeypatch) -> None:
    sizes: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        sizes.extend(one.shape[0] for one in inputs if one.shape[1:] == (3, 32, 16))
        return graph.forward

    def compile_noting(network: torch.nn.Module, dynamic: bool) -> None:
        network._compiled_call_impl = torch.compile(network._call_impl, dynamic=dynamic, backend=backend)

    monkeypatch.setattr(torch.nn.Module, "compile", compile_noting)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    without = [Record(str(tmp_path / "broken.jpg"), identity, camera=1) for identity in range(1, 7)]
    broken = ReidDataset("broken", [*crowd.train, *without])
    over = ("trainer.compile=true", "epochs=2", "optimiser.lr=0.001")
    run = train(tiny(*over), broken, tmp_path / "run", quiet=True)
    assert run.way == Way("32", compiled=True)
    assert set(sizes) == {16}


GRAPHS = "trainer.compile=graphs"


@pytest.fixture
def graphs_here(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """As if this CPU were a GPU that has CUDA graphs."""
    monkeypatch.setattr(probing, "_has_graphs", lambda device: True)
    return recorder


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ((), "they are for GPUs by NVIDIA"),
        (("trainer.devices=2",), "they are for one device"),
        (("trainer.accumulate=2",), "they overwrite the gradients that trainer.accumulate adds up"),
        (("trainer.checkpointing=true",), "trainer.checkpointing computes parts of the network again"),
    ],
)
def test_graphs_are_not_recorded_where_they_would_be_wrong(over, reason, crowd, tiny, recorder, monkeypatch) -> None:
    monkeypatch.setattr(probing, "_has_graphs", lambda device: bool(over))
    lines: list[str] = []
    assert way_of(*made(tiny(GRAPHS, *over), crowd), lines.append) == Way("32")
    assert lines[0].startswith(f"computing without CUDA graphs: {reason}")
    assert not recorder.recordings


@pytest.mark.parametrize("recipe", ["reid-strong-baseline", "reid-bruna", "reid-vae", "segmentation-unet"])
def test_graphs_that_make_the_same_are_taken(recipe: str, annotated, tiny, graphs_here) -> None:
    over = ["attributes.cameras=[]"] if recipe == "reid-bruna" else []
    system, batches = made(tiny(GRAPHS, *over, recipe=recipe), annotated)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    lines: list[str] = []
    assert way_of(system, batches, lines.append).graphs
    assert not lines
    assert graphs_here.launches == 2
    assert all(torch.equal(value, before[name]) for name, value in system.state_dict().items())


def test_graphs_that_make_something_else_are_not_taken(crowd, tiny, graphs_here) -> None:
    graphs_here.stale = True
    lines: list[str] = []
    assert not way_of(*made(tiny(GRAPHS), crowd), lines.append).graphs
    assert lines[0].startswith("computing without CUDA graphs: what they make differs by ")


def test_graphs_that_cannot_be_recorded_are_no_error(crowd, tiny, graphs_here) -> None:
    graphs_here.error = RuntimeError("out of memory\nand much more")
    lines: list[str] = []
    assert way_of(*made(tiny(GRAPHS), crowd), lines.append) == Way("32")
    assert way_of(*made(tiny(GRAPHS), crowd), lines.append, kept=Way("32", graphs=True)) == Way("32"), "nor resumed"
    assert lines == ["computing without CUDA graphs: recording failed (out of memory)"] * 2


@pytest.mark.parametrize("length", ["epochs=1", LONG])
def test_graphs_are_taken_by_hand_alone(length: str, crowd, tiny, measured, graphs_here) -> None:
    for asked, taken in (("graphs", True), ("auto", False), ("false", False)):
        way = way_of(*made(tiny(*AUTO, length, f"trainer.compile={asked}"), crowd))
        assert (way.graphs, way.compiled) == (taken, False)
    assert not any(way.graphs for candidates in measured for way in candidates)


@pytest.mark.slow
def test_a_training_by_graphs_is_the_same_and_resumes(crowd, crowd_spec, tiny, tmp_path, graphs_here) -> None:
    over = ("epochs=2", "average.name=ema", "trainer.clip=1")
    plain = train(tiny(*over), crowd, tmp_path / "plain", data=[crowd_spec], quiet=True)
    cut_after_an_epoch(tiny(GRAPHS, *over), crowd, tmp_path / "cut", crowd_spec)
    assert graphs_here.launches == 2 + 2 * 3 - 2, "the trial's, and all batches but two"
    cut = resume(tmp_path / "cut", crowd, quiet=True)
    assert cut.way == Way("32", graphs=True)
    assert_equal_weights(plain.folder, cut.folder)


def test_several_processes_do_not_measure(crowd, tiny, measured) -> None:
    assert way_of(*made(tiny("trainer.precision=auto", WIDE, LONG, "trainer.devices=2"), crowd)) == Way("bf16")
    assert not measured


@pytest.mark.parametrize("recipe", ["reid-strong-baseline", "reid-bruna", "reid-vae", "segmentation-unet"])
def test_steps_are_taken_on_a_copy_and_leave_everything_as_it_was(recipe: str, annotated, tiny) -> None:
    over = ["attributes.cameras=[]"] if recipe == "reid-bruna" else []
    system, batches = made(tiny("trainer.precision=auto", WIDE, LONG, *over, recipe=recipe), annotated)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    state = torch.random.get_rng_state()
    way_of(system, batches)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in system.state_dict().items())
    assert all(parameter.grad is None for parameter in system.parameters())
    (file,) = (probing.remembered.__globals__["cache_folder"]() / "ways").iterdir()
    # The last maps of bruna's network have width 1: float32 alone, in two layouts.
    assert len(json.loads(file.read_text())["seconds"]) == (2 if recipe == "reid-bruna" else 4)


LOADED = "loader.workers=auto"


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The images of the first batches that workers loaded when their number was measured; one worker wins."""
    asked: list[list[int]] = []

    def one_wins(way: Way, load: Callable[[int], Iterator[Batch]], compute: object, most: int) -> object:
        asked.append(next(load(0)).index.tolist())
        return replace(way, workers=1), {replace(way, workers=count): 0.1 for count in (0, 1)}

    monkeypatch.setattr(probing, "fewest_workers", one_wins)
    return asked


def test_a_long_training_has_its_workers_measured_on_its_own_images(crowd, tiny, measured, loaded) -> None:
    lines: list[str] = []
    system, batches = made(tiny(*AUTO, LONG, LOADED), crowd)
    way = way_of(system, batches, lines.append)
    assert way.workers == 1
    assert way_of(system, batches, lines.append) == way
    assert loaded == [next(iter(batches.batches_of(0))).index.tolist()]
    assert ", 1 worker 100 ms" in lines[0]
    assert "measured here before" in lines[1]


@pytest.mark.parametrize(
    "over", [(LONG, "loader.workers=3"), ("epochs=100", LOADED), (LONG, LOADED, "trainer.devices=2")]
)
def test_workers_by_hand_or_of_short_trainings_are_not_measured(over, crowd, tiny, measured, loaded) -> None:
    assert way_of(*made(tiny(*AUTO, *over), crowd)).workers is None
    assert not loaded


@pytest.mark.slow
def test_training_has_the_workers_of_its_way(crowd: ReidDataset, crowd_spec, tiny, tmp_path, monkeypatch) -> None:
    asked: list[LoaderOptions] = []

    class Noting(Batches):
        def __init__(self, images: object, sampler: object, options: LoaderOptions, device: object) -> None:
            asked.append(options)
            super().__init__(images, sampler, options, device)  # type: ignore[arg-type]

    monkeypatch.setattr(data_module, "Batches", Noting)
    monkeypatch.setattr(training, "way_of", lambda system, batches, tell, kept=None: kept or Way("32", workers=1))
    cut_after_an_epoch(tiny("epochs=2", LOADED), crowd, tmp_path / "cut", crowd_spec)
    resume(tmp_path / "cut", crowd, quiet=True)
    train(tiny("epochs=1", "loader.workers=0"), crowd, tmp_path / "by-hand", quiet=True)
    assert [options.processes for options in asked] == [1, 1, 0]
    assert Run.open(tmp_path / "cut").way == Way("32", workers=1)


@pytest.mark.slow
def test_a_resumed_run_keeps_its_way(crowd: ReidDataset, crowd_spec: str, tiny, tmp_path: Path, monkeypatch) -> None:
    recipe = tiny("trainer.precision=auto", WIDE, "epochs=2")
    whole = train(recipe, crowd, tmp_path / "whole", data=[crowd_spec], quiet=True)
    assert whole.way == Way("bf16")

    cut_after_an_epoch(recipe, crowd, tmp_path / "cut", crowd_spec)
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):  # as if on another machine
        monkeypatch.setattr(torch.cpu, question, lambda: False)
    cut = resume(tmp_path / "cut", crowd, quiet=True)
    assert Run.open(cut.folder).way == Way("bf16")
    assert_equal_weights(whole.folder, cut.folder)


def test_a_run_without_a_way_has_its_recipes(tiny, tmp_path: Path) -> None:
    run = Run(tmp_path, tiny("trainer.precision=bf16"), classes=1)
    assert run.computed == Way("bf16")
    assert replace(run, way=Way("32", False)).computed == Way("32", False)
