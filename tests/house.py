"""The house, counted: how many files and rooms it has, on how many floors, and which modules have a test of their own.

    python -m tests.house            # or with another folder of sources: python -m tests.house ../before/src

A room is a module or a package right below `resight`. One stands a floor above the highest room that it imports.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import grimp

__all__ = [
    "ROOT",
    "SOURCE",
    "TESTS",
    "arrows",
    "dotted",
    "floors",
    "mirror",
    "mirrors",
    "modules",
    "rooms",
    "root_files",
]

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
TESTS = ROOT / "tests"


def root_files(source: Path = SOURCE) -> list[str]:
    """Modules that stand in no folder: `["__init__", "demo", …]`."""
    return sorted(path.stem for path in (source / "resight").glob("*.py"))


def modules(source: Path = SOURCE) -> list[str]:
    """Every file with code in it, from the package's root: `["cli/app.py", …]`. A bare docstring is no code."""
    package = source / "resight"
    return sorted(path.relative_to(package).as_posix() for path in package.rglob("*.py") if _has_code(path))


def _has_code(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


def dotted(module: str) -> str:
    """A module as Python names it: `data/formats/__init__.py` -> `resight.data.formats`."""
    path = Path("resight") / module
    return ".".join(path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts)


def mirror(module: str) -> str:
    """Where a module's test stands: `a/b.py` -> `a/test_b.py`, `a/b/__init__.py` -> `a/b/test_b.py`."""
    path = Path(module)
    name = path.parent.name if path.name == "__init__.py" else path.stem
    return (path.parent / f"test_{name.lstrip('_') or 'resight'}.py").as_posix()


def mirrors(source: Path = SOURCE) -> dict[str, str]:
    """Module -> the file that its test stands in, or should."""
    return {module: mirror(module) for module in modules(source)}


def rooms(source: Path = SOURCE) -> dict[str, set[str]]:
    """Room -> the other rooms that it imports, anywhere in its files."""
    sys.path.insert(0, str(source))
    try:
        graph = grimp.build_graph("resight", cache_dir=None)
    finally:
        sys.path.remove(str(source))
    names = graph.find_children("resight")
    for name in names:
        graph.squash_module(name)
    return {name: (graph.find_modules_directly_imported_by(name) & names) - {name} for name in names}


def arrows(below: dict[str, set[str]]) -> int:
    """Pairs of rooms of which the first imports the second."""
    return sum(map(len, below.values()))


def floors(below: dict[str, set[str]]) -> int:
    """How many floors the house has. Raises RecursionError where rooms import each other in a circle."""

    @cache
    def floor(room: str) -> int:
        return 1 + max(map(floor, below[room]), default=0)

    return max(map(floor, below))


def main(source: Path = SOURCE, tests: Path = TESTS) -> None:
    found, below = mirrors(source), rooms(source)
    tested = sum((tests / test).is_file() for test in found.values())
    print(f"files in the root  {len(root_files(source))}: {', '.join(root_files(source))}")
    print(f"rooms              {len(below)}")
    print(f"floors             {floors(below)}")
    print(f"arrows             {arrows(below)}")
    print(f"mirrored tests     {tested} of {len(found)} modules")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    main(*given, *(folder.parent / "tests" for folder in given))
