"""Which gallery images count for a query: protocols, and the judgement that one passes on a pair of label sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.records import JUNK, NO_CAMERA, Relevance

__all__ = ["PROTOCOLS", "Judgement", "Protocol", "judge", "judge_lists", "without_themselves"]

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rules of an evaluation."""

    name: str
    camera_rule: bool
    """Leave out the query's own identity in the query's own camera (Zheng et al. 2015, section 3)."""
    depth: int | None = None
    """Only this many nearest images are looked at; what lies deeper is lost recall."""


PROTOCOLS: dict[str, Protocol] = {
    "market1501": Protocol("market1501", camera_rule=True),
    # Liu et al. 2016 as the toolkits evaluate it; the dataset's own lists come as a Relevance.
    "veri776": Protocol("veri776", camera_rule=True),
    # Liu et al. 2016 of VehicleID, whose cameras are not told: one image of each vehicle in the gallery.
    "vehicleid": Protocol("vehicleid", camera_rule=False),
    "course": Protocol("course", camera_rule=False, depth=80),
}
"""Protocol by name. In every one junk (identity -1) is left out and distractors (identity 0) stay."""


@dataclass(frozen=True)
class Judgement:
    """Which gallery images are right and which are left out, for every query.

    `columns` are the gallery positions that count for anybody, ascending; `good[i]` and `left_out[i]` are positions
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

    An unknown camera (-1) equals no other: nothing is left out for it.
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
    cameras = gallery_cameras[columns]
    good, left_out = [], []
    for positions, camera in zip(same, query_cameras, strict=True):
        own = (cameras[positions] == camera) & (camera != NO_CAMERA)
        good.append(positions[~own])
        left_out.append(positions[own])
    return Judgement(protocol, columns, good, left_out)


def judge_lists(relevance: Relevance, queries: int, gallery: int) -> Judgement:
    """Judge by a dataset's own lists. An image on both lists is junk, as in the MATLAB code that reads them."""
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


def without_themselves(judgement: Judgement, own: Positions) -> Judgement:
    """The same when query i is gallery image `own[i]`, which is neither right nor wrong."""
    places = np.searchsorted(judgement.columns, own)
    return replace(
        judgement,
        good=[good[good != place] for good, place in zip(judgement.good, places, strict=True)],
        left_out=[np.union1d(out, [place]) for out, place in zip(judgement.left_out, places, strict=True)],
    )
