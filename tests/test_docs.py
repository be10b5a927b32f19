"""The pages speak of what is there: every name in docs/house.md exists, and every room has its line."""

from __future__ import annotations

import re

from tests.house import ROOT, SOURCE, root_files
from tests.support.names import found

PAGE = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")


def test_every_name_on_the_page_of_the_house_exists() -> None:
    names = set(re.findall(r"`(resight(?:\.\w+)+)`", PAGE))
    assert len(names) > 40
    for name in names:
        assert found(name) is not None, name


def test_every_room_has_its_line() -> None:
    table = PAGE.split("## The rooms")[1].split("A task is a folder")[0]
    folders = {path.name for path in (SOURCE / "resight").iterdir() if (path / "__init__.py").is_file()}
    for folder in folders:
        assert f"`{folder}/`" in table, folder
    for file in set(root_files()) - {"__init__", "__main__"}:
        assert f"`{file}.py`" in table, file


def test_every_task_is_named() -> None:
    tasks = {path.name for path in (SOURCE / "resight" / "tasks").iterdir() if (path / "__init__.py").is_file()}
    for task in tasks:
        assert f"`{task}`" in PAGE, task
