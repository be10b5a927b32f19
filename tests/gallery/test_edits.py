"""New values as users write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resight.errors import DataError
from resight.gallery import Gallery
from resight.gallery.edits import edits_of, values_of_options
from resight.records import ReidDataset
from resight.run import Run

COLUMNS = {"camera": "int", "time": "time", "known": "bool", "odd:int": "text"}


@pytest.fixture
def gallery(trained: Run, crowd: ReidDataset, tmp_path: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", model=trained.folder)
    made.add(crowd.gallery)
    return made


def test_options() -> None:
    options = ["name=A = B", "camera=3", "time=1970-01-01T00:00:01", "known=yes", "n:int=2", "s:float=.5", "odd:int=x"]
    assert values_of_options(options, COLUMNS) == {
        "name": "A = B",
        "camera": 3,
        "time": 1000,
        "known": True,
        "n": 2,
        "s": 0.5,
        "odd:int": "x",
    }
    assert values_of_options(["camera=", "time=5"], COLUMNS) == {"camera": None, "time": 5}
    for option, told in (("camera=x", "camera"), ("name", "write NAME=VALUE"), ("time=noon", "is no time"), ("camera:text=x", "holds int, not text")):  # fmt: skip
        with pytest.raises(DataError, match=told):
            values_of_options([option], COLUMNS)


def test_a_table_of_paths(gallery: Gallery, crowd: ReidDataset, tmp_path: Path) -> None:
    folder = Path(crowd.gallery[0].path).parent
    names = [Path(record.path).name for record in crowd.gallery[:3]]
    table = folder / "names.csv"
    table.write_text(f"path,name,camera,visits\n{names[0]},007,9,1\n{crowd.gallery[1].path},,,2\nnone.png,x,1,3\n")
    gallery.update(gallery.ids({"path": crowd.gallery[1].path}), {"name": "old"})
    found = edits_of(table, gallery)
    table.unlink()
    assert found.unknown == [str(folder / "none.png")]
    assert gallery.update_each(found.ids, found.values) == 2
    first, second = (gallery.fetch(gallery.ids({"path": record.path}))[0] for record in crowd.gallery[:2])
    assert (first.attributes, first.camera) == ({"name": "007", "visits": "1"}, 9)
    assert (second.attributes, second.camera) == ({"visits": "2"}, -1)
    assert gallery.columns["visits"] == "int"


def test_a_table_of_ids_and_one_that_is_none(gallery: Gallery, tmp_path: Path) -> None:
    ids = gallery.ids()[:2].tolist()
    file = tmp_path / "ids.parquet"
    pq.write_table(pa.table({"id": ids, "identity": [5, None]}), file)
    found = edits_of(file, gallery)
    assert gallery.update_each(found.ids, found.values) == 2
    assert gallery.ids({"identity": 5}).tolist() == ids[:1]
    words = tmp_path / "words.csv"
    words.write_text(f"id,name,share\n{ids[0]},NA,0.5\n{ids[1]},null,nan\n")
    found = edits_of(words, gallery)
    order = np.argsort(found.ids)
    assert [found.values["name"][place] for place in order] == ["NA", "null"], "names as good as any"
    assert [found.values["share"][place] for place in order] == [0.5, None]
    for text, told in (
        ("id,name,name\n1,x,y\n", "column name comes twice"),
        ("name\nx\n", "no column path or id"),
        ("path\nx\n", "no column but path"),
        ("path,name\na,x\na,y\n", "comes twice"),
        ("id,camera\n1,x\n", "camera"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        if "camera" in text:
            (tmp_path / "bad.csv").write_text(text.replace("1,x", f"{ids[0]},x"))
        with pytest.raises(DataError, match=told):
            edits_of(tmp_path / "bad.csv", gallery)
    with pytest.raises(DataError, match="not a table that can be read"):
        edits_of(tmp_path / "missing.csv", gallery)
