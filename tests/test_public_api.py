"""The public names are promises."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import resight
from tests.house import dotted, modules

PROMISED = [
    "AttributeSchema",
    "AttributeWeighted",
    "CropEmbedder",
    "Embeddings",
    "Evaluation",
    "Gallery",
    "Hit",
    "KReciprocal",
    "Recipe",
    "Recognizer",
    "Record",
    "ReidDataset",
    "ResightError",
    "__version__",
    "embed",
    "evaluate",
    "load",
    "load_recipe",
    "predict",
    "read_dataset",
    "rerank",
    "resume",
    "split_dataset",
    "synthesize",
    "train",
]


def test_every_promised_name_is_there_and_no_other() -> None:
    assert resight.__all__ == PROMISED
    assert dir(resight) == PROMISED
    with pytest.raises(AttributeError, match="reidentify"):
        resight.reidentify  # noqa: B018


def test_type_checkers_and_python_see_the_same_names() -> None:
    seen = []
    for node in ast.parse(Path(resight.__file__).with_suffix(".pyi").read_text(encoding="ascii")).body:
        assert isinstance(node, ast.ImportFrom)
        home = importlib.import_module(f"resight.{node.module}")
        for alias in node.names:
            assert alias.asname == alias.name, "type checkers pass on only `from .x import y as y`"
            assert getattr(resight, alias.name) is getattr(home, alias.name)
            assert not isinstance(getattr(resight, alias.name), ModuleType)
            seen.append(alias.name)
    assert sorted(seen) == PROMISED


def test_every_module_keeps_its_all() -> None:
    for found in pkgutil.walk_packages(resight.__path__, "resight."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        assert module.__doc__, f"{found.name} has no docstring"
        for name in getattr(module, "__all__", []):
            assert hasattr(module, name), f"{found.name}.{name}"


TRAINS = ("engine/", "training.py", "demo.py", "tune.py", "reproduce/", "tasks/systems.py", "tasks/reid/bruna.py")


def test_nothing_that_does_not_train_loads_lightning() -> None:
    quiet = [module for module in modules() if not module.startswith(TRAINS) and not module.endswith("/system.py")]
    assert {"tasks/reid/evaluation.py", "tasks/reid/report.py", "gallery/gallery.py", "cli/search.py"} < set(quiet)
    code = (
        "import sys, importlib\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "assert 'torch' in sys.modules\n"
        "assert not {'lightning', 'lightning_fabric', 'pytorch_lightning'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, *(dotted(module) for module in quiet)], check=True)


def test_importing_resight_imports_nothing_heavy() -> None:
    code = "import sys, resight; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_packages_hold_only_names() -> None:
    for package in (
        "data.formats",
        "losses",
        "models",
        "engine",
        "tasks",
        "retrieval",
        "gallery",
        "views",
        "synthetic",
    ):
        path = importlib.import_module(f"resight.{package}").__file__
        assert path is not None
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        assert not classes, f"{package}/__init__.py defines {classes}; a noun has its own file"
