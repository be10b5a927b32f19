"""Splits of a dataset: identities into training and validation, a validation set into query and gallery.

The identity split keeps every attribute's share on both sides (200 people with a hat at ratio 0.8 become
160 and 40), as the "Bruna" report asks: partly random, with deterministic choices that keep it even. It
starts as iterative stratification does (Sechidis et al. 2011: rarest class first) and then exchanges
identities while that helps.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.records import NO_CAMERA, Record, ReidDataset
from resight.words import counted

__all__ = ["QueryGallery", "held_out", "identity_split", "query_gallery_first", "query_gallery_split", "split_dataset"]

# Candidates of each side that one exchange compares: more of them cost time and make a better exchange.
_CANDIDATES = 48
_EXCHANGES = 5_000
_ATTEMPTS = 16
# An attribute with more values than this is a note on single images; its shares are not kept.
_MOST_CLASSES = 200


@dataclass(frozen=True, slots=True)
class QueryGallery:
    """A validation set split in two, and the identities (sorted) that cannot be searched well."""

    query: list[Record]
    gallery: list[Record]
    single_image: tuple[int, ...]
    """Identities with one image in all, so that a query of theirs could have no match."""
    single_camera: tuple[int, ...]
    """Identities with several images, all of one camera, among which the usual protocol counts no match."""
    without_match: tuple[int, ...]
    """Identities with a query for which the usual protocol counts nothing in the gallery as a match."""

    @property
    def warnings(self) -> list[str]:
        """One line per kind of identity that cannot be searched; empty when all can."""
        lines = (
            (self.single_image, "one image only"),
            (self.single_camera, "images of one camera only"),
            (self.without_match, "a query without a match from another camera in the gallery"),
        )
        return [
            f"{counted(len(ids), 'identity has', 'identities have')} {what}: {_some(ids)}" for ids, what in lines if ids
        ]


def identity_split(records: Sequence[Record], ratio: float = 0.8, seed: int = 0) -> tuple[list[Record], list[Record]]:
    """Split records by identity, `ratio` of the identities first, the rest second; records keep their order.

    `train, validation = identity_split(dataset.train)`

    Each class of each attribute keeps its share of identities on both sides, within one identity or two
    percent of its identities wherever the counts allow. The result depends on the seed, and not on the
    order of the records. Raises DataError for records without a real identity, fewer than two identities,
    or a ratio outside (0, 1).
    """
    if not 0 < ratio < 1:
        raise DataError(f"split ratio {ratio} must lie between 0 and 1")
    stray = next((record for record in records if record.identity < 1), None)
    if stray is not None:
        raise DataError(f"{stray.path}: identity {stray.identity} (junk, distractor or unlabelled) cannot be split")
    identities, members = _class_matrix(records)
    if len(identities) < 2:
        raise DataError(f"{len(identities)} identities cannot be split in two")
    first = set(identities[_stratify(members, ratio, seed)].tolist())
    return (
        [record for record in records if record.identity in first],
        [record for record in records if record.identity not in first],
    )


def held_out(records: Sequence[Record], ratio: float, seed: int = 0) -> tuple[list[Record], list[Record]]:
    """Records to train on, and records of the share `ratio` of the identities, which are held out (none for 0).

    Where an image has no identity (unlabelled, junk or a distractor), that share of the images is held out instead.
    """
    if not ratio:
        return list(records), []
    if all(record.identity > 0 for record in records):
        return identity_split(records, 1 - ratio, seed)
    # RandomState, because NumPy promises that its numbers never change.
    order = np.random.RandomState(seed).permutation(len(records))
    left_out = set(order[: max(1, round(ratio * len(records)))].tolist())
    kept = [record for position, record in enumerate(records) if position not in left_out]
    return kept, [records[position] for position in sorted(left_out)]


def query_gallery_split(records: Sequence[Record], ratio: float = 0.1, seed: int = 0) -> QueryGallery:
    """Take `ratio` of each identity's images (rounded, at least one) as queries, the rest as gallery.

    Each query keeps a match in the gallery, from another camera where the identity has one. An identity
    with one image stays in the gallery and is reported; junk, distractors and unlabelled images belong to
    the gallery.
    Raises DataError for a ratio outside (0, 1).
    """
    if not 0 < ratio < 1:
        raise DataError(f"query ratio {ratio} must lie between 0 and 1")
    # RandomState, because NumPy promises that its numbers never change, so that a split can be cited.
    random = np.random.RandomState(seed)
    chosen: set[int] = set()
    for _, positions in sorted(_by_identity(records).items()):
        positions.sort(key=lambda position: _name_key(records[position]))
        wanted = max(1, int(ratio * len(positions) + 0.5))
        cameras = _told_apart([records[position].camera for position in positions])
        picked = _pick_queries(cameras, random.permutation(len(positions)), wanted)
        chosen.update(positions[pick] for pick in picked)
    return _divide(records, chosen)


def query_gallery_first(records: Sequence[Record]) -> QueryGallery:
    """Take each identity's first image by name in each camera as a query, the rest as gallery.

    Nothing is random, so that results of different systems can be compared. A query may be left without a
    match; its identity is then reported. Junk, distractors and unlabelled images belong to the gallery.
    """
    chosen: set[int] = set()
    for positions in _by_identity(records).values():
        first: dict[int, int] = {}
        for position in sorted(positions, key=lambda position: _name_key(records[position])):
            first.setdefault(records[position].camera, position)
        chosen.update(first.values())
    return _divide(records, chosen)


def split_dataset(
    dataset: ReidDataset,
    ratio: float = 0.8,
    seed: int = 0,
    queries: Literal["first", "ratio"] = "first",
    query_ratio: float = 0.1,
) -> ReidDataset:
    """Make train, query and gallery from a dataset's training records alone, disjoint in identities.

    `queries="first"` takes each identity's first image per camera as a query, `"ratio"` a share of its
    images. The dataset's own query and gallery are not used, so nothing of a test set leaks into the choice
    of a model.
    """
    train, validation = identity_split(dataset.train, ratio, seed)
    if queries == "first":
        halves = query_gallery_first(validation)
    else:
        halves = query_gallery_split(validation, query_ratio, seed)
    # Explicit answers are positions in another gallery, and protocols without a camera rule suit other test sets.
    return replace(
        dataset,
        train=train,
        query=halves.query,
        gallery=halves.gallery,
        relevance=None,
        protocol="market1501",
    )


def _class_matrix(records: Iterable[Record]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sorted identities, and whether each has a class of an attribute: 0 or 1, (identities, classes)."""
    held: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
    for record in records:
        held[record.identity].update(record.attributes.items())
    identities = sorted(held)
    classes = sorted(set().union(*held.values()))
    values = Counter(name for name, _ in classes)
    column = {item: number for number, item in enumerate(c for c in classes if values[c[0]] <= _MOST_CLASSES)}
    members = np.zeros((len(identities), len(column)))
    for row, identity in enumerate(identities):
        members[row, [column[item] for item in held[identity] if item in column]] = 1
    return np.array(identities, np.int64), members


def _stratify(members: NDArray[np.float64], ratio: float, seed: int) -> NDArray[np.bool_]:
    """Rows of the first side: round(ratio · rows) of them, with each column's sum near `ratio` of its whole."""
    rows = len(members)
    count = min(max(round(ratio * rows), 1), rows - 1)
    sizes = members.sum(0)
    # A class of two or more is wanted on both sides, even where its share would round to all of it.
    wanted = np.where(sizes >= 2, np.clip(ratio * sizes, 1, np.maximum(sizes - 1, 1)), ratio * sizes)
    random = np.random.RandomState(seed)  # Its numbers never change between NumPy versions.
    best, least = np.zeros(rows, bool), np.inf
    for _ in range(_ATTEMPTS):
        order = random.permutation(rows)
        shuffled = members[order]
        first = _deal(shuffled, wanted, count)
        _exchange(shuffled, wanted, first)
        deviation = np.abs(shuffled[first].sum(0) - wanted).max(initial=0).round(9)
        if deviation < least:
            least = deviation
            best[order] = first
        if least <= 1:
            break
    return best


def _deal(members: NDArray[np.float64], wanted: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """A first choice of `count` rows: of each class, the rarest first, as many as the first side still lacks."""
    first = np.zeros(len(members), bool)
    free = np.ones(len(members), bool)
    for column in np.argsort(members.sum(0), kind="stable"):
        holders = np.flatnonzero(free & (members[:, column] > 0))
        lacking = round(wanted[column] - members[first, column].sum())
        first[holders[: max(lacking, 0)]] = True
        free[holders] = False
    spare = [*np.flatnonzero(free), *np.flatnonzero(~free & ~first)] if first.sum() < count else np.flatnonzero(first)
    missing = count - int(first.sum())
    first[spare[: abs(missing)]] = missing > 0
    return first


def _exchange(members: NDArray[np.float64], wanted: NDArray[np.float64], first: NDArray[np.bool_]) -> None:
    """Exchange pairs of rows between the sides, in place, while that lowers the sum of squared deviations.

    Giving row i away for row j changes it by Σ 2 r (a_j − a_i) + (a_j − a_i)², r being the deviations now.
    All but the product a_i a_j is a sum of one term per row, so the rows with the lowest terms are the
    candidates.
    """
    deviation = members[first].sum(0) - wanted
    square = members.sum(1)
    for _ in range(_EXCHANGES):
        slope = members @ (2 * deviation)
        leave = _lowest(np.where(first, square - slope, np.inf), int(first.sum()))
        enter = _lowest(np.where(first, np.inf, square + slope), int((~first).sum()))
        change = (square - slope)[leave][:, None] + (square + slope)[enter] - 2 * members[leave] @ members[enter].T
        # Rounded, so that equal choices stay equal whatever order a processor adds in.
        best = np.unravel_index(np.argmin(change.round(9)), change.shape)
        if change[best] > -1e-9:
            return
        out, into = leave[best[0]], enter[best[1]]
        first[out], first[into] = False, True
        deviation += members[into] - members[out]


def _lowest(values: NDArray[np.float64], available: int) -> NDArray[np.intp]:
    return np.argsort(values.round(9), kind="stable")[: min(_CANDIDATES, available)]


def _by_identity(records: Sequence[Record]) -> dict[int, list[int]]:
    positions: defaultdict[int, list[int]] = defaultdict(list)
    for position, record in enumerate(records):
        if record.identity >= 1:
            positions[record.identity].append(position)
    return positions


def _name_key(record: Record) -> tuple[str, str]:
    return os.path.basename(record.path), record.path


def _pick_queries(cameras: Sequence[int], order: NDArray[np.int64], wanted: int) -> list[int]:
    """Up to `wanted` images, in the order given, such that each keeps a match among the images that are left.

    The match is from another camera where the identity has several cameras, else from any.
    """
    across = len(set(cameras)) > 1
    picked: list[int] = []
    for position in order.tolist():
        if len(picked) == wanted:
            break
        attempt = [*picked, position]
        left = [camera for number, camera in enumerate(cameras) if number not in attempt]
        if left and (not across or all(set(left) - {cameras[query]} for query in attempt)):
            picked = attempt
    return picked


def _divide(records: Sequence[Record], chosen: set[int]) -> QueryGallery:
    cameras = _told_apart([record.camera for record in records])
    single, one_camera, unmatched = [], [], []
    for identity, positions in sorted(_by_identity(records).items()):
        left = {cameras[position] for position in positions if position not in chosen}
        if len(positions) == 1:
            single.append(identity)
        elif len({cameras[position] for position in positions}) == 1:
            one_camera.append(identity)
        elif not all(left - {cameras[position]} for position in chosen.intersection(positions)):
            unmatched.append(identity)
    query = [record for position, record in enumerate(records) if position in chosen]
    gallery = [record for position, record in enumerate(records) if position not in chosen]
    return QueryGallery(query, gallery, tuple(single), tuple(one_camera), tuple(unmatched))


def _told_apart(cameras: Sequence[int]) -> list[int]:
    """Cameras in which each unknown one has a number of its own, so that it excludes no match."""
    return [NO_CAMERA - number if camera == NO_CAMERA else camera for number, camera in enumerate(cameras)]


def _some(identities: Sequence[int], most: int = 5) -> str:
    return ", ".join(map(str, identities[:most])) + (", …" if len(identities) > most else "")
