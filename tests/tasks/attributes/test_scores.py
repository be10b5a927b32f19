"""Attribute figures: equal to scikit-learn's on random cases, and to a case worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from resight.errors import DataError
from resight.records import AttributeSchema
from resight.tasks.attributes.scores import label_columns, majority_guess, score

SCHEMA = AttributeSchema({"hat": ("no", "yes"), "age": ("young", "adult", "old"), "bag": ("no", "yes")})


def random_case(seed: int, images: int = 60) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = {name: rng.dirichlet(np.ones(len(classes)), images) for name, classes in SCHEMA.classes.items()}
    targets = np.stack([rng.integers(0, len(classes), images) for classes in SCHEMA.classes.values()], 1)
    return probabilities, targets


@pytest.mark.parametrize("seed", range(8))
def test_every_attribute_equals_scikit_learn(seed: int) -> None:
    probabilities, targets = random_case(seed)
    scores = score(probabilities, targets, SCHEMA)
    for column, name in enumerate(SCHEMA.names):
        truth, predicted = targets[:, column], probabilities[name].argmax(1)
        ours = scores.attributes[name]
        assert ours.accuracy == pytest.approx(sk.accuracy_score(truth, predicted))
        assert ours.precision == pytest.approx(sk.precision_score(truth, predicted, average="macro"))
        assert ours.recall == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
        assert ours.f1 == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
        np.testing.assert_array_equal(ours.confusion, sk.confusion_matrix(truth, predicted))


@pytest.mark.parametrize("seed", range(8))
def test_the_fields_figures_equal_scikit_learn(seed: int) -> None:
    probabilities, targets = random_case(seed)
    scores = score(probabilities, targets, SCHEMA)
    binary = [
        sk.balanced_accuracy_score(targets[:, column], probabilities[name].argmax(1))
        for column, name in ((0, "hat"), (2, "bag"))
    ]
    assert scores.mean_balanced == pytest.approx(np.mean(binary))
    right = label_columns(targets, SCHEMA)
    found = label_columns(np.stack([probabilities[name].argmax(1) for name in SCHEMA.names], 1), SCHEMA)
    # The age's classes make every row of both sides non-empty, so nothing is undefined.
    assert scores.instance_accuracy == pytest.approx(sk.jaccard_score(right, found, average="samples"))
    assert scores.instance_precision == pytest.approx(sk.precision_score(right, found, average="samples"))
    assert scores.instance_recall == pytest.approx(sk.recall_score(right, found, average="samples"))
    p, r = scores.instance_precision, scores.instance_recall
    assert scores.instance_f1 == pytest.approx(2 * p * r / (p + r))


def test_a_case_by_hand() -> None:
    schema = AttributeSchema({"hat": ("no", "yes")})
    probabilities = {"hat": np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])}
    scores = score(probabilities, np.array([[0], [0], [1], [1]]), schema)
    hat = scores.attributes["hat"]
    assert hat.accuracy == 3 / 4
    assert hat.precisions.tolist() == [2 / 3, 1]
    assert hat.recalls.tolist() == [1, 1 / 2]
    assert scores.mean_balanced == 3 / 4
    # Images 1 and 2 have no label and none predicted: undefined, and out of the mean.
    assert scores.instance_accuracy == 1 / 2


def test_unknown_targets_count_nowhere() -> None:
    probabilities, targets = random_case(0)
    blank = targets.copy()
    blank[::3, 0] = -1
    scores = score(probabilities, blank, SCHEMA)
    kept = blank[:, 0] >= 0
    assert scores.attributes["hat"].images == kept.sum()
    assert scores.attributes["hat"].accuracy == pytest.approx(
        sk.accuracy_score(targets[kept, 0], probabilities["hat"][kept].argmax(1))
    )
    assert scores.attributes["bag"].images == len(targets)
    assert (label_columns(blank, SCHEMA)[::3, 0] == 0).all()


def test_undefined_figures_are_nan_and_not_zero() -> None:
    schema = AttributeSchema({"age": ("young", "adult", "old")})
    always = {"age": np.tile([0.0, 1.0, 0.0], (4, 1))}
    age = score(always, np.array([[1], [1], [0], [-1]]), schema).attributes["age"]
    assert math.isnan(age.precisions[0])
    assert math.isnan(age.recalls[2])
    assert age.precision == 2 / 3
    assert age.recall == 1 / 2
    nothing = score(always, np.full((4, 1), -1), schema)
    assert math.isnan(nothing.mean("accuracy"))
    assert math.isnan(nothing.mean_balanced)


def test_the_majority_guess_names_the_most_frequent_class() -> None:
    guess = majority_guess({"age": [2, 7, 1], "hat": [9, 1], "bag": [0, 10]}, 5)
    assert {name: set(values.argmax(1).tolist()) for name, values in guess.items()} == {
        "age": {1},
        "hat": {0},
        "bag": {1},
    }
    _, targets = random_case(1, 5)
    assert score(guess, targets, SCHEMA).attributes["age"].recall == pytest.approx(1 / len(set(targets[:, 1])))


def test_shapes_that_do_not_fit_are_named() -> None:
    probabilities, targets = random_case(0)
    with pytest.raises(DataError, match="age: probabilities of shape"):
        score({**probabilities, "age": probabilities["hat"]}, targets, SCHEMA)
    with pytest.raises(DataError, match="do not fit 3 attributes"):
        score(probabilities, targets[:, :2], SCHEMA)
