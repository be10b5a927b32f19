"""The U-Net learns masks: IoU over 0.8 on people in places that it has never seen, and the commands work on its run.

Budget: six epochs of 767 pictures of 64 × 32, about 40 seconds of one core. They come from four streets: a U-Net that has
seen one street's backgrounds alone reaches 0.80 there and 0.69 in another.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.cli.app import app
from resight.data.formats import read_dataset
from resight.data.union import read_datasets
from resight.errors import DataError, RunError
from resight.recognizer import load
from resight.records import Record
from resight.synthetic import synthesize
from resight.tasks.masks.evaluation import evaluate
from resight.tasks.masks.prediction import write_predictions
from resight.training import train

LEARNING = [
    "epochs=6",
    "image.height=64",
    "image.width=32",
    "model.width=8",
    "model.depth=3",
    "augmentation={flip: {probability: 0.5}, jitter: {}}",
    "optimiser.lr=0.004",
    "validation.ratio=0.1",
    "loader.cache=true",
]
STREET = {"cameras": 6, "images_per_camera": 2, "size": (64, 32), "junk": 0, "distractors": 0, "processes": 1}


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("masks")
    for seed in range(4):
        synthesize(folder / str(seed), layout="segmentation", identities=20, seed=seed, **STREET)
    return [f"masks:{folder / str(seed)}" for seed in range(4)]


@pytest.fixture(scope="module")
def unet(streets: list[str], tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "unet"
    recipe = tiny(*LEARNING, recipe="segmentation-unet")
    return train(recipe, read_datasets(streets), out, data=streets, quiet=True).folder


@pytest.mark.slow
def test_masks_of_new_people_reach_an_iou_of_80_per_cent(unet: Path, tmp_path: Path) -> None:
    synthesize(tmp_path / "others", layout="segmentation", identities=15, seed=99, **STREET)
    others = read_dataset(f"masks:{tmp_path / 'others'}")
    judged = evaluate(load(unet), others, trained_here=False).judged
    print(f"IoU {judged.scores.mean_iou:.3f}, of the mean mask {judged.mean_mask.mean_iou:.3f}")
    assert judged.scores.mean_iou > 0.8
    assert judged.scores.mean_iou > judged.mean_mask.mean_iou + 0.1


@pytest.mark.slow
def test_the_commands_evaluate_and_write_predictions(unet: Path, streets: list[str], tmp_path: Path, capsys) -> None:
    data = [part for street in streets for part in ("--data", street)]
    app(["evaluate", str(unet), *data, "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"train", "validation"}
    assert told["validation"]["IoU"] > 0.7
    page = (unet / "report.html").read_text()
    assert "lowest IoU" in page
    folder = Path(streets[0].removeprefix("masks:")) / "images"
    app(["predict", str(unet), str(folder), "--out", str(tmp_path / "found")], standalone_mode=False)
    image = min(folder.iterdir())
    with Image.open(tmp_path / "found" / f"{image.stem}.png") as mask:
        assert mask.size == (32, 64)
        assert set(np.unique(np.asarray(mask))) == {0, 255}
    assert len(list((tmp_path / "found").iterdir())) == len(list(folder.iterdir()))


@pytest.mark.slow
def test_masks_have_the_images_own_size_and_place(unet: Path, tmp_path: Path) -> None:
    for name, size in (("a/1.png", (50, 90)), ("b/1.png", (20, 30))):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", size, (90, 120, 30)).save(tmp_path / name)
    (tmp_path / "b" / "bad.jpg").write_bytes(b"no image")
    records = [Record(str(tmp_path / name)) for name in ("a/1.png", "b/1.png", "b/bad.jpg")]
    written = write_predictions(tmp_path / "found", load(unet), records)
    assert written.images == 2
    assert "bad.jpg" in written.failed[0]
    for name in ("a/1.png", "b/1.png"):
        with Image.open(tmp_path / "found" / name) as mask, Image.open(tmp_path / name) as image:
            assert mask.size == image.size
    twins = [Record(str(tmp_path / "b" / f"1{ending}")) for ending in (".png", ".jpg")]
    with pytest.raises(DataError, match="would both be"):
        write_predictions(tmp_path / "twins", load(unet), twins)


@pytest.mark.slow
def test_what_a_mask_run_cannot_do_is_said(unet: Path, crowd) -> None:
    model = load(unet)
    with pytest.raises(RunError, match="makes no embeddings"):
        model.embed([np.zeros((64, 32, 3), np.uint8)])
    with pytest.raises(DataError, match="no image has a mask; give masks:PATH"):
        evaluate(model, crowd, trained_here=False)
