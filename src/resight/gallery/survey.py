"""What is in a gallery, counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resight.gallery.gallery import Gallery
from resight.gallery.store import IndexFacts, Storage
from resight.words import counted

__all__ = ["Survey", "survey"]


@dataclass(frozen=True)
class Survey:
    """Counts of one version of a gallery."""

    where: str
    images: int
    known: Mapping[str, int]
    """Column -> how many images have a value in it."""
    identities: int
    """Different ones above 0; distractors and junk are none."""
    cameras: tuple[int, ...]
    times: tuple[int, int] | None
    """Earliest and latest, milliseconds since 1970; None where no image has a time."""
    kinds: Mapping[str, str]
    metric: str
    width: int
    storage: Storage
    model: str | None
    """The run that it was made with, where it was then."""
    fingerprint: str
    calibrated: bool
    caution: str | None
    """What to know before the probabilities are trusted, a line."""
    index: IndexFacts | None

    def summary(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "gallery": self.where,
            "images": self.images,
            "identities": self.identities,
            "cameras": list(self.cameras),
            "time": None if self.times is None else [_date(end) for end in self.times],
            "columns": {
                name: {"kind": kind, "known": self.known[name]} for name, kind in self.kinds.items() if name != "id"
            },
            "metric": self.metric,
            "width": self.width,
            "engine": self.storage.engine,
            "bytes": self.storage.bytes,
            "pieces": self.storage.pieces,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "calibrated": self.calibrated,
            "caution": self.caution,
            "index": None if self.index is None else self.index.to_json(),
        }

    def lines(self) -> list[tuple[str, str]]:
        """What a terminal shows, in words: what it is about, and what is so."""
        vectors = self.images * self.width * 4
        times = "–" if self.times is None else " to ".join(map(_date, self.times))
        share = f", {self.storage.bytes / vectors:.2f} × the vectors alone" if vectors else ""
        pieces = f", in {self.storage.pieces} pieces" if self.storage.pieces > 1 else ""
        named = ", ".join(map(str, self.cameras[:12])) + (" …" if len(self.cameras) > 12 else "")
        return [
            ("images", f"{self.images:,}"),
            ("identities", f"{self.identities:,}"),
            ("cameras", f"{len(self.cameras)}: {named}" if self.cameras else "–"),
            ("time", times),
            ("features", f"{self.width} numbers, compared by {self.metric}"),
            ("kept by", f"{self.storage.engine}: {self.storage.bytes / 1e6:,.1f} MB{share}{pieces}"),
            ("model", f"{self.model or 'not a run'} ({self.fingerprint[:12]})"),
            ("probabilities", "calibrated" if self.calibrated else "none; make them with `resight calibrate`"),
            ("index", self._indexed()),
            *([("note", self.caution)] if self.caution else []),
        ]

    def _indexed(self) -> str:
        if self.index is None:
            return "none: every search is exact"
        reached = self.index.recall.get(1.0)
        found = "" if reached is None else f", recall {reached:.3f} of the {self.index.promised:g} asked for"
        since = self.images - self.index.rows
        grown = f"; {counted(abs(since), 'image')} {'more' if since > 0 else 'fewer'} since" if since else ""
        return f"{self.index.kind} over {counted(self.index.rows, 'image')}{found}{grown}"


def survey(gallery: Gallery) -> Survey:
    """Count what is in a gallery; reads all columns but the vectors, a piece at a time."""
    kinds = gallery.columns
    known = dict.fromkeys(kinds, 0)
    identities: set[int] = set()
    cameras: set[int] = set()
    times: list[int] = []
    images = 0
    for rows in gallery.rows(vectors=False):
        images += len(rows)
        for name in kinds:
            known[name] += len(rows) - rows[name].null_count
        identities.update(_different(rows["identity"]))
        cameras.update(_different(rows["camera"]))
        ends = pc.min_max(rows["time"]).as_py()
        times += [ends[end] for end in ("min", "max") if ends[end] is not None]
    return Survey(
        gallery.where,
        images,
        known,
        len([identity for identity in identities if identity > 0]),
        tuple(sorted(cameras)),
        (min(times), max(times)) if times else None,
        kinds,
        gallery.metric,
        gallery.schema.width,
        gallery.storage,
        gallery.facts["model"],
        gallery.facts["fingerprint"],
        gallery.calibration is not None,
        gallery.caution,
        gallery.index,
    )


def _different(column: pa.Array) -> list[int]:
    values: list[int] = np.unique(column.drop_null().to_numpy(zero_copy_only=False)).tolist()
    return values


def _date(moment: int) -> str:
    """A whole second in ISO's form, UTC."""
    return f"{np.datetime64(moment, 'ms').astype('datetime64[s]')}Z"
