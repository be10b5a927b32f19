"""The University of Trento course's version of Market-1501: labelled `train/`, nameless `test/` and `queries/`."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

from resight.synthetic.people import ATTRIBUTE_COLUMNS
from resight.synthetic.randomness import Stream, random_stream
from resight.synthetic.roster import Roster
from resight.synthetic.street import Street
from resight.synthetic.writers.layout import Entry, Layout

__all__ = ["LAYOUT"]


def _place(roster: Roster, seed: int) -> list[Entry]:
    rng = random_stream(seed, Stream.NAMES)
    entries = []
    for s in roster.of("train"):  # identity, camera, a random number: `0002_c1_016620005.jpg`
        # The shot's number keeps two equal random numbers apart.
        number = int(rng.integers(10_000_000)) * 100 + s.shot % 100
        entries.append(Entry(s, f"train/{s.identity:04d}_c{s.camera}_{number:09d}.jpg"))
    tested = roster.of("query", "gallery", "junk", "distractor")
    for place, number in enumerate(rng.permutation(len(tested))):
        entries.append(Entry(tested[number], f"test/{place:06d}.jpg"))
    return entries


def _annotate(root: Path, roster: Roster, entries: Sequence[Entry], street: Street) -> None:
    rng = random_stream(street.seed, Stream.NAMES, 1)
    with open(root / "annotations_train.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", *ATTRIBUTE_COLUMNS], lineterminator="\n")
        writer.writeheader()
        for identity in rng.permutation(roster.train):  # The course's rows have no order either.
            writer.writerow({"id": int(identity), **street.person(int(identity)).attributes()})
    (root / "queries").mkdir(exist_ok=True)
    tested = [entry for entry in entries if entry.sighting.role != "train"]
    queries = [entry for entry in tested if entry.sighting.role == "query"]
    for number, entry in enumerate(queries):
        shutil.copyfile(root / entry.image, root / "queries" / f"{number:06d}.jpg")
    _write_truth(root, tested, queries)


def _write_truth(root: Path, tested: Sequence[Entry], queries: Sequence[Entry]) -> None:
    """`truth_test.csv`: identities and cameras of test images and queries, unpublished by the course; for scoring."""
    named = [(entry.image, entry) for entry in tested]
    named += [(f"queries/{number:06d}.jpg", entry) for number, entry in enumerate(queries)]
    with open(root / "truth_test.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "identity", "camera"])
        for path, entry in named:
            role = entry.sighting.role
            identity = {"junk": -1, "distractor": 0}.get(role, entry.sighting.identity)
            writer.writerow([path, identity, entry.sighting.camera])


LAYOUT = Layout(("people",), _place, _annotate)
