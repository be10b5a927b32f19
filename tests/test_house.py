"""The house stays as it was drawn: few files in the root, few floors, and a test beside every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house import SOURCE, TESTS, floors, mirrors, modules, rooms, root_files

# One who adds a file here has looked for its room and found none.
ROOT_FILES = [
    "__init__",
    "__main__",
    "demo",
    "embedding",
    "errors",
    "files",
    "machine",
    "processors",
    "recipe",
    "recognizer",
    "records",
    "run",
    "tracking",
    "training",
    "tune",
    "version",
    "words",
]
FOLDERS = [
    "cli",
    "data",
    "engine",
    "exporting",
    "gallery",
    "importing",
    "losses",
    "models",
    "recipes",
    "reproduce",
    "retrieval",
    "runtimes",
    "serving",
    "synthetic",
    "tasks",
    "views",
]
FLOORS = 11

# Modules without a test of their own, and why.
UNMIRRORED = {
    "__init__.py": "the public names: test_public_api.py",
    "__main__.py": "one call, which every test that starts a process makes",
    "version.py": "one number",
    "reproduce/__init__.py": "names of other files",
    "retrieval/__init__.py": "names of other files",
    "synthetic/__init__.py": "names of other files",
    "synthetic/writers/__init__.py": "a name table: synthetic/test_generate.py writes every layout of it",
}

# Tests that belong to no one module, and what they are about.
CROSS_CUTTING = {
    "test_benchmarks.py": "the figures of benchmarks/",
    "test_docs.py": "the names on the page of the house",
    "test_contributing.py": "the examples of CONTRIBUTING.md and the README",
    "test_house.py": "this",
    "test_layers.py": "the import contracts of pyproject.toml",
    "test_public_api.py": "what people import",
    "test_recipes.py": "every built-in recipe",
    "test_wheel.py": "what is installed",
    "serving/test_page.py": "the page's own scripts, in a browser",
    "tasks/test_resume.py": "exact resume of every system",
    "tasks/test_waits.py": "no step of training waits for a GPU, in every task",
    "tasks/test_validation_figures.py": "validation and evaluation agree, in every task",
    "tasks/test_validation_pictures.py": "what validation draws, in every task",
    "reproduce/test_tables.py": "every built-in table",
}


def test_the_root_holds_what_is_listed_and_no_more() -> None:
    assert root_files() == ROOT_FILES
    folders = [path.name for path in (SOURCE / "resight").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert sorted(folders) == FOLDERS


def test_the_house_grows_no_floor() -> None:
    assert floors(rooms()) <= FLOORS


def test_a_task_loads_nothing_but_what_is_asked_of_it() -> None:
    """tasks/__init__.py and those of the tasks hold no import: who evaluates does not load what trains."""
    assert not [module for module in modules() if module.startswith("tasks/") and module.endswith("__init__.py")]


def test_every_module_has_a_test_of_its_own() -> None:
    bare = {module for module, test in mirrors().items() if not (TESTS / test).is_file()}
    assert bare == set(UNMIRRORED), "tests/a/test_b.py is the test of a/b.py"


def test_every_test_mirrors_a_module() -> None:
    tests = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert tests - set(mirrors().values()) == set(CROSS_CUTTING)


def test_no_test_imports_from_another_test() -> None:
    """What tests share stands in tests/support, or is a fixture."""
    told = {
        f"{path.relative_to(TESTS)}: {name}"
        for path in TESTS.rglob("*.py")
        for name in _imported(path)
        if name.split(".")[0] == "tests" and not name.startswith(("tests.support", "tests.house"))
    }
    assert not told


def _imported(path: Path) -> Iterator[str]:
    """Modules that a file of the tests imports, relative ones by their full name."""
    package = path.relative_to(TESTS.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
