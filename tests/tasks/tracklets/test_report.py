from __future__ import annotations

from dataclasses import replace

import numpy as np

from resight.records import Embeddings, Record
from resight.tasks.tracklets.evaluation import evaluate
from resight.tasks.tracklets.report import tables


def test_scores_stand_beside_those_of_tracklets_alone() -> None:
    records = [Record(f"{n}.jpg", 1 + n % 2, 1 + n // 2, frame=n, tracklet=n) for n in range(4)]
    features = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    (table,) = tables(evaluate(Embeddings(features, records), np.ones(4), threshold=0.1))
    assert table.columns == ["%", "IDF1", "IDP", "IDR"]
    assert table.rows == [["associated", "100.0", "100.0", "100.0"], ["each tracklet alone", "50.0", "50.0", "50.0"]]
    assert table.note == "Over 4 images of all cameras together."
    unknown = Embeddings(features, [replace(record, identity=-2) for record in records])
    assert tables(evaluate(unknown, np.ones(4), threshold=0.1)) == []
