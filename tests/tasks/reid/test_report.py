"""What an evaluation of re-identification looks like: the figures of a search by hand, and the sections of its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from resight.recognizer import Recognizer
from resight.run import build_model
from resight.tasks.reid.report import page as make_page
from resight.tasks.reid.report import tables
from resight.views.tables import per_cent
from tests.support.search import Search


def page_of(path: Path, search: Search, model: Recognizer) -> str:
    made = make_page(search.result, model, search.dataset)
    made.finish(path, command="resight evaluate runs/line", failed=search.result.failed)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(search: Search, flat: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a model that has nowhere to look."""
    return page_of(tmp_path_factory.mktemp("pages") / "flat.html", search, flat)


def test_the_table_by_hand(search: Search) -> None:
    both = replace(search.result, results=search.result.results | {"chance": search.result.result})
    table, thresholds = tables(both)
    assert table.columns == ["%", "mAP", "rank-1", "rank-5", "rank-10", "rank-20", "mINP"]
    # Of three queries: precisions 1, 1/2 and 1/5, the only right answers at ranks 1, 2 and 5.
    row = ["56.7", "33.3", "100.0", "100.0", "100.0", "56.7"]
    assert table.rows == [["model", *row], ["chance", *row]]
    assert table.note == (
        "market1501 protocol, all images of the gallery, euclidean distance, average precision by the precision at each hit "
        "(precision), 3 queries of 3 identities. "
        # Of three people one is drawn three times in 1 of 27 draws.
        "With other identities drawn from these, 95 % of the time: mAP 20.0 to 100.0, rank-1 0.0 to 100.0. "
        "1 query has no right answer in the gallery and is not counted."
    )
    assert thresholds.columns[:3] == ["%", "ROC-AUC", "EER"]
    assert thresholds.rows[0][1] == per_cent(both.verification.area)
    assert thresholds.rows[0][3:] == ["–"] * 5, "too few pairs and searches for such rates"
    assert thresholds.note.endswith(" –: too few pairs or searches for such a rate.")


def test_junk_that_is_ranked_last_is_told(search: Search) -> None:
    called = replace(search.result, junk=np.array([False, True, False, False, True, False]))
    assert ", 2 of 6 gallery images called junk, average precision" in tables(called)[0].note


def test_a_page_holds_the_figures_and_what_they_are_of(page: str) -> None:
    for words in ("Re-identification on line", "56.7", "33.3", "Cumulative match characteristic", "Ranked lists", "4 images of 4 identities", "6 images", "resight evaluate runs/line", "bad.jpg: no image", ">Thresholds</h2>"):  # fmt: skip
        assert words in page, words


def test_a_page_tells_what_wrong_first_answers_share(page: str) -> None:
    assert "Wrong first answers" in page
    assert "2 queries have a wrong first answer" in page
    assert "37.5" in page, "how often others agree about the hat"


def test_a_search_that_finds_nobody_is_a_page_without_pictures(
    search: Search, flat: Recognizer, tmp_path: Path
) -> None:
    (table,) = tables(search.of(2).result)
    assert table.rows == [["model", "–", "–", "–", "–", "–", "–"]]
    nobody = page_of(tmp_path / "nobody.html", search.of(2), flat)
    assert "1 query has no right answer" in nobody
    assert "Ranked lists" not in nobody


def test_a_network_without_maps_says_why_nothing_is_shown(page: str) -> None:
    assert page.count("Nothing is shown: this network yields no maps") == 2, "where it looks, and its feature maps"


def test_a_convolutional_network_shows_where_it_looks(search: Search, tiny, tmp_path: Path) -> None:
    torch.manual_seed(0)
    shown = page_of(tmp_path / "cnn.html", search, Recognizer(build_model(tiny(), classes=4), tiny(), device="cpu"))
    assert "Nothing is shown" not in shown
    assert "Bright places add most to the cosine similarity" in shown
    assert "A row for each stage: q0.png" in shown
    assert "Reconstructions" not in shown


def test_camera_mining_shows_what_it_chooses_from(search: Search, tiny, tmp_path: Path) -> None:
    mined = tiny("losses.triplet.mining=camera-batch-hard", "sampler.identities=3", "sampler.images=2")
    for recipe, told in ((mined, True), (tiny("sampler.identities=3"), False)):
        shown = page_of(tmp_path / "cnn.html", search, Recognizer(build_model(recipe, classes=4), recipe, device="cpu"))
        assert (">Camera mining</h2>" in shown) == told


def test_an_autoencoder_shows_what_it_makes_of_the_queries(search: Search, tiny, tmp_path: Path) -> None:
    recipe = tiny(recipe="reid-vae")
    shown = page_of(tmp_path / "vae.html", search, Recognizer(build_model(recipe, classes=4), recipe, device="cpu"))
    assert ">Reconstructions</h2>" in shown
