"""Where a gallery in a database is: `postgresql://user@host:port/db?table=crops`. Passwords are never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from resight.errors import DataError, MissingExtraError

__all__ = ["Address", "is_address", "read_address"]

_TABLE = "gallery"
_SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class Address:
    """What libpq connects by, and the table. In words, as in messages, it is without the password."""

    connection: str = field(repr=False)
    table: str
    shown: str
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.shown

    def without_password(self, text: str) -> str:
        """A message of a database, should it ever repeat the password."""
        return text.replace(self.password, "…") if self.password else text


def is_address(where: object) -> bool:
    """Whether this is a database's address, not a folder.

    >>> is_address("postgresql://me@localhost/db?table=crops")
    True
    """
    return isinstance(where, str) and where.lower().startswith(_SCHEMES)


def read_address(where: str) -> Address:
    """Take an address apart; `table` is `gallery` where none is named.

    The password may be left out: libpq reads `~/.pgpass` and PGPASSWORD. Raises DataError, which repeats nothing of the
    address, where it cannot be read, and MissingExtraError without psycopg.
    """
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise MissingExtraError("a gallery in PostgreSQL needs: pip install 'resight[postgres]'") from None
    try:
        before, _, query = where.partition("?")
        options = parse_qsl(query, keep_blank_values=True)
        table = dict(options).get("table", _TABLE)
        others = urlencode([(name, value) for name, value in options if name != "table"], quote_via=quote)
        connection = f"{before}?{others}" if others else before
        known = {name: str(value) for name, value in conninfo_to_dict(connection).items() if value is not None}
    except (ValueError, ProgrammingError):
        raise _unreadable() from None
    host, port, database, user = (known.get(name, "") for name in ("host", "port", "dbname", "user"))
    # A password with signs of its own, not encoded, has been read as one of the others.
    if "#" in where or "@" in host + database or not re.fullmatch(r"[\d,]*", port):
        raise _unreadable()
    if not 0 < len(table.encode()) <= 40 or "\0" in table:
        raise DataError("the address names no usable table; end it in ?table=NAME, of at most 40 bytes")
    shown = f"postgresql://{user + '@' if user else ''}{host}{':' + port if port else ''}/{database}?table={table}"
    return Address(connection, table, shown, known.get("password", ""))


def _unreadable() -> DataError:
    return DataError(
        "this is no address of a database; write postgresql://USER@HOST:PORT/DATABASE?table=NAME, signs in names and "
        "passwords percent-encoded (%40 for @), or leave the password to ~/.pgpass"
    )
