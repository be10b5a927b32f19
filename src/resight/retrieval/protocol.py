"""Which gallery images are right, wrong or left out for a query: the protocols, and the judgement by one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.records import JUNK, NO_CAMERA, Relevance

__all__ = ["PROTOCOLS", "Judgement", "Protocol", "among", "judge", "judge_lists", "within", "without_themselves"]

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rules of an evaluation."""

    name: str
    camera_rule: bool
    """Leave out the query's own identity in the query's own camera (Zheng et al. 2015, section 3)."""
    depth: int | None = None
    """Only this many nearest images are looked at; a right answer beyond them counts as not found."""


PROTOCOLS: dict[str, Protocol] = {
    "market1501": Protocol("market1501", camera_rule=True),
    # Liu et al. 2016 as the toolkits evaluate it; the dataset's own lists come as a Relevance.
    "veri776": Protocol("veri776", camera_rule=True),
    # VehicleID (Liu et al. 2016) has no camera labels; its gallery holds one image of each vehicle.
    "vehicleid": Protocol("vehicleid", camera_rule=False),
    "course": Protocol("course", camera_rule=False),
}
"""Name -> protocol. All of them leave junk (identity -1) out and keep distractors (identity 0) as wrong answers, and
look at the whole gallery: a depth is asked for with each evaluation."""


@dataclass(frozen=True)
class Judgement:
    """Which gallery images are right and which are left out, for every query.

    `columns` are the gallery positions that count for any query, ascending; `good[i]` and `left_out[i]` are positions
    *within `columns`*, ascending, for query i.
    """

    protocol: Protocol
    columns: Positions
    good: Sequence[Positions]
    left_out: Sequence[Positions]


def judge(
    protocol: Protocol,
    query_ids: Positions,
    gallery_ids: Positions,
    query_cameras: Positions | None,
    gallery_cameras: Positions | None,
) -> Judgement:
    """Judge by identities [Q], [G] and, where the protocol asks for them, cameras [Q], [G].

    An unknown camera (-1) equals no other, so nothing is left out because of it. Raises DataError for a query without
    an identity, and when the protocol needs cameras and has none.
    """
    if len(wrong := query_ids[query_ids <= 0]):
        raise DataError(f"a query has identity {wrong[0]}; queries need identities from 1 (0 is a distractor, -1 junk)")
    columns = np.flatnonzero(gallery_ids != JUNK)
    ids = gallery_ids[columns]
    order = np.argsort(ids, kind="stable")
    firsts, lasts = (np.searchsorted(ids[order], query_ids, side) for side in ("left", "right"))
    same = [order[first:last] for first, last in zip(firsts, lasts, strict=True)]
    nothing = np.empty(0, np.int64)
    if not protocol.camera_rule:
        return Judgement(protocol, columns, same, [nothing] * len(same))
    if query_cameras is None or gallery_cameras is None:
        raise DataError(
            f"protocol {protocol.name} leaves out the query's own camera, so it needs query_cameras and "
            f"gallery_cameras; where they are unknown give {NO_CAMERA} for each, or use protocol='course'"
        )
    places, rows = np.concatenate([nothing, *same]), np.repeat(np.arange(len(same)), lasts - firsts)
    asked = query_cameras[rows]
    own = (gallery_cameras[columns[places]] == asked) & (asked != NO_CAMERA)
    good, left_out = (_of_each(places[which], rows[which], len(same)) for which in (~own, own))
    return Judgement(protocol, columns, good, left_out)


def _of_each(places: Positions, rows: Positions, count: int) -> list[Positions]:
    """The places of each of `count` rows, of which those of a row follow those of the row before."""
    ends = np.searchsorted(rows, np.arange(count + 1))
    return [places[first:last] for first, last in pairwise(ends.tolist())]


def judge_lists(relevance: Relevance, queries: int, gallery: int) -> Judgement:
    """Judge by a dataset's own lists. An image on both lists is junk, as in the datasets' MATLAB code.

    Raises DataError when there is not one list for each query, or a list names an image that is not in the gallery.
    """
    if len(relevance.good) != queries or len(relevance.junk) != queries:
        raise DataError(
            f"good and junk lists for {len(relevance.good)} and {len(relevance.junk)} queries do not fit {queries} queries"
        )
    left_out = [np.unique(np.asarray(row, np.int64)) for row in relevance.junk]
    good = [np.setdiff1d(np.asarray(row, np.int64), junk) for row, junk in zip(relevance.good, left_out, strict=True)]
    for number, positions in enumerate(zip(good, left_out, strict=True)):
        for row in positions:
            if len(row) and (row[0] < 0 or row[-1] >= gallery):
                raise DataError(
                    f"the lists of query {number} name gallery image {row[-1]}; there are 0 to {gallery - 1}"
                )
    return Judgement(Protocol("lists", camera_rule=False), np.arange(gallery), good, left_out)


def within(judgement: Judgement, depth: int | None) -> Judgement:
    """The judgement where only the `depth` nearest images are looked at; None looks at all.

    Raises DataError for a depth below 1.
    """
    if depth is not None and depth < 1:
        raise DataError(f"depth = {depth}: at least one image must be looked at")
    return replace(judgement, protocol=replace(judgement.protocol, depth=depth))


def among(judgement: Judgement, chosen: Positions) -> Judgement:
    """The judgement among some of its gallery images alone: ascending positions within its columns."""
    place = np.full(len(judgement.columns), -1)
    place[chosen] = np.arange(len(chosen))
    good, left_out = (
        [found[found >= 0] for found in (place[positions] for positions in of)]
        for of in (judgement.good, judgement.left_out)
    )
    return replace(judgement, columns=judgement.columns[chosen], good=good, left_out=left_out)


def without_themselves(judgement: Judgement, own: Positions) -> Judgement:
    """The judgement where query i is itself the gallery image `own[i]`, which is left out for it; below 0 it is none."""
    places = [np.flatnonzero(judgement.columns == place) for place in own]
    return replace(
        judgement,
        good=[np.setdiff1d(good, place) for good, place in zip(judgement.good, places, strict=True)],
        left_out=[np.union1d(out, place) for out, place in zip(judgement.left_out, places, strict=True)],
    )
