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
from resight.tasks.junk.report import tables, write_report
from tests.support.images import corrupt


@pytest.fixture(scope="module")
def autoencoder(tiny) -> Recognizer:
    torch.manual_seed(0)
    recipe = tiny(recipe="junk-autoencoder")
    return Recognizer(build_model(recipe, 1), recipe, device="cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Eight plain images and four of noise; the noise is labelled junk of two kinds."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    records = []
    for number in range(12):
        path = folder / f"{number:02d}.png"
        noise = rng.integers(0, 256, (32, 16, 3)) if number >= 8 else np.full((32, 16, 3), 20 * number + 40)
        Image.fromarray(noise.astype(np.uint8)).save(path)
        kind = {"junk_kind": "empty" if number == 8 else "close"} if number >= 8 else {}
        records.append(Record(str(path), -1 if number >= 8 else number + 1, 1, attributes=kind))
    return records


@pytest.fixture
def scored(images: list[Record]) -> Scored:
    """Scores by hand: junk at 0.9, 0.8, 0.7 and 0.2, one plain image at 0.75, the others lower."""
    return Scored(images, np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 0.75, 0.9, 0.8, 0.7, 0.2], np.float32), [])


def test_each_kind_of_run_has_its_score(autoencoder: Recognizer, images: list[Record], tiny) -> None:
    assert default_score(autoencoder) == "relative"
    found = junk_scores(autoencoder, images, "error")
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(record.path))).permute(2, 0, 1) for record in images])
    np.testing.assert_allclose(found.scores, autoencoder.reconstruction_error_batch(pixels), rtol=1e-4)
    relative = junk_scores(autoencoder, images)
    assert not np.allclose(relative.scores, found.scores)

    torch.manual_seed(0)
    schema = AttributeSchema({"hat": ("no", "yes"), "junk": ("no", "yes")})
    recipe = tiny(recipe="attributes-residual-cnn")
    attributes = Recognizer(build_model(recipe, 1, schema), recipe, schema, "cpu")
    assert default_score(attributes) == "probability"
    found = junk_scores(attributes, images)
    said = attributes.recognise([record.path for record in images])["junk"][:, 1]
    np.testing.assert_allclose(found.scores, said, rtol=1e-5)

    plain = tiny()
    neither = Recognizer(build_model(plain, 4), plain, device="cpu")
    with pytest.raises(RunError, match="this run tells no junk; train one that does"):
        junk_scores(neither, images)
    with pytest.raises(RunError, match="this run recognises no junk"):
        junk_scores(autoencoder, images, "probability")
    with pytest.raises(DataError, match="no score 'loss' of junk; there is: probability, error, relative"):
        junk_scores(autoencoder, images, "loss")


def test_unreadable_images_are_named(autoencoder: Recognizer, images: list[Record], tmp_path: Path) -> None:
    bad = Record(corrupt(tmp_path / "bad.jpg"))
    found = junk_scores(autoencoder, [images[0], bad, images[1]])
    assert [record.path for record in found.records] == [images[0].path, images[1].path]
    assert "bad.jpg" in found.failed[0]
    with pytest.raises(DataError, match="none of 1 images could be read"):
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


def test_a_scan_is_written_and_shown(scored: Scored, tmp_path: Path) -> None:
    found = scan(scored, "error", threshold=0.7)
    write_scan(tmp_path, found, {"run": "runs/junk"})
    with open(tmp_path / "suspects.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).name for row in rows] == ["08.png", "09.png", "07.png", "10.png"]
    assert float(rows[0]["score"]) == pytest.approx(0.9)
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 13
    assert json.loads((tmp_path / "scan.json").read_text())["suspects"] == 4
    write_report(tmp_path / "r.html", found, "street", command="resight junk scan", facts={})
    page = (tmp_path / "r.html").read_text()
    for words in ("Against the labels", "Suspects 1 to 4", "4 of 12 images", "close", "resight junk scan"):
        assert words in page, words
    (table,) = tables(found)
    assert table.rows[0] == ["junk", "4", "12", "4", "75.0", "75.0", table.rows[0][-1]]
    assert [row[0] for row in table.rows] == ["junk", "close", "empty"]
    assert found.summary()["labelled"]["junk"]["precision"] == 0.75
