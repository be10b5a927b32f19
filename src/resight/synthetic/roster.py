"""The list of a dataset's pictures before any is drawn: who is seen by which camera, and in which split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from resight.synthetic.randomness import Stream, random_stream

__all__ = ["Role", "Roster", "Sighting", "make_roster"]

Role = Literal["train", "query", "gallery", "junk", "distractor"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One picture to be made. `identity` is 0 for a distractor; for junk it is the individual that is shown badly."""

    role: Role
    identity: int
    camera: int
    shot: int
    """Number of the shot within its track; of junk and distractors, their running number."""
    sequence: int
    frame: int
    box: int


@dataclass(frozen=True, slots=True)
class Roster:
    """All pictures of a dataset, ordered by role, identity, camera and shot."""

    train: tuple[int, ...]
    """Identities to train on, ascending."""
    test: tuple[int, ...]
    cameras: int
    sightings: tuple[Sighting, ...]

    def of(self, *roles: Role) -> list[Sighting]:
        """The pictures of some roles."""
        return [sighting for sighting in self.sightings if sighting.role in roles]


def make_roster(
    seed: int,
    identities: int,
    test_identities: int,
    cameras: int,
    images_per_camera: int,
    junk: int,
    distractors: int,
) -> Roster:
    """Draw at random who is seen by which camera, and how often.

    Of `identities`, `test_identities` are for testing. Each is seen by 2 to all of the cameras, in each about
    `images_per_camera` times (2 at least, so that a query's camera holds another picture of it). One picture of
    each test identity and camera is a query, as in Market-1501. Junk and distractors lie in the gallery.
    """
    rng = random_stream(seed, Stream.ROSTER)
    order = rng.permutation(np.arange(1, identities + 1))
    test = {int(identity) for identity in order[:test_identities]}
    sightings: list[Sighting] = []
    for identity in range(1, identities + 1):
        sightings.extend(_tracks(rng, identity, identity in test, cameras, images_per_camera))
    pool = sorted(test) or list(range(1, identities + 1))
    for number in range(junk):
        identity = pool[int(rng.integers(len(pool)))]
        sightings.append(_stray("junk", rng, identity, cameras, number))
    for number in range(distractors):
        sightings.append(_stray("distractor", rng, 0, cameras, number))
    roles: tuple[Role, ...] = ("train", "query", "gallery", "junk", "distractor")
    sightings.sort(key=lambda s: (roles.index(s.role), s.identity, s.camera, s.shot))
    train = tuple(identity for identity in range(1, identities + 1) if identity not in test)
    return Roster(train, tuple(sorted(test)), cameras, tuple(sightings))


def _tracks(rng: np.random.Generator, identity: int, test: bool, cameras: int, images: int) -> Iterator[Sighting]:
    seen = rng.permutation(np.arange(1, cameras + 1))[: int(rng.integers(2, cameras + 1))]
    for camera in sorted(int(number) for number in seen):
        spread = max(1, images // 3)
        count = int(rng.integers(max(2, images - spread), images + spread + 1))
        sequence, frame = int(rng.integers(1, 7)), int(rng.integers(1, 90_000))
        query = int(rng.integers(count)) if test else -1
        for shot in range(count):
            role: Role = "train" if not test else "query" if shot == query else "gallery"
            box = int(rng.integers(1, 5))
            yield Sighting(role, identity, camera, shot, sequence, frame + 25 * shot, box)


def _stray(role: Role, rng: np.random.Generator, identity: int, cameras: int, number: int) -> Sighting:
    camera, sequence = int(rng.integers(1, cameras + 1)), int(rng.integers(1, 7))
    return Sighting(role, identity, camera, number, sequence, 1 + 25 * number, int(rng.integers(1, 10)))
