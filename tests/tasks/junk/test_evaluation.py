"""Scores of junk, the thresholds for them, and the list of suspects."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resight.errors import DataError, RunError
from resight.recognizer import Recognizer
from resight.records import AttributeSchema, Record
from resight.run import build_model
from resight.tasks.junk.evaluation import Scored, default_score, junk_scores, learn_threshold, scan, write_scan
from tests.support.images import corrupt


@pytest.fixture(scope="module")
def autoencoder(tiny) -> Recognizer:
    torch.manual_seed(0)
    recipe = tiny(recipe="junk-autoencoder")
    return Recognizer(build_model(recipe, 1), recipe, device="cpu")


def test_each_kind_of_run_has_its_score(autoencoder: Recognizer, labelled: list[Record], tiny) -> None:
    assert default_score(autoencoder) == "relative"
    found = junk_scores(autoencoder, labelled, "error")
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(record.path))).permute(2, 0, 1) for record in labelled])
    np.testing.assert_allclose(found.scores, autoencoder.reconstruction_error_batch(pixels), rtol=1e-4)
    relative = junk_scores(autoencoder, labelled)
    assert not np.allclose(relative.scores, found.scores)

    torch.manual_seed(0)
    schema = AttributeSchema({"hat": ("no", "yes"), "junk": ("no", "yes")})
    recipe = tiny(recipe="attributes-residual-cnn")
    attributes = Recognizer(build_model(recipe, 1, schema), recipe, schema, "cpu")
    assert default_score(attributes) == "probability"
    found = junk_scores(attributes, labelled)
    said = attributes.recognise([record.path for record in labelled])["junk"][:, 1]
    np.testing.assert_allclose(found.scores, said, rtol=1e-5)

    plain = tiny()
    neither = Recognizer(build_model(plain, 4), plain, device="cpu")
    with pytest.raises(RunError, match="this run tells no junk; train one that does"):
        junk_scores(neither, labelled)
    with pytest.raises(RunError, match="this run recognises no junk"):
        junk_scores(autoencoder, labelled, "probability")
    with pytest.raises(DataError, match="no score 'loss' of junk; there is: probability, error, relative"):
        junk_scores(autoencoder, labelled, "loss")


def test_unreadable_images_are_named(autoencoder: Recognizer, labelled: list[Record], tmp_path: Path) -> None:
    bad = Record(corrupt(tmp_path / "bad.jpg"))
    found = junk_scores(autoencoder, [labelled[0], bad, labelled[1]])
    assert [record.path for record in found.records] == [labelled[0].path, labelled[1].path]
    assert "bad.jpg" in found.failed[0]
    with pytest.raises(DataError, match="the image could not be read"):
        junk_scores(autoencoder, [bad])


def test_a_scan_by_hand(scored: Scored) -> None:
    by_value = scan(scored, "error", threshold=0.7)
    assert by_value.suspects.tolist() == [8, 9, 7, 10]
    junk = by_value.figures["junk"]
    assert (junk.images, junk.wanted, junk.found) == (12, 4, 4)
    assert (junk.precision, junk.recall) == (3 / 4, 3 / 4)
    # Each kind beside the eight that are no junk.
    assert (by_value.figures["empty"].images, by_value.figures["empty"].recall) == (9, 1)
    assert (by_value.figures["close"].images, by_value.figures["close"].recall) == (11, 2 / 3)
    # The highest quarter of twelve: three images over the 0.75 quantile, which is one of the scores itself.
    assert scan(scored, "error", quantile=0.75).suspects.tolist() == [8, 9, 7]
    assert len(scan(scored, "error", quantile=0).suspects) == 12
    assert learn_threshold(scored, 1.0) == pytest.approx(0.8)
    assert learn_threshold(scored, 0.75) == pytest.approx(0.7)
    with pytest.raises(DataError, match="quantile 1.5"):
        scan(scored, "error", quantile=1.5)
    with pytest.raises(DataError, match="precision 95"):
        learn_threshold(scored, 95)
    bare = Scored([Record(record.path) for record in scored.records], scored.scores, [])
    assert scan(bare, "error").figures == {}
    with pytest.raises(DataError, match="none of the labelled images is junk"):
        learn_threshold(bare, 0.9)


def test_a_scan_is_written(scored: Scored, tmp_path: Path) -> None:
    found = scan(scored, "error", threshold=0.7)
    write_scan(tmp_path, found, {"run": "runs/junk"})
    with open(tmp_path / "suspects.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).name for row in rows] == ["08.png", "09.png", "07.png", "10.png"]
    assert float(rows[0]["score"]) == pytest.approx(0.9)
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 13
    assert json.loads((tmp_path / "scan.json").read_text())["suspects"] == 4
    assert found.summary()["labelled"]["junk"]["precision"] == 0.75
