"""VeRi-776's layout: three folders, name lists, label files in gb2312, and the lists of right answers and junk."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from resight.synthetic.roster import Roster, Sighting
from resight.synthetic.street import Street
from resight.synthetic.vehicles import VEHICLE_COLORS, VEHICLE_TYPES
from resight.synthetic.writers.layout import Entry, Layout

__all__ = ["LAYOUT"]


def _place(roster: Roster, seed: int) -> list[Entry]:
    folders = {"train": "image_train"}
    entries = [Entry(s, f"{folders.get(s.role, 'image_test')}/{_name(s)}") for s in roster.sightings]
    return sorted(entries, key=lambda entry: entry.image)


def _name(s: Sighting) -> str:
    """`0001_c001_00016450_0.jpg`: vehicle, camera, frame time, box.

    Distractors are vehicle 0, and so is junk, which VeRi-776 does not have.
    """
    who = 0 if s.role in ("junk", "distractor") else s.identity
    box = {"junk": 8, "distractor": 9}.get(s.role, s.box)
    return f"{who:04d}_c{s.camera:03d}_{s.frame * 5:08d}_{box}.jpg"


def _annotate(root: Path, roster: Roster, entries: Sequence[Entry], street: Street) -> None:
    train = [entry for entry in entries if entry.sighting.role == "train"]
    gallery = [entry for entry in entries if entry.sighting.role != "train"]
    query = [entry for entry in gallery if entry.sighting.role == "query"]
    (root / "image_query").mkdir(exist_ok=True)
    for entry in query:  # Queries lie in the gallery too.
        shutil.copyfile(root / entry.image, root / "image_query" / Path(entry.image).name)
    for split, listed in {"train": train, "query": query, "test": gallery}.items():
        _write_lines(root / f"name_{split}.txt", [Path(entry.image).name for entry in listed])
    _write_labels(root / "train_label.xml", train, street)
    _write_labels(root / "test_label.xml", gallery, street)
    _write_answers(root, query, gallery)
    _write_lines(root / "list_color.txt", [f"{i} {name}" for i, name in enumerate(VEHICLE_COLORS, 1)])
    _write_lines(root / "list_type.txt", [f"{i} {name}" for i, name in enumerate(VEHICLE_TYPES, 1)])


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def _write_labels(path: Path, entries: Sequence[Entry], street: Street) -> None:
    """One Item per image. The root tag is TrainingImages in the test file too; ID 0 stands for not annotated."""
    lines = ['<?xml version="1.0" encoding="gb2312" ?>', '<TrainingImages Version="1.0">']
    lines.append(f'  <Items number="{len(entries)}">')
    for entry in entries:
        s, color, kind = entry.sighting, 0, 0
        known = s.role not in ("junk", "distractor")
        if known:
            vehicle = street.vehicle(s.identity)
            color, kind = VEHICLE_COLORS.index(vehicle.color) + 1, VEHICLE_TYPES.index(vehicle.type) + 1
        lines.append(
            f"    <Item imageName={quoteattr(Path(entry.image).name)} "
            f'vehicleID="{s.identity if known else 0:04d}" cameraID="c{s.camera:03d}" '
            f'colorID="{color}" typeID="{kind}" />'
        )
    lines += ["  </Items>", "</TrainingImages>"]
    path.write_text("\n".join(lines) + "\n", encoding="gb2312")


def _write_answers(root: Path, query: Sequence[Entry], gallery: Sequence[Entry]) -> None:
    """`gt_index.txt` and `jk_index.txt`: per query the 1-based places in name_test.txt of right answers and junk.

    Junk are the images of the query's vehicle from the query's own camera, the query itself included.
    """
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)  # identity -> (place, camera)
    for place, entry in enumerate(gallery, 1):
        if entry.sighting.role not in ("junk", "distractor"):
            places[entry.sighting.identity].append((place, entry.sighting.camera))
    good, junk = [], []
    for entry in query:
        own, found = entry.sighting.camera, places[entry.sighting.identity]
        good.append("".join(f"{place} " for place, camera in found if camera != own))
        junk.append("".join(f"{place} " for place, camera in found if camera == own))
    _write_lines(root / "gt_index.txt", good)
    _write_lines(root / "jk_index.txt", junk)


LAYOUT = Layout(("vehicles",), _place, _annotate)
