"""`resight` as a user types it: run in this process, or as a process of its own that can be killed."""

from __future__ import annotations

import sys

import pytest
from typer.main import get_command

from resight.cli import main
from resight.cli.app import app

__all__ = ["command", "options_of", "resight"]


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


def options_of(name: str, but: set[str]) -> set[str]:
    """Parameters of a command, without `but`; of a pair such as --drop-junk/--keep-junk both."""
    found = [parameter for parameter in get_command(app).commands[name].params if parameter.name not in but | {"help"}]  # type: ignore[attr-defined]
    other = {option.removeprefix("--").replace("-", "_") for parameter in found for option in parameter.secondary_opts}
    return {str(parameter.name) for parameter in found} | other
