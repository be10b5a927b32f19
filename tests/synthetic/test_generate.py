"""Synthetic datasets on disk: the same bytes every time, in layouts that the real readers read, whole or absent."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.data.formats import read_dataset
from resight.errors import DataError
from resight.records import DISTRACTOR, JUNK, ReidDataset
from resight.retrieval import evaluate
from resight.synthetic import WRITERS, Street, synthesize
from resight.tasks.reid.baselines import colour_histogram


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(("kind", "processes"), [("people", 2), ("vehicles", 1)])
def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(
    tmp_path: Path, kind: str, processes: int
) -> None:
    synthesize(tmp_path / "one", preset=f"{kind}-tiny", seed=3, processes=1)
    synthesize(tmp_path / "again", preset=f"{kind}-tiny", seed=3, processes=processes)
    synthesize(tmp_path / "other", preset=f"{kind}-tiny", seed=4, processes=1)
    one, again, other = (digest(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    images = {value for name, value in one.items() if name.endswith(".jpg") and "query" not in name}
    assert len(images) == len([name for name in one if name.endswith(".jpg") and "query" not in name])
    assert not images & set(other.values())


def test_market1501_is_read_back(tmp_path: Path) -> None:
    made = synthesize(tmp_path / "street", preset="people-tiny", seed=1, processes=1)
    dataset = read_dataset(f"market1501:{made.root}")
    assert len(dataset.train) == made.images["train"]
    assert len(dataset.query) == made.images["query"]
    gallery = [record.identity for record in dataset.gallery]
    assert gallery.count(JUNK) == made.images["junk"] == 4
    assert gallery.count(DISTRACTOR) == made.images["distractor"] == 6
    street = Street("people", seed=1)
    for record in (*dataset.train, *dataset.query):
        drawn = street.person(record.identity).attributes()
        assert record.attributes["gender"] == ("male", "female")[drawn["gender"] - 1]
        assert record.attributes["hat"] == ("no", "yes")[drawn["hat"] - 1]
    assert not {r.identity for r in dataset.train} & {r.identity for r in dataset.query}
    assert {r.identity for r in dataset.query} == {i for i in gallery if i > 0}
    assert max(record.camera for record in dataset.train) <= 3


def test_masks_cover_the_person(tmp_path: Path) -> None:
    made = synthesize(tmp_path / "s", layout="segmentation", preset="people-tiny", processes=1)
    images = sorted((made.root / "images").iterdir())
    assert len(images) == made.total
    shares = []
    for path in images:
        mask = np.asarray(Image.open(made.root / "masks" / f"{path.stem}.png"))
        assert mask.shape == np.asarray(Image.open(path)).shape[:2]
        assert set(np.unique(mask)) <= {0, 255}
        if "query" in path.stem:
            shares.append((mask > 0).mean())
            _, columns = np.nonzero(mask)
            assert abs(columns.mean() - 32) < 12
    assert min(shares) > 0.15
    assert max(shares) < 0.75
    beside = synthesize(tmp_path / "m", preset="people-tiny", masks=True, processes=1)
    assert len(list((beside.root / "masks").rglob("*.png"))) == beside.total
    assert len(read_dataset(f"market1501:{beside.root}").train) == beside.images["train"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"kind": "boats"}, "unknown kind 'boats'"),
        ({"layout": "coco"}, "unknown layout 'coco'; known are market1501"),
        ({"layout": "market"}, "(did you mean 'market1501'?); known are market1501"),
        ({"kind": "vehicle"}, "unknown kind 'vehicle' (did you mean 'vehicles'?); presets are"),
        ({"layout": "veri776"}, "layout veri776 holds no people; layouts for people: market1501"),
        ({"preset": "people-small"}, "unknown preset 'people-small' (did you mean 'people-"),
        ({"preset": "huge"}, "unknown preset 'huge'"),
        ({"identities": 1}, "identities is 1; it must be at least 2"),
        ({"identities": 20_000}, "room for 9999"),
        ({"identities": 5, "test_identities": 5}, "leave none to train on"),
        ({"cameras": 1}, "cameras is 1"),
        ({"images_per_camera": 1}, "images_per_camera is 1"),
        ({"size": (4, 4)}, "16 to 1024 pixels"),
        ({"processes": 0}, "processes is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"layout": "folders", "masks": True}, "no place for masks"),
    ],
)
def test_impossible_wishes_are_named_and_leave_nothing(tmp_path: Path, arguments: dict, complaint: str) -> None:
    with pytest.raises(DataError, match=re.escape(complaint)):
        synthesize(tmp_path / "street", **arguments)
    assert not list(tmp_path.iterdir())


def test_the_list_of_pictures_says_what_is_wrong_with_junk(tmp_path: Path) -> None:
    made = synthesize(tmp_path / "s", preset="people-tiny", junk=12, distractors=20, masks=True, processes=1)
    listed, read = (read_dataset(spec) for spec in (f"manifest:{made.root}/pictures.csv", f"market1501:{made.root}"))
    for split, records in listed.splits.items():
        theirs = {(Path(r.path).name, r.identity, r.camera) for r in read.splits[split]}
        assert {(Path(r.path).name, r.identity, r.camera) for r in records} == theirs
    kinds = {"close": [], "beside": [], "empty": []}
    for record in listed.gallery:
        kind = record.attributes.get("junk_kind")
        assert kind if record.identity == JUNK else kind is None or record.identity == DISTRACTOR
        if kind:
            mask = np.asarray(Image.open(made.root / "masks" / f"bounding_box_test/{Path(record.path).stem}.png"))
            kinds[kind].append((mask > 0).mean())
    assert all(kinds.values())
    assert max(kinds["empty"]) == 0
    assert np.mean(kinds["close"]) > 0.45
    assert np.mean(kinds["beside"]) < 0.3


def test_a_full_folder_is_left_alone_and_a_cut_run_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(DataError, match=r"full: exists and is not an empty folder; name another"):
        synthesize(tmp_path / "full", preset="people-tiny")

    def cut(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(tmp_path / "cut", preset="people-tiny", processes=1, progress=cut)
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "thesis.tex"]


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_is_read_back_and_says_that_it_is_synthetic(tmp_path: Path, name: str) -> None:
    kind = WRITERS[name].kinds[0]
    made = synthesize(tmp_path / "d", kind, name, **SMALL, junk=1, distractors=1)
    note = json.loads((made.root / "synthetic.json").read_text())
    assert note["made_by"] == "resight data synthesize"
    assert (note["kind"], note["layout"], note["seed"], note["cameras"]) == (kind, name, 0, 2)
    dataset = read_dataset(f"{'masks' if name == 'segmentation' else name}:{made.root}")
    assert len(dataset.train) >= made.images["train"]
    with Image.open(dataset.train[0].path) as image:
        assert image.size[::-1] == made.preset.size
    assert made.total == sum(made.images.values()) == sum(1 for _ in read_dataset(f"manifest:{made.root}/pictures.csv"))


SMALL = {"identities": 3, "cameras": 2, "images_per_camera": 2, "processes": 1}


def test_the_presets_share_of_the_identities_is_for_testing(tmp_path: Path) -> None:
    made = synthesize(tmp_path / "d", **{**SMALL, "identities": 7}, junk=0, distractors=0)
    assert made.preset.test_identities == 2, "50 of 170 in the demonstration"
    assert len({record.identity for record in read_dataset(f"market1501:{made.root}").query}) == 2
    told = synthesize(tmp_path / "e", **SMALL, test_identities=1, junk=0, distractors=0)
    assert told.preset.test_identities == 1


def test_progress_ends_at_the_number_of_pictures_and_an_empty_folder_is_filled(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    (tmp_path / "d").mkdir()
    made = synthesize(tmp_path / "d", preset="people-tiny", processes=1, progress=lambda *done: told.append(done))
    assert told[-1] == (made.total, made.total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 1


@pytest.mark.parametrize("kind", ["people", "vehicles"])
def test_colours_alone_fail_across_cameras_and_not_within_one(tmp_path: Path, kind: str) -> None:
    """What makes a street worth learning: identities share colours, cameras change them."""
    made = synthesize(tmp_path / "street", kind=kind, identities=31, test_identities=30, junk=0, distractors=0)
    across, within = histogram_figures(read_dataset(f"{made.preset.layout}:{made.root}"))
    assert across < 0.25, f"colour histogram mAP {across:.1%} across cameras"
    assert within > 2 * across, f"{within:.1%} within one, {across:.1%} across"


def histogram_figures(dataset: ReidDataset) -> tuple[float, float]:
    """mAP of a colour histogram: each query against other cameras' images, and against its own camera's alone."""
    names = {Path(record.path).name for record in dataset.query}
    query = colour_histogram(dataset.query)
    gallery = colour_histogram([record for record in dataset.gallery if Path(record.path).name not in names])
    across = evaluate(
        query.features,
        gallery.features,
        query_ids=query.identities,
        gallery_ids=gallery.identities,
        query_cameras=query.cameras,
        gallery_cameras=gallery.cameras,
    ).mean_average_precision
    within: list[float] = []
    for camera in np.unique(query.cameras):
        q, g = query.cameras == camera, gallery.cameras == camera
        result = evaluate(
            query.features[q],
            gallery.features[g],
            query_ids=query.identities[q],
            gallery_ids=gallery.identities[g],
            protocol="course",  # the one without a camera rule
        )
        within.extend(result.average_precision)
    return across, float(np.nanmean(within))
