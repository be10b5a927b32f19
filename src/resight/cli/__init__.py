"""The `resight` command: each command calls one function of the package and prints what it returns."""

from __future__ import annotations

import errno
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
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        if error.filename is None and not full:  # nothing that the user has named
            raise
        where = error.filename2 or error.filename or "the disk"  # the second one is what a file was to become
        hint = "; make room, then start again" if full else ""
        errors().print(f"[bold red]error:[/] {_escaped(f'{where}: {error.strerror or error}{hint}')}")
        sys.exit(2)
    except KeyboardInterrupt:
        errors().print("interrupted")
        sys.exit(130)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
