"""The fastest way wins by a clock that the test turns, is kept for the next time, and noise changes nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from resight.machine import Way, fastest, fewest_workers, likely, machine, remembered, told, ways

FLOAT, HALF = Way("32"), Way("bf16")


def nothing() -> None:
    pass


class Clock:
    """A clock that goes on by what a way takes, a step each, and by its first step, which is slower."""

    def __init__(self, takes: dict[Way, float]) -> None:
        self.takes, self.now, self.begun = takes, 0.0, []

    def __call__(self) -> float:
        return self.now

    def step(self, way: Way) -> Callable[[], None]:
        self.begun.append(way)
        first = [True]

        def once() -> None:
            self.now += self.takes[way] + (100 if first.pop() else 0)
            first.append(False)

        return once


@pytest.fixture
def bf16_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, question, lambda: True, raising=False)


def test_the_shortest_step_wins_and_first_steps_do_not_count() -> None:
    clock = Clock({FLOAT: 2.0, HALF: 1.0})
    assert fastest([FLOAT, HALF], clock.step, clock=clock) == (HALF, {FLOAT: 2.0, HALF: 1.0})


def test_a_difference_that_is_noise_leaves_the_first() -> None:
    clock = Clock({FLOAT: 1.0, HALF: 0.99})
    assert fastest([FLOAT, HALF], clock.step, clock=clock)[0] == FLOAT


def test_threads_are_those_of_each_way_and_then_as_before() -> None:
    before, seen = torch.get_num_threads(), []
    fastest([Way(threads=2), Way(threads=1)], lambda way: lambda: seen.append(torch.get_num_threads()), steps=1)
    assert seen == [2, 2, 1, 1]
    assert torch.get_num_threads() == before


def test_a_choice_is_measured_once_for_the_same_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path))
    asked: list[int] = []

    def measure() -> tuple[Way, dict[Way, float]]:
        asked.append(1)
        return HALF, {FLOAT: 2.0, HALF: 1.0}

    first, again = remembered({"model": "a"}, measure), remembered({"model": "a"}, measure)
    assert (first[:2], first[2], again[:2], again[2]) == (measure(), False, measure(), True)
    remembered({"model": "b"}, measure)
    assert len(asked) == 2 + 2, "another model is measured, the same one is not; two were the test's own"


@pytest.mark.parametrize("damage", ["", "{}", '{"way": {"precision": "8"}, "seconds": []}', '{"way": 3}'])
def test_a_damaged_file_is_measured_anew(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path))
    remembered({}, lambda: (FLOAT, {FLOAT: 1.0}))
    (file,) = (tmp_path / "ways").iterdir()
    file.write_text(damage)
    assert remembered({}, lambda: (HALF, {HALF: 1.0}))[0] == HALF
    assert json.loads(file.read_text())["way"]["precision"] == "bf16"


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "file"))
    assert remembered({}, lambda: (HALF, {HALF: 1.0})) == (HALF, {HALF: 1.0}, False)


@pytest.mark.usefixtures("bf16_here")
def test_depthwise_networks_are_likely_fastest_in_float32_on_a_cpu() -> None:
    dense = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    depthwise = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8))
    assert [likely("cpu", network, nothing).precision for network in (dense, depthwise)] == ["bf16", "32"]
    for network in (dense, depthwise):
        found = ways("cpu", network, nothing)
        assert found[0] == likely("cpu", network, nothing)
        assert len(set(found)) == len(found) == 4


@pytest.mark.usefixtures("bf16_here")
@pytest.mark.parametrize(("width", "precisions"), [(4, {"32", "bf16"}), (2, {"32"})])
def test_maps_of_width_one_are_not_made_in_bfloat16(width: int, precisions: set[str]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = ways("cpu", network, lambda: network(torch.zeros(1, 3, 4, width)))
    assert {way.precision for way in found} == precisions
    assert network.training
    assert network[1].training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_processor_without_bfloat16_has_float32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, question, lambda: False, raising=False)
    assert {way.precision for way in ways("cpu", nn.Conv2d(3, 8, 3), nothing)} == {"32"}


@pytest.mark.parametrize(
    ("loading", "most", "workers", "tried"),
    [
        (0.02, 16, 0, 3),  # 2 % of a step: none is needed
        (0.5, 16, 1, 3),
        (3.0, 16, 4, 5),  # three keep up; four are tried
        (3.0, 2, 2, 3),
        (90.0, 16, 8, 5),
        (90.0, 1, 0, 2),
    ],
)
def test_no_more_workers_load_than_keep_up(loading: float, most: int, workers: int, tried: int) -> None:
    """A step takes a second; images come after `loading` seconds from each worker, while the step is computed."""
    now = [0.0]

    def load(count: int) -> Iterator[int]:
        for batch in itertools.count():
            ready = now[0] + loading if not count else loading * (1 + batch // count)
            now[0] = max(now[0], began[0] + ready if count else ready)
            yield batch

    def compute(batch: int) -> None:
        now[0] += 1

    began = [0.0]

    def begun(count: int) -> Iterator[int]:
        began[0] = now[0]
        return load(count)

    way, seconds = fewest_workers(HALF, begun, compute, most, clock=lambda: now[0])
    assert way == replace(HALF, workers=workers)
    assert len(seconds) == tried


def test_a_way_comes_back_from_json_and_nonsense_does_not() -> None:
    way = Way("bf16", False, 3)
    assert Way.from_json(json.loads(json.dumps(way.to_json()))) == way
    with pytest.raises(ValueError, match="no precision '8'"):
        Way.from_json({"precision": "8"})


def test_a_choice_is_told_in_one_line_with_its_figures() -> None:
    line = told(HALF, {FLOAT: 2.0, HALF: 0.0312, Way("16"): float("inf")}, False, "a step of 64 images")
    assert line == (
        "bfloat16, channels last: measured, a step of 64 images takes bfloat16, channels last 31.2 ms; "
        "float32, channels last 2.00 s; float16, channels last too inexact"
    )


def test_a_machine_is_told_by_its_processor_and_pytorch() -> None:
    assert torch.__version__ in machine("cpu")
    assert f"{torch.get_num_threads()} threads" in machine("cpu")
