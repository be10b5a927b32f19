"""Files that are written whole: what stands there is the old file or the new one. Folders that one process writes to."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from resight.errors import RunError
from resight.files import cache_folder, file_key, folder_written_whole, holder, locked, written_whole


def test_a_file_has_one_key_by_whatever_path_and_an_equal_file_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/x.jpg", "a/y.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"the same")
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    (tmp_path / "soft.jpg").symlink_to(tmp_path / "a/x.jpg")
    os.link(tmp_path / "a/x.jpg", tmp_path / "hard.jpg")
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / "a/x.jpg", "a/../a/./x.jpg", "linked/x.jpg", "soft.jpg", tmp_path / "hard.jpg"]
    assert len({file_key(path) for path in paths}) == 1
    assert file_key("a/y.jpg") not in {file_key(path) for path in paths}
    # What is not there has its path alone.
    (tmp_path / "a/x.jpg").unlink()
    assert file_key("linked/x.jpg") == file_key("soft.jpg") == str(tmp_path / "a/x.jpg")


def test_the_new_file_takes_the_place_of_the_old_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("old")
    with written_whole(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert partial.parent == path.parent, "only within one file system is a renaming whole"
    assert path.read_text() == "new"
    assert [child.name for child in tmp_path.iterdir()] == ["metrics.csv"]


def test_folders_on_the_way_are_made_and_the_ending_is_kept(tmp_path: Path) -> None:
    with written_whole(str(tmp_path / "a" / "b" / "picture.png")) as partial:
        assert partial.suffix == ".png"
        partial.write_bytes(b"1")
    assert (tmp_path / "a" / "b" / "picture.png").read_bytes() == b"1"


def fail_halfway(path: Path, error: Exception) -> None:
    with written_whole(path) as partial:
        partial.write_text("half of the n")
        raise error


@pytest.mark.parametrize("before", ["old", None])
@pytest.mark.parametrize("error", [ValueError("bad row"), OSError(errno.ENOSPC, "No space left on device")])
def test_an_error_leaves_what_was_there(tmp_path: Path, before: str | None, error: Exception) -> None:
    path = tmp_path / "metrics.csv"
    if before is not None:
        path.write_text(before)
    with pytest.raises(type(error), match=str(error.args[-1])):
        fail_halfway(path, error)
    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == (
        [] if before is None else [("metrics.csv", before)]
    )


class OtherError(Exception):
    """What a library raises that keeps the words of the disk and loses their number."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)"),
        OtherError('IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })'),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_full_disk_is_an_os_error_that_names_the_file_whoever_writes(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "gallery" / "rows.lance"
    with pytest.raises(OSError, match="No space left on device") as raised:
        fail_halfway(path, error)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(path))
    assert not list(path.parent.iterdir())


def fill_halfway(folder: Path, named: bool) -> None:
    with folder_written_whole(folder, RunError) as partial:
        (partial / "half.png").write_text("half")
        raise OSError(errno.ENOSPC, "what a library says", *([str(partial / "half.png")] if named else []))


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "samples"
    for named in (False, True):
        with pytest.raises(OSError, match="No space left on device") as raised:
            fill_halfway(out, named)
        assert raised.value.filename == str(out)
        assert not list(out.parent.iterdir())
    out.mkdir()
    with folder_written_whole(out, RunError) as partial:
        (partial / "whole.png").write_text("whole")
        assert not list(out.iterdir())
    assert [path.name for path in out.iterdir()] == ["whole.png"]
    with pytest.raises(RunError, match="samples: exists and is not an empty folder"):
        folder_written_whole(out, RunError).__enter__()
    with pytest.raises(OSError, match=r"read.jpg") as raised, folder_written_whole(tmp_path / "b", RunError):
        raise OSError(errno.EIO, "Input/output error", "read.jpg")
    assert raised.value.filename == "read.jpg", "another file"


def test_a_block_that_writes_nothing_does_not_empty_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), written_whole(path):
        pass
    assert path.read_text() == "old"


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("old")
    code = (
        "import os, signal, sys\n"
        "from resight.files import written_whole\n"
        "with written_whole(sys.argv[1]) as partial:\n"
        "    partial.write_text('half of the n')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, os.fspath(path)])
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert all(child.name.startswith(".") for child in tmp_path.iterdir() if child != path), "listings pass it over"


HOLD = (
    "import sys\n"
    "from resight.errors import RunError\n"
    "from resight.files import locked\n"
    "with locked(sys.argv[1], RunError):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_a_folder_in_use_names_the_other_process_and_is_free_once_that_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    other = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    for _ in range(2):  # a refused one leaves the name where it stands
        with pytest.raises(RunError, match=rf"run is in use by another process \(number {other.pid}\); wait"):
            locked(folder, RunError).__enter__()
    other.kill()
    other.communicate()
    with locked(folder, RunError):
        pass
    assert list(folder.iterdir()) == []


def test_two_handles_of_one_process_take_turns(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")

    def count(times: int) -> None:
        for _ in range(times):
            with locked(tmp_path, RunError, wait=60):
                (tmp_path / "count").write_text(str(int((tmp_path / "count").read_text()) + 1))

    threads = [threading.Thread(target=count, args=(20,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "count").read_text() == "60"


def test_a_file_system_without_locks_is_written_to_all_the_same(tmp_path: Path, monkeypatch) -> None:
    def lockless(*args: object, **named: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("resight.files.FileLock.acquire", lockless)
    with locked(tmp_path, RunError):
        (tmp_path / "a").write_text("written")
    assert [child.name for child in tmp_path.iterdir()] == ["a"]


def test_who_holds_a_folder_is_told_and_nothing_is_touched(tmp_path: Path) -> None:
    assert holder(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()
    with locked(tmp_path, RunError):
        assert holder(tmp_path) == f"another process (number {os.getpid()})"
        assert (tmp_path / ".lock").exists()
    assert holder(tmp_path) is None
    (tmp_path / ".lock").write_text("1")  # left by a process that was killed
    assert holder(tmp_path) is None
    with locked(tmp_path, RunError):
        pass


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("RESIGHT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "resight"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "resight"
