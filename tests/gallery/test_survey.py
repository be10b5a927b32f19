"""What a survey counts is what is there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from resight.gallery import Gallery
from resight.gallery.survey import survey
from resight.records import NO_CAMERA, ReidDataset
from resight.run import Run
from tests.support.calibrations import calibrated


def test_counts(trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    records = [
        replace(
            one,
            time=None if place % 2 else 1_700_000_000_000 + 1000 * place,
            attributes={"up": "red"} if place < 3 else {},
        )
        for place, one in enumerate(crowd.gallery)
    ]
    records[0] = replace(records[0], camera=NO_CAMERA, identity=0)
    gallery = Gallery.create(tmp_path / "gallery", model=trained.folder)
    gallery.add(records)
    found = survey(gallery)
    assert found.images == len(records)
    assert found.identities == len({one.identity for one in records[1:]})
    assert found.cameras == (1, 2)
    assert found.known["up"] == 3
    assert found.known["camera"] == len(records) - 1
    assert found.known["time"] == sum(one.time is not None for one in records)
    assert found.times == (1_700_000_000_000, max(one.time for one in records if one.time is not None))
    assert found.storage.pieces == 1
    assert found.storage.bytes == sum(file.stat().st_size for file in Path(gallery.where).rglob("*") if file.is_file())
    assert json.loads(json.dumps(found.summary()))["time"][0] == "2023-11-14T22:13:20Z"
    said = dict(found.lines())
    assert said["images"] == str(len(records))
    assert said["index"] == "none: every search is exact"
    gallery.build_index(0.9)
    gallery.add(crowd.query)
    said = dict(survey(gallery).lines())
    assert said["index"].startswith("IVF_SQ over")
    assert said["index"].endswith(f"{len(crowd.query)} images more since")
    assert said["kept by"].endswith("in 2 pieces")
    gallery.compact()
    assert survey(gallery).storage.pieces == 1
    gallery.update(gallery.ids()[:1], {"time": 10**18})
    assert dict(survey(gallery).lines())["time"].endswith("Z to 31690708-07-05T01:46:40Z"), "a mistake of the data's"


def test_a_server_is_surveyed(server, trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    calibrated(run, "mall")
    gallery = Gallery.create(server.address("survey"), model=run)
    gallery.add(crowd.gallery)
    gallery.update_each(gallery.ids()[:2], {"individual": [5, None]})
    assert gallery.counts("individual") == {5: 1}
    found = survey(gallery)
    assert found.images == len(crowd.gallery)
    assert found.storage.engine.startswith("PostgreSQL ")
    assert "pgvector 0." in found.storage.engine
    assert "in a folder mall, which these do not" in (found.caution or "")
    assert found.storage.bytes > len(crowd.gallery) * gallery.schema.width * 4


def test_probabilities_of_another_site_are_noted(trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    gallery = Gallery.create(tmp_path / "gallery", model=run)
    gallery.add(crowd.gallery)
    assert "note" not in dict(survey(gallery).lines())
    calibrated(run, "mall")
    found = survey(Gallery.open(tmp_path / "gallery"))
    assert found.calibrated
    assert found.summary()["caution"] == dict(found.lines())["note"]
    assert "its images lie in a folder mall, which these do not" in dict(found.lines())["note"]


def test_an_emptied_gallery(trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=trained.folder)
    gallery.add(crowd.gallery)
    gallery.delete(where={})
    found = survey(gallery)
    assert (found.images, found.identities, found.cameras, found.times) == (0, 0, (), None)
    assert dict(found.lines())["cameras"] == "–"
