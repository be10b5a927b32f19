"""A synthetic dataset's files without its pictures: what a layout writes can be read back in milliseconds."""

from __future__ import annotations

from pathlib import Path

from resight.synthetic.roster import Roster, make_roster
from resight.synthetic.street import Kind, Street
from resight.synthetic.writers import WRITERS, Entry

SEED = 3


def small_roster(junk: int = 3, distractors: int = 4) -> Roster:
    """Eight identities, three of them for testing, in three cameras about three times each."""
    return make_roster(SEED, 8, 3, cameras=3, images_per_camera=3, junk=junk, distractors=distractors)


def write_layout(root: Path, name: str, kind: Kind, roster: Roster) -> list[Entry]:
    """The layout's annotation files around pictures that hold only their own name."""
    layout = WRITERS[name]
    entries = layout.place(roster, SEED)
    for entry in entries:
        for path in filter(None, (entry.image, entry.mask)):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(path)
    layout.annotate(root, roster, entries, Street(kind, SEED))
    return entries
