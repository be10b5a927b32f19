"""The `resight` command: each command calls one function of the package and prints what it returns."""

from __future__ import annotations

import errno
import io
import os
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command. Errors of resight, and files and folders that cannot be used, end in one line and exit
    status 2; Ctrl-C ends in exit status 130."""
    _let_threads_sleep()
    from resight.cli.app import app
    from resight.cli.console import errors
    from resight.errors import ResightError

    # Charts go into files, whatever windows the shell has asked for; a name that matplotlib does not know ends its import.
    os.environ["MPLBACKEND"] = "agg"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may hold what no terminal can show
            stream.reconfigure(errors="backslashreplace")
    try:
        app(arguments)
    except ResightError as error:
        errors().print(f"[bold red]error:[/] {_escaped(str(error))}")
        sys.exit(2)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        if error.filename is None and not full:  # not about a file that the user named: a mistake of the program
            raise
        where = error.filename2 or error.filename or "the disk"  # where a file is renamed, the second is the new name
        hint = "; make room, then start again" if full else ""
        errors().print(f"[bold red]error:[/] {_escaped(f'{where}: {error.strerror or error}{hint}')}")
        sys.exit(2)
    except KeyboardInterrupt:
        errors().print("interrupted")
        sys.exit(130)


def _let_threads_sleep() -> None:
    """Have OpenMP's threads sleep when they have nothing to do, unless the user has said how they wait.

    By default they spin, and a second process on the same cores then gets little of them, and slows this one. Read when
    PyTorch is loaded, so it is said before.
    """
    waits = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    if not any(name in os.environ for name in waits):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # GNU's: PyTorch's own on Linux
        os.environ["KMP_BLOCKTIME"] = "1"  # Intel's and LLVM's, in milliseconds


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
