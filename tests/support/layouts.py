"""Files of datasets in the datasets' own layouts, as they are published."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from resight.data.attributes import MARKET_COLUMNS, MARKET_SCHEMA, columns_from_targets

__all__ = ["TARGETS", "Pictures", "msmt_lists", "write_course_csv", "write_market_mat", "write_pairs", "write_veri_xml"]

Pictures = Callable[[Path, Iterable[str]], None]
"""The fixture `pictures`: write one tiny JPEG per name into a folder."""

TARGETS = {name: values[0] for name, values in MARKET_SCHEMA.classes.items()} | {"upper_color": "red"}
"""A whole set of Market-1501's attributes."""


def write_market_mat(path: Path, train: dict[int, dict[str, str]], test: dict[int, dict[str, str]]) -> None:
    """`market_attribute.mat` as published: one struct per half, columns in another order in each."""
    halves = {}
    for half, targets in (("train", train), ("test", test)):
        columns = {identity: columns_from_targets(found) for identity, found in targets.items()}
        names = MARKET_COLUMNS if half == "train" else tuple(reversed(MARKET_COLUMNS))
        fields: dict[str, np.ndarray] = {
            name: np.array([[float(row[name]) for row in columns.values()]]) for name in names
        }
        index = np.empty((1, len(columns)), object)
        index[0] = [f"{identity:04d}" for identity in columns]
        halves[half] = {**fields, "image_index": index}
    savemat(path, {"market_attribute": halves})


def write_course_csv(path: Path, targets: dict[int, dict[str, str]]) -> None:
    """The course's `annotations_train.csv`, identities unpadded and unordered."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *MARKET_COLUMNS])
        for identity in sorted(targets, reverse=True):
            codes = columns_from_targets(targets[identity])
            writer.writerow([identity, *(codes[name] for name in MARKET_COLUMNS)])


def write_veri_xml(path: Path, items: Iterable[tuple[str, int, int]]) -> None:
    """A label file as shipped: gb2312, root `TrainingImages` in train and test alike."""
    rows = "".join(
        f'<Item imageName="{name}" vehicleID="{name[:4]}" cameraID="{name[5:9]}" colorID="{color}" typeID="{kind}"/>\n'
        for name, color, kind in items
    )
    text = (
        '<?xml version="1.0" encoding="gb2312"?>\n<!-- 车辆重识别 -->\n'
        f'<TrainingImages Version="1.0"><Items number="{rows.count("<Item")}">\n{rows}</Items>'
        "</TrainingImages>"
    )
    path.write_bytes(text.encode("gb2312"))


def msmt_lists(root: Path, train: str, test: str, pictures: Pictures) -> None:
    """MSMT17's lists and images; people are counted from 0 in either half."""
    lists = {
        "train": (train, [("0000", "000_01", 0), ("0000", "001_04", 0), ("0001", "000_15", 1)]),
        "val": (train, [("0001", "001_02", 1)]),
        "query": (test, [("0000", "002_01", 0), ("0001", "000_03", 1)]),
        "gallery": (test, [("0000", "000_01", 0), ("0000", "001_09", 0), ("0001", "001_12", 1)]),
    }
    for split, (folder, rows) in lists.items():
        lines = []
        for person, middle, label in rows:
            name = f"{person}_{middle}_0303morning_0008_0.jpg"
            pictures(root / folder / person, [name])
            lines.append(f"{person}/{name} {label}\n")
        (root / f"list_{split}.txt").write_text("".join(lines))


def write_pairs(folder: Path, names: list[str]) -> Path:
    """Images of noise with a mask each."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 4, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{name}.jpg")
        mask = np.zeros((8, 4), np.uint8)
        mask[2:6, number % 4] = 255
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return folder
