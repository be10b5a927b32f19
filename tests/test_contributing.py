"""The worked examples of CONTRIBUTING.md and the README run as they stand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import resight.tasks
from resight.data import formats
from resight.data.formats.manifest import write_manifest
from resight.losses import LOSSES
from resight.models import MODELS
from resight.recognizer import load
from resight.records import DISTRACTOR, ReidDataset
from resight.tasks.evaluations import TASKS
from resight.tasks.systems import SYSTEMS
from resight.training import train
from tests.support.commands import resight as run_resight

ROOT = Path(__file__).parent.parent


def blocks(section: str, language: str) -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    body = text.split(f"## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", body, re.DOTALL)


def run_blocks(section: str) -> None:
    names: dict[str, object] = {}
    for code in blocks(section, "python"):
        exec(compile(code, f"CONTRIBUTING.md: {section}", "exec"), names)


@pytest.fixture(autouse=True)
def tables_as_before():
    tables = (formats.FORMATS, MODELS, LOSSES, SYSTEMS, TASKS)
    kept = [dict(table) for table in tables]  # type: ignore[call-overload]
    yield
    for table, before in zip(tables, kept, strict=True):
        table.clear()
        table.update(before)  # type: ignore[attr-defined]


def test_add_a_dataset(tmp_path: Path) -> None:
    run_blocks("Add a dataset")
    for side, names in {"probe": ["0001_1_25_1.jpeg"], "gallery": ["0001_2_9_1.jpeg", "0000_8_3_1.jpeg"]}.items():
        (tmp_path / side).mkdir()
        for name in names:
            Image.fromarray(np.zeros((8, 4, 3), np.uint8)).save(tmp_path / side / name)
    dataset = formats.read_dataset(f"grid:{tmp_path}")
    assert [(record.identity, record.camera) for record in dataset.query] == [(1, 1)]
    assert [(record.identity, record.camera) for record in dataset.gallery] == [(DISTRACTOR, 8), (1, 2)]


def test_add_a_model_and_a_loss(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    run_blocks("Add a model")
    run_blocks("Add a loss")
    model = yaml.safe_load(blocks("Add a model", "yaml")[0])["model"]
    loss = yaml.safe_load(blocks("Add a loss", "yaml")[0])["losses"]["contrastive"]
    recipe = tiny("epochs=1", f"losses.contrastive={loss}").model_copy(update={"model": model})
    train(recipe, crowd, tmp_path / "run", quiet=True)
    assert load(tmp_path / "run").embed([crowd.train[0].path]).shape == (1, 32)
    assert "train/contrastive" in (tmp_path / "run" / "metrics.csv").read_text()


def test_add_a_task(crowd: ReidDataset, tmp_path: Path, capsys, monkeypatch) -> None:
    """The example's files are a task: the recipe trains, and the commands know what to do with the run."""
    folder = tmp_path / "tasks" / "brightness"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    files = {
        match[1]: code for code in blocks("Add a task", "python") if (match := re.match(r"# .*/(\w+\.py)\n", code))
    }
    assert set(files) == {"system.py", "evaluation.py", "report.py"}
    for name, code in files.items():
        (folder / name).write_text(code, encoding="utf-8")
    monkeypatch.setattr(resight.tasks, "__path__", [*resight.tasks.__path__, str(folder.parent)])
    for code in blocks("Add a task", "python"):
        if code not in files.values():
            exec(compile(code, "CONTRIBUTING.md: Add a task", "exec"), {})
    (tmp_path / "brightness.yaml").write_text(blocks("Add a task", "yaml")[0], encoding="utf-8")
    write_manifest(tmp_path / "crowd.csv", crowd)
    tiny = ["image.height=16", "image.width=8", "loader.workers=0", "trainer.accelerator=cpu", "trainer.precision=32"]
    data = ["--data", f"manifest:{tmp_path / 'crowd.csv'}"]
    run = str(tmp_path / "run")
    status, _, err = run_resight("train", tmp_path / "brightness.yaml", *tiny, *data, "--out", run, capsys=capsys)
    assert status == 0, err
    status, out, err = run_resight("evaluate", run, *data, "--json", capsys=capsys)
    assert status == 0, err
    # Colours differ by 0.1 and more from their mean.
    assert json.loads(out)["error"] < 0.05
    assert "Brightness on" in (tmp_path / "run" / "report.html").read_text()
    assert "a brightness run" in run_resight("evaluate", run, *data, "--rerank", capsys=capsys)[2]
    for name in [name for name in sys.modules if name.startswith("resight.tasks.brightness")]:
        monkeypatch.delitem(sys.modules, name)


def test_readme_snippets_run(crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch) -> None:
    train(tiny("epochs=1"), crowd, tmp_path / "runs" / "street", quiet=True)
    write_manifest(tmp_path / "street.csv", crowd)
    Image.open(crowd.query[0].path).save(tmp_path / "query.png")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert snippets
    for code in snippets:
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    assert (tmp_path / "gallery").is_dir(), "the guarded lines ran"
