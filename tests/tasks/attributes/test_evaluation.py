"""How well an attribute run recognises: which images are looked at, and that the figures are those of its predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from resight.data.formats import read_dataset
from resight.errors import DataError
from resight.recognizer import load
from resight.run import Run
from resight.tasks.attributes.evaluation import Result, count_images, evaluate
from resight.tasks.attributes.prediction import predict


def test_splits_are_the_trainings_own_and_figures_those_of_the_predictions(
    evaluated: Result, run: Run, street: str
) -> None:
    dataset = read_dataset(street)
    ids = {name: {record.identity for record in split.records} for name, split in evaluated.splits.items()}
    assert not ids["train"] & ids["validation"]
    assert len(ids["validation"]) == 8
    assert ids["test"] == {record.identity for record in dataset.query}
    test = [record for record in (*dataset.query, *dataset.gallery) if record.identity > 0]
    said = [row for batch in predict(load(run.folder), test) for row in batch.classes(run.schema)]
    for name in ("hat", "upper_color", "age"):
        right = np.mean([row[name] == record.attributes[name] for row, record in zip(said, test, strict=True)])
        assert evaluated.splits["test"].scores.attributes[name].accuracy == pytest.approx(right)
    assert evaluated.judged is evaluated.splits["test"]
    assert evaluated.summary()["test"]["accuracy"] == pytest.approx(
        evaluated.splits["test"].scores.mean("accuracy"), abs=1e-6
    )


def test_one_image_in_twenty_is_shown_again_as_junk(evaluated: Result, run: Run, street: str) -> None:
    dataset = read_dataset(street)
    test = [record for record in (*dataset.query, *dataset.gallery) if record.identity > 0]
    junk = evaluated.splits["test"].scores.attributes["junk"].confusion
    assert junk[1].sum() == len(test) // 20
    assert junk[0].sum() == len(test)
    looked_at = sum(len(split.targets) for split in evaluated.splits.values())
    assert count_images(load(run.folder), dataset, trained_here=True) == looked_at


def test_the_majority_guess_is_the_trainings_most_frequent_class(evaluated: Result) -> None:
    names = evaluated.schema.names
    for name in ("gender", "age"):
        place = names.index(name)
        # The images shown again as junk have no other target: -1.
        in_training, in_test = (evaluated.splits[split].targets[:, place] for split in ("train", "test"))
        most = np.bincount(in_training[in_training >= 0]).argmax()
        expected = np.mean(in_test[in_test >= 0] == most)
        assert evaluated.splits["test"].majority.attributes[name].accuracy == pytest.approx(expected)


def test_the_annotation_authors_protocol_counts_a_missing_colour_as_wrong(run: Run, street: str) -> None:
    dataset, model = read_dataset(street), load(run.folder)
    found = evaluate(model, dataset, trained_here=True, protocol="apr").splits["test"]
    gallery = [record for record in dataset.gallery if record.identity > 0]
    assert len(gallery) == (found.targets[:, 0] >= 0).sum()
    place = model.schema.names.index("upper_color")
    multi = model.schema.index("upper_color", "multi")
    figures = found.scores.attributes["upper_color"]
    assert figures.confusion[:, multi].sum() == 0
    assert figures.confusion[multi].sum() == (found.targets[:, place] == multi).sum()


def test_a_dataset_that_the_run_has_never_seen_is_one_split(run: Run, street: str) -> None:
    dataset = read_dataset(street)
    few = replace(dataset, train=dataset.train[:6], query=dataset.query[:6], gallery=[])
    assert list(evaluate(load(run.folder), few, trained_here=False).splits) == ["all"]


def test_what_cannot_be_evaluated_is_named(run: Run, street: str) -> None:
    dataset, model = read_dataset(street), load(run.folder)
    with pytest.raises(DataError, match="no protocol 'best' for attributes; there is: sources, apr"):
        evaluate(model, dataset, trained_here=True, protocol="best")
    bare = replace(dataset, train=[replace(record, attributes={}) for record in dataset.train], query=[], gallery=[])
    with pytest.raises(DataError, match="no image is annotated with attributes; see `resight data inspect`"):
        evaluate(model, bare, trained_here=False)
    others = replace(dataset, train=[replace(record, attributes={"wheels": "4"}) for record in dataset.train], query=[], gallery=[])  # fmt: skip
    with pytest.raises(DataError, match=r"has none of the run's attributes \(gender, .*\), but wheels; give"):
        evaluate(model, others, trained_here=False)
