"""Addresses of galleries in a database. That none shows a password, whatever is wrong, stands in test_postgres.py."""

from __future__ import annotations

import pytest

from resight.errors import DataError
from resight.gallery.address import is_address, read_address

pytest.importorskip("psycopg")


@pytest.mark.parametrize(
    ("where", "yes"),
    [
        ("postgresql://me@host/db", True),
        ("postgres://host/db?table=x", True),
        ("PostgreSQL://host/db", True),
        ("gallery", False),
        ("postgresql", False),
        ("./postgresql://x", False),
        (None, False),
    ],
)
def test_what_is_an_address(where, yes):
    assert is_address(where) is yes


def test_the_table_is_ours_and_the_rest_is_libpqs():
    address = read_address("postgresql://me:s%2Fcret@host:5433/db?table=street%201&connect_timeout=3&sslmode=require")
    assert address.table == "street 1"
    assert address.connection == "postgresql://me:s%2Fcret@host:5433/db?connect_timeout=3&sslmode=require"
    assert (address.shown, address.password) == ("postgresql://me@host:5433/db?table=street 1", "s/cret")
    assert address.without_password("no s/cret here") == "no … here"


def test_what_may_be_left_out():
    address = read_address("postgresql:///db")
    assert (address.table, address.shown, address.password) == ("gallery", "postgresql:///db?table=gallery", "")
    assert address.without_password("as it is") == "as it is"


def test_several_hosts_as_libpq_takes_them():
    """One primary and its replicas."""
    address = read_address("postgresql://me@one:5432,two:5433/db?target_session_attrs=read-write")
    assert address.shown == "postgresql://me@one,two:5432,5433/db?table=gallery"


@pytest.mark.parametrize("table", ["", "x" * 41, "%00"])
def test_tables_that_cannot_be(table):
    with pytest.raises(DataError, match="of at most 40 bytes"):
        read_address(f"postgresql://host/db?table={table}")
