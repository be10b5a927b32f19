"""What wrong first answers share with their queries: whether clothes, say, have deceived a model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from resight.tasks.reid.evaluation import Result

__all__ = ["Shared", "shared_attributes"]

_AT_ONCE = 500
"""Queries whose distances to the whole gallery are held in memory together."""


class Shared(NamedTuple):
    """One attribute. Shares in [0, 1]."""

    attribute: str
    agree: float
    """How often the wrong first answer has the query's class."""
    by_chance: float
    """How often an image of somebody else has it; nan where that is not known of any."""
    known: int
    """Wrong first answers whose class is known, as the query's is."""
    wrong: int
    """Queries with a wrong answer first."""


def shared_attributes(result: Result) -> list[Shared]:
    """A row for each attribute that is known of queries and of wrong first answers; none where the data has none."""
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
    """(query, gallery image) where the nearest image that counts shows somebody else."""
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
    """Share of pairs of a query and somebody else in the gallery that agree, over the pairs where both are known."""
    sides = [[record.attributes.get(name) for record in side.records] for side in (result.query, result.gallery)]
    codes: dict[str | None, int] = {None: -1}
    ours, theirs = (np.array([codes.setdefault(value, len(codes)) for value in side]) for side in sides)
    other = result.query.identities[:, None] != result.gallery.identities
    other &= (ours >= 0)[:, None] & (theirs >= 0)
    return float((ours[:, None] == theirs)[other].mean()) if other.any() else float("nan")
