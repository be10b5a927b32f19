from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from resight.embedding import embed
from resight.errors import DataError
from resight.recognizer import load
from resight.records import Embeddings, Record, ReidDataset
from resight.run import Run
from resight.tasks.tracklets.pooling import END, IMAGES, START, groups, pool_tracklets, qualities, sharpness

RECORDS = [
    Record("a.jpg", 5, 1, time=100, tracklet=7),
    Record("b.jpg", 5, 1, time=300, tracklet=7, attributes={"hat": "no"}),
    Record("c.jpg", 5, 2, time=900, tracklet=7),
    Record("d.jpg"),
    Record("e.jpg", 5, 1, time=200, tracklet=7),
    Record("f.jpg"),
]


def test_a_tracklet_is_a_number_within_a_camera_and_its_sequence() -> None:
    assert groups(RECORDS).tolist() == [0, 0, 1, 2, 0, 3]
    assert groups([Record("a", camera=1, sequence=n, tracklet=1) for n in (1, 2, 1)]).tolist() == [0, 1, 0]


def test_an_entry_is_the_weighted_mean_and_the_best_images_record() -> None:
    features = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [9, 9], [1, 0]], np.float32)
    attributes = np.array([[0.5, 0.5], [0.9, 0.1], [1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    weights = np.array([1, 3, 1, 1, 0, 1])
    pooled = pool_tracklets(Embeddings(features, RECORDS, attributes), weights)
    assert (pooled.tracklets, pooled.left_out, pooled.lost) == (2, 1, 0)
    expected = [[1 / 10**0.5, 3 / 10**0.5], [1, 0], [0, 1], [1, 0]]
    np.testing.assert_allclose(pooled.embeddings.features, expected, rtol=1e-6)
    np.testing.assert_allclose(pooled.embeddings.attributes[0], [0.8, 0.2], rtol=1e-6)  # type: ignore[index]
    extent = {"hat": "no", START: "100", END: "300", IMAGES: "2"}
    assert list(pooled.embeddings.records) == [
        replace(RECORDS[1], attributes=extent),
        replace(RECORDS[2], attributes={START: "900", END: "900", IMAGES: "1"}),
        RECORDS[3],
        RECORDS[5],
    ]
    plain = pool_tracklets(Embeddings(features, RECORDS), weights, unit=False)
    np.testing.assert_allclose(plain.embeddings.features[0], [0.25, 0.75])


def test_a_tracklet_of_junk_alone_is_lost() -> None:
    embeddings = Embeddings(np.eye(6, dtype=np.float32), RECORDS)
    pooled = pool_tracklets(embeddings, np.array([1, 1, 0, 1, 1, 0]))
    assert (len(pooled.embeddings), pooled.tracklets, pooled.left_out, pooled.lost) == (2, 1, 2, 2)
    with pytest.raises(DataError, match="every image is junk, so no tracklet is left"):
        pool_tracklets(embeddings, np.zeros(6))
    with pytest.raises(DataError, match="no image says of which tracklet it is; `resight data crops` makes manifests"):
        pool_tracklets(Embeddings(np.eye(1, dtype=np.float32), [Record("d.jpg")]), np.ones(1))


def test_blurred_and_enlarged_images_weigh_less() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 32, 3), np.uint8))
    blurred = noise.filter(ImageFilter.GaussianBlur(2))
    enlarged = noise.resize((8, 16), Image.Resampling.BILINEAR).resize((32, 64), Image.Resampling.BILINEAR)
    flat = Image.new("RGB", (32, 64), "grey")
    pixels = [torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in (noise, blurred, enlarged, flat)]
    found = sharpness(torch.stack(pixels))
    assert found[0] > 5 * found[1]
    assert found[0] > 5 * found[2]
    assert 0 < found[3] < found[1]
    # By hand: one white pixel in black has a Laplacian of -4 in its place and 1 in four others.
    dot = torch.zeros(1, 3, 5, 5, dtype=torch.uint8)
    dot[:, :, 2, 2] = 255
    values = np.array([0, 1, 0, 1, -4, 1, 0, 1, 0])
    np.testing.assert_allclose(sharpness(dot), values.std(ddof=1), rtol=1e-6)


@pytest.mark.slow
def test_weights_are_of_the_records_in_their_order_and_0_for_junk(
    trained: Run, kinds: dict[str, Path], crowd: ReidDataset, tmp_path: Path
) -> None:
    model = load(trained.folder)
    blurred = tmp_path / "blurred.png"
    Image.open(crowd.gallery[0].path).filter(ImageFilter.GaussianBlur(3)).save(blurred)
    records = [*crowd.gallery[:3], Record(str(blurred)), *crowd.gallery[3:]]
    advanced: list[int] = []
    weights = qualities(model, records, progress=advanced.append)
    assert sum(advanced) == len(records)
    assert np.argmin(weights) == 3
    judged = qualities(model, records, load(kinds["autoencoder"]), threshold=0.0)
    assert (judged == 0).all()
    judged = qualities(model, records, load(kinds["autoencoder"]))
    np.testing.assert_array_equal(judged, weights, "a few images have no highest hundredth")
    often = 100 // len(records) + 1
    judged = qualities(model, records * often, load(kinds["autoencoder"]))
    assert 0 < (judged == 0).sum() <= often, "copies of one image"
    features = embed(model, records).embeddings
    tracked = [replace(record, tracklet=record.identity) for record in records]
    pooled = pool_tracklets(Embeddings(features.features, tracked), weights)
    lengths = np.linalg.norm(pooled.embeddings.features, axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
