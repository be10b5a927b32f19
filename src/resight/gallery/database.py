"""A PostgreSQL server with pgvector: connections that several threads share, transactions, turns of those who write."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from resight.errors import MissingExtraError, RunError
from resight.gallery.address import Address

try:
    import psycopg
    from pgvector.psycopg import register_vector
    from psycopg import sql as statements
    from psycopg_pool import ConnectionPool, PoolTimeout
except ImportError:
    raise MissingExtraError("a gallery in PostgreSQL needs: pip install 'resight[postgres]'") from None

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Database", "named", "quoted"]

logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())  # else it prints what becomes a RunError
PATIENCE = 600
"""Seconds that one who writes waits for another."""
_CONNECTIONS = 8
_SECONDS = 30
"""Within which a server must take a connection."""
_RECONNECTING = 5
"""Seconds after which an attempt that is repeated ever more seldom begins anew."""
_WRITING, _BUILDING = 0x72730001, 0x72730002
"""Advisory locks of ours, with the table's number: who writes rows, and who builds an index."""


def quoted(name: str) -> str:
    """A name as it stands in a statement that goes with parameters, where `%` is doubled."""
    return statements.Identifier(name).as_string(None).replace("%", "%%")


class Database:
    """The server of one address.

    >>> with Database(address).reading() as connection:
    ...     connection.execute("SELECT 1", ())

    Statements are planned for the values that they come with: a plan that was kept for any values has answered an exact
    search by the index. Every error of the server is a RunError of one line, without the password.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._pool = ConnectionPool(
            address.connection,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_SECONDS,
            reconnect_timeout=_RECONNECTING,
            open=False,
            configure=register_vector,
            check=ConnectionPool.check_connection,
            kwargs=_ways(),
        )

    def open(self, *, extension: bool = False) -> None:
        """Connect; `extension` adds pgvector to the database where it is missing, which may need its owner."""
        with self.alone() as connection:
            if extension:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            self._require_pgvector(connection)
        with self._told():
            self._pool.open(wait=True, timeout=_SECONDS)

    @contextmanager
    def alone(self) -> Iterator[Connection[Any]]:
        """A connection of its own, which knows no vectors."""
        with self._told(), psycopg.connect(self.address.connection, **_ways()) as connection:
            yield connection

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """A connection on which each statement is a transaction of its own."""
        with self._told(), self._pool.connection() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection[Any]]:
        """A transaction that sees one state of the rows, whatever others write; a replica takes it too."""
        with self.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection

    @contextmanager
    def writing(self, table: str) -> Iterator[Connection[Any]]:
        """A transaction that all who write to `table` take in turn, on the server's disk when it ends.

        Raises RunError, which names the other process, where it has to wait longer than PATIENCE.
        """
        with self._told(), self.connection() as connection, connection.transaction():
            # A role or a database may be set not to wait for the disk.
            connection.execute("SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'")  # fmt: skip
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{PATIENCE}s",))
            try:
                connection.execute("SELECT pg_advisory_xact_lock(%s, %s::regclass::oid::int)", (_WRITING, named(table)))  # fmt: skip
            except psycopg.errors.LockNotAvailable:
                raise self._busy(table, _WRITING) from None
            connection.execute("SET LOCAL lock_timeout = 0")
            yield connection

    @contextmanager
    def building(self, table: str) -> Iterator[Connection[Any]]:
        """A connection of the only one who builds an index of `table`; RunError, which names the other, if it is not."""
        with self.connection() as connection:
            lock = (_BUILDING, named(table))
            if not _one(connection, "SELECT pg_try_advisory_lock(%s, %s::regclass::oid::int)", lock):
                raise self._busy(table, _BUILDING)
            try:
                yield connection
            finally:
                if not connection.broken:
                    connection.execute("SELECT pg_advisory_unlock(%s, %s::regclass::oid::int)", lock)

    def _require_pgvector(self, connection: Connection[Any]) -> None:
        version = _one(connection, "SELECT max(extversion) FROM pg_extension WHERE extname = 'vector'", ())
        if version is None:
            raise RunError(
                f"{self.address}: its database has no pgvector; its owner adds it by: CREATE EXTENSION vector"
            )
        if tuple(map(int, version.split(".")[:2])) < (0, 8):
            raise RunError(
                f"{self.address}: pgvector {version} is too old, 0.8 is needed; ALTER EXTENSION vector UPDATE"
            )

    def _busy(self, table: str, lock: int) -> RunError:
        """The error that names who holds a lock."""
        doing = "written to" if lock == _WRITING else "indexed"
        with self.connection() as connection:
            who = _one(
                connection,
                "SELECT min(application_name || ', server process ' || pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s::regclass::oid",
                (lock, named(table)),
            )
        return RunError(f"{self.address} is being {doing} by {who or 'another process'}; wait until that has ended")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout:
            raise RunError(f"{self.address}: the server does not answer, or all of its connections are taken") from None
        except psycopg.Error as error:
            said = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise RunError(f"{self.address}: {self.address.without_password(said)}") from None


def _ways() -> dict[str, Any]:
    # Shown to whoever asks the server who is connected, and by `_busy`.
    name = f"resight on {platform.node()}, process {os.getpid()}"
    return {"autocommit": True, "prepare_threshold": None, "application_name": name, "connect_timeout": _SECONDS}


def named(table: str) -> str:
    """A name as it stands in a statement without parameters, and in a value that becomes a regclass."""
    return statements.Identifier(table).as_string(None)


def _one(connection: Connection[Any], statement: str, values: tuple[object, ...]) -> Any:
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return row[0]
