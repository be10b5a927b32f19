"""Small datasets on disk, in the datasets' own layouts and names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from tests.support.layouts import TARGETS, Pictures, msmt_lists, write_course_csv, write_veri_xml


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """`pictures(folder, names)`: write one tiny JPEG per name, making the folder."""

    def write(folder: Path, names: Iterable[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names):
            Image.new("RGB", (4, 8), (number % 256, 90, 200)).save(folder / name, "JPEG")

    return write


@pytest.fixture
def market(tmp_path: Path, pictures: Pictures) -> Path:
    """Market-1501's layout: two training and two test identities, junk, a distractor, attributes."""
    root = tmp_path / "Market-1501-v15.09.15"
    train = [
        f"{who:04d}_c{camera}s1_{camera * 25:06d}_0{box}.jpg" for who in (2, 7) for camera in (1, 6) for box in (1, 2)
    ]
    pictures(root / "bounding_box_train", train)
    pictures(root / "query", ["0001_c1s1_001051_00.jpg", "0003_c2s3_000151_00.jpg"])
    pictures(
        root / "bounding_box_test",
        [
            "-1_c3s1_000401_03.jpg",
            "0000_c2s1_000151_01.jpg",
            "0001_c1s1_001051_03.jpg",
            "0001_c2s1_000301_00.jpg",
            "0003_c5s2_000777_02.jpg",
        ],
    )
    # The original archive carries these beside the images.
    (root / "bounding_box_train" / "Thumbs.db").write_bytes(b"not an image")
    (root / "bounding_box_train" / "._0002_c1s1_000025_01.jpg").write_bytes(b"not an image")
    return root


@pytest.fixture
def course(tmp_path: Path, pictures: Pictures) -> Path:
    """The course's layout: two annotated training identities, three test images, one query."""
    root = tmp_path / "course"
    pictures(root / "train", ["0002_c1_016620005.jpg", "0002_c3_010187163.jpg", "0474_c6_000000009.jpg"])
    pictures(root / "test", ["000000.jpg", "000001.jpg", "000002.jpg"])
    pictures(root / "queries", ["000000.jpg"])
    write_course_csv(root / "annotations_train.csv", {2: TARGETS, 474: TARGETS | {"upper_color": "multi"}})
    return root


@pytest.fixture
def veri(tmp_path: Path, pictures: Pictures) -> Path:
    """VeRi-776's layout: gb2312 XML with a Chinese comment, name lists out of order, index lists."""
    root = tmp_path / "VeRi"
    train = ["0001_c001_00016450_0.jpg", "0001_c002_00016480_0.jpg", "0004_c003_00000100_1.jpg"]
    test = ["0005_c002_00079155_0.jpg", "0005_c001_00079065_0.jpg", "0006_c020_00000001_0.jpg"]
    query = ["0006_c020_00000001_0.jpg", "0005_c001_00079065_0.jpg"]
    pictures(root / "image_train", train)
    pictures(root / "image_test", test)
    pictures(root / "image_query", query)
    for split, names in (("train", train), ("query", query), ("test", test)):
        (root / f"name_{split}.txt").write_text("".join(f"{name}\r\n" for name in names))
    write_veri_xml(root / "train_label.xml", [(train[0], 4, 4), (train[1], 4, 4), (train[2], 10, 0)])
    write_veri_xml(root / "test_label.xml", [(test[0], 1, 9), (test[1], 1, 9), (test[2], 2, 7)])
    (root / "gt_index.txt").write_text(" \n1 \n")
    (root / "jk_index.txt").write_text("3 \n2 \n")
    return root


@pytest.fixture
def duke(tmp_path: Path, pictures: Pictures) -> Path:
    """DukeMTMC-reID's layout: two training people, one searched for, one who is no query."""
    root = tmp_path / "DukeMTMC-reID"
    pictures(root / "bounding_box_train", ["0001_c2_f0046182.jpg", "0001_c5_f0046542.jpg", "0007_c3_f0080000.jpg"])
    pictures(root / "query", ["0005_c2_f0046985.jpg"])
    pictures(
        root / "bounding_box_test",
        ["0005_c2_f0046865.jpg", "0005_c5_f0051341.jpg", "0012_c8_f0000001.jpg"],
    )
    return root


@pytest.fixture
def cuhk(tmp_path: Path, pictures: Pictures) -> Path:
    """CUHK03-NP's layout: the folders detected and labeled, PNG names, one of them with a further number."""
    root = tmp_path / "cuhk03-np"
    for boxes in ("detected", "labeled"):
        pictures(root / boxes / "bounding_box_train", ["0001_c1_1.png", "0001_c2_6.png", "0004_c1_2_301.png"])
        pictures(root / boxes / "query", ["0003_c1_21.png", "0003_c2_26.png"])
        pictures(root / boxes / "bounding_box_test", ["0003_c1_22.png", "0003_c2_27.png"])
    return root


@pytest.fixture
def msmt(tmp_path: Path, pictures: Pictures) -> Path:
    """MSMT17's layout, version 1."""
    msmt_lists(tmp_path / "MSMT17_V1", "train", "test", pictures)
    return tmp_path / "MSMT17_V1"


@pytest.fixture
def viper(tmp_path: Path, pictures: Pictures) -> Path:
    """VIPeR's layout: ten people, numbered from 0 with gaps."""
    for folder, angle in (("cam_a", 0), ("cam_b", 90)):
        pictures(tmp_path / "VIPeR" / folder, [f"{3 * person:03d}_{angle}.bmp" for person in range(10)])
    return tmp_path / "VIPeR"


@pytest.fixture
def vehicleid(tmp_path: Path, pictures: Pictures) -> Path:
    """VehicleID's layout: two training vehicles, test sets of two and three, models in an older Chinese encoding."""
    root, lists = tmp_path / "VehicleID_V1.0", tmp_path / "VehicleID_V1.0" / "train_test_split"
    rows = {"train_list": [0, 0, 9], "test_list_800": [5, 5, 5, 6, 6], "test_list_1600": [5, 5, 5, 6, 6, 7]}
    lists.mkdir(parents=True)
    for offset, (name, vehicles) in zip((0, 10, 10), rows.items(), strict=True):
        images = [f"{offset + position:07d}" for position in range(len(vehicles))]
        pictures(root / "image", [f"{image}.jpg" for image in images])
        lines = [f"{image} {vehicle}\n" for image, vehicle in zip(images, vehicles, strict=True)]
        (lists / f"{name}.txt").write_text("".join(reversed(lines)))
    (root / "attribute").mkdir()
    (root / "attribute" / "color_names.txt").write_text("Black 0\nRed 3\n")
    (root / "attribute" / "color_attr.txt").write_text("5 3\n")
    (root / "attribute" / "model_names.txt").write_bytes("奥迪 A6L 2\n".encode("gb18030"))
    (root / "attribute" / "model_attr.txt").write_text("5 2\n9 2\n")
    return root


@pytest.fixture
def veriwild(tmp_path: Path, pictures: Pictures) -> Path:
    """VERI-Wild's layout: three vehicles, one of them for training, one without a known type."""
    root, lists = tmp_path / "VERI-Wild", tmp_path / "VERI-Wild" / "train_test_split"
    lists.mkdir(parents=True)
    images = {"00001": ["000001", "000002"], "00021": ["000011", "000012", "000013"], "00022": ["000021"]}
    for vehicle, names in images.items():
        pictures(root / "images" / vehicle, [f"{name}.jpg" for name in names])
    (lists / "train_list.txt").write_text("00001/000001.jpg\n00001/000002.jpg\n")
    for size in ("3000", "5000"):
        (lists / f"test_{size}_query.txt").write_text("00021/000011.jpg\n")
        (lists / f"test_{size}.txt").write_text("00021/000012.jpg\n00021/000013.jpg\n")
    with open(lists / "test_5000.txt", "a") as file:
        file.write("00022/000021.jpg\n")
    (lists / "vehicle_info.txt").write_text(
        "id/image;Camera ID;Time;Model;Type;Color\n"
        "00001/000001;20;2018-03-11 09:45:16;Audi A6;SUV;White\n"
        "00001/000002;31;2018-03-11 10:02:00;Audi A6;SUV;White\n"
        "00021/000011;20;2018-03-12 07:00:00;Ford Focus;sedan;red\n"
        "00021/000012;20;2018-03-12 07:00:01;Ford Focus;sedan;red\n"
        "00021/000013;174;2018-03-12 08:00:00;Ford Focus;sedan;red\n"
        "00022/000021;5;2018-03-12 08:00:00;Ford Focus;;red\n"
    )
    return root
