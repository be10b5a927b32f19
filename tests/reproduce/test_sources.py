"""The lines of docs/sources.md: everything that they name exists, and every table and row finds its own."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.main import get_command

from resight.cli.app import app
from resight.errors import RecipeError
from resight.recipe import built_in_recipes, load_recipe
from resight.reproduce import Comparison, load_table, tables
from resight.reproduce.sources import Line, lines_of, sources
from tests.house import ROOT
from tests.support.names import found
from tests.support.parts import check_parts

LINES = {
    f"{source.cited}: {line.place}, {line.about}, {number}": line
    for source in sources()
    for number, line in enumerate(source.lines)
}


def _command(text: str) -> None:
    """A command line, or the part of one that matters: command, options, table or recipe."""
    words = shlex.split(text.replace("…", ""))[1:]
    command = get_command(app).commands[words.pop(0)]  # type: ignore[attr-defined]
    if words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= options, text
    if command.name == "reproduce" and words:
        assert words[0] in tables(), text
    if command.name == "train" and words and not words[0].startswith("-"):
        assert words[0] in built_in_recipes(), text


def _known(text: str, recipe: str | None) -> None:
    """Raise for a name that does not exist, or a key that `recipe` has not."""
    if text.startswith("resight "):
        _command(text)
    elif text.startswith("resight."):
        assert found(text) is not None
    elif re.fullmatch(r"[\w./-]+\.(csv|png|html|txt|mat|xml)", text):
        assert text.rpartition("/")[2] in _FILES, text
    else:
        assert recipe is not None, f"{text}: of which recipe?"
        if "=" in text:
            check_parts(load_recipe(recipe, shlex.split(text)))
        else:
            section = load_recipe(recipe).model_dump()
            for step in text.split("."):
                section = section[step]


_FILES = {
    "annotations_train.csv",
    "classification_test.csv",
    "curves.png",
    "manifest.csv",
    "market_attribute.mat",
    "metrics.csv",
    "picks.png",
    "reid_test.txt",
    "report.html",
    "test_label.xml",
}


@pytest.mark.parametrize("name", LINES)
def test_what_a_line_names_exists(name: str) -> None:
    line, recipe = LINES[name], None
    for text in re.findall(r"`([^`]+)`", f"{line.here} {line.differs}"):
        if text in built_in_recipes():
            recipe = text
        else:
            _known(text, recipe)
    for row in line.rows:
        table, _, wanted = row.partition(": ")
        assert not wanted or wanted in [found.name for found in load_table(table).rows]
    for text in (line.said, line.here, *filter(None, [line.differs])):
        assert text.rstrip().endswith((".", "?")), "sentences, one after another"


@pytest.mark.parametrize(
    "text", ["resight cluster --no-such", "resight.run.nothing", "losses.triplet.margn=1", "model.hed"]
)
def test_a_name_that_does_not_exist_is_noticed(text: str) -> None:
    with pytest.raises((AssertionError, AttributeError, KeyError, RecipeError)):
        _known(text, "reid-two-branch")


def test_every_source_is_described_whole() -> None:
    assert [source.cited for source in sources()] == [
        "two-branch report (University of Trento)",
        "VAE report (University of Trento)",
        "Bruna report (University of Trento)",
        "Camera-label batch hard (KAIST coursework)",
        "EEEM071 coursework (University of Surrey)",
    ]
    for source in sources():
        assert {"data", "model", "losses", "training", "evaluation", "figure"} <= {line.about for line in source.lines}


def test_every_recipe_of_a_source_has_a_line() -> None:
    told = " ".join(line.here + line.differs for line in LINES.values())
    for recipe in built_in_recipes().keys() - {"reid-osnet", "reid-mobile"}:  # of a paper
        assert f"`{recipe}`" in told, recipe


@pytest.mark.parametrize("name", tables())
def test_every_table_stands_on_the_page_and_points_there(name: str) -> None:
    table = load_table(name)
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    notes = Comparison(table, [{0: {}} for _ in table.rows]).notes()
    if name == "strong-baseline-ladder":  # of a paper, not of the five sources
        assert f'id="{name}"' not in page
        assert "docs/sources.md" not in " ".join(notes)
        return
    assert f'<a id="{name}"></a>' in page
    header = next(number for number, note in enumerate(notes) if f"docs/sources.md#{name}" in note)
    assert notes[header + 1 :] == lines_of(table, list(range(len(table.rows))))
    assert " ".join(table.note.split()) in page


def test_a_row_prints_its_own_line_once_it_has_run() -> None:
    table = load_table("vehicle-schedules")
    cosine = [row.name for row in table.rows].index("warm-up cosine")
    assert any(line.startswith("warm-up cosine") for line in lines_of(table, [cosine]))
    assert not any(line.startswith("warm-up cosine") for line in lines_of(table, [0]))
    assert not lines_of(table.model_copy(update={"name": ""}), [cosine]), "somebody's own table"
    assert all("`" not in line for line in lines_of(table, [cosine]))


def test_a_line_of_a_table_is_that_of_all_rows() -> None:
    table = load_table("camera-mining")
    about = [line for line in LINES.values() if "camera-mining" in line.rows]
    assert about
    assert [line.startswith("All rows") for line in lines_of(table, [])] == [True] * len(about)


def test_a_line_needs_all_that_is_told() -> None:
    with pytest.raises(ValueError, match="here"):
        Line(place="1", about="model", said="It has one.")  # type: ignore[call-arg]
