"""The tables that ship: well formed, of recipes and keys that exist, and the figures that the sources print."""

from __future__ import annotations

import csv
import re
import statistics
from collections import Counter
from pathlib import Path

import pytest

from resight.recipe import Recipe, built_in_recipes
from resight.reproduce import load_table, tables
from resight.reproduce.planning import plan
from resight.tasks.attributes.published import ATTRIBUTE_MEANS, ATTRIBUTE_TABLES
from tests.support.parts import check_parts

READ = list(csv.DictReader((Path(__file__).parent / "published.csv").read_text(encoding="utf-8").splitlines()))
"""Every figure that the five sources print, typed from them by another reader than the tables' own: the place and the row
as the source calls them, the value as it stands there, and where it is here: `table: row`, or – and why it is in none."""

COMPUTED = {
    "attributes-targets: twelve attributes": "validation",
    "attributes-targets: twelve attributes, trained on": "train",
}
"""Rows whose figures no source prints: means of what it prints, on these images."""

LITERATURE = ("strong-baseline-ladder",)
"""Tables of papers, not of the five sources."""

OF_PAPERS = ("reid-strong-baseline", "reid-osnet", "reid-mobile")
"""Recipes whose figures are those of papers."""

RECIPES = {
    "attributes-multihead": "two-branch",
    "attributes-residual-cnn": "VAE",
    "attributes-resnet18": "Bruna",
    "reid-bruna": "Bruna",
    "reid-camera-mining": "camera mining",
    "reid-two-branch": "two-branch",
    "reid-vae": "VAE",
    "vehicle": "vehicle",
}
"""Beginning of recipes' names -> the source of their figures."""


@pytest.mark.parametrize("name", tables())
def test_every_row_is_a_recipe_that_can_be_built(name: str) -> None:
    table = load_table(name)
    assert len(table.rows) >= 2
    planned, notes = plan(table)
    assert not notes
    for row in planned:
        check_parts(row.recipe(0))
    shorter, _ = plan(table, epochs=3)
    for row in shorter:
        check_parts(row.recipe(0))
        assert row.recipe(0).epochs == 3


@pytest.mark.parametrize("name", tables())
def test_rows_of_a_table_differ(name: str) -> None:
    # But where they are one run judged in two ways.
    table = load_table(name)
    planned, _ = plan(table)
    shared = [
        row
        for row in planned
        if not row.row.rerank and not row.row.targets and row.row.of == "test" and not row.row.clusters
    ]
    assert len({row.folder for row in shared}) == len(shared)


def _value(line: dict[str, str]) -> float:
    """As tables have it: per cent, except losses."""
    number = float(line["value"].removesuffix("%"))
    fraction = number < 1 and "loss" not in line["figure"]
    return round(100 * number, 6) if fraction else number


def _read() -> dict[tuple[str, str], set[float]]:
    """(`table: row`, figure) -> the values that the sources have for it."""
    found: dict[tuple[str, str], set[float]] = {}
    for line in READ:
        for here in line["here"].split(" | "):
            found.setdefault((here, line["figure"]), set()).add(_value(line))
    return {key: values for key, values in found.items() if not key[0].startswith("–")}


def _printed() -> dict[tuple[str, str], float]:
    """(`table: row`, figure) -> the value that the table has; macro recall is balanced accuracy."""
    return {
        (f"{name}: {row.name}", {"balanced": "recall"}.get(figure, figure)): value
        for name in tables()
        if name not in LITERATURE
        for row in load_table(name).rows
        for figure, value in row.published.items()
    }


def _twelve(images: str, figure: str) -> float:
    """A mean over the twelve attributes, of the figures that the source prints for each."""
    values = [
        _value(line)
        for line in READ
        if line["place"] == "Bruna report, table 1"
        and line["figure"] == figure
        and line["row"].endswith(f", {images}")
        and line["row"].split(",")[0] not in ("Camera4", "Camera6", "Junk", "Overall")
    ]
    assert len(values) == 12
    return round(statistics.fmean(values), 1)


def test_the_transcription_is_whole() -> None:
    """Rows and figures of each place, counted in the sources."""
    assert len(READ) == 235
    counts = Counter(line["place"] for line in READ)
    assert counts["Bruna report, table 1"] == 16 * 2 * 3
    assert counts["camera mining slides, hyperparameters"] == 2 + 9 * 2
    tables_of_vehicles = [counts[f"vehicle coursework, table {number}"] for number in range(1, 10)]
    assert tables_of_vehicles == [2 * rows for rows in (8, 8, 3, 4, 5, 3, 4, 5, 6)]


def test_every_figure_of_the_sources_is_in_a_table() -> None:
    printed = _printed()
    missing = {key: values for key, values in _read().items() if values != {printed.get(key)}}
    assert not missing, "published.csv says what the sources print, and its last column in which row it stands here"


def test_every_figure_of_the_tables_is_in_a_source() -> None:
    read = _read()
    for (row, figure), value in _printed().items():
        known = {_twelve(COMPUTED[row], figure)} if row in COMPUTED else read.get((row, figure), set())
        assert known == {value}, (row, figure)


def test_what_stands_in_no_table_is_in_words() -> None:
    """The bound on attributes and the peak of mAP."""
    assert [line["value"] for line in READ if line["here"].startswith("–")] == ["60%", "82%"]
    assert "peak mAP is 82" in load_table("two-branch-id-loss").note


def test_figures_beside_attribute_results_are_those_of_the_table() -> None:
    for name, six in ATTRIBUTE_TABLES["attributes-resnet18"].items():
        here = [f"attributes-targets: {name}, trained on", f"attributes-targets: {name}"]
        assert list(six) == [_printed()[row, figure] for row in here for figure in ("accuracy", "precision", "recall")]
    assert len(ATTRIBUTE_TABLES["attributes-resnet18"]) == 15


@pytest.mark.parametrize("name", sorted(built_in_recipes()))
def test_figures_in_words_are_the_sources(name: str) -> None:
    """The header of a recipe, and the line below its results."""
    source = next((place for beginning, place in RECIPES.items() if name.startswith(beginning)), None)
    header = built_in_recipes()[name].read_text(encoding="utf-8").split("\nsystem:")[0].replace("\n#", "")
    figures = _FIGURES.findall(f"{header} {ATTRIBUTE_MEANS.get(name, '')}")
    values = [float(number) for text in figures for number in text.split(" / ")]
    if source is None:
        assert name in OF_PAPERS or not values
        return
    known = {_value(line) for line in READ if line["place"].startswith(source)}
    if source == "Bruna":
        known |= {
            _twelve(images, figure)
            for images in ("train", "validation")
            for figure in ("accuracy", "precision", "recall")
        }
    assert values or "Published: –" in header
    assert {100 * value if value < 1 else value for value in values} <= known


_FIGURES = re.compile(
    r"\d+(?:\.\d+)?(?: / \d+(?:\.\d+)?)+"
    r"|\d+(?:\.\d+)?(?= % (?:rank-1|mAP|mean|validation|without|accuracy|precision|recall|at its peak))"
    r"|(?<=mAP about )\d+|\b0\.\d+(?= mAP| after)|(?<=figure: )0\.\d+|(?<=accuracy )\d+\.\d+|(?<=precision )\d+\.\d+|(?<=recall )\d+\.\d+"
)


@pytest.mark.parametrize("suffix", ["", ", trained on"])
def test_means_over_targets_are_those_of_the_printed_rows(suffix: str) -> None:
    """The twelve attributes' are computed, since the source prints the means over all fifteen alone."""
    rows = {
        row.name: row
        for row in load_table("attributes-targets").rows
        if row.name.endswith("trained on") == bool(suffix)
    }
    single = {row.targets[0]: row.published for row in rows.values() if len(row.targets) == 1}
    twelve = rows[f"twelve attributes{suffix}"]
    assert len(single) == 15
    assert set(single) - set(twelve.targets) == {"camera-4", "camera-6", "junk"}
    for name, means in ((f"overall{suffix}", list(single)), (twelve.name, twelve.targets)):
        for figure in ("accuracy", "precision", "recall"):
            mean = sum(single[target][figure] for target in means) / len(means)
            assert rows[name].published[figure] == pytest.approx(mean, abs=0.0501), (name, figure, mean)


def test_rows_that_two_tables_share_are_one_recipe() -> None:
    """Where the source has one set-up in two tables, so have we."""

    def recipe(table: str, row: int) -> Recipe:
        return plan(load_table(table))[0][row - 1].recipe(0)

    assert recipe("vehicle-steps", 1) == recipe("vehicle-batch", 5)
    assert recipe("vehicle-steps", 2) == recipe("vehicle-batch", 3) == recipe("vehicle-optimisers", 1)
    assert recipe("vehicle-steps", 4) == recipe("vehicle-image-size", 3)
    assert recipe("vehicle-steps", 5) == recipe("vehicle-embedding", 4)
    assert recipe("vehicle-steps", 6) == recipe("vehicle-heads", 1)
    assert recipe("vehicle-steps", 7) == recipe("vehicle-heads", 4)
    steps, schedules = recipe("vehicle-steps", 4), recipe("vehicle-schedules", 1)
    # The schedule is written out in one and not in the other.
    assert steps.model_dump(exclude={"schedule"}) == schedules.model_dump(exclude={"schedule"})
    assert recipe("vehicle-steps", 8) == recipe("vehicle-augmentations", 1)


def test_each_row_of_camera_mining_is_the_variant_that_the_note_says() -> None:
    table = load_table("camera-mining")
    mined = {row.row.name: row.recipe(0).losses["triplet"]["mining"] for row in plan(table)[0]}
    drawn = {name for name, mining in mined.items() if mining.get("negatives") == "raise"}
    assert drawn == {"k = 5 m = 0.1, as drawn"}
    for name, mining in mined.items():
        if "baseline" in name:
            assert mining == {"name": "batch-hard"}
        else:
            assert mining["bias_std"] == ("zeros" if name in drawn else "valid"), name
            assert f"k = {mining['k']} m = {mining['m']}" in name
            assert (mining["decay"], mining["epochs"]) == (True, 0), "the bias decays and does not end"


def test_erasing_of_vehicles_is_as_stated_and_an_override_changes_it_where_it_is() -> None:
    overrides = ["augmentation.erasing.aspect=0.75", "augmentation.erasing.fill=after-normalisation"]
    for name in ("vehicle-steps", "vehicle-augmentations"):
        stated, changed = (
            [row.recipe(0).augmentation.get("erasing") for row in plan(load_table(name), given)[0]]
            for given in ((), overrides)
        )
        assert any(stated)
        assert all(
            (erasing["area"], erasing["aspect"], erasing["fill"]) == ([0.02, 0.4], 0.3, "pixel-mean")
            for erasing in stated
            if erasing
        )
        assert changed == [erasing and erasing | {"aspect": 0.75, "fill": "after-normalisation"} for erasing in stated]
