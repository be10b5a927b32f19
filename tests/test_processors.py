"""Cores that may be used, counted without heavy imports, and processes that do not run the user's script again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resight.processors import cores, worker_context
from resight.records import ReidDataset
from resight.run import Run


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 8}, raising=False)
    assert cores() == 3


@pytest.mark.parametrize(("told", "expected"), [(6, 6), (None, 1)])
def test_where_the_system_does_not_say_they_are_the_machines(
    told: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: told)
    assert cores() == expected


def test_counting_them_imports_nothing_heavy() -> None:
    said = "import sys; from resight.processors import cores; print({'torch', 'numpy'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout == "set()\n"


def ran(script: Path, text: str, *words: object) -> str:
    """What a script prints that is run as a user runs it."""
    script.write_text(text, encoding="utf-8")
    line = [sys.executable, str(script), *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


BARE = """
import sys
import resight
print("begun")
dataset, model = resight.read_dataset(sys.argv[2]), resight.load(sys.argv[1])
gallery = resight.Gallery.create(sys.argv[3], model=model)
gallery.add(dataset.gallery)
features, failed = resight.embed(model, dataset.gallery)
print(len(gallery), len(features), sum(map(len, failed)))
"""


@pytest.mark.slow
def test_a_script_without_a_guard_indexes_and_embeds(
    trained: Run, crowd: ReidDataset, crowd_spec: str, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    recipe = Run.open(run).recipe
    loader = recipe.loader.model_copy(update={"workers": 1, "batch_size": 1})
    (run / "recipe.yaml").write_text(recipe.model_copy(update={"loader": loader}).to_yaml(), encoding="utf-8")
    count = len(crowd.gallery)
    told = ran(tmp_path / "bare.py", BARE, run, crowd_spec, tmp_path / "gallery")
    assert told == f"begun\n{count} {count} 0\n", "the worker did not run the script again"


OWN = """
import sys
from resight.processors import worker_context
def answer(queue):
    queue.put("answered by the script's own function")
if __name__ == "__main__":
    context = worker_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=answer, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_what_the_script_defines_is_still_found(method: str, tmp_path: Path) -> None:
    assert worker_context(method).get_start_method() == method
    assert ran(tmp_path / "own.py", OWN, method) == "answered by the script's own function\n"
