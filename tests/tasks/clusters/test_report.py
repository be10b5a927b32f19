"""What clusters look like: figures beside chance, the biggest clusters outwards from their centre, the page's sections."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from resight.records import Embeddings, Record
from resight.retrieval.clusters import Assigned, Density, Hierarchical
from resight.tasks.clusters.evaluation import Result, evaluate
from resight.tasks.clusters.report import assignment_page, contact_sheet, tables
from resight.tasks.clusters.report import page as make_page
from tests.support.grids import plain_image, ranked

RED, GREEN, BLUE, GREY, BLACK = (250, 0, 0), (0, 250, 0), (0, 0, 250), (90, 90, 90), (0, 0, 0)


def test_figures_stand_beside_those_by_chance(made: Result) -> None:
    (table,) = tables(made)
    assert table.columns == ["%", "purity", "adjusted Rand", "NMI", "mAP", "rank-1"]
    found, chance = table.rows
    assert found == ["clusters", "100.0", "100.0", "100.0", "100.0", "100.0"]
    assert chance[0] == "by chance"
    assert float(chance[2]) < 30
    assert chance[-2:] == ["–", "–"], "nobody searches clusters that are filled at random"
    assert "Over 30 images of 6 identities." in table.note
    assert "each of 30 queries" in table.note


def test_without_identities_there_are_no_figures(embedded: Embeddings) -> None:
    bare = Embeddings(embedded.features, [Record(record.path) for record in embedded.records])
    assert tables(evaluate(bare, Hierarchical(clusters=7), "euclidean")) == []


def test_the_contact_sheet_goes_outwards_from_the_centroid_biggest_cluster_first(tmp_path: Path) -> None:
    colours = [RED, GREEN, BLUE, GREY, BLACK, RED]
    records = [
        Record(plain_image(str(tmp_path / f"{number}.png"), colour), identity)
        for number, (colour, identity) in enumerate(zip(colours, [4, 5, 5, 6, 5, -2], strict=True))
    ]
    labels = np.array([0, 1, 1, 1, -1, 1])
    distances = np.array([0.1, 0.5, 0.2, 0.3, np.nan, 0.9], np.float32)
    embeddings = Embeddings(np.zeros((6, 2), np.float32), records)
    assigned = Assigned(labels, distances, np.ones(6, np.float32))
    biggest, other = ranked(contact_sheet(embeddings, assigned), height=96)
    # Identity 5 is the most frequent one of cluster 1; nobody knows who the last image shows.
    assert biggest == (BLUE, [("wrong", GREY), ("right", GREEN), ("unknown", RED)])
    assert other == (RED, [])
    assert len(ranked(contact_sheet(embeddings, assigned, clusters=1), height=96)) == 1


def test_a_page_has_the_sections_of_its_method(embedded: Embeddings, tmp_path: Path) -> None:
    bad = ["bad.jpg: gone"]
    plain = evaluate(embedded, Hierarchical(clusters=7), "euclidean", failed=bad)
    learned = evaluate(embedded, Hierarchical(), "euclidean", learn_on=embedded, failed=bad)
    dense = evaluate(embedded, Density(smallest=4), "euclidean", failed=bad)
    for number, one in enumerate((plain, learned, dense)):
        path = tmp_path / f"{number}.html"
        made = make_page(one, "street", {"Images": 31})
        made.finish(path, command="resight cluster", failed=one.failed)
        page = path.read_text()
        for words in ("Clusters of street", "Largest clusters", "Least certain", "by chance", "bad.jpg", "resight cluster"):  # fmt: skip
            assert words in page, words
        assert ("Hierarchy" in page) == (number < 2)
        assert ("The cut was learned" in page) == (number == 1)
        assert ("1 image is in no cluster" in page) == (number == 2), "the stray"
    sizes = "The largest cluster has 5 images, the median one 5; 1 has one."
    assert sizes in (tmp_path / "0.html").read_text()


def test_new_images_have_a_page_of_their_own(embedded: Embeddings, made: Result, tmp_path: Path) -> None:
    drawn = assignment_page(embedded, made.assigned, "new", {"Clusters": "made"})
    drawn.finish(tmp_path / "a.html", command="resight cluster", failed=["bad.jpg: gone"])
    page = (tmp_path / "a.html").read_text()
    for words in ("31 new images", "Largest clusters", "resight cluster", "made", "bad.jpg: gone"):
        assert words in page, words
    assert "by chance" not in page
