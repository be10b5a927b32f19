"""The course's layout: labelled training images, nameless test images, and the answers in a file of their own."""

from __future__ import annotations

import csv
from pathlib import Path

from resight.data.formats.course import read_course, read_course_annotations
from resight.records import UNLABELLED
from resight.synthetic.street import Street
from tests.support.writing import SEED, small_roster, write_layout


def truth(root: Path) -> dict[str, tuple[int, int]]:
    """Path -> identity, camera."""
    with open(root / "truth_test.csv", newline="") as file:
        return {row["path"]: (int(row["identity"]), int(row["camera"])) for row in csv.DictReader(file)}


def test_it_is_read_back_with_labels_for_training_alone(tmp_path: Path) -> None:
    roster = small_roster()
    entries = write_layout(tmp_path, "course", "people", roster)
    dataset = read_course(tmp_path)
    train = {entry.image: entry.sighting for entry in entries if entry.sighting.role == "train"}
    assert {record.path.removeprefix(f"{tmp_path}/") for record in dataset.train} == set(train)
    for record in dataset.train:
        sighting = train[record.path.removeprefix(f"{tmp_path}/")]
        assert (record.identity, record.camera) == (sighting.identity, sighting.camera)
    assert len(dataset.query) == len(roster.of("query"))
    assert len(dataset.gallery) == len(roster.of("query", "gallery", "junk", "distractor"))
    assert {record.identity for record in (*dataset.query, *dataset.gallery)} == {UNLABELLED}


def test_attributes_of_the_training_identities_are_the_persons_own(tmp_path: Path) -> None:
    roster = small_roster()
    write_layout(tmp_path, "course", "people", roster)
    annotated = read_course_annotations(tmp_path / "annotations_train.csv")
    assert set(annotated) == set(roster.train)
    assert list(annotated) != sorted(annotated), "in no order, as the course's"
    for identity, targets in annotated.items():
        assert targets["age"] == Street("people", SEED).person(identity).age


def test_a_query_is_a_copy_of_a_test_image_and_the_truth_knows_both(tmp_path: Path) -> None:
    roster = small_roster()
    entries = write_layout(tmp_path, "course", "people", roster)
    answers = truth(tmp_path)
    assert set(answers) == {
        path.relative_to(tmp_path).as_posix()
        for folder in ("test", "queries")
        for path in (tmp_path / folder).iterdir()
    }
    roles = {entry.image: entry.sighting.role for entry in entries}
    for path in (tmp_path / "queries").iterdir():
        original = path.read_text()  # a picture holds its own name here
        assert roles[original] == "query"
        assert answers[original] == answers[f"queries/{path.name}"]
    found = [answers[image][0] for image, role in roles.items() if role in ("junk", "distractor")]
    assert sorted(found) == [-1] * 3 + [0] * 4


def test_test_images_are_numbered_in_an_order_that_tells_nothing(tmp_path: Path) -> None:
    entries = write_layout(tmp_path, "course", "people", small_roster())
    tested = sorted((entry.image, entry.sighting.identity) for entry in entries if entry.sighting.role != "train")
    assert [image for image, _ in tested] == [f"test/{number:06d}.jpg" for number in range(len(tested))]
    identities = [identity for _, identity in tested]
    assert identities != sorted(identities)
