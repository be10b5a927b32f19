"""Data flows one way: the import contracts of pyproject.toml hold, and would notice if they did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=folder, capture_output=True, text=True)


def test_layers_hold_and_an_upward_import_is_refused(tmp_path: Path) -> None:
    assert lint(ROOT).returncode == 0
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with open(tmp_path / "src" / "resight" / "retrieval" / "metrics.py", "a") as file:
        file.write("\nimport resight.run\n")
    refused = lint(tmp_path)
    assert refused.returncode != 0
    assert "resight.retrieval.scores" in refused.stdout
