"""The figures of the benchmarks: recorded as they were measured, shown beside their limits, and none is lost to a failure."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SCRIPT = """
import sys
from results import report
report("time", 1.234, "s", most=1)
report("speed", 12345.6, "", least=10_000, ceiling=0.25, note="with " + sys.argv[1])
print("printed")
"""


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """`results` and `run` as the scripts import them."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import results
    import run

    yield results, run  # type: ignore[misc]
    for name in ("results", "run"):
        sys.modules.pop(name, None)


def test_the_page_is_what_the_table_says(modules: tuple[ModuleType, ModuleType]) -> None:
    results, _ = modules
    rows = results.read()
    assert (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8") == results.markdown(rows)
    for row in rows:
        assert row.date
        assert row.device
        assert (BENCHMARKS / row.command.split()[1].removeprefix("benchmarks/")).exists(), row.command
        assert row.met in (None, True, False)
        assert not row.figure or float(row.value) >= 0


def test_every_script_is_run_by_make_bench(modules: tuple[ModuleType, ModuleType]) -> None:
    _, run = modules
    scripts = {file.name for file in BENCHMARKS.glob("*.py") if "def main(" in file.read_text(encoding="utf-8")}
    assert {one.script for one in run.BENCHMARKS} == scripts - {"run.py"}


def test_figures_are_recorded_and_a_failure_stops_nothing(
    modules: tuple[ModuleType, ModuleType], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results, run = modules
    (tmp_path / "results.py").write_text((BENCHMARKS / "results.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "breaks.py").write_text("from results import report\nreport('first', 2)\nraise SystemExit(3)\n")
    (tmp_path / "works.py").write_text(SCRIPT)
    some = (
        run.Benchmark("breaks", "breaks.py"),
        run.Benchmark("works", "works.py", ("much",), quick=("little",), torchreid=True),
    )
    assert run.main([], some, tmp_path) == 1
    shown = capfd.readouterr().out
    assert "breaks: failed with status 3; the others go on" in shown
    assert "works: without torchreid beside it" in shown
    assert "failed, so that their figures are not complete: breaks" in shown
    rows = results.read(tmp_path / "RESULTS.csv")
    assert [(row.figure, row.value, row.limit, row.met, row.ceiling, row.note) for row in rows] == [
        ("first", "2", "", None, "", ""),
        ("time", "1.23", "<= 1", False, "", ""),
        ("speed", "12346", ">= 10000", True, "25.0", "with much"),
    ]
    assert {row.command for row in rows} == {"python benchmarks/breaks.py", "python benchmarks/works.py much"}
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "| works `much` | speed | **12,346** | at least 10,000 | met |" in page
    assert "| time | **1.23** s | at most 1: missed |" in page
    assert run.main(["--only", "works", "--quick", "--no-record"], some, tmp_path) == 0
    assert results.read(tmp_path / "RESULTS.csv") == rows
    assert "with little" not in page
    assert run.main(["--only", "works", "--quick", "--device", "cuda", "--no-record"], some[1:], tmp_path) == 0
    assert "works: left out, it runs on the CPU alone" in capfd.readouterr().out
