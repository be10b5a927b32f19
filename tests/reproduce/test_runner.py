"""Published tables: every one is well formed, both rows are trained and told, a cut table goes on."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from resight.cli.app import app
from resight.data.formats import read_dataset
from resight.errors import RecipeError, RunError
from resight.recipe import load_recipe
from resight.reproduce import load_table, reproduce, tables
from resight.synthetic import synthesize

TINY = [
    "epochs=1",
    "image.height=32",
    "image.width=16",
    "sampler.batch_size=16",
    "loader.workers=0",
    "trainer.accelerator=cpu",
    "trainer.precision=32",
]
CNN = [*TINY, "model.channels=[4,8]", "model.hidden=8"]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data") / "street"
    synthesize(folder, identities=40, test_identities=4, images_per_camera=2, cameras=3, size=(32, 16))
    return f"market1501:{folder}"


@pytest.mark.parametrize("name", tables())
def test_every_table_names_recipes_and_keys_that_exist(name: str) -> None:
    table = load_table(name)
    assert len(table.rows) >= 2
    for row in table.rows:
        assert load_recipe(table.recipe, row.set).validation.ratio > 0
        assert set(row.published) <= set(table.figures)


@pytest.mark.slow
def test_one_command_prints_both_rows_beside_the_published(street: str, tmp_path: Path) -> None:
    arguments = ["reproduce", "attributes-skip", *CNN, "--data", street, "--out", str(tmp_path / "t")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for words in ("without residual connection", "with residual connection", "79.87", "70.24"):
        assert words in result.output
    with open(tmp_path / "t" / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["published accuracy"] for row in rows] == ["70.24", "79.87"]
    assert all(0 < float(row["accuracy"]) < 100 for row in rows)
    before = (tmp_path / "t" / "with-residual-connection" / "metrics.csv").stat().st_mtime_ns
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert (tmp_path / "t" / "with-residual-connection" / "metrics.csv").stat().st_mtime_ns == before
    with pytest.raises(RunError, match="holds a run of another recipe"):
        reproduce(load_table("attributes-skip"), read_dataset(street), tmp_path / "t", overrides=[*CNN, "seed=9"])


def test_unknown_tables_and_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no table 'attributes-skp', did you mean 'attributes-skip'"):
        load_table("attributes-skp")
    (tmp_path / "t.yaml").write_text("title: x\nrows: 3\n")
    with pytest.raises(RecipeError, match=re.escape("t.yaml: no table")):
        load_table(str(tmp_path / "t.yaml"))
