from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resight.data.formats.manifest import read_manifest
from resight.errors import DataError
from resight.records import Embeddings, Record
from resight.tasks.tracklets.evaluation import evaluate, spans_of, travel_of, write_associations
from resight.tasks.tracklets.pooling import pool_tracklets


def walk(identities: int = 30, cameras: int = 3, images: int = 4, noise: float = 0.2) -> Embeddings:
    """People who walk past one camera after another, a minute apart; within a camera all at one time."""
    random = np.random.default_rng(0)
    means = random.normal(size=(identities, 32))
    records, features = [], []
    for camera in range(1, cameras + 1):
        for identity in range(1, identities + 1):
            for image in range(images):
                time = 60_000 * camera + 500 * image
                records.append(
                    Record(f"{camera}-{identity}-{image}.jpg", identity, camera, time=time, tracklet=identity)
                )
                features.append(means[identity - 1] + noise * random.normal(size=32))
    unit = np.array(features, np.float32)
    return Embeddings(unit / np.linalg.norm(unit, axis=1, keepdims=True), records)


def ones(embeddings: Embeddings) -> np.ndarray:
    return np.ones(len(embeddings))


def test_people_are_found_again_in_every_camera_without_a_label() -> None:
    seen = walk()
    made = evaluate(seen, ones(seen))
    facts = made.summary()
    assert (facts["images"], facts["tracklets"], facts["individuals"]) == (360, 90, 30)
    assert (facts["IDF1"], facts["IDP"], facts["IDR"]) == (1, 1, 1)
    assert made.unjoined is not None
    assert made.unjoined.f1 == pytest.approx(1 / 3)
    assert made.learned
    assert made.apart == 3 * 30 * 29 / 2
    unlabelled = [replace(record, identity=-2) for record in seen.records]
    again = evaluate(Embeddings(seen.features, unlabelled), ones(seen))
    np.testing.assert_array_equal(again.labels, made.labels)
    assert again.scores is None


def test_travel_times_keep_apart_what_looks_the_same() -> None:
    seen = walk(cameras=2)
    near = evaluate(seen, ones(seen), threshold=0.3, travel=travel_of(["1,2=30..120"]))
    assert near.summary()["individuals"] == 30
    far = evaluate(seen, ones(seen), threshold=0.3, travel=travel_of(["2,1=90..120"]))
    assert far.summary()["individuals"] == 60
    frames = [replace(record, time=None, frame=record.time) for record in seen.records]
    with pytest.raises(DataError, match="travel times need images with times"):
        evaluate(Embeddings(seen.features, frames), ones(seen), threshold=0.3, travel=travel_of(["1,2=30..120"]))


def test_entries_that_were_pooled_before_are_associated_alike() -> None:
    seen = walk()
    pooled = pool_tracklets(seen, ones(seen)).embeddings
    made, again = evaluate(seen, ones(seen), threshold=0.4), evaluate(pooled, ones(pooled), threshold=0.4)
    np.testing.assert_array_equal(again.labels, made.labels)
    np.testing.assert_array_equal(again.spans.ends, made.spans.ends)


def test_when_tracklets_are_seen() -> None:
    records = [
        Record("a", camera=1, sequence=1, time=5, tracklet=1),
        Record("b", camera=1, sequence=1, time=9, tracklet=1),
        Record("c", camera=1, sequence=2, time=7, tracklet=1),
        Record("d", time=7, tracklet=1),
    ]
    places = np.array([0, 0, 1, 2])
    spans = spans_of(records, places)
    assert (spans.starts.tolist(), spans.ends.tolist(), spans.timed) == ([5, 7, 7], [9, 7, 7], True)
    assert spans.places.tolist() == [0, 1, -1], "two videos that each begin at 0 do not tell what is at one time"
    later = [replace(record, time=record.time + 10**12) for record in records]  # type: ignore[operator]
    assert spans_of(later, places).places.tolist() == [0, 0, -1]
    frames = [replace(record, time=None, frame=3) for record in records]
    assert not spans_of(frames, places).timed
    with pytest.raises(DataError, match="tracklets need the time or the frame of every image"):
        spans_of([Record("a", tracklet=1)], np.zeros(1, np.int64))


def test_entries_of_tracklets_without_times_are_kept_apart_by_their_frames() -> None:
    records = [Record(f"{t}_{f}", camera=1, tracklet=t, frame=10 * t + f) for t in (1, 2, 5) for f in range(20)]
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    whole = evaluate(Embeddings(features, records), np.ones(60, np.float32), threshold=0.5)
    entries = pool_tracklets(Embeddings(features, records), np.ones(60, np.float32)).embeddings
    pooled = evaluate(entries, np.ones(3, np.float32), threshold=0.5)
    assert (pooled.apart, pooled.labels.tolist()) == (whole.apart, whole.labels.tolist())
    assert pooled.apart == 1
    assert (pooled.spans.starts.tolist(), pooled.spans.ends.tolist()) == ([10, 20, 50], [29, 39, 69])
    mixed = [replace(entries.records[0], time=10**6), *entries.records[1:]]
    assert spans_of(mixed, np.arange(3)).starts.tolist() == [10, 20, 50], "of one, its moments are times"


@pytest.mark.parametrize("text", ["1,2", "1,2=30", "1=30..40", "1,2=40..30", "a,b=1..2", "1,2,3=1..2", "1,2=soon.."])
def test_what_is_no_travel_time_is_named(text: str) -> None:
    with pytest.raises(DataError, match="is no travel time; write two cameras and seconds, as 1,2=30..120"):
        travel_of([text])


def test_open_windows() -> None:
    inf = float("inf")
    assert travel_of(["1,2=30..", "2,3=..5", "1,1=-1..2"]) == {
        (1, 2): (30_000, inf),
        (2, 3): (-inf, 5_000),
        (1, 1): (-1000, 2000),
    }


def test_the_manifest_has_individuals_and_the_list_has_tracklets(tmp_path: Path) -> None:
    seen = walk(identities=3)
    for record in seen.records:
        (tmp_path / record.path).touch()
    records = [replace(record, path=str(tmp_path / record.path)) for record in seen.records]
    weights = ones(seen)
    weights[0] = 0
    made = evaluate(Embeddings(seen.features, records), weights, threshold=0.4)
    write_associations(tmp_path, made)
    dataset = read_manifest(tmp_path / "manifest.csv")
    assert len(dataset.gallery) == 35
    found = {(record.identity, Path(record.path).name.split("-")[1]) for record in dataset.gallery}
    assert len(found) == 3, "one individual for each person"
    rows = list(csv.DictReader((tmp_path / "tracklets.csv").open()))
    assert len(rows) == 9
    assert [row["individual"] for row in rows] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3
    first = next(row for row in rows if (row["camera"], row["truth"]) == ("1", "1"))
    assert (first["start_ms"], first["end_ms"], first["images"], first["tracklet"]) == ("60500", "61500", "3", "1")
    assert Path(first["best"]).is_file()
