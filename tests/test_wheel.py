"""The wheel: all that resight needs to run, and nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from resight.recipe import built_in_recipes
from resight.reproduce import tables
from resight.version import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "resight"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as `python -m build` makes it, from the source distribution; nothing is fetched."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(wheel.read(f"resight-{__version__}.dist-info/METADATA").decode())


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    sources = {path.relative_to(ROOT / "src").as_posix() for path in PACKAGE.rglob("*.py")}
    data = {f"resight/recipes/{name}.yaml" for name in built_in_recipes()}
    data |= {f"resight/reproduce/tables/{name}.yaml" for name in tables()}
    data |= {"resight/reproduce/sources.yaml", "resight/py.typed", "resight/__init__.pyi"}
    data |= {"resight/views/templates/report.html.j2"}
    data |= {f"resight/serving/templates/{name}.html" for name in ("gallery", "review")}
    static = PACKAGE / "serving" / "static"
    data |= {
        f"resight/serving/static/{path.name}" for path in static.iterdir() if path.suffix in (".js", ".css", ".svg")
    }
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert len(data) > 40
    assert set(wheel.namelist()) == sources | data | {f"resight-{__version__}.dist-info/{name}" for name in about}


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    entries = wheel.read(f"resight-{__version__}.dist-info/entry_points.txt").decode()
    assert re.search(r"^resight = resight\.cli:main$", entries, re.MULTILINE)
    assert metadata(wheel)["Version"] == __version__


def test_every_library_that_the_package_imports_is_asked_for(wheel: zipfile.ZipFile) -> None:
    """Those of an extra too: an installation without the development extra lacks nothing."""
    asked = {
        re.match(r"[\w-]+", line)[0].lower().replace("-", "_")  # type: ignore[index]
        for line in metadata(wheel).get_all("Requires-Dist", [])
        if "extra == 'dev'" not in line
    }
    brings = packages_distributions()
    for name in sorted(imported()):
        homes = {home.lower().replace("-", "_") for home in brings.get(name, [name])}
        assert homes & asked, f"{name} is imported and not asked for"


def imported() -> set[str]:
    """Top-level names of all that the package imports from outside it and the standard library."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"resight"}
