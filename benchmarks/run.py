"""Every benchmark, one after the other; all figures in one table beside their limits, and in RESULTS.csv and RESULTS.md.

    python benchmarks/run.py                                     # on the CPU, some half an hour on two quiet cores
    python benchmarks/run.py --quick --no-record                 # small sizes, to see that all of them run
    python benchmarks/run.py --torchreid ../deep-person-reid --only training embedding
    python benchmarks/run.py --device cuda --torchreid …

One that fails is told of, and the others go on. torchreid (github.com/KaiyangZhou/deep-person-reid) is not a package that
can be depended on: without its source training and embedding are compared with a plain loop alone.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from results import CSV, PAGE, REPORTED, Row, append, collected, device, markdown, read

HERE = Path(__file__).parent
DEMO = Path("resight-demo", "run")


@dataclass(frozen=True)
class Benchmark:
    """A script and what it is run with."""

    name: str
    script: str
    arguments: Sequence[str] = ()
    quick: Sequence[str] = ()
    """What it is run with by `--quick`."""
    cuda: Sequence[str] | None = None
    """What it is run with on a GPU; None where it has no use for one."""
    torchreid: bool = False
    """Whether it can be beside torchreid."""
    trained: bool = False
    """Whether it is better with a trained run."""


FEW = ("--queries", "200", "--rounds", "1", "--images", "1000", "4000")
LARGE = ("--backbone", "resnet50", "--size", "256", "128")

BENCHMARKS = (
    Benchmark("evaluation", "evaluation.py", quick=("--size", "small"), cuda=()),
    Benchmark(
        "reranking",
        "reranking.py",
        ("--dense", "500", "1000", "2000"),
        quick=("--queries", "500", "--gallery", "2000", "--rounds", "1", "--dense", "500"),
    ),
    Benchmark(
        "reranking-msmt17",
        "reranking.py",
        ("--queries", "11659", "--gallery", "82161", "--evaluated", "--rounds", "1", "--dense"),
        quick=("--queries", "500", "--gallery", "2000", "--evaluated", "--rounds", "1", "--dense"),
    ),
    Benchmark(
        "growth",
        "growth.py",
        quick=("--gallery", "2000", "20000", *FEW),
    ),
    Benchmark(
        "million-images",
        "growth.py",
        ("--gallery", "10000", "--rounds", "1", "--images", "10000", "1000000", "--size", "32", "16"),
        quick=("--gallery", "2000", *FEW, "--size", "32", "16"),
    ),
    Benchmark(
        "training",
        "training.py",
        quick=("--images", "128", "--identities", "16", "--epochs", "2"),
        cuda=(*LARGE, "--images", "12936", "--identities", "751", "--workers", "8", "--epochs", "4"),
        torchreid=True,
    ),
    Benchmark(
        "embedding",
        "embedding.py",
        ("--theirs", "1024"),
        quick=("--images", "512", "--theirs", "128", "--rounds", "1"),
        cuda=(*LARGE, "--images", "12288", "--workers", "14"),
        torchreid=True,
        trained=True,
    ),
    Benchmark(
        "data",
        "data_path.py",
        quick=("--images", "256", "--rounds", "2", "--epochs", "2"),
        cuda=(*LARGE, "--images", "12936"),
    ),
    Benchmark("gallery", "gallery.py", quick=("--rows", "20000", "--width", "128", "--queries", "20")),
    Benchmark(
        "million",
        "gallery.py",
        ("--rows", "1000000", "--width", "256", "--queries", "60"),
        quick=("--rows", "50000", "--width", "64", "--queries", "20"),
    ),
    Benchmark("serving", "serving.py", quick=("--rows", "2000", "--seconds", "2")),
    Benchmark("evaluate", "end_to_end.py", quick=("--queries", "100", "--images", "1000"), trained=True),
    Benchmark("synthesis", "synthesis.py", ("--identities", "30"), quick=("--identities", "6")),
    Benchmark(
        "clustering",
        "clustering.py",
        ("--methods", "ward", "ward, 30 neighbours", "gaussian-mixture"),
        quick=("--images", "2000", "--people", "150", "--methods", "ward", "gaussian-mixture"),
    ),
)


def main(words: Sequence[str] | None = None, benchmarks: Sequence[Benchmark] = BENCHMARKS, here: Path = HERE) -> int:
    """Run what was asked for; the status is 1 where one failed. What one has reported is recorded before the next begins."""
    options = _options(words, benchmarks)
    rows: list[Row] = []
    failed: list[str] = []
    for one in benchmarks:
        if options.only and one.name not in options.only:
            continue
        if options.device != "cpu" and one.cuda is None:
            _say(f"{one.name}: left out, it runs on the CPU alone")
            continue
        if one.torchreid and options.torchreid is None:
            _say(f"{one.name}: without torchreid beside it; --torchreid DIR is its source")
        made, status = _run(one, options, here)
        rows += made
        if options.record:
            append(made, here / CSV.name)
        if status:
            failed.append(one.name)
            _say(f"{one.name}: failed with status {status}; the others go on")
    show(rows)
    if failed:
        _say(f"failed, so that their figures are not complete: {', '.join(failed)}")
    if rows and options.record:
        (here / PAGE.name).write_text(markdown(read(here / CSV.name)), encoding="utf-8")
        _say(f"{len(rows)} figures are in {CSV.name}; {PAGE.name} is written anew")
    return int(bool(failed))


def _options(words: Sequence[str] | None, benchmarks: Sequence[Benchmark]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[one.name for one in benchmarks], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes, whose figures say little")
    parser.add_argument("--no-record", dest="record", action="store_false", help="do not append to RESULTS.csv")
    parser.add_argument("--torchreid", type=Path, metavar="DIR", help="torchreid's source")
    parser.add_argument("--demo", type=Path, default=DEMO, metavar="RUN", help="the run of `make demo`, used where it is there")  # fmt: skip
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    return parser.parse_args(words)


def _run(one: Benchmark, options: argparse.Namespace, here: Path) -> tuple[list[Row], int]:
    """The figures that a script has reported, and its status."""
    words = list(one.quick if options.quick else one.arguments)
    if options.device != "cpu":
        words = [*(one.quick if options.quick else one.cuda or ()), "--device", options.device]
    shown = shlex.join(["python", f"benchmarks/{one.script}", *words])
    if one.torchreid and options.torchreid is not None:
        words += ["--torchreid", str(options.torchreid.resolve())]
        shown += " --torchreid ../deep-person-reid"
    if one.trained and options.device == "cpu" and (options.demo / "run.json").exists():
        words += ["--run", str(options.demo.resolve())]
        shown += f" --run {DEMO}"
    _say(f"\n{one.name}\n  {shown}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures"
        began = time.perf_counter()
        line = [sys.executable, str(here / one.script), *words]
        status = subprocess.run(line, cwd=here, env={**os.environ, REPORTED: str(file)}).returncode
        _say(f"  {time.perf_counter() - began:.0f} s")
        return collected(file, shown, device(options.device)), status


def show(rows: Sequence[Row]) -> None:
    """All figures in one table, beside their limits."""
    from rich.console import Console
    from rich.table import Table

    table = Table("benchmark", "figure")
    for name in ("value", "limit", "of the ceiling"):
        table.add_column(name, justify="right")
    table.add_column("")
    last = ""
    for row in rows:
        met = "" if row.met is None else "[green]met[/]" if row.met else "[red]missed[/]"
        name = row.command.removeprefix("python benchmarks/") if row.command != last else ""
        share = f"{row.ceiling} %" if row.ceiling else ""
        table.add_row(name, row.figure, f"{row.value} {row.unit}", row.limit, share, met)
        last = row.command
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
