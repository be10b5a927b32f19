"""What a request asks of a gallery, and the answer to it. Nothing here knows of HTTP, and nothing takes a path."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Sequence

import numpy as np

from resight.errors import DataError, OptionError
from resight.gallery import Gallery, Hit
from resight.recognizer import FeaturesAndAttributes
from resight.records import NO_CAMERA, UNLABELLED, Record
from resight.retrieval.feedback import rocchio
from resight.serving.schemas import About, Column, Count, Facts, Found, Match, Options, Stay

__all__ = ["Answers"]

_HIDDEN = frozenset({"path", "mask"})
"""Columns that tell where files are; a page has no use for them."""
_VALUES = 200
"""Values of a column that are told, the most frequent ones."""
_FOLLOWED = 10_000
"""Images of one individual that are followed at most."""
_APART = 30 * 60 * 1000
"""Milliseconds without an image that end a stay."""


class Answers:
    """Answers from one gallery.

    >>> Answers(Gallery.open("gallery")).about().count
    """

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery

    def about(self) -> About:
        """The gallery as a whole."""
        self.gallery.refresh()
        source = self.gallery.model.source
        return About(
            count=len(self.gallery),
            metric=self.gallery.metric,
            columns=[
                Column(name=name, kind=kind) for name, kind in self.gallery.columns.items() if name not in _HIDDEN
            ],
            calibrated=self.gallery.calibration is not None,
            model=os.path.basename(source or "") or "a model",
        )

    def search(self, asked: Sequence[FeaturesAndAttributes], options: Options) -> Found:
        """The images nearest to some images of one individual, each with its features [D] and attributes [A] or None.

        Raises OptionError for `accept` where nothing tells a probability: whoever is there would be called nobody.
        """
        began = time.perf_counter()
        self.gallery.refresh()
        if options.accept is not None and self.gallery.calibration is None:
            raise OptionError(
                "this gallery knows no probabilities; leave out accept, or run `resight calibrate` on the model first"
            )
        features, attributes = self._query(asked, options)
        hits = self.gallery.search_individual(
            features,
            options.k,
            options.where,
            attributes=attributes,
            how=options.how,
            combine=options.combine,
            expand=options.expand,
            rerank=options.rerank,
            camera=NO_CAMERA if options.camera is None else options.camera,
        )
        return Found(
            hits=[_match(hit) for hit in hits],
            nobody=_nobody(hits, options.accept),
            matching=self.gallery.count(options.where),
            took_ms=round((time.perf_counter() - began) * 1000, 2),
        )

    def _query(self, asked: Sequence[FeaturesAndAttributes], options: Options) -> FeaturesAndAttributes:
        """What is searched for, [N, D] and [N, A]: the images sent, or one query moved by the answers that were marked."""
        features = np.stack([one for one, _ in asked]) if asked else None
        if not (options.right or options.wrong):
            if features is None:
                raise DataError("nothing to search for: give an image, or mark an answer as right")
            known = [one for _, one in asked if one is not None]
            return features, np.stack(known) if known else None
        right, wrong = (self.gallery.embeddings(ids) for ids in (options.right, options.wrong))
        query, unit = None if features is None else features.mean(0), self.gallery.metric == "cosine"
        moved = rocchio(query, right.features, wrong.features, unit=unit)
        if right.attributes is None or wrong.attributes is None:
            return moved[None], None
        told = None if features is None else np.stack([one for _, one in asked if one is not None]).mean(0)
        return moved[None], rocchio(told, right.attributes, wrong.attributes, unit=False)[None].clip(0, 1)

    def record(self, id: int) -> Record | None:
        """The record of a row; None where there is none."""
        return next(iter(self.gallery.fetch([id])), None)

    def _records(self, ids: Sequence[int]) -> list[Record]:
        found = self.gallery.fetch(ids)
        if len(found) < len(ids):
            raise DataError(f"{len(ids) - len(found)} of these images are not in this gallery")
        return found

    def facts(self, where: dict[str, object] | None) -> Facts:
        """How many images have each value of each column that has few."""
        self.gallery.refresh()
        counted = {name: self.gallery.counts(name, where, _VALUES) for name in self._counted()}
        columns = {
            name: [Count(value=value, count=count) for value, count in found.items()]
            for name, found in counted.items()
            if found
        }
        return Facts(matching=self.gallery.count(where), columns=columns, time=self.gallery.span("time", where))

    def _counted(self) -> list[str]:
        """The columns whose values a page offers: the camera, and those of words."""
        kinds = self.gallery.columns.items()
        return [name for name, kind in kinds if name == "camera" or (kind in ("text", "bool") and name not in _HIDDEN)]

    def timeline(self, ids: Sequence[int]) -> list[Stay]:
        """The stays that some images show: a camera at a time, ended by another camera or by half an hour without an image."""
        known = sorted(
            zip(ids, self._records(ids), strict=True), key=lambda pair: (_time(pair[1]), pair[1].camera, pair[0])
        )
        stays: list[Stay] = []
        for id, record in known:
            last = stays[-1] if stays else None
            if last is not None and _continues(last, record):
                last.ids.append(id)
                last.end = record.time if record.time is not None else last.end
            else:
                stays.append(Stay(camera=_camera(record), start=record.time, end=record.time, ids=[id]))
        return stays

    def of_identity(self, identity: int) -> list[int]:
        """Rows of an individual."""
        return self._of({"identity": identity})

    def of_name(self, name: str) -> list[int]:
        """Rows of an individual that was given a name."""
        return self._of({"name": name}) if "name" in self.gallery.columns else []

    def _of(self, where: dict[str, object]) -> list[int]:
        if (count := self.gallery.count(where)) > _FOLLOWED:
            raise DataError(f"{count:,} images are too many to follow; name at most {_FOLLOWED:,} of them")
        return self.gallery.ids(where).tolist()

    def mark(self, ids: Sequence[int], name: str | None, identity: int | None) -> int:
        """Give images a name or an identity; how many were changed."""
        return self.gallery.update(ids, {"identity": identity} if name is None else {"name": name})

    def export(self, ids: Sequence[int]) -> str:
        """The rows as CSV: id, path, camera, time (a date, in UTC), tracklet, identity, and the attributes."""
        records = self._records(ids)
        names = sorted({name for record in records for name in record.attributes})
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(["id", "path", "camera", "time", "tracklet", "identity", *names])
        for id, record in zip(ids, records, strict=True):
            known = [id, record.path, _camera(record), _date(record), record.tracklet, _identity(record)]
            writer.writerow(_cell(value) for value in [*known, *(record.attributes.get(name) for name in names)])
        return file.getvalue()


def _match(hit: Hit) -> Match:
    record, attributes = hit.record, dict(hit.record.attributes)
    return Match(
        id=hit.id,
        score=round(hit.score, 6),
        probability=hit.probability,
        camera=_camera(record),
        time=record.time,
        tracklet=record.tracklet,
        identity=_identity(record),
        name=attributes.pop("name", None),
        attributes=attributes,
        sure={name: round(value, 4) for name, value in hit.sure.items()},
        file=os.path.basename(record.path),
        image=f"/api/v1/images/{hit.id}",
    )


def _nobody(hits: Sequence[Hit], accept: float | None) -> bool:
    if accept is None:
        return not hits
    return not any(hit.probability is not None and hit.probability >= accept for hit in hits)


def _time(record: Record) -> float:
    """For sorting: images without a time come last."""
    return np.inf if record.time is None else record.time


def _date(record: Record) -> str | None:
    """As `resight gallery export` writes it, to the millisecond."""
    return None if record.time is None else str(np.datetime64(record.time, "ms"))


def _continues(stay: Stay, record: Record) -> bool:
    if stay.camera != _camera(record):
        return False
    if stay.end is None or record.time is None:
        return stay.end is None and record.time is None
    return record.time - stay.end <= _APART


def _camera(record: Record) -> int | None:
    return None if record.camera == NO_CAMERA else record.camera


def _identity(record: Record) -> int | None:
    return None if record.identity == UNLABELLED else record.identity


def _cell(value: object) -> object:
    """A value as a spreadsheet shows it: text that it would take for a formula is kept from being one."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
