"""The `resight` command: each command calls one function of the package and prints what it returns."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Errors that resight raises on purpose, and files and folders that cannot be had, are one line and
    exit status 2; Ctrl-C is 130."""
    from resight.cli.app import app
    from resight.cli.console import errors
    from resight.errors import ResightError

    try:
        app(arguments)
    except ResightError as error:
        errors().print(f"[bold red]error:[/] {_escaped(str(error))}")
        sys.exit(2)
    except OSError as error:
        if error.filename is None:  # nothing that the user has named
            raise
        errors().print(f"[bold red]error:[/] {_escaped(str(error.filename))}: {_escaped(error.strerror or str(error))}")
        sys.exit(2)
    except KeyboardInterrupt:
        errors().print("interrupted")
        sys.exit(130)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
