"""The table of commands: each is there and teaches, and asking for help costs next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.house import ROOT
from tests.support.commands import resight

COMMANDS = [
    "demo",
    "data augment",
    "data formats",
    "data inspect",
    "data split",
    "data synthesize",
    "data sample",
    "train",
    "import",
    "evaluate",
    "curves",
    "embed",
    "index",
    "search",
    "cluster",
    "junk scan",
    "junk review",
    "junk apply",
]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['resight', '--help']\n"
        "from resight.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'lightning', 'matplotlib', 'pyarrow', 'PIL', 'lancedb', 'timm', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for command in COMMANDS:
        assert command.split()[0] in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight(*command.split(), "--help", capsys=capsys)
    assert status == 0
    assert f"resight {command}" in out


def test_documentation_is_what_the_help_says() -> None:
    checked = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert resight("--version", capsys=capsys)[1].startswith("resight 0.")


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = resight(capsys=capsys)
    assert status == 2
    assert "resight demo" in out + err


def test_a_command_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = resight("evalute", capsys=capsys)
    assert status == 2
    assert "No such command 'evalute'" in err


WAITS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.mark.parametrize(
    ("said", "found"), [({}, ["PASSIVE", None, "1"]), ({"GOMP_SPINCOUNT": "1000"}, [None, "1000", None])]
)
def test_idle_threads_sleep_unless_the_user_says_how_they_wait(said: dict[str, str], found: list[str | None]) -> None:
    code = (
        "import os, sys; sys.argv = ['resight', '--version']\n"
        "from resight.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([os.environ.get(name) for name in {WAITS}])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in WAITS} | said
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert shown.stdout.splitlines()[-1] == str(found)
