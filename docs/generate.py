"""Write docs/commands/*.md from the commands' own help and docs/formats.md from the readers, so that they cannot disagree.

python docs/generate.py          write the pages
python docs/generate.py --check  exit with 1 when a page on disk differs
"""

from __future__ import annotations

import inspect
import sys
from functools import partial
from pathlib import Path

import typer
from typer.main import get_command

from resight.cli.app import app
from resight.data.formats import FORMATS, LAYOUTS

FOLDER = Path(__file__).parent / "commands"
FORMATS_PAGE = FOLDER.parent / "formats.md"
FORMATS_TOP = """# Datasets that --data reads

`--data FORMAT:PATH`, with one of the names below. Those marked \\* are also known by their layout, when only a path is
given. MSMT17, CUHK03-NP, DukeMTMC-reID, VIPeR, VERI-Wild and VehicleID are not at hand where resight is made: their
readers are verified on small layouts that the tests build by the descriptions below, not on the datasets themselves.
`resight data inspect` prints what was read; compare it with the dataset's published counts.
"""


def pages() -> dict[Path, str]:
    """One page a command, and one of the formats: file -> text."""
    root = get_command(app)
    context = typer.Context(root, info_name="resight")
    found = {FORMATS_PAGE: FORMATS_TOP + "\n" + "\n\n".join(_formats()) + "\n"}
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        found[FOLDER / f"{name}.md"] = "\n".join(_sections(command, f"resight {name}", context)) + "\n"
    return found


def _sections(command, name: str, parent) -> list[str]:  # type: ignore[no-untyped-def]  # click objects, vendored by typer
    context = typer.Context(command, info_name=name.split()[-1], parent=parent)
    lines = [f"# {name}", "", (command.help or "").strip(), ""]
    parts = getattr(command, "commands", None)
    if parts:
        for sub_name, sub in parts.items():
            lines += [
                "#" + line if line.startswith("#") else line for line in _sections(sub, f"{name} {sub_name}", context)
            ]
        return lines
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter not in arguments and not parameter.hidden]
    usage = " ".join([name, *(_argument(argument) for argument in arguments), "[OPTIONS]"])
    lines += ["```", usage, "```", "", "| | |", "| --- | --- |"]
    lines += [_row(_argument(argument), argument) for argument in arguments]
    lines += [_row(_option(option), option) for option in options if option.name != "help"]
    return [*lines, ""]


def _formats() -> list[str]:
    """A section for each reader: the names it has in the table, and what its file and its docstring say."""
    readers: dict[object, list[str]] = {}
    for name, reader in FORMATS.items():
        readers.setdefault(reader.func if isinstance(reader, partial) else reader, []).append(name)
    sections = []
    for reader, names in readers.items():
        title = ", ".join(f"{name} \\*" if name in LAYOUTS else name for name in names)
        sections.append(f"## {title}\n\n{inspect.getdoc(inspect.getmodule(reader))}\n\n{inspect.getdoc(reader)}")
    return sections


# Typer's own words differ from one of its versions to the next; these pages should not.
def _argument(parameter) -> str:  # type: ignore[no-untyped-def]
    word = (parameter.metavar or parameter.name.upper()).strip("[].")
    return f"{word if parameter.required else f'[{word}]'}{'...' if parameter.nargs == -1 else ''}"


def _option(parameter) -> str:  # type: ignore[no-untyped-def]
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {parameter.metavar or parameter.name.upper()}"


def _row(told: str, parameter) -> str:  # type: ignore[no-untyped-def]
    text = " ".join((parameter.help or "").split())
    default = parameter.default
    if isinstance(default, str | int | float | Path) and not isinstance(default, bool) and "[default" not in text:
        text += f"  [default: {default}]"
    return f"| `{told}` | {text} |"


def main() -> int:
    made = pages()
    if "--check" in sys.argv:
        stale = [
            str(file) for file, text in made.items() if not file.exists() or file.read_text(encoding="utf-8") != text
        ]
        stale += [str(file) for file in FOLDER.glob("*.md") if file not in made]
        if stale:
            print("out of date (run `make docs`): " + ", ".join(stale))
        return int(bool(stale))
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.md"):
        file.unlink()
    for file, text in made.items():
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
