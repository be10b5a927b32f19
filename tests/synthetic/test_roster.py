"""The roster: every picture and its part in the dataset, counted before any is drawn."""

from __future__ import annotations

from collections import Counter

import pytest

from resight.synthetic.roster import Roster, Sighting, make_roster

ROSTER = make_roster(0, identities=30, test_identities=10, cameras=4, images_per_camera=5, junk=7, distractors=9)


def tracks(roster: Roster) -> dict[tuple[int, int], list[Sighting]]:
    """(identity, camera) -> its sightings, without junk and distractors."""
    found: dict[tuple[int, int], list[Sighting]] = {}
    for sighting in roster.of("train", "query", "gallery"):
        found.setdefault((sighting.identity, sighting.camera), []).append(sighting)
    return found


def test_identities_train_or_test_and_each_number_is_one() -> None:
    assert len(ROSTER.train) == 20
    assert len(ROSTER.test) == 10
    assert sorted((*ROSTER.train, *ROSTER.test)) == list(range(1, 31))
    assert {sighting.identity for sighting in ROSTER.of("train")} == set(ROSTER.train)
    assert {sighting.identity for sighting in ROSTER.of("query")} == set(ROSTER.test)
    assert {sighting.identity for sighting in ROSTER.of("gallery")} == set(ROSTER.test)


def test_each_identity_is_seen_by_two_cameras_or_more_about_five_times_each() -> None:
    cameras = Counter(identity for identity, _ in tracks(ROSTER))
    assert set(cameras.values()) <= {2, 3, 4}
    sizes = [len(shots) for shots in tracks(ROSTER).values()]
    assert min(sizes) == 4
    assert max(sizes) == 6
    few = make_roster(0, 30, 10, 2, images_per_camera=2, junk=0, distractors=0)
    assert {len(shots) for shots in tracks(few).values()} == {2, 3}, "two at least"


def test_one_picture_of_each_test_identity_and_camera_is_a_query() -> None:
    for (identity, _), shots in tracks(ROSTER).items():
        assert sum(shot.role == "query" for shot in shots) == (identity in ROSTER.test)
        assert sorted(shot.shot for shot in shots) == list(range(len(shots)))


def test_a_track_is_one_second_a_shot_in_one_sequence() -> None:
    for shots in tracks(ROSTER).values():
        ordered = sorted(shots, key=lambda shot: shot.shot)
        assert len({shot.sequence for shot in ordered}) == 1
        frames = [shot.frame for shot in ordered]
        assert frames == [frames[0] + 25 * number for number in range(len(frames))]


def test_junk_nearly_shows_a_test_identity_and_distractors_are_nobody() -> None:
    junk, distractors = ROSTER.of("junk"), ROSTER.of("distractor")
    assert [sighting.shot for sighting in sorted(junk, key=lambda s: s.shot)] == list(range(7))
    assert {sighting.identity for sighting in junk} <= set(ROSTER.test)
    assert len(distractors) == 9
    assert {sighting.identity for sighting in distractors} == {0}
    assert all(1 <= sighting.camera <= 4 for sighting in ROSTER.sightings)


def test_pictures_are_ordered_by_role_identity_camera_and_shot() -> None:
    roles = ["train", "query", "gallery", "junk", "distractor"]
    keys = [(roles.index(s.role), s.identity, s.camera, s.shot) for s in ROSTER.sightings]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_alone_decides(seed: int) -> None:
    again = make_roster(seed, 30, 10, 4, 5, 7, 9)
    assert (again == ROSTER) == (seed == 0)


def test_without_test_identities_junk_is_of_those_that_train() -> None:
    roster = make_roster(0, 5, 0, 3, 3, junk=4, distractors=0)
    assert roster.test == ()
    assert not roster.of("query", "gallery")
    assert {sighting.identity for sighting in roster.of("junk")} <= set(roster.train)
