"""A run's calibration is fitted on half of the people, on the pairs that a search shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from resight.embedding import embed
from resight.errors import DataError
from resight.recognizer import load
from resight.records import JUNK, NO_CAMERA, ReidDataset
from resight.run import Run
from resight.tasks.reid.calibration import CANDIDATES, _others, _pairs, calibrate


def dealt(crowd: ReidDataset) -> ReidDataset:
    """The crowd's six training people as queries and gallery."""
    query = [record for record in crowd.train if record.frame == 0]
    return replace(crowd, query=query, gallery=[record for record in crowd.train if record.frame != 0])


def test_pairs_are_the_nearest_by_the_scores_of_a_search(trained: Run, crowd: ReidDataset) -> None:
    model, dataset = load(trained.folder), dealt(crowd)
    asked = embed(model, dataset.query)[0]
    shown = embed(model, [record for record in dataset.gallery if record.identity != JUNK])[0]
    scores, same, near, person = _pairs(model, asked, shown)
    similar = asked.features.astype(np.float64) @ shown.features.T
    most = min(CANDIDATES, len(shown))
    assert scores == pytest.approx(np.sort(similar)[:, ::-1][:, :most].ravel(), abs=1e-5)
    assert person.tolist() == np.repeat(asked.identities, most).tolist()
    order = np.argsort(-similar, axis=1)[:, :most]
    matches = (shown.identities[order] == asked.identities[:, None]).sum()
    assert abs(int(same.sum()) - int(matches)) <= 1
    assert near.any()
    assert not near.all()


def test_galleries_of_tracklets_and_pictures_together_are_fitted_beside(trained: Run, crowd: ReidDataset) -> None:
    model, dataset = load(trained.folder), dealt(crowd)
    asked, shown = embed(model, dataset.query)[0], embed(model, dataset.gallery)[0]
    sides = _others(model, asked, shown)
    query, passages = sides["tracklets"]
    assert query is asked
    assert len(passages) == len({(record.identity, record.camera) for record in dataset.gallery}) == 12
    people, gallery = sides["together"]
    assert gallery is shown
    assert {record.camera for record in people.records} == {NO_CAMERA}
    for entries, of, keys in (
        (passages, shown, ("identity", "camera")),
        (people, asked, ("identity",)),
    ):
        for vector, record in zip(entries.features, entries.records, strict=True):
            same = [all(getattr(one, key) == getattr(record, key) for key in keys) for one in of.records]
            mean = of.features[np.array(same)].mean(0)
            np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
    made = calibrate(model, dataset)
    assert set(made.figures) == {"base rate", "calibrated", "in galleries of tracklets", "of pictures together"}
    for found, images in ((made.calibration.tracklets, 12), (made.calibration.together, len(dataset.gallery))):
        assert found is not None
        assert found.fitted_on is not None
        assert found.fitted_on.images == images
    alone = replace(dataset, query=[record for record in dataset.query if record.camera == 1])
    assert calibrate(model, alone).calibration.together is None


def test_halves_are_apart_and_too_few_people_are_refused(trained: Run, crowd: ReidDataset) -> None:
    model, dataset = load(trained.folder), dealt(crowd)
    made = calibrate(model, dataset)
    people = {record.identity for record in dataset.query}
    fitted = made.calibration.fitted_on
    assert fitted is not None
    assert (fitted.people or 0) + made.judged_people == len(people)
    assert fitted.images == len(dataset.gallery)
    assert fitted.cameras == tuple(sorted({record.camera for record in dataset.train}))
    assert len(made.told) == len(made.same)
    assert ((made.told > 0) & (made.told < 1)).all()
    assert made.figures["calibrated"].keys() == {"ECE", "Brier"}
    few = sorted(people)[:3]
    query = [record for record in dataset.query if record.identity in few]
    with pytest.raises(DataError, match="3 people among its queries; a calibration needs four or more"):
        calibrate(model, replace(dataset, query=query))
