"""The public names are promises."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys

import resight


def test_every_public_name_is_there() -> None:
    assert sorted(resight.__all__) == resight.__all__
    assert set(resight._HOMES) == set(resight.__all__)
    for name in resight.__all__:
        assert getattr(resight, name) is not None


def test_every_module_keeps_its_all() -> None:
    for found in pkgutil.walk_packages(resight.__path__, "resight."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        assert module.__doc__, f"{found.name} has no docstring"
        for name in getattr(module, "__all__", []):
            assert hasattr(module, name), f"{found.name}.{name}"


def test_searching_and_evaluating_need_no_lightning() -> None:
    code = (
        "import sys, resight\n"
        "resight.load, resight.embed, resight.evaluate, resight.rerank, resight.Gallery, resight.read_dataset\n"
        "import resight.tasks.reid.evaluation, resight.tasks.reid.report\n"
        "assert 'lightning' not in sys.modules and 'pytorch_lightning' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_resight_imports_nothing_heavy() -> None:
    code = "import sys, resight; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_packages_hold_only_names() -> None:
    for package in (
        "data.formats",
        "losses",
        "models",
        "systems",
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
