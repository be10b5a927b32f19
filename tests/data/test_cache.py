"""Images decoded once: the file is shared and only grows, survives kills, follows changed files, and has a limit."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resight.data import cache
from resight.data.cache import cached, stored_bytes
from resight.data.images import read_image
from resight.data.loaders import ImageDataset, resize
from resight.errors import DataError
from resight.recipe import ImageOptions
from resight.records import Record

SIZE = ImageOptions(height=32, width=16)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and the stores in it."""
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RESIGHT_CACHE_LIMIT", raising=False)
    return tmp_path / "cache" / "crops"


@pytest.fixture
def people(tmp_path: Path) -> list[Record]:
    random = np.random.default_rng(0)
    records = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 255, (40, 20, 3), dtype=np.uint8)).save(path)
        records.append(Record(str(path), identity=1 + number // 2))
    return records


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are decoded from now on."""
    read: list[str] = []

    def watched(path: str) -> np.ndarray:
        read.append(Path(path).name)
        return read_image(path)

    monkeypatch.setattr("resight.data.loaders.read_image", watched)
    return read


def fresh(record: Record, image: ImageOptions = SIZE) -> torch.Tensor:
    return resize(read_image(record.path), image)


def test_images_are_those_of_the_files_and_decoded_once(people: list[Record], decodes: list[str]) -> None:
    first = cached(people[:6], SIZE)
    index = torch.tensor([5, 0, 0, 3])
    assert torch.equal(first.gather(index), torch.stack([fresh(people[number]) for number in index]))
    assert first.readable(index).all()
    assert len(first) == 6
    assert len(decodes) == 6
    second = cached(people[::-1], SIZE)  # another run, with others of the images
    assert len(decodes) == 10, "four were new"
    assert torch.equal(second.gather(torch.tensor([9, 0])), torch.stack([fresh(people[0]), fresh(people[9])]))
    assert torch.equal(first.gather(index), torch.stack([fresh(people[number]) for number in index]))


def test_each_way_to_prepare_images_has_its_own(people: list[Record], decodes: list[str]) -> None:
    ways: list[dict] = [{"width": 20}, {"interpolation": "nearest"}, {"resize": "letterbox"}, {"height": 24}]
    for way in [{}, *ways]:
        image = SIZE.model_copy(update=way)
        assert torch.equal(cached(people[:2], image).gather(torch.tensor([1]))[0], fresh(people[1], image))
    assert len(decodes) == 10
    cached(people[:2], SIZE.model_copy(update={"mean": (0.1, 0.2, 0.3), "std": (1, 1, 1), "colours": "bgr"}))
    assert len(decodes) == 10, "what normalisation does is not in the cache"
    bars = SIZE.model_copy(update={"resize": "letterbox", "mean": (0.1, 0.2, 0.3)})
    assert torch.equal(cached(people[:2], bars).gather(torch.tensor([1]))[0], fresh(people[1], bars))


def test_a_file_that_changed_is_decoded_anew_even_with_its_old_size_and_date(people: list[Record]) -> None:
    path = Path(people[0].path)
    Image.new("RGB", (16, 32), (10, 10, 10)).save(path, "BMP")
    before = path.stat()
    assert (cached(people, SIZE).gather(torch.tensor([0])) == 10).all()
    Image.new("RGB", (16, 32), (20, 20, 20)).save(path, "BMP")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert (cached(people, SIZE).gather(torch.tensor([0])) == 20).all()


def test_an_image_that_cannot_be_read_is_named_and_tried_again(people: list[Record], decodes: list[str]) -> None:
    good = Path(people[2].path).read_bytes()
    Path(people[2].path).write_bytes(b"\x89PNG and no more")
    Path(people[4].path).unlink()
    told: list[int] = []
    crops = cached([*people, people[2]], SIZE, progress=told.append)
    assert sorted(crops.failed) == [2, 4, 10]
    assert all(record.path in crops.failed[number] for number, record in ((2, people[2]), (4, people[4])))
    assert crops.readable(torch.arange(11)).tolist() == [number not in (2, 4, 10) for number in range(11)]
    assert sum(told) == 10, "one file twice is decoded once"
    assert torch.equal(crops.gather(torch.tensor([9]))[0], fresh(people[9]))
    Path(people[2].path).write_bytes(good)
    again = cached(people, SIZE)
    assert sorted(again.failed) == [4]
    assert torch.equal(again.gather(torch.tensor([2]))[0], fresh(people[2]))
    assert decodes.count("2.png") == 2, "tried again"
    assert decodes.count("0.png") == 1


def test_masks_are_a_fourth_channel(people: list[Record], tmp_path: Path) -> None:
    half = np.zeros((40, 20), np.uint8)
    half[:20] = 255
    Image.fromarray(half).save(tmp_path / "mask.png")
    masked = [Record(record.path, mask=str(tmp_path / "mask.png")) for record in people[:2]]
    pixels = cached([*masked, people[2]], SIZE, masks=True)
    plain = ImageDataset(masked, SIZE, masks=True)[1]
    found = pixels.gather(torch.tensor([1]))[0]
    assert torch.equal(found[:3], plain.image)
    assert torch.equal(found[3:], plain.mask)
    assert "no mask is known" in pixels.failed[2]


def test_what_is_written_to_the_pixels_stays_with_this_process(people: list[Record]) -> None:
    crops = cached(people, SIZE)
    crops.pixels.zero_()
    assert torch.equal(cached(people, SIZE).gather(torch.tensor([0]))[0], fresh(people[0]))


def test_a_worker_that_is_not_forked_maps_the_file_itself(people: list[Record], place: Path) -> None:
    crops = cached(people, SIZE)
    sent = pickle.dumps(crops)
    assert len(sent) < 10 * stored_bytes(1, SIZE)
    assert torch.equal(pickle.loads(sent).pixels, crops.pixels)
    (next(place.glob("*/pixels"))).unlink()
    with pytest.raises(DataError, match="removed meanwhile"):
        pickle.loads(sent)


def test_a_mapped_file_stays_readable_when_the_store_is_emptied(people: list[Record], place: Path) -> None:
    crops = cached(people, SIZE)
    cache._empty(next(place.iterdir()))
    cached(people[5:], SIZE)
    assert torch.equal(crops.gather(torch.tensor([0]))[0], fresh(people[0]))


def test_what_a_killed_process_left_half_done_is_cut_off(people: list[Record], place: Path, decodes: list[str]) -> None:
    cached(people[:4], SIZE)
    store = next(place.iterdir())
    for name, rest in (("pixels", 3 * stored_bytes(1, SIZE) + 5), ("keys", 7)):
        with open(store / name, "ab") as file:
            file.write(bytes(rest))
    crops = cached(people, SIZE)
    assert len(decodes) == 10
    for number in range(10):
        assert torch.equal(crops.gather(torch.tensor([number]))[0], fresh(people[number]))
    assert (store / "pixels").stat().st_size == stored_bytes(10, SIZE)


def test_a_store_that_lost_pixels_decodes_them_again(people: list[Record], place: Path) -> None:
    cached(people, SIZE)
    os.truncate(next(place.glob("*/pixels")), stored_bytes(6, SIZE) + 1)
    crops = cached(people, SIZE)
    for number in range(10):
        assert torch.equal(crops.gather(torch.tensor([number]))[0], fresh(people[number]))


KILLED = """
import sys
from resight.data import cache
from resight.recipe import ImageOptions
from resight.records import Record
cache._COMMIT = 1
def slow(size):
    print(size, flush=True)
records = [Record(path) for path in sys.argv[1:]]
cache.cached(records, ImageOptions(height=32, width=16), progress=slow)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_whole_images(tmp_path: Path, place: Path) -> None:
    paths = []
    for number in range(600):
        paths.append(tmp_path / f"k{number}.png")
        Image.new("RGB", (16, 32), (number % 251, 7, 9)).save(paths[-1])
    records = [Record(str(path)) for path in paths]
    for waited in (1, 3):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, *map(str, paths)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert child.stdout is not None
        for _ in range(waited):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
    crops = cached(records, SIZE)
    index = torch.arange(600)
    assert torch.equal(crops.gather(index)[:, 0, 0, 0], (index % 251).to(torch.uint8))
    assert not crops.failed


def test_the_oldest_store_makes_room_and_the_newest_stays(
    people: list[Record], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [ImageOptions(height=height, width=16) for height in (32, 33, 34)]
    for age, image in enumerate(sizes[:2]):
        cached(people, image)
        for file in place.glob(f"{image.height}x*/keys"):
            os.utime(file, (time.time() - 100 + age, time.time() - 100 + age))
    monkeypatch.setenv("RESIGHT_CACHE_LIMIT", str(stored_bytes(21, sizes[2]) / 2**30))
    cached(people, sizes[2])
    assert sorted(file.parent.name[:2] for file in place.glob("*/pixels")) == ["33", "34"]


def test_rows_that_nobody_asks_for_make_room_last(people: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    cached(people[:6], SIZE)
    monkeypatch.setenv("RESIGHT_CACHE_LIMIT", str(stored_bytes(7, SIZE) / 2**30))
    crops = cached(people[5:], SIZE)
    assert torch.equal(crops.gather(torch.tensor([4]))[0], fresh(people[9]))
    assert len(crops.pixels) == 5


def test_what_does_not_fit_is_refused_in_one_line(
    people: list[Record], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIGHT_CACHE_LIMIT", "0.00001")
    with pytest.raises(DataError, match="raise RESIGHT_CACHE_LIMIT, or set loader.cache=false"):
        cached(people, SIZE)
    monkeypatch.setenv("RESIGHT_CACHE_LIMIT", "much")
    with pytest.raises(DataError, match="RESIGHT_CACHE_LIMIT=much: a number of GiB"):
        cached(people, SIZE)
    monkeypatch.setenv("RESIGHT_CACHE_LIMIT", "1")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("", (), {"free": 2**30 + 9})())
    with pytest.raises(DataError, match="the disk has 0.0 to spare"):
        cached(people, SIZE)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="set RESIGHT_CACHE to another folder"):
        cached(people, SIZE)


def test_a_full_disk_keeps_what_was_safe(people: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    cached(people[:3], SIZE)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(DataError, match="No space left on device"):
            cached(people, SIZE)
    crops = cached(people, SIZE)
    for number in range(10):
        assert torch.equal(crops.gather(torch.tensor([number]))[0], fresh(people[number]))


def test_another_process_that_fills_the_store_is_waited_for(people: list[Record], place: Path, tmp_path: Path) -> None:
    cached(people[:1], SIZE)
    store = next(place.iterdir())
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from resight.files import locked\n"
            "with locked(sys.argv[1], Exception): print('held', flush=True); sys.stdin.readline()",
            str(store),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 1:
            holder.stdin.close()  # type: ignore[union-attr]  # it ends now that it is waited for

    crops = cached(people, SIZE, tell=tell)
    assert len(crops) == 10
    assert "is in use by another process" in told[0]
    assert holder.wait() == 0
