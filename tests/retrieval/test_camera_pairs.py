"""Each cell is an evaluation of its own."""

from __future__ import annotations

import numpy as np
import pytest

from resight.retrieval import evaluate, ranks
from resight.retrieval.camera_pairs import camera_pairs


@pytest.mark.parametrize("protocol", ["market1501", "course"])
@pytest.mark.parametrize("wide", [0, ranks.WIDE])
def test_each_cell_is_an_evaluation(wide: int, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "WIDE", wide)
    rng = np.random.default_rng(0)
    ids, theirs = rng.integers(1, 9, 40), rng.integers(-1, 9, 300)
    ours, cameras = rng.integers(1, 4, 40), rng.integers(1, 5, 300)
    ours[:3] = 9  # a camera that the gallery does not have
    centres = rng.normal(size=(11, 6))
    query = (centres[ids] + rng.normal(size=(40, 6))).round(1).astype(np.float32)
    gallery = (centres[theirs] + rng.normal(size=(300, 6))).round(1).astype(np.float32)
    gallery[7] = gallery[6]
    labels = {"query_ids": ids, "gallery_ids": theirs, "query_cameras": ours, "gallery_cameras": cameras}
    judgement = evaluate(query, gallery, **labels, protocol=protocol).judgement
    found = camera_pairs(query, gallery, judgement, ours, cameras)
    assert found.query_cameras.tolist() == [1, 2, 3, 9]
    assert found.gallery_cameras.tolist() == [1, 2, 3, 4]
    for row, one in enumerate(found.query_cameras.tolist()):
        for column, other in enumerate(found.gallery_cameras.tolist()):
            mine, its = ours == one, cameras == other
            cell = evaluate(
                query[mine],
                gallery[its],
                query_ids=ids[mine],
                gallery_ids=theirs[its],
                query_cameras=ours[mine],
                gallery_cameras=cameras[its],
                protocol=protocol,
            )
            assert found.queries[row, column] == mine.sum() - cell.without_match
            np.testing.assert_allclose(found.mean_average_precision[row, column], cell.mean_average_precision)
            np.testing.assert_allclose(found.rank_1[row, column], cell.cmc[0])
    assert (found.queries[0, 0] == 0) == (protocol == "market1501"), "the own camera is left out"
    assert len(found.summary()) == np.count_nonzero(found.queries)
    assert found.summary()[0].keys() == {"query camera", "gallery camera", "mAP", "rank-1", "queries"}
