"""The folder from which predictions count the paths of their images."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.records import Record
from resight.tasks.written import common_folder


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (["/data/a/1.jpg"], "/data/a"),
        (["/data/a/1.jpg", "/data/a/2.jpg"], "/data/a"),
        (["/data/a/1.jpg", "/data/b/c/1.jpg"], "/data"),
        (["/data/ab/1.jpg", "/data/a/1.jpg"], "/data"),  # a is no folder of ab
        (["/data/1.jpg", "/data/a/1.jpg"], "/data"),
    ],
)
def test_it_is_the_deepest_that_holds_all_of_them(paths: list[str], folder: str) -> None:
    assert common_folder([Record(path) for path in paths]) == folder


def test_relative_paths_count_from_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert common_folder([Record("a/1.jpg"), Record(f"{tmp_path}/b/2.jpg")]) == str(tmp_path)
