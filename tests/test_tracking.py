"""A model as trackers call it: each box is the crop that one would cut out oneself, and no box ends a video."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import resight
from resight.errors import DataError
from resight.run import Run
from resight.tracking import CropEmbedder

FRAME = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
"""BGR."""


@pytest.fixture(scope="module")
def embedder(trained: Run) -> CropEmbedder:
    return CropEmbedder(resight.load(trained.folder))


def test_a_box_is_the_crop_in_rgb(embedder: CropEmbedder, tmp_path: Path) -> None:
    found = embedder.get_features(np.array([[10.4, 20.6, 40.2, 79.5]]), FRAME)
    Image.fromarray(FRAME[21:80, 10:40, ::-1]).save(tmp_path / "crop.png")
    np.testing.assert_allclose(found, embedder.model.embed([tmp_path / "crop.png"]), atol=1e-5)
    assert found.dtype == np.float32


def test_a_box_is_cut_off_at_the_edges(embedder: CropEmbedder) -> None:
    over = embedder.get_features(np.array([[-30, -5, 20, 40], [100, 50, 999, 999]]), FRAME)
    within = embedder.get_features(np.array([[0, 0, 20, 40], [100, 50, 120, 90]]), FRAME)
    np.testing.assert_array_equal(over, within)


def test_a_box_of_which_nothing_is_left_is_an_image_of_the_mean_colour(embedder: CropEmbedder) -> None:
    nan, inf = np.nan, np.inf
    boxes = [[130, 0, 150, 50], [0, -50, 20, -1], [30, 30, 30, 60], [50, 60, 40, 20], [nan, 0, 20, 40], [0, 0, inf, 40]]
    found = embedder.get_features(np.array([*boxes, [0, 0, 20, 40]]), FRAME)
    mean = np.tile((np.array(embedder.model.recipe.image.mean) * 255).round().astype(np.uint8), (32, 16, 1))
    np.testing.assert_allclose(found[:-1], np.repeat(embedder.model.embed([mean]), len(boxes), axis=0), atol=1e-5)
    assert np.isfinite(found).all()
    assert not np.allclose(found[-1], found[0])


@pytest.mark.parametrize("boxes", [np.empty((0, 4)), np.array([]), []])
def test_no_box_gives_no_feature_of_the_right_length(boxes, embedder: CropEmbedder) -> None:
    assert embedder.get_features(boxes, FRAME).shape == (0, embedder.model.width)


def test_features_have_length_one_whatever_the_recipes_distance(kinds: dict[str, Path]) -> None:
    model = resight.load(kinds["vae"])
    assert model.metric == "euclidean"
    found = CropEmbedder(model, batch_size=2).get_features(np.array([[0, 0, 20, 40]] * 5), FRAME)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_detections_are_read_by_their_boxes(embedder: CropEmbedder) -> None:
    boxes = np.array([[0, 0, 20, 40], [30, 30, 60, 80]], np.float32)
    detections = SimpleNamespace(xyxy=boxes, confidence=np.ones(2))
    np.testing.assert_array_equal(embedder.extract_embeddings(detections, FRAME), embedder.get_features(boxes, FRAME))


def test_an_exported_file_gives_the_same(exported: Path, embedder: CropEmbedder) -> None:
    boxes = np.array([[0, 0, 20, 40], [30, 30, 60, 80]])
    found = CropEmbedder(resight.load(exported)).get_features(boxes, FRAME)
    np.testing.assert_allclose(found, embedder.get_features(boxes, FRAME), atol=1e-4)


@pytest.mark.parametrize(
    ("boxes", "frame", "told"),
    [
        (np.zeros((2, 5)), FRAME, r"boxes of shape \(2, 5\): \(N, 4\) is expected"),
        (np.array([0, 0, 20, 40]), FRAME, r"boxes of shape \(4,\)"),
        (np.zeros((2, 4)), FRAME / 255, "float64: uint8 .* in BGR is expected"),
        (np.zeros((2, 4)), FRAME[:, :, 0], r"a frame of shape \(90, 120\)"),
    ],
)
def test_what_is_no_box_and_no_frame_is_one_line(boxes, frame, told: str, embedder: CropEmbedder) -> None:
    with pytest.raises(DataError, match=told):
        embedder.get_features(boxes, frame)
