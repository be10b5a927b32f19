"""The figures of the benchmarks: kept in RESULTS.csv, from which RESULTS.md is written.

    python benchmarks/results.py        # writes RESULTS.md anew

A script calls `report` for each figure that is worth keeping. It prints nothing; `python benchmarks/run.py` (or `make
bench`) collects what was reported, shows it in one table beside the limits and appends it to RESULTS.csv.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from resight.processors import cores

__all__ = ["Row", "append", "collected", "device", "markdown", "matrix_units", "read", "report"]

CSV = Path(__file__).with_name("RESULTS.csv")
PAGE = Path(__file__).with_name("RESULTS.md")
REPORTED = "RESIGHT_BENCHMARK"
"""Environment variable with the file that figures are reported to; without it they are only printed by their script."""


@dataclass(frozen=True)
class Row:
    """A line of RESULTS.csv: a figure, or where `figure` is empty a remark on the others of its command."""

    date: str
    commit: str
    device: str
    """The hardware and the versions, in words."""
    command: str
    figure: str
    value: str
    unit: str
    limit: str
    """What is to be reached, such as `<= 1.2`; empty where nothing is."""
    ceiling: str
    """Share of the machine's measured ceiling in per cent; empty where none was measured."""
    note: str

    @property
    def benchmark(self) -> str:
        """What is measured, by its script's name."""
        return Path(self.command.split()[1]).stem.replace("_", " ")

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        if not self.limit:
            return None
        sign, _, bound = self.limit.partition(" ")
        return float(self.value) <= float(bound) if sign == "<=" else float(self.value) >= float(bound)


NAMES = [field.name for field in fields(Row)]


def report(
    figure: str,
    value: float,
    unit: str = "×",
    *,
    most: float | None = None,
    least: float | None = None,
    ceiling: float | None = None,
    note: str = "",
) -> None:
    """Keep a figure, with the limit that it is to stay below or to reach and its share of the machine's ceiling."""
    if not (file := os.environ.get(REPORTED)):
        return
    limit = f"<= {most:g}" if most is not None else f">= {least:g}" if least is not None else ""
    share = "" if ceiling is None else f"{100 * ceiling:.1f}"
    told = {"figure": figure, "value": _short(value), "unit": unit, "limit": limit, "ceiling": share, "note": note}
    with open(file, "a", encoding="utf-8") as lines:
        lines.write(json.dumps(told) + "\n")


def collected(file: Path, command: str, device: str) -> list[Row]:
    """What a script has reported to a file."""
    now, commit = datetime.now(UTC).date().isoformat(), _commit()
    told = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    return [Row(date=now, commit=commit, device=device, command=command, **one) for one in told]


def read(file: Path = CSV) -> list[Row]:
    """All rows, in the order in which they were measured."""
    with open(file, newline="", encoding="utf-8") as lines:
        return [Row(**row) for row in csv.DictReader(lines)]


def append(rows: Iterable[Row], file: Path = CSV) -> None:
    """Add rows to a table, which is made where it is not there."""
    new = not file.exists()
    with open(file, "a", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, NAMES, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def device(kind: str = "cpu") -> str:
    """The hardware and the versions, in words."""
    import torch

    versions = f"PyTorch {'.'.join(torch.__version__.split('.')[:2])}, Python {'.'.join(platform.python_version_tuple()[:2])}"  # fmt: skip
    if kind != "cpu":
        return f"one {torch.cuda.get_device_name()}, {versions}, {cores()} cores"
    return f"{cores()} cores of a CPU with {matrix_units()}, {versions}"


def matrix_units() -> str:
    """The widest units for matrix products that the CPU has."""
    cpu = Path("/proc/cpuinfo")
    flags = set(cpu.read_text().split()) if cpu.exists() else set()
    for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16"), ("avx512f", "AVX512"), ("avx2", "AVX2")):
        if flag in flags:
            return name
    return platform.machine()


def _commit() -> str:
    """The revision that is measured; the tables of results themselves may have changed."""
    here = Path(__file__).parent.parent
    others = ["--", ".", ":(exclude)benchmarks/RESULTS.*"]
    found, changed = (
        subprocess.run(["git", *words], cwd=here, capture_output=True, text=True).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no", *others])
    )
    return (found or "unknown") + ("-dirty" if changed else "")


def _short(value: float) -> str:
    """Three digits that tell something, whole numbers whole."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


INTRODUCTION = """# Results

Written by `python benchmarks/results.py` from RESULTS.csv, to which `make bench` appends; not to be edited by hand. Ratios
compare two things in one process or one run, so that they survive a slow or busy machine; times alone do not. The ceiling
is the machine's fastest large matrix product, measured in the same run.
"""


def markdown(rows: list[Row]) -> str:
    """RESULTS.md: the goals with their newest figures, then each day's newest of every figure, the newest day first."""
    return "\n".join([INTRODUCTION, *_goals(rows), *_days(rows)]).rstrip() + "\n"


def _goals(rows: list[Row]) -> Iterator[str]:
    newest = {(row.command, row.figure, row.device): row for row in rows if row.limit}
    found = sorted(newest.values(), key=lambda row: (row.benchmark, row.command, row.figure))
    yield "## Goals, and their newest figures\n"
    for name in sorted({row.device for row in found}, key=lambda name: _last(rows, name), reverse=True):
        yield f"### On {name}\n"
        yield "| | | figure | goal | | measured |"
        yield "| --- | --- | ---: | ---: | --- | --- |"
        for row in (row for row in found if row.device == name):
            met = "met" if row.met else "missed"
            yield f"| {_called(row)} | {row.figure} | {_shown(row)} | {_goal(row)} | {met} | {row.date} |"
        yield ""


def _last(rows: list[Row], device: str) -> tuple[str, str]:
    """The newest date of a device; of two devices of one day the order is that of their names."""
    return max(row.date for row in rows if row.device == device), device


def _called(row: Row) -> str:
    """The benchmark, and what it was run with, which tells two sizes of it apart."""
    words = " ".join(row.command.split()[2:])
    return f"{row.benchmark} `{words}`" if words else row.benchmark


def _days(rows: list[Row]) -> Iterator[str]:
    ordered = sorted(rows, key=lambda row: row.date, reverse=True)
    days = [list(day) for _, day in groupby(ordered, key=lambda row: row.date)]
    for day in days:
        for name in dict.fromkeys(row.device for row in day):
            yield f"## {day[0].date}: {name}\n"
            yield from _commands([row for row in day if row.device == name])


def _commands(rows: list[Row]) -> Iterator[str]:
    for command in dict.fromkeys(row.command for row in rows):
        some = [row for row in rows if row.command == command]
        yield f"### {some[0].benchmark.capitalize()}\n"
        yield f"```sh\n{command}\n```\n"
        yield from _table([*{row.figure: row for row in some if row.figure}.values()])
        yield from (f"{row.note}\n" for row in some if not row.figure)


def _table(rows: list[Row]) -> Iterator[str]:
    if not rows:
        return
    columns = {
        "": [row.figure for row in rows],
        "figure": [_shown(row) for row in rows],
        "goal": [f"{_goal(row)}{': missed' if row.met is False else ''}" for row in rows],
        "of the ceiling": [f"{row.ceiling} %" if row.ceiling else "" for row in rows],
        "note": [row.note for row in rows],
    }
    kept = {name: cells for name, cells in columns.items() if name in ("", "figure") or any(cells)}
    yield f"| {' | '.join(kept)} |"
    yield f"| {' | '.join('---' if name in ('', 'note') else '---:' for name in kept)} |"
    for cells in zip(*kept.values(), strict=True):
        yield f"| {' | '.join(cells)} |"
    yield ""


def _shown(row: Row) -> str:
    number = float(row.value)
    value = f"{number:,.0f}" if number == int(number) and abs(number) >= 1000 else row.value
    return f"**{value}** {row.unit}".rstrip() if row.limit else f"{value} {row.unit}".rstrip()


def _goal(row: Row) -> str:
    if not row.limit:
        return ""
    sign, _, bound = row.limit.partition(" ")
    return f"{'at most' if sign == '<=' else 'at least'} {float(bound):,g}"


if __name__ == "__main__":
    PAGE.write_text(markdown(read()), encoding="utf-8")
    print(PAGE)
