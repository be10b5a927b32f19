"""A table as YAML: what is read, what is refused, which rows are meant, and what each row sets."""

from __future__ import annotations

import re
from pathlib import Path

import pydantic
import pytest

from resight.errors import RecipeError
from resight.reproduce.table import Table, chosen_rows, load_table, slug

BASE = {"title": "t", "source": "s", "recipe": "reid-strong-baseline", "protocol": "market1501", "figures": ["mAP"]}


def table(*rows: dict, **more: object) -> Table:
    return Table.model_validate({**BASE, "rows": list(rows), **more})


def test_unknown_tables_rows_and_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"no table 'attributes-skp' \(did you mean 'attributes-skip'\?\); give a file"
    ):
        load_table("attributes-skp")
    (tmp_path / "t.yaml").write_text("title: x\nrows: 3\n")
    with pytest.raises(RecipeError, match=re.escape("t.yaml: no table")):
        load_table(str(tmp_path / "t.yaml"))
    (tmp_path / "t.yaml").write_text(
        "{title: x, source: y, recipe: reid-strong-baseline, figures: [mAP], rows: [{name: a}]}"
    )
    with pytest.raises(RecipeError, match="need a protocol: market1501"):
        load_table(str(tmp_path / "t.yaml"))
    with pytest.raises(RecipeError, match=r"no row 'withot'; there is: 1 without-residual-connection, 2"):
        chosen_rows(load_table("attributes-skip"), "withot")


def test_rows_are_chosen_by_number_or_name() -> None:
    mining = load_table("camera-mining")
    assert chosen_rows(mining, None) == list(range(len(mining.rows)))
    assert chosen_rows(mining, "5, baseline,k = 1 m = 0.1") == [0, 1, 4]
    named = table({"name": "256"}, {"name": "2"}, {"name": "64"})
    assert chosen_rows(named, "2") == [1], "a row may be called by a number, and its name comes first"
    assert chosen_rows(named, "3,1") == [0, 2], "in the order of the table"


def test_a_row_sets_what_the_table_sets_and_its_own_or_all_above_it() -> None:
    rows = [{"name": "a", "set": ["x=1"]}, {"name": "b", "set": ["y=2", "x=3"]}]
    apart, together = table(*rows, set=["z=0"]), table(*rows, set=["z=0"], cumulative=True)
    assert apart.changes(1) == ["z=0", "y=2", "x=3"]
    assert together.changes(0) == ["z=0", "x=1"]
    assert together.changes(1) == ["z=0", "x=1", "y=2", "x=3"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"rows": [{"name": "FC-BN"}, {"name": "fc bn"}]}, "two rows have the same name"),
        ({"rows": []}, "at least 1 item"),
        ({"rows": [{"name": "a", "published": {"map": 3}}]}, "unknown figure 'map'; there is: mAP, rank-1"),
        ({"rows": [{"name": "a", "published": {"rank-1": 3}}]}, "unknown figure 'rank-1'"),  # it is no column
        ({"rows": [{"name": "a", "of": "validation"}]}, "'test' or 'train'"),
        ({"rows": [{"name": "a", "sets": []}]}, "Extra inputs are not permitted"),
        ({"beside": {"another model": {"rank-1": 3}}}, "unknown figure 'rank-1'"),
        ({"figures": ["mAP", "accuracy"]}, "retrieval figures go with no others"),
        ({"protocol": "market"}, "need a protocol: market1501"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(changed: dict, told: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=re.escape(told)):
        Table.model_validate({**BASE, "rows": [{"name": "a"}], **changed})


def test_a_tables_columns_tell_whether_it_is_of_retrieval() -> None:
    assert table({"name": "a"}).retrieves
    assert not table({"name": "a"}, figures=["accuracy", "train loss"], protocol=None).retrieves


def test_names_become_parts_of_paths() -> None:
    assert slug("k = 5 m = 0.1") == "k-5-m-0-1"
    assert slug("512×288") == "512-288"
    assert slug("  FC–BN (ours)") == "fc-bn-ours"
