"""Which rows of a gallery a search looks at: a condition on its columns, for both databases.

    where = where_of({"camera": [1, 2], "upper_color": "red"}, columns)
    where = where_of_options(["camera=1,2", "time=08:00..09:30"], columns)

A condition becomes one SQL text, which DataFusion (LanceDB) and PostgreSQL read alike. Names stand in it quoted and
values escaped or bound; nothing that a user wrote goes into it as it is. As in SQL, a row whose value is not known (NULL)
fulfils no condition on it, nor its opposite: of cameras 1, 2 and unknown, `camera!=1` leaves camera 2.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from numbers import Integral, Real
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from resight.errors import DataError, did_you_mean

__all__ = [
    "And",
    "Between",
    "Daily",
    "Equals",
    "Filter",
    "In",
    "Kind",
    "Not",
    "Or",
    "Value",
    "columns_of",
    "matches",
    "sql",
    "sql_bound",
    "value_of_text",
    "where_of",
    "where_of_options",
]

Kind = Literal["int", "float", "text", "time", "bool"]
"""What a column holds. A time is in milliseconds: since 1970 in UTC where the clock is known, else since the video began."""
Columns = Mapping[str, Kind]
Value = int | float | str | bool

DAY = 24 * 60 * 60 * 1000
_WHOLE = 2**63 - 1
_DEPTH = 8
"""Conditions within conditions. DataFusion's parser gives up at some 17, and takes ever longer before."""
_VALUES = 10_000
_CONDITIONS = 500


@dataclass(frozen=True, slots=True)
class Equals:
    """The column has this value."""

    column: str
    value: Value


@dataclass(frozen=True, slots=True)
class In:
    """The column has one of these values. No value, no row."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """`low` <= column <= `high`; None leaves one end open. Texts are ordered by their code points."""

    column: str
    low: Value | None
    high: Value | None


@dataclass(frozen=True, slots=True)
class Daily:
    """A time of each day, in milliseconds since midnight (UTC), both ends included; from 22:00 to 06:00 is over midnight."""

    column: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class And:
    """All of these. Without any, every row."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these. Without any, no row."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; not known stays not known."""

    part: Filter


Filter = Equals | In | Between | Daily | And | Or | Not


def sql(where: Filter, columns: Columns) -> str:
    """The condition as DataFusion reads it, its values as literals.

    >>> sql(Equals("name", "O'Neil"), {"name": "text"})
    '"name" = \\'O\\'\\'Neil\\''

    Raises DataError, which names the column, where it is not one of `columns` or the value is not of its kind, and where
    the condition is too large.
    """
    _check(where, columns)
    return _text(where, _name, _literal)


def sql_bound(where: Filter, columns: Columns) -> tuple[str, list[Value]]:
    """The same text with a `%s` for each value, and the values: what psycopg's `execute` takes. Raises as `sql` does."""
    _check(where, columns)
    values: list[Value] = []

    def bound(value: Value) -> str:
        values.append(value)
        return "%s"

    return _text(where, lambda name: _name(name).replace("%", "%%"), bound, modulo="%%"), values


def columns_of(where: Filter) -> frozenset[str]:
    """The columns that the condition reads."""
    return frozenset(leaf.column for leaf in _leaves(where))


def matches(where: Filter, table: pa.Table) -> pa.BooleanArray:
    """Which rows of a table fulfil the condition, worked out row by row without a database, [N]."""
    return _known(where, table).fill_null(False).combine_chunks()


def where_of(where: Mapping[str, object] | Filter, columns: Columns) -> Filter:
    """A condition from a mapping, as Python and JSON write it; all its entries hold.

    >>> where_of({"camera": [1, 2], "time": ("08:00", "09:30"), "not": {"upper_color": "red"}}, columns)

    A value is one value, a list or a set (one of these), or a range, both ends included: a tuple of two, or in JSON
    `{"from": 5, "to": 9}`; None, or a missing key, leaves an end open. `"not": {…}`, `"and": [{…}, …]` and
    `"or": [{…}, …]` are made of mappings again. A time is a datetime, a number of milliseconds, or text: `08:00` is a time
    of each day and `2026-11-26T08:00` one moment, both in UTC unless an offset follows. Text covers what it names, a date
    its day and `08:00` its minute.

    Raises DataError, which names the column, for an unknown one, a value of another kind, and a range without anything.
    """
    parsed = _of_mapping(where, columns, 0) if isinstance(where, Mapping) else where
    _check(parsed, columns)
    return parsed


def where_of_options(options: Sequence[str], columns: Columns) -> Filter:
    """A condition from options of a command; all of them hold.

    >>> where_of_options(["camera=1,2", "time=08:00..09:30", "upper_color!=red", "frame=100.."], columns)

    After `=` (or `!=`, none of these) come values or ranges, separated by commas; an end of a range may be left out. A value
    with a comma is put in double quotation marks. Text has no ranges, so that `path=../a.jpg` is a path. Raises as
    `where_of` does.
    """
    parsed = And(tuple(_of_option(option, columns) for option in options))
    where: Filter = parsed.parts[0] if len(parsed.parts) == 1 else parsed
    _check(where, columns)
    return where


# The SQL text


def _text(where: Filter, name: Callable[[str], str], value: Callable[[Value], str], modulo: str = "%") -> str:
    """One text for both databases. Each condition that has parts puts each in parentheses.

    An opposite is carried down to the columns, and what is not known is left out there: DataFusion makes FALSE of
    `a IN (1) AND a IN (2)`, also where `a` is NULL, and would find such rows by its opposite.
    """

    def of(where: Filter, holds: bool) -> str:
        match where:
            case Not(part):
                return of(part, not holds)
            case And(parts) | Or(parts):
                every = isinstance(where, And) == holds
                joined = (" AND " if every else " OR ").join(f"({of(part, holds)})" for part in parts)
                return joined or ("TRUE" if every else "FALSE")
            case In(_, ()):
                return "FALSE" if holds else "TRUE"
        condition, column = leaf(where), name(where.column)
        return condition if holds else f"{column} IS NOT NULL AND NOT ({condition})"

    def leaf(where: Equals | In | Between | Daily) -> str:
        match where:
            case Equals(column, wanted):
                return _equal(name(column), value, wanted)
            case In(column, wanted):
                return _in(name(column), value, wanted)
            case Between(column, low, high):
                return _between(name(column), value, low, high)
            case Daily(column, low, high):
                day = f"(({name(column)} {modulo} {DAY}) + {DAY}) {modulo} {DAY}"  # below 0 before 1970
                ends = f"{day} >= {value(low)}", f"{day} <= {value(high)}"
                return (" AND " if low <= high else " OR ").join(ends)

    return of(where, True)


def _equal(column: str, value: Callable[[Value], str], wanted: Value) -> str:
    return f"{column} = {value(wanted)}"


def _in(column: str, value: Callable[[Value], str], wanted: tuple[Value, ...]) -> str:
    return f"{column} IN ({', '.join(map(value, _both_zeros(wanted)))})"


def _both_zeros(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Sets, unlike comparisons, tell 0.0 from -0.0."""
    return (*values, 0.0, -0.0) if any(isinstance(value, float) and value == 0 for value in values) else values


def _between(column: str, value: Callable[[Value], str], low: Value | None, high: Value | None) -> str:
    ends = [f"{column} >= {value(low)}"] if low is not None else []
    ends += [f"{column} <= {value(high)}"] if high is not None else []
    return " AND ".join(ends)


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).upper() if isinstance(value, bool) else repr(value)


# Without a database


def _known(where: Filter, table: pa.Table) -> pa.ChunkedArray:
    """True, False, or null where a value is not known."""
    match where:
        case And(parts):
            return _folded(pc.and_kleene, True, parts, table)
        case Or(parts):
            return _folded(pc.or_kleene, False, parts, table)
        case Not(part):
            return pc.invert(_known(part, table))
        case In(column, ()):
            return _folded(pc.or_kleene, False, (), table)
    column = table[where.column]
    null = pa.scalar(None, pa.bool_())
    return pc.if_else(pc.is_valid(column), _of_column(where, column), null)


def _folded(fold: Callable[..., pa.ChunkedArray], start: bool, parts: Sequence[Filter], table: pa.Table) -> Any:
    found = pa.chunked_array([pa.array([start] * len(table), pa.bool_())])
    for part in parts:
        found = fold(found, _known(part, table))
    return found


def _of_column(where: Equals | In | Between | Daily, column: pa.ChunkedArray) -> pa.ChunkedArray:
    match where:
        case Equals(_, value):
            return pc.equal(column, pa.scalar(value, column.type))
        case In(_, values):
            return pc.is_in(column, pa.array(_both_zeros(values), column.type))
        case Between(_, low, high):
            above = pc.is_valid(column) if low is None else pc.greater_equal(column, pa.scalar(low, column.type))
            below = pc.is_valid(column) if high is None else pc.less_equal(column, pa.scalar(high, column.type))
            return pc.and_(above, below)
        case Daily(_, low, high):
            day = pc.subtract(column, pc.multiply(_floor(column), DAY))
            joined = pc.and_ if low <= high else pc.or_
            return joined(pc.greater_equal(day, low), pc.less_equal(day, high))


def _floor(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The day of a time; division of whole numbers rounds towards 0."""
    days = pc.divide(column, DAY)
    return pc.if_else(pc.less(column, pc.multiply(days, DAY)), pc.subtract(days, 1), days)


# Checks


def _check(where: Filter, columns: Columns) -> None:
    """Raises DataError where a column or a value does not fit, or the condition is larger than databases take."""
    if _depth(where) > _DEPTH:
        raise _too_deep()
    leaves = list(_leaves(where))
    values = [(leaf.column, value) for leaf in leaves for value in _values(leaf)]
    if len(leaves) > _CONDITIONS or len(values) > _VALUES:
        raise DataError(f"the condition is too large; at most {_CONDITIONS} conditions with {_VALUES} values together")
    for leaf in leaves:
        _require_orderly(leaf, _kind(leaf.column, columns))
    for column, value in values:
        _require_kind(column, columns[column], value)


def _too_deep() -> DataError:
    return DataError(f"the condition is nested too deeply; at most {_DEPTH} conditions may stand within one another")


def _depth(where: Filter, above: int = 0) -> int:
    """Not deeper than one beyond what is allowed, so that no depth is too deep to be measured."""
    parts = _parts(where)
    return above if not parts or above > _DEPTH else max(_depth(part, above + 1) for part in parts)


def _parts(where: Filter) -> tuple[Filter, ...]:
    match where:
        case And(parts) | Or(parts):
            return parts
        case Not(part):
            return (part,)
    return ()


def _leaves(where: Filter) -> Iterator[Equals | In | Between | Daily]:
    if isinstance(where, And | Or | Not):
        for part in _parts(where):
            yield from _leaves(part)
    else:
        yield where


def _values(leaf: Equals | In | Between | Daily) -> list[Value]:
    match leaf:
        case Equals(_, value):
            return [value]
        case In(_, values):
            return list(values)
        case Between(_, low, high) | Daily(_, low, high):
            return [value for value in (low, high) if value is not None]


def _kind(column: str, columns: Columns) -> Kind:
    if column not in columns:
        known = ", ".join(columns)
        raise DataError(f"no column {column!r}{did_you_mean(column, columns)}; the gallery has: {known}")
    return columns[column]


def _require_orderly(leaf: Equals | In | Between | Daily, kind: Kind) -> None:
    if isinstance(leaf, Between) and leaf.low is None and leaf.high is None:
        raise DataError(f"{leaf.column}: a range needs a beginning or an end")
    if isinstance(leaf, Between) and kind == "bool":
        raise DataError(f"{leaf.column} is true or false and has no ranges; give one of them")
    if isinstance(leaf, Daily) and kind != "time":
        raise DataError(f"{leaf.column} holds no times, so no time of a day can be asked of it")


_SAYS = {
    "int": "whole numbers",
    "float": "numbers",
    "text": "text",
    "time": "times, such as 08:00, 2026-11-26, 2026-11-26T08:00:00 or whole milliseconds",
    "bool": "true or false",
}


def _wrong(column: str, kind: Kind, value: object) -> DataError:
    return DataError(f"{column} holds {_SAYS[kind]}, not {_shown(value)}")


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _require_kind(column: str, kind: Kind, value: object) -> None:
    """A value that is exactly what the databases store in such a column."""
    if kind == "text":
        fits = type(value) is str and _storable(value)
    elif kind == "bool":
        fits = type(value) is bool
    elif kind == "float":
        fits = type(value) is float and math.isfinite(value)
    else:
        fits = type(value) is int and abs(value) <= _WHOLE
    if not fits:
        raise _wrong(column, kind, value)


def _storable(text: str) -> bool:
    """Whether it can be in a database at all: PostgreSQL has no NUL, and neither has half a surrogate pair."""
    return "\0" not in text and not re.search("[\ud800-\udfff]", text)


# From a mapping


def _of_mapping(where: object, columns: Columns, depth: int) -> Filter:
    if not isinstance(where, Mapping):
        raise DataError(f"a condition is a mapping of columns to values, not {_shown(where)}")
    if depth > _DEPTH:
        raise _too_deep()
    parts = tuple(_of_entry(name, value, columns, depth) for name, value in where.items())
    return parts[0] if len(parts) == 1 else And(parts)


def _of_entry(name: object, value: object, columns: Columns, depth: int) -> Filter:
    match name:
        case "not":
            return Not(_of_mapping(value, columns, depth + 1))
        case "and":
            return And(_of_list(name, value, columns, depth))
        case "or":
            return Or(_of_list(name, value, columns, depth))
    column = str(name)
    kind = _kind(column, columns)
    match value:
        case Mapping():
            return _range(column, kind, *_ends(column, value))
        case tuple() if len(value) == 2:
            return _range(column, kind, *value)
        case list() | set() | frozenset():
            return _one_of(column, [_single(column, kind, one) for one in value])
    return _single(column, kind, value)


def _of_list(name: str, value: object, columns: Columns, depth: int) -> tuple[Filter, ...]:
    if not isinstance(value, list | tuple):
        raise DataError(f'"{name}" is followed by a list of conditions, not by {_shown(value)}')
    return tuple(_of_mapping(part, columns, depth + 1) for part in value)


def _ends(column: str, value: Mapping[Any, object]) -> tuple[object, object]:
    if unknown := [key for key in value if key not in ("from", "to")]:
        raise DataError(f"{column}: a range has the keys from and to, not {_shown(unknown[0])}")
    return value.get("from"), value.get("to")


def _one_of(column: str, parts: Sequence[Filter]) -> Filter:
    """Values together, and whatever is no single value beside them."""
    values = tuple(part.value for part in parts if isinstance(part, Equals))
    others = tuple(part for part in parts if not isinstance(part, Equals))
    same: tuple[Filter, ...] = (In(column, values),) if values or not others else ()
    together = same + others
    return together[0] if len(together) == 1 else Or(together)


def _single(column: str, kind: Kind, value: object) -> Filter:
    if kind != "time":
        return Equals(column, _taken(column, kind, value))
    span = _span(column, value)
    if span.daily:
        return Daily(column, span.first, span.last)
    return Equals(column, span.first) if span.first == span.last else Between(column, span.first, span.last)


def _range(column: str, kind: Kind, low: object, high: object) -> Filter:
    if kind == "time":
        return _period(column, low, high)
    ends = [None if end is None else _taken(column, kind, end) for end in (low, high)]
    return _orderly(Between(column, *ends))


def _orderly(found: Between) -> Between:
    if found.low is not None and found.high is not None and found.low > found.high:  # type: ignore[operator]
        raise DataError(f"{found.column}: nothing lies from {found.low} to {found.high}; exchange the two")
    return found


def _period(column: str, low: object, high: object) -> Filter:
    first = None if low is None else _span(column, low)
    last = None if high is None else _span(column, high)
    if len({span.daily for span in (first, last) if span}) > 1:
        raise DataError(
            f"{column}: from {low} to {high} is half a time of each day and half a moment; write both alike"
        )
    if (first and first.daily) or (last and last.daily):
        return Daily(column, first.first if first else 0, last.last if last else DAY - 1)
    return _orderly(Between(column, first.first if first else None, last.last if last else None))


def _taken(column: str, kind: Kind, value: object) -> Value:
    """A value as the column stores it, without guessing: numbers of NumPy become Python's, text stays text."""
    if kind == "float" and isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    if kind == "int" and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    _require_kind(column, kind, value)
    return value  # type: ignore[return-value]


# Times


@dataclass(frozen=True, slots=True)
class _Span:
    """The milliseconds that a written time covers, the last included; of each day, or since 1970."""

    first: int
    last: int
    daily: bool = False


_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?")
_SECONDS = re.compile(r"[T ]\d{2}:\d{2}:\d{2}")
_FRACTION = re.compile(r"[T ]\d{2}:\d{2}:\d{2}\.\d+")
_MINUTES = re.compile(r"[T ]\d{2}:\d{2}")


def _span(column: str, value: object) -> _Span:
    if isinstance(value, datetime):
        moment = _milliseconds(value)
        return _Span(moment, moment)
    if isinstance(value, time):
        return _span(column, value.isoformat())
    if isinstance(value, Integral) and not isinstance(value, bool):
        return _Span(int(value), int(value))
    span = _written(value.strip()) if isinstance(value, str) else None
    if span is None:
        raise _wrong(column, "time", value)
    return span


def _written(text: str) -> _Span | None:
    if re.fullmatch(r"-?\d{1,19}", text):
        return _Span(int(text), int(text))
    if clock := _CLOCK.fullmatch(text):
        return _of_day(*clock.groups())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    first = _milliseconds(moment)
    return _Span(first, first + _covered(text) - 1)


def _of_day(hour: str, minute: str, second: str | None, part: str | None) -> _Span | None:
    """A time of the day; 24:00 is its end."""
    if int(minute) > 59 or int(second or 0) > 59:
        return None
    first = ((int(hour) * 60 + int(minute)) * 60 + int(second or 0)) * 1000 + int((part or "").ljust(3, "0"))
    covered = 1 if part else 1000 if second else 60_000
    if first == DAY:
        return _Span(DAY - 1, DAY - 1, daily=True)
    return _Span(first, first + covered - 1, daily=True) if first < DAY else None


def _covered(text: str) -> int:
    """How many milliseconds a time in ISO's form covers: those of what it is written to."""
    for pattern, covered in ((_FRACTION, 1), (_SECONDS, 1000), (_MINUTES, 60_000)):
        if pattern.search(text):
            return covered
    return DAY


def _milliseconds(moment: datetime) -> int:
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (known - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


# From options of a command


def _of_option(option: str, columns: Columns) -> Filter:
    column, different, written = _taken_apart(option, columns)
    kind = _kind(column, columns)
    found = _one_of(column, [_of_item(column, kind, item) for item in _items(option, written)])
    if isinstance(found, In) and len(found.values) == 1:
        found = Equals(column, found.values[0])
    return Not(found) if different else found


def _taken_apart(option: str, columns: Columns) -> tuple[str, bool, str]:
    """`camera!=1` -> camera, True, 1. The longest column that it begins with, since a name may have signs of its own."""
    for column in sorted(columns, key=len, reverse=True):
        for sign in ("!=", "="):
            if option.startswith(column + sign):
                return column, sign == "!=", option[len(column + sign) :]
    column, sign, written = option.partition("=")
    if not sign or not column.rstrip("!"):
        raise DataError(f"{option!r} is no condition; write COLUMN=VALUE, such as camera=1,2 or time=08:00..09:30")
    return column.removesuffix("!"), column.endswith("!"), written


def _items(option: str, written: str) -> list[str]:
    try:
        items = next(csv.reader([written], skipinitialspace=True, strict=True), [])
    except csv.Error:
        raise DataError(f"{option!r}: a quotation mark is not closed") from None
    if not items or any(not item for item in items):
        raise DataError(f"{option!r}: a value is missing; write COLUMN=VALUE, such as camera=1,2 or time=08:00..09:30")
    return items


def _of_item(column: str, kind: Kind, item: str) -> Filter:
    low, dots, high = item.partition("..")
    if not dots or kind in ("text", "bool"):
        return _single(column, kind, value_of_text(column, kind, item))
    return _range(column, kind, *(value_of_text(column, kind, end) if end.strip() else None for end in (low, high)))


_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def value_of_text(column: str, kind: Kind, written: str) -> Value:
    """A value from text; a time stays text. Raises DataError where it is of another kind."""
    try:
        match kind:
            case "int":
                return int(written)
            case "float":
                return float(written)
            case "bool":
                return _TRUTH[written.strip().lower()]
    except (ValueError, KeyError):
        raise _wrong(column, kind, written) from None
    return written
