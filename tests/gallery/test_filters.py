"""Filters against a plain loop over the rows, through DataFusion, and against whoever tries to get in by a value."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, timezone

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from resight.errors import DataError
from resight.gallery.filters import (
    And,
    Between,
    Daily,
    Equals,
    In,
    Not,
    Or,
    columns_of,
    matches,
    sql,
    sql_bound,
    where_of,
    where_of_options,
)

DAY = 86_400_000
COLUMNS = {
    "camera": "int",
    "select": "int",
    'we"ird % name\\': "float",
    "name": "text",
    "Größe'; --": "text",
    "time": "time",
    "helmet": "bool",
}
VALUES = {
    "int": [-(2**63) + 1, -1, 0, 1, 2, 3, 2**63 - 1],
    "float": [-1e22, -1.5, -5e-324, -0.0, 0.0, 0.1, 2.0, 1.7976931348623157e308],
    "text": [
        "",
        "red",
        "Red",
        "a'b",
        "''",
        'a"b',
        "c\\d",
        "\\'",
        "%s",
        "100 %",
        "; DROP TABLE x --",
        "é",
        "é",
        "🙂",
        "\n",
        "NULL",
    ],
    "time": [-1, -DAY - 1, 0, 1, 8 * 3_600_000, 9 * 3_600_000 + 5, DAY - 1, DAY, 1_764_145_000_000],
    "bool": [True, False],
}
TYPES = {"int": pa.int64(), "float": pa.float64(), "text": pa.string(), "time": pa.int64(), "bool": pa.bool_()}
ROWS = 60


def made_rows() -> pa.Table:
    random = np.random.default_rng(5)
    cells = {"id": pa.array(range(ROWS), pa.int64())}
    for name, kind in COLUMNS.items():
        drawn = random.integers(len(VALUES[kind]) + 1, size=ROWS)
        cells[name] = pa.array([([*VALUES[kind], None])[place] for place in drawn], TYPES[kind])
    return pa.table(cells)


TABLE = made_rows()
RECORDS = TABLE.to_pylist()


@pytest.fixture(scope="module")
def lance(tmp_path_factory):
    return lancedb.connect(tmp_path_factory.mktemp("lance")).create_table("rows", TABLE)


def by_loop(where, row) -> bool | None:
    """SQL's three values, as its standard words them."""
    match where:
        case And(parts) | Or(parts):
            end = isinstance(where, Or)
            found = [by_loop(part, row) for part in parts]
            return end if end in found else None if None in found else not end
        case Not(part):
            found = by_loop(part, row)
            return None if found is None else not found
        case In(_, ()):
            return False
    value = row[where.column]
    if value is None:
        return None
    match where:
        case Equals(_, wanted):
            return value == wanted
        case In(_, wanted):
            return value in wanted
        case Between(_, low, high):
            return (low is None or value >= low) and (high is None or value <= high)
        case Daily(_, low, high):
            ends = value % DAY >= low, value % DAY <= high
            return all(ends) if low <= high else any(ends)


def values(kind):
    given = st.sampled_from(VALUES[kind])
    if kind == "text":
        return given | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=5)
    return given


def any_end(ends) -> bool:
    return ends != (None, None)


@st.composite
def leaves(draw):
    column = draw(st.sampled_from(list(COLUMNS)))
    kind = COLUMNS[column]
    shapes = [Equals, In] + ([Between] if kind != "bool" else []) + ([Daily] if kind == "time" else [])
    match draw(st.sampled_from(shapes)):
        case shape if shape is Equals:
            return Equals(column, draw(values(kind)))
        case shape if shape is In:
            return In(column, tuple(draw(st.lists(values(kind), max_size=4))))
        case shape if shape is Between:
            ends = draw(st.tuples(st.none() | values(kind), st.none() | values(kind)).filter(any_end))
            return Between(column, *ends)
    return Daily(column, *(draw(st.integers(0, DAY - 1)) for _ in range(2)))


def filters():
    def within(parts):
        some = st.lists(parts, max_size=3).map(tuple)
        return st.builds(And, some) | st.builds(Or, some) | st.builds(Not, parts)

    return st.recursive(leaves(), within, max_leaves=6).filter(lambda where: depth(where) <= 8)


def depth(where) -> int:
    parts = (where.part,) if isinstance(where, Not) else where.parts if isinstance(where, And | Or) else ()
    return max((1 + depth(part) for part in parts), default=0)


def found(where) -> list[int]:
    return TABLE.filter(matches(where, TABLE))["id"].to_pylist()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=filters())
@example(where=Not(And((In("name", ("",)), In("name", ("red",))))))
@example(where=Not(And((Between("camera", 2, None), Between("camera", None, 1)))))
def test_the_loop_the_table_and_datafusion_find_the_same_rows(where, lance):
    expected = [row["id"] for row in RECORDS if by_loop(where, row) is True]
    assert found(where) == expected
    rows = lance.search().where(sql(where, COLUMNS)).select(["id"]).limit(ROWS).to_arrow()
    assert sorted(rows["id"].to_pylist()) == expected
    assert lance.count_rows(sql(where, COLUMNS)) == len(expected)


@settings(max_examples=200, deadline=None)
@given(where=filters())
def test_nothing_of_a_user_stands_outside_quotes(where):
    """Without quoted names and values there are words of ours and numbers; bound, not even those of the user."""
    ours = r"(?: |\(|\)|,|=|>=|<=|\+|%|AND|OR|NOT|IN|IS NOT NULL|TRUE|FALSE)*"
    outside = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?<![\w.])-?\d[\d.e+-]*", "", sql(where, COLUMNS))
    assert re.fullmatch(ours, outside), outside
    text, bound = sql_bound(where, COLUMNS)
    bare = re.sub(r'"(?:[^"]|"")*"', "", text).replace("%s", "", len(bound)).replace("%%", "").replace(str(DAY), "")
    assert re.fullmatch(ours, bare), bare


@settings(max_examples=200, deadline=None)
@given(where=filters())
def test_bound_text_is_the_literal_text(where):
    """psycopg puts the values where `%s` stands and reads `%%` as `%`."""
    text, bound = sql_bound(where, COLUMNS)
    literals = iter(sql(Equals(column_for(value), value), COLUMNS).split(" = ", 1)[1] for value in bound)
    assert re.sub("%[s%]", lambda sign: next(literals) if sign[0] == "%s" else "%", text) == sql(where, COLUMNS)


def column_for(value) -> str:
    kind = {bool: "helmet", int: "camera", float: 'we"ird % name\\', str: "name"}
    return kind[type(value)]


def test_the_largest_condition_allowed_is_answered(lance):
    """More of it crash or stall DataFusion's parser."""
    where = Equals("camera", 1)
    for level in range(8):
        where = Not(where) if level % 2 else Or((Equals("camera", 2), where))
    assert lance.count_rows(sql(where, COLUMNS)) == len(found(where))
    many = Or(tuple(Equals("camera", number) for number in range(500)))
    assert lance.count_rows(sql(many, COLUMNS)) == len(found(many)) > 0
    long = In("camera", tuple(range(10_000)))
    assert lance.count_rows(sql(long, COLUMNS)) == len(found(long)) > 0


@pytest.mark.parametrize(
    "where",
    [
        Or(tuple(Equals("camera", 1) for _ in range(501))),
        In("camera", tuple(range(10_001))),
        And(tuple(In("camera", tuple(range(5001))) for _ in range(2))),
    ],
)
def test_a_condition_too_large_is_refused(where):
    with pytest.raises(DataError, match="too large; at most 500 conditions with 10000 values"):
        sql(where, COLUMNS)


def test_a_condition_too_deep_is_refused_however_deep():
    where, mapping = Equals("camera", 1), {"camera": 1}
    for _ in range(100_000):
        where, mapping = Not(where), {"not": mapping}
    for refused in (lambda: sql(where, COLUMNS), lambda: where_of(mapping, COLUMNS)):
        with pytest.raises(DataError, match="nested too deeply"):
            refused()


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"camera": 1}, Equals("camera", 1)),
        ({"camera": np.int64(1)}, Equals("camera", 1)),
        ({"camera": [1, 2]}, In("camera", (1, 2))),
        ({"camera": []}, In("camera", ())),
        ({"camera": (1, 5)}, Between("camera", 1, 5)),
        ({"camera": (None, 5)}, Between("camera", None, 5)),
        ({"camera": {"from": 1}}, Between("camera", 1, None)),
        ({"name": "1,2..3"}, Equals("name", "1,2..3")),
        ({"name": ("a", "b")}, Between("name", "a", "b")),
        ({'we"ird % name\\': 2}, Equals('we"ird % name\\', 2.0)),
        ({"helmet": False}, Equals("helmet", False)),
        ({}, And(())),
        ({"camera": 1, "name": "x"}, And((Equals("camera", 1), Equals("name", "x")))),
        ({"not": {"camera": 1}}, Not(Equals("camera", 1))),
        ({"or": [{"camera": 1}, {"name": "x"}]}, Or((Equals("camera", 1), Equals("name", "x")))),
        ({"and": [{"camera": 1}]}, And((Equals("camera", 1),))),
        ({"time": ("08:00", "09:30")}, Daily("time", 8 * 3_600_000, 9 * 3_600_000 + 31 * 60_000 - 1)),
        ({"time": ("22:00", "06:00:00.000")}, Daily("time", 22 * 3_600_000, 6 * 3_600_000)),
        ({"time": ("20:00", "24:00")}, Daily("time", 20 * 3_600_000, DAY - 1)),
        ({"time": ("20:00", None)}, Daily("time", 20 * 3_600_000, DAY - 1)),
        ({"time": "08:00"}, Daily("time", 8 * 3_600_000, 8 * 3_600_000 + 59_999)),
        ({"time": time(8, 0, 0)}, Daily("time", 8 * 3_600_000, 8 * 3_600_000 + 999)),
        ({"time": 5}, Equals("time", 5)),
        ({"time": (5, 9)}, Between("time", 5, 9)),
        ({"time": "2026-11-26"}, Between("time", ms(2026, 11, 26), ms(2026, 11, 27) - 1)),
        ({"time": "2026-11-26T08:00"}, Between("time", ms(2026, 11, 26, 8), ms(2026, 11, 26, 8, 1) - 1)),
        ({"time": "2026-11-26 08:00:05Z"}, Between("time", ms(2026, 11, 26, 8, 0, 5), ms(2026, 11, 26, 8, 0, 6) - 1)),
        ({"time": "2026-11-26T08:00:00.5+01:00"}, Equals("time", ms(2026, 11, 26, 7) + 500)),
        ({"time": ("2026-11-01", "2026-11-26")}, Between("time", ms(2026, 11, 1), ms(2026, 11, 27) - 1)),
        ({"time": datetime(2026, 11, 26)}, Equals("time", ms(2026, 11, 26))),
        (
            {"time": datetime(2026, 11, 26, tzinfo=timezone(timedelta(hours=1)))},
            Equals("time", ms(2026, 11, 25, 23)),
        ),
    ],
)
def test_mapping(mapping, expected):
    assert where_of(mapping, COLUMNS) == expected
    assert where_of(expected, COLUMNS) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["camera=1"], Equals("camera", 1)),
        (["camera=1,2"], In("camera", (1, 2))),
        (["camera!=1, 2"], Not(In("camera", (1, 2)))),
        (["camera=..5"], Between("camera", None, 5)),
        (["camera=5.."], Between("camera", 5, None)),
        (["camera=-3..-1"], Between("camera", -3, -1)),
        (["camera=1,3..5,9"], Or((In("camera", (1, 9)), Between("camera", 3, 5)))),
        (["time=08:00..09:30"], Daily("time", 8 * 3_600_000, 9 * 3_600_000 + 31 * 60_000 - 1)),
        (["time=0..60000"], Between("time", 0, 60_000)),
        (["name=../a.jpg"], Equals("name", "../a.jpg")),
        (['name="a,b",c'], In("name", ("a,b", "c"))),
        (["name=a=b"], Equals("name", "a=b")),
        (["helmet=yes"], Equals("helmet", True)),
        (["Größe'; --=x"], Equals("Größe'; --", "x")),
        (["camera=1", "name!=x"], And((Equals("camera", 1), Not(Equals("name", "x"))))),
        ([], And(())),
    ],
)
def test_options(options, expected):
    assert where_of_options(options, COLUMNS) == expected


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"camra": 1}, "no column 'camra' (did you mean 'camera'?); the gallery has: camera, "),
        ({"camera": "1"}, "camera holds whole numbers, not '1'"),
        ({"camera": 1.0}, "camera holds whole numbers, not 1.0"),
        ({"camera": True}, "camera holds whole numbers, not True"),
        ({"camera": None}, "camera holds whole numbers, not None"),
        ({"camera": 2**63}, "camera holds whole numbers, not 9223372036854775808"),
        ({"camera": [[1]]}, "camera holds whole numbers, not [1]"),
        ({"camera": (5, 1)}, "camera: nothing lies from 5 to 1; exchange the two"),
        ({"camera": (None, None)}, "camera: a range needs a beginning or an end"),
        ({"camera": {"form": 1}}, "camera: a range has the keys from and to, not 'form'"),
        ({"name": 1}, "name holds text, not 1"),
        ({"name": "a\0b"}, "name holds text, not"),
        ({"name": "\ud800"}, "name holds text, not"),
        ({"helmet": 1}, "helmet holds true or false, not 1"),
        ({"helmet": (False, True)}, "helmet is true or false and has no ranges"),
        ({'we"ird % name\\': float("nan")}, "holds numbers, not nan"),
        ({'we"ird % name\\': 10**400}, "holds numbers, not 1000"),
        ({"time": "8 o'clock"}, "time holds times, such as 08:00, 2026-11-26"),
        ({"time": "25:00"}, "time holds times"),
        ({"time": "9" * 5000}, "time holds times"),
        ({"time": ("08:00", "2026-11-26")}, "half a time of each day and half a moment"),
        ({"not": 1}, "a condition is a mapping of columns to values, not 1"),
        ({"or": {"camera": 1}}, '"or" is followed by a list of conditions'),
    ],
)
def test_a_mapping_that_says_nothing_is_refused(mapping, message):
    with pytest.raises(DataError) as refused:
        where_of(mapping, COLUMNS)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("camera", "'camera' is no condition; write COLUMN=VALUE"),
        ("=1", "'=1' is no condition"),
        ("camera=", "'camera=': a value is missing"),
        ("camera=1,,2", "a value is missing"),
        ('name="a', "a quotation mark is not closed"),
        ("camera=one", "camera holds whole numbers, not 'one'"),
        ("camera=5..1", "nothing lies from 5 to 1"),
        ("camera=..", "a range needs a beginning or an end"),
        ("helmet=perhaps", "helmet holds true or false, not 'perhaps'"),
        ("camra!=1", "no column 'camra' (did you mean 'camera'?)"),
    ],
)
def test_an_option_that_says_nothing_is_refused(option, message):
    with pytest.raises(DataError) as refused:
        where_of_options([option], COLUMNS)
    assert message in str(refused.value)


def test_a_tree_written_by_hand_is_checked_too():
    """`sql` and `sql_bound` trust nobody: a number in a text column would compare otherwise in each database."""
    for where in (
        Between("camera", None, None),
        Equals("name", 1),
        Equals("nme", "x"),
        Daily("camera", 0, 1),
        Between("helmet", False, True),
    ):
        for compile in (sql, sql_bound):
            with pytest.raises(DataError):
                compile(where, COLUMNS)


def test_unknown_values_match_neither_a_condition_nor_its_opposite():
    unknown = {row["id"] for row in RECORDS if row["camera"] is None}
    same, other = found(Equals("camera", 1)), found(Not(Equals("camera", 1)))
    assert unknown
    assert unknown.isdisjoint(same + other)
    assert len(same) + len(other) + len(unknown) == ROWS


def test_columns_that_are_read():
    assert columns_of(And((Equals("camera", 1), Not(Between("time", 1, None))))) == {"camera", "time"}
