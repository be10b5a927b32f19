"""Write docs/commands/*.md from the commands' own help, docs/formats.md from the readers, docs/recipes.md from the
recipe's types and the signatures of its tables' entries, and docs/sources.md from the lines that ship with the published
tables, so that they cannot disagree.

python docs/generate.py          write the pages
python docs/generate.py --check  exit with 1 when a page on disk differs
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from resight.cli.app import app
from resight.data.augmentations import AUGMENTATIONS
from resight.data.formats import FORMATS, LAYOUTS, VARIANTS
from resight.data.samplers import SAMPLERS
from resight.engine.averaging import AVERAGES
from resight.engine.optimisers import OPTIMISERS
from resight.engine.schedules import SCHEDULES
from resight.losses import ATTRIBUTE_LOSSES, BRUNA_LOSSES, LOSSES, MASK_LOSSES, RECONSTRUCTION_LOSSES
from resight.models import MODELS
from resight.recipe import OneOf, Recipe, built_in_recipes, options_of, told_of
from resight.reproduce import load_table, tables
from resight.reproduce.sources import sources
from resight.tasks.systems import SYSTEMS

FOLDER = Path(__file__).parent / "commands"
FORMATS_PAGE = FOLDER.parent / "formats.md"
FORMATS_TOP = """# Datasets that --data reads

`--data FORMAT:PATH`, with one of the names below. Those marked \\* are also known by their layout, when only a path is
given. MSMT17, CUHK03-NP, DukeMTMC-reID, VIPeR, VERI-Wild and VehicleID are not at hand where resight is made: their
readers are verified on small layouts that the tests build by the descriptions below, not on the datasets themselves.
`resight data inspect` prints what was read; compare it with the dataset's published counts.
"""

RECIPES_PAGE = FOLDER.parent / "recipes.md"
RECIPES_TOP = """# Recipes and their keys

A recipe is a YAML file that describes one training whole. `resight train NAME KEY=VALUE ...` trains a built-in one with
keys changed; a key within a section is written with a point, as in `image.height=128`. `--show` prints the recipe that
results. Where a table below says nothing of a key, the words above it do. An unknown key is an error that names the nearest right one.
"""
SOURCES_PAGE = FOLDER.parent / "sources.md"
SOURCES_TOP = """# The five sources, line by line

Five reports describe the eight systems that resight trains. A line for each thing that a report describes: where it
lives here, and what differs or was chosen where it is silent, and why. A key belongs to the recipe named last before
it in its line. Published tables stand last in their source's section; their figures are in the tables themselves, and
`resight reproduce` prints the lines of the rows that it has run.
"""
LOSSES_GIVEN = ("num_classes", "dim", "counts")
TABLES: dict[str, tuple[Mapping[str, Callable[..., Any]], tuple[str, ...]]] = {
    "system": (SYSTEMS, ("recipe", "model", "training_set")),
    "augmentation": (AUGMENTATIONS, ("image",)),
    "sampler": (SAMPLERS, ("ids", "cameras", "targets", "seed")),
    "model": (MODELS, ("num_classes", "attributes", "image_size")),
    "losses": (LOSSES, LOSSES_GIVEN),
    "losses of attributes": (ATTRIBUTE_LOSSES, LOSSES_GIVEN),
    "losses of reconstruction": (RECONSTRUCTION_LOSSES, LOSSES_GIVEN),
    "losses of segmentation": (MASK_LOSSES, LOSSES_GIVEN),
    "losses of bruna": (BRUNA_LOSSES, LOSSES_GIVEN),
    "optimiser": (OPTIMISERS, ("parameters",)),
    "schedule": (SCHEDULES, ("epochs",)),
    "average": (AVERAGES, ("epochs",)),
}
"""Sections whose keys depend on the entry that is named: the entries, and parameters that the program supplies."""

SHARED = {
    "backbone": "a timm model, with the tag of the weights it begins from",
    "batch_size": "images in a batch",
    "brightness": "the factor lies within 1 ± this",
    "channels": "channels of each block",
    "classifier_bias": "give the classifier a bias",
    "contrast": "the factor lies within 1 ± this",
    "convolutions": "convolutions in each block",
    "dropout": "share of the numbers that are set to 0 in training",
    "amsgrad": "the variant of that name",
    "enlarge": "factor of height and width before the cut",
    "hidden": "width of each perceptron's hidden layer",
    "identities": "people in a batch",
    "images": "images of each in a batch",
    "label_smoothing": "eps in the words above",
    "lr": "learning rate; `rates` sets others for parts of the model",
    "margin": "as in the words above",
    "milestones": "epochs from which on the rate is lower",
    "momentum": "share of the last step that is taken again; 0 for none",
    "offset": "the cosine at which a pair is undecided, in the beginning; it is learned",
    "pretrained": "begin from the backbone's weights; false: from random ones",
    "probability": "of being applied to an image",
    "saturation": "the factor lies within 1 ± this",
    "scale": "factor of the cosines",
    "sigma": "deviation of the components' factors",
    "warmup_epochs": "epochs over which the rate rises to its whole; 0 for none",
    "warmup_factor": "share of the rate with which the warm-up begins",
    "weight_decay": "share of each weight that is added to its gradient; of adamw, that is taken off it at each step",
    "width": "channels of the first level",
}
"""Options that mean the same in every part that has them, where the part itself does not say it."""


def pages() -> dict[Path, str]:
    """One page a command, one of the formats, the recipes and the sources each: file -> text."""
    root = get_command(app)
    context = typer.Context(root, info_name="resight")
    found = {FORMATS_PAGE: FORMATS_TOP + "\n" + "\n\n".join(_formats()) + "\n"}
    found[RECIPES_PAGE] = RECIPES_TOP + "\n" + "\n\n".join(_recipes()) + "\n"
    found[SOURCES_PAGE] = SOURCES_TOP + "\n" + "\n\n".join(_sources()) + "\n"
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
    panels: dict[str | None, list[str]] = {None: [_row(_argument(argument), argument) for argument in arguments]}
    for option in command.params:
        if option not in arguments and not option.hidden and option.name != "help":
            panels.setdefault(option.rich_help_panel, []).append(_row(_option(option), option))
    usage = " ".join([name, *(_argument(argument) for argument in arguments), "[OPTIONS]"])
    lines += ["```", usage, "```", ""]
    for panel, rows in panels.items():
        lines += [*([f"## {panel}", ""] if panel else []), "| | |", "| --- | --- |", *rows, ""]
    return lines


def _formats() -> list[str]:
    """A section for each reader: the names it has in the table, and what its file and its docstring say."""
    readers: dict[object, list[str]] = {}
    for name, reader in FORMATS.items():
        readers.setdefault(reader.func if isinstance(reader, partial) else reader, []).append(name)
    sections = []
    for reader, names in readers.items():
        title = ", ".join(f"{name} \\*" if name in LAYOUTS else name for name in names)
        variants = [f"- `--data {name}:ROOT`: {VARIANTS[name]}" for name in names if name in VARIANTS]
        parts = [f"## {title}", inspect.getdoc(inspect.getmodule(reader)), "\n".join(variants), inspect.getdoc(reader)]
        sections.append("\n\n".join(part for part in parts if part))
    return sections


def _recipes() -> list[str]:
    """The built-in recipes, the keys of each section, and those of each entry of a table."""
    listed = [f"- `{name}`: {told_of(file)}" for name, file in built_in_recipes().items()]
    sections = ["## Built-in recipes\n\n" + "\n".join(listed)]
    plain = {name: field for name, field in Recipe.model_fields.items() if not _is_section(field)}
    sections.append(f"## Top level\n\n{_keys(plain)}")
    for name, field in Recipe.model_fields.items():
        if _is_section(field):
            sections.append(
                f"## {name}\n\n{_told(field.annotation)}\n\n{_keys(field.annotation.model_fields, name + '.')}"
            )
    for name, (table, given) in TABLES.items():
        sections.append(f"## {name}\n\nOne of: {', '.join(f'`{entry}`' for entry in table)}.")
        for called, entry in table.items():
            sections.append("\n\n".join(filter(None, [f"### {name}: {called}", _told(entry), _options(entry, given)])))
    return sections


def _sources() -> list[str]:
    """A section for each source: its lines, then its tables by their own words."""
    shipped = [load_table(name) for name in tables()]
    sections = []
    for source in sources():
        rows = [(f"{line.place} · {line.about}", line.said, line.here, line.differs) for line in source.lines]
        for table in shipped:
            if table.source.startswith(source.cited):
                place = f'<a id="{table.name}"></a>{table.source.removeprefix(source.cited).lstrip(", ")}'
                here = f"`resight reproduce {table.name}`, {len(table.rows)} rows"
                rows.append((place, f"{table.title}: {', '.join(table.figures)}.", here, table.note))
        cells = [" | ".join(" ".join(text.split()).replace("|", "\\|") for text in row) for row in rows]
        head = ["| | the source | here | what differs, and why |", "| --- | --- | --- | --- |"]
        sections.append("\n".join([f"## {source.title}", "", *head, *(f"| {row} |" for row in cells)]))
    return sections


def _options(entry: Callable[..., Any], given: tuple[str, ...]) -> str:
    """The table of a part's options, with what they mean where its docstring does not name them."""
    fields = {}
    for name, field in options_of(entry, given).items():
        fields[name] = copy(field)
        if not field.description and f"`{name}" not in _told(entry):
            fields[name].description = SHARED.get(name)
    return _keys(fields)


def _is_section(field: FieldInfo) -> bool:
    return inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel)


def _keys(fields: Mapping[str, FieldInfo], before: str = "") -> str:
    """A table of keys: default and meaning."""
    rows = [f"| `{before}{name}` | {_default(field)} | {_meaning(field)} |" for name, field in fields.items()]
    return "\n".join(["| key | default | |", "| --- | --- | --- |", *rows]) if rows else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    return f"`{json.dumps(field.get_default(call_default_factory=True), ensure_ascii=False, default=str)}`"


def _meaning(field: FieldInfo) -> str:
    tables = [mark.table for mark in field.metadata if isinstance(mark, OneOf)]
    told = [field.description or "", *(f"one of {', '.join(table)}" for table in tables)]
    if not field.description and get_origin(field.annotation) is Literal:
        told.append(f"one of {', '.join(map(str, get_args(field.annotation)))}")
    return "; ".join(filter(None, told)).replace("|", "\\|")


def _told(entry: object) -> str:
    """An entry's docstring, without its examples and the errors that it raises."""
    paragraphs = (inspect.getdoc(entry) or "").split("\n\n")
    kept = [part for part in paragraphs if not part.startswith((">>>", "Raises"))]
    return re.sub(r"\s+Raises [A-Z][^.]*\.$", "", "\n\n".join(kept))


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
