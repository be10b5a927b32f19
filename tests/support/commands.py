"""`resight` as a user types it: run in this process, or as a process of its own that can be killed."""

from __future__ import annotations

import sys

import pytest

from resight.cli import main

__all__ = ["command", "resight"]


def resight(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command in this process: exit status, standard output, standard error."""
    capsys.readouterr()
    try:
        main([str(argument) for argument in arguments])
        status = 0
    except SystemExit as ended:
        status = int(ended.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def command(*arguments: object) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "resight", *map(str, arguments)]
