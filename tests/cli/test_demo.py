"""`resight demo` as a user types it; what it makes is in tests/test_demo.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resight.errors import RunError
from tests.support.commands import resight


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], ("resight-demo", "people", None, "resight demo")),
        (["--kind", "vehicles"], ("resight-demo-vehicles", "vehicles", None, "resight demo --kind vehicles")),
        (
            ["epochs=3", "--out", "my demo"],
            ("my demo", "people", ["epochs=3"], "resight demo epochs=3 --out 'my demo'"),
        ),
    ],
)
def test_each_kind_has_a_folder_and_the_report_its_command(
    words: list[str], asked: tuple, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple] = []

    def shown(out: Path, kind: str, *, overrides: list[str] | None, command: str, tell: Any) -> None:
        told.append((str(out), kind, overrides, command))
        tell("drawing [a street] …")
        raise RunError("and so on")

    monkeypatch.setattr("resight.demo.demo", shown)
    assert resight("demo", *words, capsys=capsys) == (2, "", "drawing [a street] …\nerror: and so on\n")
    assert told == [asked]


def test_a_kind_that_there_is_not_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    told = "error: no demo of 'dogs'; there is: people, vehicles\n"
    assert resight("demo", "--kind", "dogs", capsys=capsys) == (2, "", told)


def test_a_finished_demo_is_served_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[tuple] = []
    monkeypatch.setattr("resight.cli.serve.serve", lambda gallery, port: served.append((gallery, port)))
    monkeypatch.setattr("resight.demo.demo", lambda *given, **named: pytest.fail("it is finished"))
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "gallery.json").touch()
    (tmp_path / "report.html").touch()
    assert resight("demo", "--serve", "--port", 9000, "--out", tmp_path, capsys=capsys) == (0, "", "")
    assert served == [(str(tmp_path / "gallery"), 9000)]
    status, _, err = resight("demo", "--port", 9000, "--out", tmp_path, capsys=capsys)
    assert (status, err) == (2, "error: --port is for --serve\n")
