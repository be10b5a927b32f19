"""Attributes that wrong first answers share with their queries: they show whether clothes, say, mislead a model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from resight.tasks.reid.evaluation import Result

__all__ = ["Shared", "shared_attributes"]

_AT_ONCE = 500
"""The number of queries whose distances to the whole gallery are in memory at once."""


class Shared(NamedTuple):
    """The agreement in one attribute. Shares are in [0, 1]."""

    attribute: str
    agree: float
    """Share of the wrong first answers that have the query's class, of those where both classes are known."""
    by_chance: float
    """The same share of all pairs of a query and a gallery image of another identity; nan where no such pair is known."""
    known: int
    """The number of wrong first answers where both classes are known."""
    wrong: int
    """The number of wrong first answers."""


def shared_attributes(result: Result) -> list[Shared]:
    """The agreement in each attribute that is known of a query and of its wrong first answer, if there is one."""
    query, gallery = result.query.records, result.gallery.records
    names = dict.fromkeys(name for record in query for name in record.attributes)
    if not names:
        return []
    wrong = _wrong_first_answers(result)
    rows = []
    for name in names:
        pairs = [(query[i].attributes.get(name), gallery[j].attributes.get(name)) for i, j in wrong]
        agree = [one == other for one, other in pairs if one is not None and other is not None]
        if agree:
            rows.append(Shared(name, float(np.mean(agree)), _by_chance(result, name), len(agree), len(wrong)))
    return rows


def _wrong_first_answers(result: Result) -> list[tuple[int, int]]:
    """Positions (query, gallery image) where the nearest image that counts shows another identity."""
    figures = result.result
    wrong = np.flatnonzero((figures.first_rank != 1) & ~np.isnan(figures.average_precision))
    judgement = figures.judgement
    found = []
    for start in range(0, len(wrong), _AT_ONCE):
        some = wrong[start : start + _AT_ONCE]
        for query, row in zip(some.tolist(), result.distances(some), strict=True):
            counted = np.delete(judgement.columns, judgement.left_out[query])
            found.append((query, int(counted[row[counted].argmin()])))
    return found


def _by_chance(result: Result, name: str) -> float:
    """Share that agrees of the pairs of a query and a gallery image of another identity where both classes are known."""
    sides = [[record.attributes.get(name) for record in side.records] for side in (result.query, result.gallery)]
    codes: dict[str | None, int] = {None: -1}
    ours, theirs = (np.array([codes.setdefault(value, len(codes)) for value in side]) for side in sides)
    other = result.query.identities[:, None] != result.gallery.identities
    other &= (ours >= 0)[:, None] & (theirs >= 0)
    return float((ours[:, None] == theirs)[other].mean()) if other.any() else float("nan")
