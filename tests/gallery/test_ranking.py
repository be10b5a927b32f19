"""A ranking for the course, of features that can be followed by hand; tests/cli/test_search.py writes one of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resight.data.formats.course import read_course_ranking
from resight.errors import DataError
from resight.gallery import Gallery
from resight.gallery.ranking import write_ranking
from resight.gallery.rows import row_id
from resight.recognizer import load
from resight.records import Embeddings, Record
from resight.run import Run
from tests.support.runs import Narrow


@pytest.fixture
def gallery(trained: Run, tmp_path: Path) -> Gallery:
    """Images at 0, 1, 2, 2 and 5 on a line."""
    model = load(trained.folder)
    recipe = model.recipe.model_copy(deep=True)
    recipe.retrieval.metric = "euclidean"
    made = Gallery.create(tmp_path / "gallery", model=Narrow(model.model, recipe))
    places = {"a": 0, "b": 1, "c": 2, "d": 2, "e": 5}
    made.add_embeddings(on_a_line({f"test/{name}.jpg": place for name, place in places.items()}))
    made.update([row_id("test/a.jpg"), row_id("test/b.jpg")], {"camera": 1})
    return made


def on_a_line(places: dict[str, float]) -> Embeddings:
    return Embeddings(np.array([[place, 0] for place in places.values()], np.float32), [*map(Record, places)])


def test_a_line_for_each_query_nearest_first(gallery: Gallery, tmp_path: Path) -> None:
    queries, done = on_a_line({"queries/0.jpg": 1.9, "queries/1.jpg": 9.0}), []
    assert write_ranking(tmp_path / "r.txt", gallery, queries, progress=done.append) == 0
    first, second = sorted(["c", "d"], key=lambda name: row_id(f"test/{name}.jpg"))  # equally near
    assert (tmp_path / "r.txt").read_text() == (
        f"0.jpg: {first}.jpg, {second}.jpg, b.jpg, a.jpg, e.jpg\n1.jpg: e.jpg, {first}.jpg, {second}.jpg, b.jpg, a.jpg\n"
    )
    assert done == [1, 1]
    write_ranking(tmp_path / "r.txt", gallery, queries, 2, without=[row_id("test/c.jpg")])
    assert read_course_ranking(tmp_path / "r.txt") == {"0.jpg": ["d.jpg", "b.jpg"], "1.jpg": ["e.jpg", "d.jpg"]}
    write_ranking(tmp_path / "r.txt", gallery, queries, where={"camera": 1})
    assert read_course_ranking(tmp_path / "r.txt") == {"0.jpg": ["b.jpg", "a.jpg"], "1.jpg": ["b.jpg", "a.jpg"]}


def test_a_query_that_is_in_the_gallery_does_not_find_itself(gallery: Gallery, tmp_path: Path) -> None:
    equal = sorted(["a", "c", "d"], key=lambda name: row_id(f"test/{name}.jpg"))
    assert write_ranking(tmp_path / "r.txt", gallery, on_a_line({"test/b.jpg": 1.0}), 3) == 1
    assert read_course_ranking(tmp_path / "r.txt") == {"b.jpg": [f"{name}.jpg" for name in equal]}


def test_names_that_the_format_cannot_hold_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    gallery.add_embeddings(on_a_line({"more/a.jpg": 3.0}))
    with pytest.raises(DataError, match=r"/a\.jpg and .*/a\.jpg have one name"):
        write_ranking(tmp_path / "r.txt", gallery, on_a_line({"0.jpg": 1.0}))
    assert not (tmp_path / "r.txt").exists()
