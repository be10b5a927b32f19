from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resight.data.formats import read_dataset
from resight.data.formats.vehicleid import read_vehicleid
from resight.errors import DataError
from resight.records import NO_CAMERA, Embeddings, ReidDataset
from resight.tasks.reid.evaluation import evaluate_embeddings


def test_one_image_of_each_vehicle_is_the_gallery(vehicleid: Path) -> None:
    dataset = read_vehicleid(vehicleid)
    assert (dataset.name, dataset.protocol) == ("vehicleid", "vehicleid")
    assert sorted(record.identity for record in dataset.train) == [1, 1, 10]
    assert sorted(record.identity for record in dataset.gallery) == [6, 7]
    assert sorted(record.identity for record in dataset.query) == [6, 6, 7]
    assert {record.camera for record in dataset} == {NO_CAMERA}
    assert not {record.path for record in dataset.query} & {record.path for record in dataset.gallery}
    assert all(Path(record.path).is_file() for record in dataset)


def test_larger_test_set_by_name(vehicleid: Path) -> None:
    dataset = read_dataset(f"vehicleid-1600:{vehicleid}")
    # The third vehicle's only image is in the gallery, so it is no query.
    assert sorted(record.identity for record in dataset.gallery) == [6, 7, 8]
    assert sorted(record.identity for record in dataset.query) == [6, 6, 7]


def test_draws_differ_and_repeat_themselves_in_any_order(vehicleid: Path) -> None:
    def gallery(draw: int) -> tuple[str, ...]:
        return tuple(sorted(record.path for record in read_vehicleid(vehicleid, draw=draw).gallery))

    draws = [gallery(draw) for draw in range(10)]
    assert len(set(draws)) > 1
    listing = vehicleid / "train_test_split" / "test_list_800.txt"
    listing.write_text("\n".join(reversed(listing.read_text().splitlines())))
    assert [gallery(draw) for draw in range(10)] == draws


def test_attributes_of_the_vehicles_that_have_them(vehicleid: Path) -> None:
    dataset = read_vehicleid(vehicleid)
    looks = {record.identity: dict(record.attributes) for record in dataset}
    assert looks == {1: {}, 7: {}, 6: {"color": "red", "model": "奥迪 a6l"}, 10: {"model": "奥迪 a6l"}}
    assert dataset.schema.classes == {"color": ("red",), "model": ("奥迪 a6l",)}
    for file in (vehicleid / "attribute").iterdir():
        file.unlink()
    assert read_vehicleid(vehicleid).schema.classes == {}


def test_evaluation_asks_for_no_camera(vehicleid: Path) -> None:
    dataset = read_vehicleid(vehicleid)

    def embedded(records: ReidDataset) -> Embeddings:
        features = np.zeros((len(records), 2), np.float32)  # type: ignore[arg-type]
        features[np.arange(len(features)), [record.identity % 2 for record in records]] = 1
        return Embeddings(features, records)  # type: ignore[arg-type]

    result = evaluate_embeddings(embedded(dataset.query), embedded(dataset.gallery), dataset)  # type: ignore[arg-type]
    assert (result.protocol, result.without_match) == ("vehicleid", 0)
    assert result.mean_average_precision == 1


def test_wrong_layouts(vehicleid: Path) -> None:
    with pytest.raises(DataError, match=r"test_list_2400.txt: no such file"):
        read_vehicleid(vehicleid, 2400)
    (vehicleid / "attribute" / "color_attr.txt").write_text("5 8\n")
    with pytest.raises(DataError, match=r"color_attr.txt: color '8' has no name in color_names.txt"):
        read_vehicleid(vehicleid)
    (vehicleid / "train_test_split" / "train_list.txt").write_text("0000000 saab\n")
    (vehicleid / "attribute" / "color_attr.txt").unlink()
    with pytest.raises(DataError, match=r"train_list.txt: 'saab' is not a whole number"):
        read_vehicleid(vehicleid)
    (vehicleid / "image" / "0000010.jpg").unlink()
    with pytest.raises(DataError, match=r"0000010.jpg: listed in test_list_800.txt but not there \(1 of 5"):
        read_vehicleid(vehicleid)
    (vehicleid / "image").rename(vehicleid / "crops")
    with pytest.raises(DataError, match=r"no folder image/ in it; vehicleid wants"):
        read_dataset(str(vehicleid))


def test_names_of_colours_without_the_vehicles_that_have_them_are_said(vehicleid: Path) -> None:
    assert read_vehicleid(str(vehicleid)).notes == []
    (vehicleid / "attribute" / "color_attr.txt").unlink()
    assert read_vehicleid(str(vehicleid)).notes == [
        "color_attr.txt is missing beside color_names.txt: no vehicle has a color"
    ]
