"""Making a synthetic dataset on disk."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from PIL import Image

from resight.errors import DataError, ResightError, did_you_mean
from resight.files import folder_written_whole
from resight.processors import cores, worker_context
from resight.synthetic.roster import Sighting, make_roster
from resight.synthetic.street import Kind, Picture, Street
from resight.synthetic.writers import WRITERS, Entry

__all__ = ["PRESETS", "Preset", "Synthesis", "synthesize"]

Progress = Callable[[int, int], None]
"""Called with (pictures made, pictures in all)."""

_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Preset:
    """The size and difficulty of a dataset; see `synthesize` for what each number means."""

    kind: Kind = "people"
    layout: str = "market1501"
    identities: int = 170
    test_identities: int = 50
    cameras: int = 6
    images_per_camera: int = 5
    size: tuple[int, int] = (128, 64)
    junk: int = 100
    distractors: int = 150
    difficulty: float = 1.0


PRESETS: dict[str, Preset] = {
    "people-demo": Preset(),
    "people-tiny": Preset(identities=12, test_identities=4, cameras=3, images_per_camera=3, junk=4, distractors=6),
    "vehicles-demo": Preset(kind="vehicles", layout="veri776", size=(96, 128), junk=0),
    "vehicles-tiny": Preset(
        kind="vehicles",
        layout="veri776",
        size=(96, 128),
        identities=12,
        test_identities=4,
        cameras=3,
        images_per_camera=3,
        junk=0,
        distractors=6,
    ),
}
"""Sizes with a purpose: `*-demo` for the demonstration, `*-tiny` for tests."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What was made."""

    root: Path
    preset: Preset
    images: dict[str, int]
    """Pictures per role: train, query, gallery, junk, distractor."""
    seconds: float
    processes: int

    @property
    def total(self) -> int:
        return sum(self.images.values())


def synthesize(
    out: str | os.PathLike[str],
    kind: Kind = "people",
    layout: str | None = None,
    *,
    identities: int | None = None,
    test_identities: int | None = None,
    cameras: int | None = None,
    images_per_camera: int | None = None,
    size: tuple[int, int] | None = None,
    junk: int | None = None,
    distractors: int | None = None,
    difficulty: float | None = None,
    preset: str | None = None,
    seed: int = 0,
    processes: int | None = None,
    masks: bool = False,
    progress: Progress | None = None,
) -> Synthesis:
    """Draw a dataset of people or vehicles and write it in the layout of a real one.

    >>> synthesize("street", identities=200, seed=1).total  # doctest: +SKIP

    The preset (by default the demonstration's for `kind`) gives what is left out. `identities` counts training and
    test identities together; where only it is given, the preset's share of them is for testing. An identity is seen
    by 2 to all `cameras`, about `images_per_camera` times each. `size` is (height, width) in pixels. `junk` and
    `distractors` are gallery pictures without an identity (-1 and 0). `difficulty` scales the variation of
    cameras, poses and crops and the share of occluded subjects (1 as in the demonstration, 0 clean pictures). `masks`
    adds `masks/`, a binary PNG for every picture (the segmentation layout always has them). The same arguments give
    the same bytes, whatever `processes` is; None uses a core for every thousand pictures, up to all.

    Beside the layout's own files lie `synthetic.json` and `pictures.csv`, a manifest of all pictures whose column
    `junk_kind` says what is wrong with junk and some distractors: close, beside or empty.

    The folder appears whole or not at all. Raises DataError for impossible numbers, an unknown name, or an `out` that
    is not empty.
    """
    plan = _plan(kind, layout, preset, identities, test_identities)
    given = {
        "cameras": cameras,
        "images_per_camera": images_per_camera,
        "size": size,
        "junk": junk,
        "distractors": distractors,
        "difficulty": difficulty,
    }
    plan = replace(plan, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    _check(plan, seed, processes, masks)
    writer = WRITERS[plan.layout]
    roster = make_roster(
        seed,
        plan.identities,
        plan.test_identities,
        plan.cameras,
        plan.images_per_camera,
        plan.junk,
        plan.distractors,
    )
    entries = writer.place(roster, seed)
    if masks and not writer.masked:
        entries = [
            replace(entry, mask=f"masks/{Path(entry.image).with_suffix('.png').as_posix()}") for entry in entries
        ]
    workers = processes or min(cores(), max(1, len(entries) // 1000))
    started = time.monotonic()
    with folder_written_whole(out, DataError) as folder:
        for part in sorted({str(Path(name).parent) for e in entries for name in (e.image, e.mask) if name}):
            (folder / part).mkdir(parents=True, exist_ok=True)
        _draw_all(folder, plan, seed, entries, workers, progress or (lambda done, total: None))
        street = Street(plan.kind, seed, plan.size, plan.difficulty)
        writer.annotate(folder, roster, entries, street)
        _write_list(folder, entries, street)
        _write_note(folder, plan, seed)
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.sighting.role] = counts.get(entry.sighting.role, 0) + 1
    return Synthesis(Path(out), plan, counts, time.monotonic() - started, workers)


def _plan(
    kind: str, layout: str | None, preset: str | None, identities: int | None, test_identities: int | None
) -> Preset:
    name = preset or f"{kind}-demo"
    if name not in PRESETS:
        kinds = [each.removesuffix("-demo") for each in PRESETS]
        near = did_you_mean(preset or kind, PRESETS if preset else kinds)
        wrong = f"unknown {'preset' if preset else 'kind'} {preset or kind!r}{near}"
        raise DataError(f"{wrong}; presets are {', '.join(PRESETS)}, kinds people and vehicles")
    plan = PRESETS[name]
    if layout is not None:
        plan = replace(plan, layout=layout)
    if identities is not None:
        share = plan.test_identities / plan.identities
        plan = replace(plan, identities=identities, test_identities=max(1, round(identities * share)))
    return plan if test_identities is None else replace(plan, test_identities=test_identities)


def _check(plan: Preset, seed: int, processes: int | None, masks: bool) -> None:
    if plan.layout not in WRITERS:
        raise DataError(
            f"unknown layout {plan.layout!r}{did_you_mean(plan.layout, WRITERS)}; known are {', '.join(WRITERS)}"
        )
    if plan.kind not in WRITERS[plan.layout].kinds:
        fitting = [name for name, writer in WRITERS.items() if plan.kind in writer.kinds]
        raise DataError(f"layout {plan.layout} holds no {plan.kind}; layouts for {plan.kind}: {', '.join(fitting)}")
    if masks and WRITERS[plan.layout].masked is None:
        raise DataError(f"layout {plan.layout} has no place for masks; use layout segmentation")
    least = {
        "identities": 2,
        "test_identities": 0,
        "cameras": 2,
        "images_per_camera": 2,
        "junk": 0,
        "distractors": 0,
        "difficulty": 0,
    }
    for name, smallest in least.items():
        if getattr(plan, name) < smallest:
            raise DataError(f"{name} is {getattr(plan, name)}; it must be at least {smallest}")
    if plan.identities > 9999:
        raise DataError(f"identities is {plan.identities}; the layouts' names have room for 9999")
    if plan.test_identities >= plan.identities:
        raise DataError(f"{plan.test_identities} test identities of {plan.identities} leave none to train on")
    if min(plan.size) < 16 or max(plan.size) > 1024:
        raise DataError(f"size is {plan.size}; height and width must be 16 to 1024 pixels")
    if seed < 0:
        raise DataError(f"seed is {seed}; it must not be negative")
    if processes is not None and processes < 1:
        raise DataError(f"processes is {processes}; it must be at least 1")


def _draw_all(
    folder: Path, plan: Preset, seed: int, entries: Sequence[Entry], workers: int, progress: Progress
) -> None:
    street = (plan.kind, seed, plan.size, plan.difficulty)
    chunks = [entries[i : i + _CHUNK] for i in range(0, len(entries), _CHUNK)]
    done = 0
    if workers == 1:
        for chunk in chunks:
            done += _draw_chunk(str(folder), street, chunk)
            progress(done, len(entries))
        return
    # Not fork: the caller may have threads (torch's) that do not exist in a forked child.
    try:
        with ProcessPoolExecutor(workers, mp_context=worker_context("spawn")) as pool:
            for future in as_completed([pool.submit(_draw_chunk, str(folder), street, chunk) for chunk in chunks]):
                done += future.result()
                progress(done, len(entries))
    except BrokenProcessPool as error:
        raise ResightError("the drawing processes died, perhaps for want of memory; give processes=1") from error


@lru_cache(maxsize=1)
def _street(kind: Kind, seed: int, size: tuple[int, int], difficulty: float) -> Street:
    return Street(kind, seed, size, difficulty)


def _draw_chunk(folder: str, street: tuple[Kind, int, tuple[int, int], float], chunk: Sequence[Entry]) -> int:
    """Draw and save some pictures, in a process of its own; returns how many."""
    drawn = _street(*street)
    for entry in chunk:
        image, mask = _draw(drawn, entry.sighting)
        quality = drawn.camera(entry.sighting.camera).quality
        Image.fromarray(image).save(f"{folder}/{entry.image}", "JPEG", quality=quality)
        if entry.mask is not None:
            Image.fromarray(mask).save(f"{folder}/{entry.mask}", "PNG")
    return len(chunk)


def _draw(street: Street, s: Sighting) -> Picture:
    if s.role == "junk":
        return street.junk(s.shot, s.identity, s.camera)
    if s.role == "distractor":
        return street.distractor(s.shot, s.camera)
    return street.picture(s.identity, s.camera, s.shot)


def _write_list(folder: Path, entries: Sequence[Entry], street: Street) -> None:
    """`pictures.csv`: a manifest of all pictures; `junk_kind` says what is wrong with junk and some distractors."""
    kinds = {"junk": street.junk_kind, "distractor": street.distractor_kind}
    identities = {"junk": -1, "distractor": 0}
    with open(folder / "pictures.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "identity", "camera", "split", "junk_kind"])
        for entry in entries:
            s = entry.sighting
            split = s.role if s.role in ("train", "query") else "gallery"
            kind = kinds[s.role](s.shot) if s.role in kinds else None
            writer.writerow([entry.image, identities.get(s.role, s.identity), s.camera, split, kind or ""])


def _write_note(folder: Path, plan: Preset, seed: int) -> None:
    """`synthetic.json`: the note that these pictures are synthetic, and the numbers they were made with."""
    text = json.dumps({"made_by": "resight data synthesize", "seed": seed, **asdict(plan)}, indent=2)
    (folder / "synthetic.json").write_text(text + "\n", encoding="utf-8")
