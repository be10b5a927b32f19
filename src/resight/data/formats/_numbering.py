"""Numbers for identities and cameras, which a dataset may name with any text."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from resight.errors import DataError
from resight.records import DISTRACTOR, JUNK, NO_CAMERA, UNLABELLED

__all__ = ["Numbers", "number_cameras", "number_identities", "whole_number"]

# pandas writes whole numbers as "2.0" where a column has gaps.
_WHOLE = re.compile(r"([+-]?\d{1,18})(?:\.0*)?")
_MEANING = {JUNK: "junk", DISTRACTOR: "a distractor", UNLABELLED: "unlabelled"}


class Numbers:
    """The numbers that digits stand for in a dataset whose names are numbers.

    >>> numbers = Numbers("/data/crops", "identities")
    >>> numbers("0002")
    2

    Raises DataError for two spellings of one number, as they may be two people, and for what is no whole number from 0;
    `tabular` ones may have a sign and end in ".0". The message begins with `where`, or the file in which the digits are
    found.
    """

    def __init__(self, where: str | os.PathLike[str], what: str, tabular: bool = False) -> None:
        self._where, self._what, self._tabular = where, what, tabular
        self._spelt: dict[int, str] = {}

    def __call__(self, digits: str, found_in: str | os.PathLike[str] | None = None) -> int:
        number = whole_number(digits) if self._tabular else int(digits) if digits.isdecimal() else None
        if number is None:
            raise DataError(f"{found_in or self._where}: {digits!r} is not a whole number")
        first = self._spelt.setdefault(number, digits)
        if first != digits:
            raise DataError(
                f"{found_in or self._where}: {self._what} {first!r} and {digits!r} are one number; rename one, or both "
                "to one name"
            )
        return number


def number_identities(names: Collection[str], where: str, train: Collection[str] = ()) -> dict[str, int]:
    """Identity names -> numbers: as they are when all are whole numbers, else from 1 in sorted order.

    The empty name is UNLABELLED; among other names "-1" and "0" keep their meaning of junk and distractor.
    `train` are the names in the training split: each must be an identity from 1, or empty. Raises DataError with
    a message that starts with `where`, also for two names that are one number (1 and 01, or 1 and 1.0).
    """
    kept = {name: number for name in names if (number := whole_number(name)) is not None and number <= 0}
    named = set(names).difference(kept, {""})
    numbers = kept | {"": UNLABELLED} | _number(named, where, "identities")
    for name in sorted(set(train) - {""}):
        if numbers[name] < 1:
            meaning = _MEANING.get(numbers[name], "impossible")
            raise DataError(f"{where}: identity {name!r} ({meaning}) in train; identities there start at 1")
    if any(number < UNLABELLED for number in kept.values()):
        raise DataError(
            f"{where}: identity {min(kept.values())} is impossible; they start at 1 (0 distractor, -1 junk)"
        )
    return numbers


def number_cameras(names: Collection[str], where: str) -> dict[str, int]:
    """Camera names -> numbers: as they are when all are whole numbers, else from 1 in sorted order.

    The empty name is the unknown camera. Raises DataError as `number_identities` does.
    """
    unknown = {name for name in names if not name or whole_number(name) == NO_CAMERA}
    numbers = dict.fromkeys(unknown, NO_CAMERA) | _number(set(names) - unknown, where, "cameras")
    if any(number < NO_CAMERA for number in numbers.values()):
        raise DataError(f"{where}: camera {min(numbers.values())} is impossible; cameras start at 0 (-1 unknown)")
    return numbers


def _number(names: set[str], where: str, what: str) -> dict[str, int]:
    if any(whole_number(name) is None for name in names):
        return {name: number for number, name in enumerate(sorted(names), 1)}
    numbers = Numbers(where, what, tabular=True)
    return {name: numbers(name) for name in sorted(names)}


def whole_number(name: str) -> int | None:
    """The number that a cell of a table is, also as pandas writes it where a column has gaps ("2.0"); None for others."""
    match = _WHOLE.fullmatch(name)
    return int(match[1]) if match else None
