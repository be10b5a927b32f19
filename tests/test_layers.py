"""Data flows one way: the import contracts of pyproject.toml hold, and would notice if they did not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS, TASKS, LIGHTNING = (contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"])


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=folder, capture_output=True, text=True)


def test_the_contracts_hold() -> None:
    checked = lint(ROOT)
    assert checked.returncode == 0, checked.stdout
    assert all(f"{contract} KEPT" in checked.stdout for contract in (LAYERS, TASKS, LIGHTNING))


@pytest.mark.parametrize(
    ("file", "line", "contract", "told"),
    [
        ("retrieval/scores.py", "import resight.run", LAYERS, "resight.retrieval.scores -> resight.run"),
        ("models/unet.py", "import resight.losses", LAYERS, "resight.models.unet -> resight.losses"),
        ("misc.py", "", LAYERS, "misc"),  # a room that nobody has given a floor
        ("tasks/reid/report.py", "import resight.tasks.junk.report", TASKS, "tasks.reid.report -> resight.tasks.junk"),
        (
            "tasks/masks/report.py",
            "import resight.tasks.clusters.report",
            TASKS,
            "resight.tasks.masks.report -> resight",
        ),
        ("tasks/poses.py", "", TASKS, "poses"),
        ("tasks/reid/report.py", "import lightning", LIGHTNING, "resight.tasks.reid.report -> lightning"),
        ("recognizer.py", "from lightning.fabric import Fabric", LIGHTNING, "resight.recognizer -> lightning"),
    ],
)
def test_an_import_that_does_not_belong_breaks_its_contract(
    file: str, line: str, contract: str, told: str, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with open(tmp_path / "src" / "resight" / file, "a") as source:
        source.write(f"\n{line}\n")
    refused = lint(tmp_path)
    assert refused.returncode != 0
    assert re.findall(r"^(.*) BROKEN$", refused.stdout, re.MULTILINE) == [contract]
    assert told in refused.stdout
