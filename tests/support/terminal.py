"""A terminal that tests can look at: what is left on the screen of all that a command has drawn and drawn over."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Sequence

__all__ = ["in_terminal", "screen"]

_PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


def screen(written: str) -> list[str]:
    """The lines that stand on an endless screen, of text with the codes that rich writes: up, clear line, colours."""
    lines, row, column = [""], 0, 0
    for number, code, home, down, text in _PIECE.findall(written):
        if code == "A":
            row = max(0, row - int(number or 1))
        elif code == "K":
            lines[row] = ""
        elif home:
            column = 0
        elif down:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        else:
            assert code in "mhl", f"a code that is not known here: {number}{code}"
    return [line.rstrip() for line in lines]


def in_terminal(command: Sequence[str], columns: int = 100) -> tuple[int, list[str]]:
    """Run a command in a pseudo-terminal: its exit status, and what stands on the screen when it has ended."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    settings = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "50"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **settings}
    ) as process:
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:  # how Linux says that nobody holds the other end any more
            pass
        os.close(ours)
        status = process.wait()
    return status, screen(b"".join(parts).decode())
