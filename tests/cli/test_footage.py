"""A video and its boxes indexed by one command, as a user types it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from resight.data.crops import cutting
from resight.gallery import Gallery
from resight.records import Embeddings
from resight.run import Run
from tests.support.commands import resight
from tests.support.footage import line, write_sequence, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "door.mp4")


def boxes(file: Path, frames: Iterable[int]) -> Path:
    """A tracker's file: every track in these frames."""
    file.write_text("\n".join(line(frame, track) for frame in frames for track in (1, 2, 3)) + "\n")
    return file


def test_a_video_is_indexed_by_one_command_and_again(
    trained: Run, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery, file = tmp_path / "gallery", boxes(tmp_path / "tracks.txt", range(1, 5))
    words = ["index", trained.folder, video, "--boxes", file, "--out", gallery, "--camera", 7, "--sequence", 2]
    words += ["--start", "1970-01-01T00:00:10"]
    status, said, err = resight(*words, capsys=capsys)
    assert status == 0, err
    assert f"12 images added, 12 in {gallery}" in said
    records = Gallery.open(gallery).records
    kept = tmp_path / "gallery-crops" / "door" / "door"
    assert {record.path for record in records} == {str(path) for path in kept.glob("*/*.jpg")}
    assert {(record.camera, record.sequence) for record in records} == {(7, 2)}
    assert sorted((r.time, r.frame, r.tracklet) for r in records)[4] == (10_100, 2, 2)
    status, said, _ = resight(*words, capsys=capsys)
    assert f"0 images added (12 were there already), 12 in {gallery}" in said
    before = {path: path.stat().st_mtime_ns for path in kept.glob("*/*.jpg")}
    boxes(file, range(1, 13))
    status, said, err = resight(*words, capsys=capsys)
    assert status == 0, err
    assert f"24 images added (12 were there already), 36 in {gallery}" in said, "the video goes on"
    assert {path: path.stat().st_mtime_ns for path in before} == before
    query, sheet = next(iter(before)), tmp_path / "sheet.png"
    status, _, err = resight("search", gallery, query, "--picture", sheet, capsys=capsys)
    assert (status, sheet.exists()) == (0, True), err
    boxes(file, range(3, 9))
    status, _, err = resight(*words, capsys=capsys)
    assert (status, "holds crops of other boxes" in err) == (2, True)


def test_a_video_s_tracklets_grow_with_it(
    trained: Run, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery, file = tmp_path / "gallery", tmp_path / "tracks.txt"
    words = ["index", trained.folder, video, "--boxes", file, "--out", gallery, "--tracklets", "--every", 2]
    for frames, told in ((3, "3 entries added, 3 in"), (9, "0 entries added, 3 changed entries embedded again, 3 in")):
        boxes(file, range(1, frames + 1))
        status, said, err = resight(*words, capsys=capsys)
        assert status == 0, err
        assert told in said
        assert {one.attributes["tracklet_images"] for one in Gallery.open(gallery).records} == {str(frames // 2 + 1)}
    assert "0 entries added (3 were there already)" in resight(*words, capsys=capsys)[1]


def test_junk_is_left_out_of_tracklets(
    trained: Run, kinds: dict[str, Path], seen: set[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sequence(tmp_path / "door")
    words = ["index", trained.folder, tmp_path / "door", "--boxes", "gt", "--tracklets", "--out", tmp_path / "gallery"]
    words += ["--attributes", kinds["bruna"], "--drop-junk"]
    status, said, err = resight(*words, capsys=capsys)
    assert status == 0, err
    assert said.splitlines()[:2] == ["3 of 9 images are junk and left out", "3 tracklets of 6 images"]
    records = Gallery.open(tmp_path / "gallery").records
    assert {(one.attributes["tracklet_images"], one.attributes["hat"]) for one in records} == {("2", "no")}
    assert "0 entries added (3 were there already)" in resight(*words, capsys=capsys)[1]
    seen |= {2, 3}
    words[words.index("--out") + 1] = tmp_path / "other"
    status, _, err = resight(*words, capsys=capsys)
    assert (status, err.splitlines()[-1]) == (2, "error: every image is junk, so no tracklet is left")
    assert not (tmp_path / "other").exists()


def test_what_was_broken_off_ends_as_if_it_had_not_been(
    trained: Run, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, saved = boxes(tmp_path / "tracks.txt", range(1, 9)), []

    def full(path: Path, *rest: object) -> None:
        saved.append(path)
        if len(saved) == 10:
            raise OSError(28, "No space left on device", str(path))
        whole(path, *rest)  # type: ignore[arg-type]

    whole = cutting._save
    for name in ("broken", "whole"):
        words = ["index", trained.folder, video, "--boxes", file, "--out", tmp_path / name]
        if name == "broken":
            monkeypatch.setattr(cutting, "_save", full)
            assert resight(*words, capsys=capsys)[0] == 2
            assert not (tmp_path / name / "gallery.json").exists()
            monkeypatch.undo()
        status, said, err = resight(*words, capsys=capsys)
        assert status == 0, err
        assert f"24 images added, 24 in {tmp_path / name}" in said
    contents = [
        {
            path.relative_to(tmp_path / f"{name}-crops"): path.read_bytes()
            for path in (tmp_path / f"{name}-crops").rglob("*.jpg")
        }
        for name in ("broken", "whole")
    ]
    assert contents[0] == contents[1]


def test_a_sequence_is_embedded_as_its_crops_are(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("east", "west"):
        write_sequence(tmp_path / "all" / name)
    status, said, err = resight(
        "embed", trained.folder, tmp_path / "all", "--boxes", "gt", "--out", tmp_path / "f.parquet", capsys=capsys
    )
    assert status == 0, err
    assert "18 images × " in said
    found = Embeddings.load(tmp_path / "f.parquet")
    assert {record.camera for record in found.records} == {1, 2}
    assert all(record.path.startswith(str(tmp_path / "f-crops" / "all")) for record in found.records)
    assert {record.identity for record in found.records} == {-2}, "whose tracks they are, nobody says of two cameras"
    resight(
        "data", "crops", "--mot", tmp_path / "all", "--out", tmp_path / "crops", "--split", "gallery", capsys=capsys
    )
    manifest = f"manifest:{tmp_path / 'crops' / 'manifest.csv'}"
    resight("embed", trained.folder, manifest, "--out", tmp_path / "g.parquet", capsys=capsys)
    other = Embeddings.load(tmp_path / "g.parquet")
    assert other.features == pytest.approx(found.features, abs=1e-6)
    assert [one.time for one in other.records] == [one.time for one in found.records]


def test_a_gallery_where_one_stands_has_its_crops_beside(
    trained: Run, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = boxes(tmp_path / "tracks.txt", [1])
    (tmp_path / "all" / "below").mkdir(parents=True)
    for stand, out in (("all", "."), ("all/below", "..")):
        monkeypatch.chdir(tmp_path / stand)
        status, _, err = resight("index", trained.folder, video, "--boxes", file, "--out", out, capsys=capsys)
        assert status == 0, err
        assert {record.path for record in Gallery.open(out).records} == {
            str(path) for path in (tmp_path / "all-crops" / "door").rglob("*.jpg")
        }


def test_a_video_s_name_can_be_written(
    trained: Run, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = video.rename(os.fsdecode(os.fsencode(tmp_path) + b"/d\xffor.mp4"))
    words = [trained.folder, odd, "--boxes", boxes(tmp_path / "tracks.txt", [1]), "--out", tmp_path / "gallery"]
    status, out, err = resight("index", *words, capsys=capsys)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.endswith("d\\xffor: its name is not UTF-8; rename it\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["door.mp4", "--camera", 3, "--out", "g"], "--camera is for --boxes"),
        (
            ["door.mp4", "--boxes", "t.txt", "--shard", "1/2", "--out", "g"],
            "--shard is for images; cut the boxes first",
        ),
        (
            ["door.mp4", "--boxes", "t.txt", "--out", "postgresql://me@nowhere/db"],
            "a server keeps no pictures; say where",
        ),
        (["door.mp4", "--out", "g"], "door.mp4 is a video; give `embed` or `index` its boxes: --boxes FILE"),
        (["no.mp4", "--boxes", "t.txt", "--out", "g"], "no.mp4: no such file; give a video's file"),
        (["door.mp4", "--boxes", "no.txt", "--out", "g"], "no.txt: no such file; give a file of boxes"),
        (["all", "--boxes", "gt", "--sequence", 2, "--out", "g"], "--sequence is for a video"),
        (["door.mp4", "--boxes", "t.txt", "--out", "g", "--crops", "t.txt"], "--crops t.txt: a file; name a folder"),
        (["door.mp4", "--boxes", "t.txt", "--out", "g", "--start", "soon"], "'soon' is no time"),
    ],
)
def test_bad_input_is_one_line(
    words: list[object],
    told: str,
    trained: Run,
    video: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    boxes(tmp_path / "t.txt", [1])
    write_sequence(tmp_path / "all")
    before = sorted(tmp_path.iterdir())
    status, out, err = resight("index", trained.folder, *words, capsys=capsys)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {told}"), err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
