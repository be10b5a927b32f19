"""The figures of a row: those that evaluating by hand gives, of the images that the row is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resight.data.splits import held_out, query_gallery_split
from resight.recognizer import load
from resight.records import AttributeSchema, ReidDataset
from resight.reproduce.figures import attribute_figures, loss_figures, retrieval_figures
from resight.reproduce.table import Row, Table
from resight.retrieval import KReciprocal
from resight.run import Run
from resight.tasks.attributes.evaluation import Result, Split
from resight.tasks.attributes.scores import score
from resight.tasks.clusters.search import ClusterSearch
from resight.tasks.reid.evaluation import evaluate
from tests.support.runs import untrained_run

TABLE = Table(title="t", source="s", recipe="r", protocol="course", figures=["mAP"], rows=[Row(name="a")])
SCHEMA = AttributeSchema({"hat": ("no", "yes"), "bag": ("no", "yes")})


def split(hats: list[int], bags: list[int]) -> Split:
    """Four images that wear a hat and carry a bag as given; nobody is said to."""
    targets = np.array([hats, bags]).T
    nobody = {name: np.tile(np.float32([0.9, 0.1]), (4, 1)) for name in SCHEMA.names}
    scores = score(nobody, targets, SCHEMA)
    return Split(scores, scores, [], nobody, targets, np.zeros(len(targets), bool))


TRAINED, TESTED = split([0, 0, 0, 0], [0, 0, 0, 1]), split([0, 0, 1, 1], [0, 1, 1, 1])


def result(**splits: Split) -> Result:
    return Result(splits, SCHEMA, "sources", [])


def test_attributes_are_judged_on_the_rows_images_and_targets() -> None:
    both = result(train=TRAINED, test=TESTED)
    found = attribute_figures(both, Row(name="a"), "test")
    # Hats: half right; bags: a quarter. Recalls 1 and 0, whatever is asked; precisions 1/2 and 1/4 of "no".
    assert found == {"accuracy": 0.375, "balanced": 0.5, "precision": 0.375, "recall": 0.5}
    assert attribute_figures(both, Row(name="a", targets=["hat"]), "test")["accuracy"] == 0.5
    assert attribute_figures(both, Row(name="a"), "train")["accuracy"] == (1 + 0.75) / 2


def test_a_row_without_images_or_targets_has_no_figures() -> None:
    assert attribute_figures(result(train=TRAINED, test=TESTED), Row(name="a", targets=["hat", "shoes"]), "test") == {}
    assert attribute_figures(result(test=TESTED), Row(name="a"), "train") == {}


def test_what_is_undefined_is_left_out() -> None:
    unknown = split([-1, -1, -1, -1], [-1, -1, -1, -1])
    assert attribute_figures(result(test=unknown), Row(name="a"), "test") == {}


@pytest.fixture
def run(tiny, tmp_path: Path) -> Run:
    return untrained_run(tmp_path / "run", tiny("validation.ratio=0.34"), classes=4)


def test_retrieval_is_that_of_query_and_gallery(run: Run, crowd: ReidDataset) -> None:
    table = TABLE.model_copy(update={"depth": 2})
    expected = evaluate(load(run.folder), crowd, protocol="course", depth=2, rerank=KReciprocal()).results
    expected |= evaluate(load(run.folder), crowd, protocol="course", depth=2, by=ClusterSearch(figure="nmi")).results
    for name, row in (
        ("model", Row(name="a")),
        ("model, re-ranked", Row(name="a", rerank=True)),
        ("by clusters", Row(name="a", clusters="nmi")),
    ):
        found = retrieval_figures(run, crowd, table, row, "test")
        assert found["mAP"] == pytest.approx(expected[name].mean_average_precision)
        assert found["rank-1"] == pytest.approx(expected[name].cmc[0])
        assert set(found) <= {"mAP", "rank-1", "rank-5", "rank-10", "mINP"}


def test_figures_of_the_training_images_leave_out_those_held_out_and_the_other_way_about(
    run: Run, crowd: ReidDataset
) -> None:
    """Six people, two of them held out: a tenth of the images of either side searches the rest of it."""
    fitted, held = held_out(list(crowd.train), 0.34, 0)
    assert len({record.identity for record in held}) == 2
    for on, records in (("train", fitted), ("validation", held)):
        found = retrieval_figures(run, crowd, TABLE, Row(name="a"), on)
        halves = query_gallery_split(records, seed=0)
        sides = replace(crowd, query=halves.query, gallery=halves.gallery)
        by_hand = evaluate(load(run.folder), sides, protocol="course").result
        assert found["mAP"] == pytest.approx(by_hand.mean_average_precision)


def test_losses_are_those_of_the_last_epoch_that_has_them(run: Run) -> None:
    run.metrics.write_text("epoch,train/loss,val/loss\n1,3.5,2.5\n2,1.5,2.25\n3,1.25,\n")
    assert loss_figures(run) == {"train loss": 1.25, "validation loss": 2.25}
    run.metrics.write_text("epoch,train/loss\n1,3.5\n")
    assert loss_figures(run) == {"train loss": 3.5}
