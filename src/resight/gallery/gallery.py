"""A gallery: embeddings of many images with their records, kept by a store, searched by picture and by condition.

`resight.gallery.lance` keeps it in a folder, `resight.gallery.postgres` in a server's table. Older galleries, of faiss, are
rewritten when they are opened (`resight.gallery.migration`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from resight.embedding import PIECE, pieces
from resight.errors import DataError, RunError, none_readable
from resight.files import file_key
from resight.gallery.caution import caution_of
from resight.gallery.due import due_of, states_of
from resight.gallery.filters import Filter, Kind, where_of
from resight.gallery.hit import Hit
from resight.gallery.individual import Combine, Individual, reordered, similarities, unit
from resight.gallery.rows import (
    FIELDS,
    FILE,
    PROBABILITY,
    STATE,
    attribute_columns,
    certainties,
    ids_of,
    records_of,
    rows_of,
    shown,
    with_kept,
)
from resight.gallery.store import KEPT, PROBABILITIES, VECTOR, Column, How, IndexFacts, Schema, Storage, Store
from resight.gallery.stores import in_words, make_store, open_store, store_exists
from resight.gallery.tracklets import Tracklet, formers_of, tracklets_due
from resight.recognizer import Progress, Recognizer, kept_calibration, load
from resight.records import (
    JUNK,
    NO_CAMERA,
    TRACKLET_IMAGES,
    UNLABELLED,
    AttributeSchema,
    Embeddings,
    Record,
    as_records,
    nameable,
    vectors_of,
)
from resight.retrieval.calibration import Calibration

__all__ = ["Added", "Gallery", "Ranked", "Where", "plan_of"]

_ANSWERS = 2**22
"""Scores of answers that are held at a time."""
_STATE = Column(STATE, "int")
Query = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]
Where = Mapping[str, object] | Filter | None
Ids = Sequence[int] | NDArray[np.int64]


class Added(NamedTuple):
    """Images that `Gallery.add` added, a line for each that could not be read, images that it had already, and images
    that it had and embedded again since their files had changed."""

    count: int  # type: ignore[assignment]
    failed: list[str]
    known: int = 0
    renewed: int = 0


class Ranked(NamedTuple):
    """The images that a query found, best first."""

    scores: NDArray[np.float64]
    """[k]; see `Hit.score`."""
    ids: NDArray[np.int64]
    """[k]; see `Hit.id`."""
    itself: bool
    """Whether the query's own file was among them, and was left out."""


class Gallery:
    """A searchable collection of images. Make one with `create`, reopen it with `open`.

    >>> gallery = resight.Gallery.create("gallery", model=resight.load("runs/street"))
    >>> gallery.add(["a.jpg", "b.jpg"])
    >>> gallery.search("query.jpg", k=10, where={"camera": [1, 2]})[0].record.path

    What a change wrote is on disk, whole, when its call returns. Changes by several handles and processes wait for one
    another; readers wait for nobody. A search sees the images that were there when its handle was opened, refreshed, or
    last changed anything. Several threads may search one handle.
    """

    def __init__(
        self, where: str, schema: Schema, facts: Mapping[str, Any], store: Store | None, model: Recognizer | None
    ) -> None:
        self._address, self.where, self._model = where, in_words(where), model
        self._planned, self._facts, self._store = schema, facts, store
        self._file_keys: tuple[int, dict[int, str]] = -1, {}
        """The gallery's version, and the files that its images are."""
        self._size: int | None = None
        """Images when last looked, for the probabilities: a server counts them for each answer otherwise."""

    @classmethod
    def create(
        cls, where: str | os.PathLike[str], model: Recognizer | str | os.PathLike[str], *, empty: bool = True
    ) -> Self:
        """A new, empty gallery for embeddings of `model`: a Recognizer, or the run folder to load it from.

        `where` is a folder, or `postgresql://USER@HOST/DATABASE?table=NAME`. Unless `empty`, nothing is there before the
        first images are, so that an addition that fails leaves no gallery. The gallery stores the model's fingerprint, and
        the run that it was loaded from, so that `open` needs no model. Raises RunError where there is a gallery already.
        """
        address = os.fspath(where)
        if store_exists(address):
            raise RunError(
                f"{in_words(address)} is a gallery already; open it with Gallery.open, or choose another place"
            )
        recognizer = model if isinstance(model, Recognizer) else load(model)
        gallery = cls(address, *plan_of(recognizer), None, recognizer)
        if empty:
            gallery._store = make_store(address, gallery._planned, gallery._facts)
        return gallery

    @classmethod
    def open(cls, where: str | os.PathLike[str], model: Recognizer | str | os.PathLike[str] | None = None) -> Self:
        """Open a gallery. `model`, a Recognizer or a run folder, is needed if the gallery's run has moved.

        Raises RunError where there is no gallery or it is damaged, and when `model` did not make its embeddings.
        """
        store = open_store(os.fspath(where))
        gallery = cls(os.fspath(where), store.schema, store.facts, store, None)
        if model is not None:
            recognizer = model if isinstance(model, Recognizer) else load(model)
            gallery._require(recognizer, f"{recognizer.source or 'this model'} did not make them")
            gallery._model = recognizer
        return gallery

    @classmethod
    def planned(cls, where: str | os.PathLike[str], schema: Schema, facts: Mapping[str, Any]) -> Self:
        """A gallery like another one, by that one's `schema` and `facts`; nothing is there before the first images are.

        Raises RunError where there is a gallery already.
        """
        address = os.fspath(where)
        if store_exists(address):
            raise RunError(f"{in_words(address)} is a gallery already; choose another place")
        return cls(address, schema, facts, None, None)

    def __len__(self) -> int:
        return 0 if self._store is None else self._store.count()

    @property
    def folder(self) -> Path:
        """Where it is, for one in a folder."""
        return Path(self.where)

    @property
    def metric(self) -> str:
        """The name of the metric that compares its embeddings."""
        return self.schema.metric

    @property
    def columns(self) -> dict[str, Kind]:
        """What conditions may read: column -> kind."""
        return shown(self.schema.kinds)

    @property
    def index(self) -> IndexFacts | None:
        """The index that large searches use, and what was measured of it; None where there is none."""
        return None if self._store is None else self._store.index

    @property
    def schema(self) -> Schema:
        """What a row is made of: widths, metric and columns."""
        return self._planned if self._store is None else self._store.schema

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the gallery keeps beside its images: its model's run (`model`), `fingerprint`, `classes`, `calibration`."""
        return self._facts

    @property
    def storage(self) -> Storage:
        """What keeps it, and how much that takes. Raises DataError where nothing has been added yet."""
        return self._begun.storage

    @property
    def model(self) -> Recognizer:
        """The model of the gallery's embeddings, loaded when first asked for."""
        if self._model is None:
            source = self._facts["model"]
            if source is None:
                raise RunError(
                    f"{self.where} does not know its model; give it: Gallery.open(folder, model=resight.load(...))"
                )
            try:
                model = load(source)
            except RunError as error:
                raise RunError(
                    f"{error}. {self.where} was made with that run; if it has moved, give its new place: "
                    "`resight search --run`, or Gallery.open(folder, model=...)"
                ) from None
            self._require(model, f"{source} has changed since")
            self._model = model
        return self._model

    @property
    def calibration(self) -> Calibration | None:
        """Score -> probability: what `resight calibrate` has made of the model now, else when the gallery was created.

        None where nothing is calibrated.
        """
        now = None if self._model is None else self._model.calibration
        return now or self._kept_calibration

    @cached_property
    def _kept_calibration(self) -> Calibration | None:
        """Of the run's folder, where it is still there, or of the gallery; no model is loaded."""
        run = self._facts["model"]
        if run is not None and (found := kept_calibration(run, self._facts["fingerprint"])):
            return found
        told = self._facts.get("calibration")
        return None if told is None else Calibration.from_json(told)

    def _probabilities(
        self, scores: NDArray[np.float64], near: NDArray[np.bool_], together: bool
    ) -> list[float | None]:
        """`near`: whether of the query's camera; `together`: whether the query is several pictures."""
        if self.calibration is None or not len(scores):
            return [None] * len(scores)
        calibration = self.calibration.of(tracklets=TRACKLET_IMAGES in self.columns, together=together)
        size = self._size
        if size is None:  # another thread may forget it meanwhile
            size = self._size = len(self)
        found = calibration.probability(scores, near, size)
        return [None if math.isnan(one) else one for one in found.tolist()]

    @property
    def caution(self) -> str | None:
        """What to know before its probabilities are trusted, in a line: that they were fitted on other data, for example.

        None where nothing is to be said, or nothing is calibrated.
        """
        if self.calibration is None or self._store is None:
            return None
        first = next(iter(self._store.scan(["path"])), None)
        paths = [] if first is None else first.column(0).to_pylist()
        return caution_of(self.calibration, paths, list(self.counts("camera")), pooled=TRACKLET_IMAGES in self.columns)

    def _require(self, model: Recognizer, otherwise: str) -> None:
        if model.fingerprint != self._facts["fingerprint"]:
            raise RunError(
                f"{self.where} holds embeddings of another model: {otherwise}, and embeddings of two models cannot "
                "be compared; give the run that it was made with, or index anew"
            )

    # What is in it

    def ids(self, where: Where = None) -> NDArray[np.int64]:
        """Ids of the images that fulfil a condition, or of all, ascending."""
        return np.sort(self._column("id", where).to_numpy())

    def fetch(self, ids: Ids) -> list[Record]:
        """The records of these ids, in their order. Those that are not there are left out."""
        return [] if self._store is None else records_of(self._store.fetch(ids))

    def features(self, ids: Ids) -> NDArray[np.float32]:
        """The vectors of these ids, [N, D], in their order. Raises DataError for one that is not there."""
        return self._vectors(ids, VECTOR, self.schema.width)

    def embeddings(self, ids: Ids) -> Embeddings:
        """Vectors, records and attributes' probabilities of these ids, in their order, as `add_embeddings` took them.

        Raises DataError for one that is not there.
        """
        width = self.schema.attributes
        attributes = self._vectors(ids, PROBABILITIES, width) if width else None
        return Embeddings(self.features(ids), self.fetch(ids), attributes)

    def _vectors(self, ids: Ids, column: str, width: int) -> NDArray[np.float32]:
        if self._store is None or not len(ids):
            return self._none_missing(ids, np.empty((0, width), np.float32))
        return self._none_missing(ids, vectors_of(self._store.fetch(ids, [column])[column]))

    def _none_missing(self, ids: Ids, found: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(found) != len(ids):
            raise DataError(f"{len(ids) - len(found)} of {len(ids)} ids are not in {self.where}")
        return found

    def counts(self, column: str, where: Where = None, most: int | None = None) -> dict[Any, int]:
        """Each value of a column and how many images have it, the `most` frequent first; images without a value are left out."""
        self._require_column(column)
        values, counts = pc.value_counts(self._column(column, where).drop_null()).flatten()
        order = pc.sort_indices(
            pa.table([values, counts], ["value", "count"]), [("count", "descending"), ("value", "ascending")]
        ).slice(0, most)
        return dict(zip(values.take(order).to_pylist(), counts.take(order).to_pylist(), strict=True))

    def count(self, where: Where = None) -> int:
        """How many images fulfil a condition, or are there."""
        return 0 if self._store is None else self._store.count(self._condition(where))

    def span(self, column: str, where: Where = None) -> tuple[Any, Any] | None:
        """The least and the greatest value of a column; None where no image has one."""
        self._require_column(column)
        ends = pc.min_max(self._column(column, where)).as_py()
        return None if ends["min"] is None else (ends["min"], ends["max"])

    def _require_column(self, column: str) -> None:
        if column not in self.columns:
            raise DataError(f"{self.where} has no column {column!r}; there are: {', '.join(self.columns)}")

    def rows(self, where: Where = None, *, vectors: bool = True) -> Iterator[pa.RecordBatch]:
        """The rows that fulfil a condition, a batch at a time: `id`, every column and, unless `vectors` is false, the vectors."""
        beside = [VECTOR, *([PROBABILITIES] if self.schema.attributes else [])] if vectors else []
        if self._store is not None:
            yield from self._store.scan([*self.schema.kinds, *beside], self._condition(where))

    @property
    def records(self) -> list[Record]:
        """Every image's record, mostly in the order of their addition."""
        if self._store is None:
            return []
        names = list(self._store.schema.kinds)
        return [record for batch in self._store.scan(names) for record in records_of(pa.table(batch))]

    def paths(self) -> list[str]:
        """Every image's path, mostly in the order of their addition."""
        return self._column("path").to_pylist()

    def _column(self, name: str, where: Where = None) -> pa.ChunkedArray:
        kind = pa.int64() if name == "id" else next(c.type for c in (*self.schema.columns, *FIELDS) if c.name == name)
        if self._store is None:
            return pa.chunked_array([], kind)
        batches = self._store.scan([name], self._condition(where))
        return pa.chunked_array([batch.column(0) for batch in batches], kind)

    def _condition(self, where: Where) -> Filter | None:
        return None if where is None else where_of(where, self.columns)

    def refresh(self) -> int:
        """See what others have written since; returns the gallery's version."""
        self._size = None
        return 0 if self._store is None else self._store.refresh()

    # Changes

    def add(
        self,
        images: Sequence[Record | str | os.PathLike[str]],
        *,
        sure: Mapping[str, Mapping[str, float]] | None = None,
        progress: Progress | None = None,
    ) -> Added:
        """Embed images and add them to the gallery, some thousands at a time: what a kill leaves, the next call goes on with.

        Images that cannot be read, or whose names are not UTF-8, are left out and listed; those that are there already
        are skipped, also where another process has added them meanwhile, or where another path leads to the same file.
        An image whose file has another size or date than when it was embedded is embedded again, in place of what was
        there; what the new row does not say, such as a name that somebody gave, stays. `sure` says, path -> attribute ->
        probability, how sure the records' attributes are. `progress` is called with the number of images done since the
        last call. Raises DataError when not one image could be read, and RunError when another process holds the gallery
        for longer than ten minutes.
        """
        records, failed = nameable(as_records(images))
        if failed and not records:
            raise none_readable(len(failed), failed)
        new = self.unknown(records)
        states, at = states_of(new), 0  # before they are read: what changes meanwhile is noticed the next time
        count, renewed, known = 0, 0, len(records) - len(new)
        for piece in pieces(self.model, new, progress=progress):
            found = piece.embeddings
            failed += piece.failed
            self._take_up()
            places = _places(found.records, new, at)
            at = places[-1] + 1 if places else at
            due = due_of(self._store, found.records, states[places])
            if len(due.places):
                beside = {_STATE: pa.array(states[places][due.places], _STATE.type)}
                beside |= _sure(found.records, due.places, sure or {})
                kept = ids_of(found.records)[due.places[due.changed]]
                self._append(found.select(due.places), beside, dict(zip(kept.tolist(), kept.tolist(), strict=True)))
            renewed += int(due.changed.sum())
            count += int((~due.changed).sum())
            known += len(found) - len(due.places)
        if failed and not (count or known or renewed):
            raise none_readable(len(failed), failed)
        return Added(count, failed, known, renewed)

    def unknown(self, records: Sequence[Record]) -> list[Record]:
        """The records whose file is not in the gallery, by whatever path, or has changed since it was embedded.

        Of several that are one file, the first; of a changed one that the gallery has by another path, its own record.
        """
        self._take_up()
        states = states_of(records)
        due = due_of(self._store, records, states)
        self._mark([records[place] for place in due.unmarked], states[due.unmarked])
        own = [replace(record, attributes={}) for record in self.fetch(due.elsewhere)]
        return [*(records[place] for place in due.places), *own]

    def _mark(self, records: Sequence[Record], states: NDArray[np.int64]) -> None:
        """Note the states of files of which nobody did, so that a change is noticed from now on."""
        for start in range(0, len(records), PIECE):
            some = slice(start, start + PIECE)
            self._begun.add_columns([_STATE])
            self._begun.update(ids_of(records[some]), pa.table({STATE: pa.array(states[some], _STATE.type)}))

    def add_embeddings(
        self,
        embeddings: Embeddings,
        beside: Mapping[Column, pa.Array] | None = None,
        members: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """Add embeddings that the gallery's model has made, in place of those of the same images; paths become absolute.

        `beside` are further columns, a value for each embedding; they come before attributes of the same name. `members`
        are, of entries of tracklets, the ids of each one's images: it takes the place of the entries of these, as by
        `add_tracklets`. Raises DataError when the width of their features or attributes is not the gallery's, or a number
        is not finite; RunError when another process holds the gallery for longer than ten minutes.
        """
        self._take_up()
        formers = formers_of(self._store, members or [])
        self._replace(embeddings, beside or {}, formers or [[]] * len(embeddings))

    def due_tracklets(self, tracklets: Sequence[Sequence[Record]], way: str = "") -> list[Tracklet]:
        """Those of the tracklets, given as the records of each, that have no entry yet, or have changed since.

        That is: images came or went, a file has another size or date, or the entry was made another `way`, such as without
        leaving out junk. A record of no tracklet stands alone.
        """
        self._take_up()
        return tracklets_due(self._store, tracklets, way)

    def add_tracklets(self, entries: Embeddings, due: Sequence[Tracklet]) -> Added:
        """Add the entries of tracklets that were due, each in place of what the gallery had of it.

        What a new entry does not say, such as a name that somebody gave, stays; so it does of an image that was there alone
        and becomes its tracklet's entry. An entry's record is that of one of its tracklet's images; tracklets without an
        entry remain as they were. Raises what `add_embeddings` does.
        """
        self._take_up()
        place_of = {number: place for place, one in enumerate(due) for number in ids_of(one.images).tolist()}
        ids = ids_of(entries.records).tolist()
        made = [due[place_of[number]] for number in ids]
        states = pa.array([one.state for one in made], _STATE.type)
        formers = [[*one.former, number] for number, one in zip(ids, made, strict=True)]
        self._replace(entries, {_STATE: states}, formers)
        renewed = sum(bool(one.former) for one in made)
        return Added(len(made) - renewed, [], renewed=renewed)

    def _replace(
        self, entries: Embeddings, beside: Mapping[Column, pa.Array], formers: Sequence[Sequence[int]]
    ) -> None:
        """Add entries, each in place of those with the ids of its `formers`; what was given to them stays."""
        ids = ids_of(entries.records).tolist()
        instead = {old: number for number, of_one in zip(ids, formers, strict=True) for old in of_one}
        self._append(entries, beside, instead)
        if gone := sorted(set(instead) - set(ids)):
            self._begun.delete(gone)

    def _take_up(self) -> None:
        """Look at what other handles and processes have written since."""
        if self._store is None and store_exists(self._address):
            self._store = open_store(self._address)
        elif self._store is not None:
            self._store.refresh()
        if self._store is not None and self._store.facts["fingerprint"] != self._facts["fingerprint"]:
            raise RunError(f"{self.where} was made anew with another model meanwhile; open it again")

    def _append(
        self, embeddings: Embeddings, beside: Mapping[Column, pa.Array], instead: Mapping[int, int] | None = None
    ) -> None:
        """`instead` says, id that is there -> id, from which row a new one takes what it does not say itself."""
        self._require_fitting("these have", embeddings.features, embeddings.attributes)
        if self.metric == "cosine":
            embeddings = Embeddings(unit(embeddings.features), embeddings.records, embeddings.attributes)
        classes = AttributeSchema({name: tuple(values) for name, values in self._facts.get("classes", {}).items()})
        columns = {column.name: column for column in (*attribute_columns(embeddings.records, classes), *beside)}
        rows = rows_of(embeddings, classes)
        given = {column.name: cells for column, cells in beside.items()}
        rows = pa.table({**{name: rows[name] for name in rows.column_names}, **given})
        if self._store is None:
            try:
                self._store = make_store(self._address, self._planned, self._facts)
            except RunError:  # another has begun it meanwhile
                self._take_up()
        self._begun.add_columns(list(columns.values()))
        if instead:
            before = self._begun.fetch(list(instead))
            numbers = pa.array([instead[number] for number in before["id"].to_pylist()], pa.int64())
            rows = with_kept(rows, before.set_column(before.column_names.index("id"), "id", numbers))
        last = dict(zip(rows["id"].to_pylist(), range(len(rows)), strict=True))  # an image given twice
        self._begun.upsert(rows.take(sorted(last.values())) if len(last) < len(rows) else rows)
        self._size = None

    @property
    def _begun(self) -> Store:
        if self._store is None:
            raise DataError(f"{self.where} is empty; add images with `resight index`")
        return self._store

    def _require_fitting(
        self, theirs: str, features: NDArray[np.float32], attributes: NDArray[np.float32] | None
    ) -> None:
        width, beside = features.shape[1], 0 if attributes is None else attributes.shape[1]
        if not all(np.isfinite(values).all() for values in (features, attributes) if values is not None):
            raise DataError(
                f"{theirs} numbers that are not finite and compare with nothing: the model diverged; train it anew"
            )
        if width != self.schema.width:
            raise DataError(
                f"{self.where} holds features of {self.schema.width} numbers, {theirs} {width}: another model made them"
            )
        if beside != self.schema.attributes:
            raise DataError(
                f"{self.where} holds {self.schema.attributes} probabilities of attributes beside each feature, "
                f"{theirs} {beside}: another model made them"
            )

    def update(self, ids: Ids, values: Mapping[str, object]) -> int:
        """Give the images with these ids new values, such as a name or an identity; returns how many there were.

        >>> gallery.update([hit.id for hit in hits], {"name": "the courier"})

        A name that is no column yet becomes one. None takes a value away. Raises DataError for a value of another kind
        than the column's, and for the path, by which an image is known.
        """
        numbers = np.unique(np.asarray(ids, np.int64))
        return self.update_each(numbers, {name: [value] * len(numbers) for name, value in values.items()})

    def update_each(self, ids: Ids, values: Mapping[str, Sequence[object]]) -> int:
        """The same with a value for each image, all at once or none; no id comes twice.

        >>> gallery.update_each(ids, {"individual": [1, 1, 2]})

        Raises DataError where a column has not as many values as there are ids.
        """
        self._begun.refresh()
        if short := [name for name, cells in values.items() if len(cells) != len(ids)]:
            raise DataError(f"{len(values[short[0]])} values of {short[0]} for {len(ids)} images")
        values = {name: [_plain(name, cell) for cell in cells] for name, cells in values.items()}
        columns = {name: _column_for(name, cells, self.columns) for name, cells in values.items()}
        unsure = [name + PROBABILITY for name in values if name + PROBABILITY in self.columns]
        new = [column for name, column in columns.items() if name not in self.columns]
        if not len(ids) or not values or (new and not len(self._begun.fetch(ids, ["id"]))):
            return 0  # nor is there a column without a value
        self._begun.add_columns(new)
        cells = {name: pa.nulls(len(ids), pa.float64()) for name in unsure}
        cells |= {name: pa.array(values[name], column.type) for name, column in columns.items()}
        return self._begun.update(np.asarray(ids, np.int64), pa.table(cells))

    def delete(self, ids: Ids | None = None, where: Where = None) -> int:
        """Delete images by their ids or by a condition; returns how many. Their files stay.

        Raises DataError where neither or both are given: all go by `where={}`.
        """
        if (ids is None) == (where is None):
            raise DataError("say what to delete: ids, or a condition; `where={}` is every image")
        condition = self._condition(where)
        self._size = None
        return self._begun.delete(condition if condition is not None else np.asarray(ids, np.int64))

    def compact(self, keep: timedelta = KEPT) -> None:
        """Join what many small additions wrote; searches become quicker, and the index is measured again.

        Versions younger than `keep` stay on disk for those who read them now.
        """
        self._begun.compact(keep)

    def build_index(self, recall: float = 0.99) -> IndexFacts:
        """Make the index that searches of more than 50,000 matching images use; measures it, and stores what it needs."""
        return self._begun.build_index(recall)

    # Searches

    def search(
        self,
        query: Query | Sequence[Query],
        k: int = 10,
        where: Where = None,
        *,
        how: How = "auto",
        combine: Combine = "mean",
        expand: int = 0,
        rerank: bool = False,
        camera: int = NO_CAMERA,
    ) -> list[Hit]:
        """The `k` images nearest to a query, best first: a path, PIL image or uint8 RGB array, or several of one individual.

        An image that is itself in the gallery, by whatever path, is not among its own hits. For `where` see
        `resight.gallery.filters.where_of`, for the rest `search_individual`. Raises DataError for an empty gallery,
        ImageError for a query that cannot be read.
        """
        queries: list[Any] = list(query) if isinstance(query, list | tuple) else [query]
        features, attributes = self.model.embed_with_attributes(queries)
        own = frozenset(file_key(one) for one in queries if isinstance(one, str | os.PathLike))
        asked = Individual(features, attributes, own, combine, expand, rerank)
        return self._search_individual(asked, k, where, how, camera)

    def search_individual(
        self,
        features: NDArray[np.float32],
        k: int = 10,
        where: Where = None,
        *,
        attributes: NDArray[np.float32] | None = None,
        how: How = "auto",
        combine: Combine = "mean",
        expand: int = 0,
        rerank: bool = False,
        camera: int = NO_CAMERA,
    ) -> list[Hit]:
        """The same for features [N, D] of one individual's images, and their attributes [N, A] if the metric weighs them.

        `combine` says how several are compared: by their `mean`, or by the `best` of them. `expand` moves the query towards
        that many of its nearest images first. `rerank` orders the first 100 by k-reciprocal neighbours. With either, hits
        are in the new order and their scores remain those of the query. `camera` took the query, where that is known:
        hits of the same one have the probability of pairs of one camera. Raises DataError as `search` does.
        """
        asked = Individual(features, attributes, frozenset(), combine, expand, rerank)
        return self._search_individual(asked, k, where, how, camera)

    def _search_individual(self, asked: Individual, k: int, where: Where, how: How, camera: int) -> list[Hit]:
        return self.hits(self.rank_individual(asked, k, where, how=how), camera, together=len(asked.features) > 1)

    def rank_individual(self, asked: Individual, k: int = 10, where: Where = None, *, how: How = "auto") -> Ranked:
        """`rank` for one individual, whose own files are no hits.

        >>> asked = Individual(features, own=frozenset([file_key("a.jpg")]), expand=3)  # doctest: +SKIP
        >>> gallery.hits(gallery.rank_individual(asked, 20))  # doctest: +SKIP
        """
        self._require_searchable(k, asked.features, asked.attributes)
        condition = self._condition(where)
        queries = asked.combined(self.metric)
        if asked.expand:
            near = self._merged(queries, asked.expand, condition, how)
            queries = queries.towards(self._still_there(near)[1], self.metric)
        found = self._merged(queries, max(k, asked.depth), condition, how)
        if asked.expand or asked.rerank:
            found, vectors, beside = self._still_there(found)
            order = reordered(queries, vectors) if asked.rerank and len(vectors) else np.arange(len(found.ids))
            scores = similarities(asked.combined(self.metric), vectors, beside, self.metric)
            found = Ranked(scores[order], found.ids[order], found.itself)
        return Ranked(found.scores[:k], found.ids[:k], found.itself)

    def _still_there(self, found: Ranked) -> tuple[Ranked, NDArray[np.float32], NDArray[np.float32] | None]:
        """What was found, without what has been deleted meanwhile, and its vectors [N, D] and attributes [N, A]."""
        weighed = [PROBABILITIES] if self.schema.attributes else []
        rows = self._begun.fetch(found.ids, ["id", VECTOR, *weighed])
        there = np.isin(found.ids, rows["id"].to_numpy())
        beside = vectors_of(rows[PROBABILITIES]) if weighed else None
        return Ranked(found.scores[there], found.ids[there], found.itself), vectors_of(rows[VECTOR]), beside

    def _merged(self, queries: Individual, k: int, where: Filter | None, how: How) -> Ranked:
        """The `k` nearest to any of the queries."""
        keys = [queries.own] * len(queries.features)
        left_out = np.unique(np.asarray(queries.without, np.int64))
        answers = list(self._answers(queries.features, queries.attributes, keys, k, where, how, left_out))
        scores, ids = (np.concatenate([answer[part] for answer in answers]) for part in (0, 1))
        order = np.lexsort((ids, -scores))
        first = np.sort(np.unique(ids[order], return_index=True)[1])[:k]
        return Ranked(scores[order][first], ids[order][first], any(answer.itself for answer in answers))

    def search_features(
        self,
        features: NDArray[np.float32],
        k: int = 10,
        where: Where = None,
        *,
        attributes: NDArray[np.float32] | None = None,
        how: How = "auto",
    ) -> list[list[Hit]]:
        """The hits of many queries' features, float32 [Q, D], and their attributes, [Q, A], if the metric weighs them.

        One list of hits per query. Nothing is known of a feature's image, so it may be among the hits.
        """
        self._require_searchable(k, features, attributes)
        condition, nobody = self._condition(where), [frozenset[str]()] * len(features)
        answers = self._answers(features, attributes, nobody, k, condition, how, np.empty(0, np.int64))
        return self._all_hits(list(answers), NO_CAMERA, together=False)

    def rank(
        self,
        queries: Embeddings,
        k: int | None = None,
        without: Ids = (),
        where: Where = None,
        *,
        how: How = "auto",
    ) -> Iterator[Ranked]:
        """For each query: the `k` nearest images, or all if None.

        >>> for record, found in zip(queries.records, gallery.rank(queries, 80), strict=True):
        ...     print(record.path, found.ids)

        Best first, equal scores by id. Neither the images with the ids `without` nor a query's own file, which may be in
        the gallery by whatever path, are among them. Raises DataError as `search` does.
        """
        own = [frozenset([file_key(record.path)]) for record in queries.records]
        wanted = len(self) if k is None else k
        self._require_searchable(wanted if len(self) else 1, queries.features, queries.attributes)
        left_out = np.unique(np.asarray(without, np.int64))
        return self._answers(queries.features, queries.attributes, own, wanted, self._condition(where), how, left_out)

    def hits(self, found: Ranked, camera: int = NO_CAMERA, *, together: bool = False) -> list[Hit]:
        """What `rank` or `rank_individual` found, as hits; `camera` took the query, which is several pictures `together`."""
        return self._all_hits([found], camera, together)[0]

    def _all_hits(self, answers: Sequence[Ranked], camera: int, together: bool) -> list[list[Hit]]:
        """The answers' hits. What another process has deleted meanwhile is left out."""
        ids = np.unique(np.concatenate([np.empty(0, np.int64), *(answer.ids for answer in answers)]))
        table = self._begun.fetch(ids)
        known = zip(records_of(table), certainties(table), strict=True)
        rows = dict(zip(table["id"].to_pylist(), known, strict=True))
        return [self._hits(answer, rows, camera, together) for answer in answers]

    def _hits(
        self, answer: Ranked, rows: Mapping[int, tuple[Record, dict[str, float]]], camera: int, together: bool
    ) -> list[Hit]:
        there = [place for place, number in enumerate(answer.ids.tolist()) if number in rows]
        scores, numbers = answer.scores[there], answer.ids[there].tolist()
        found, looks = [rows[number][0] for number in numbers], [rows[number][1] for number in numbers]
        near = np.array([camera != NO_CAMERA and record.camera == camera for record in found], bool)
        sure = self._probabilities(scores, near, together)
        return [Hit(*row) for row in zip(numbers, scores.tolist(), sure, found, looks, strict=True)]

    def _require_searchable(
        self, k: int, features: NDArray[np.float32], attributes: NDArray[np.float32] | None
    ) -> None:
        if k < 1:
            raise DataError(f"k = {k}: ask for at least one hit")
        if not len(self):
            raise DataError(f"{self.where} is empty; add images with `resight index`")
        self._require_fitting("the query has", features, attributes)

    def _answers(
        self,
        features: NDArray[np.float32],
        attributes: NDArray[np.float32] | None,
        own: Sequence[Collection[str]],
        k: int,
        where: Filter | None,
        how: How,
        without: NDArray[np.int64],
    ) -> Iterator[Ranked]:
        """`rank` for queries whose files have the keys `own`."""
        features = unit(features) if self.metric == "cosine" else features
        asked = k + len(without) + (1 if any(own) else 0)
        at_once = max(1, min(384, _ANSWERS // asked))
        for start in range(0, len(features), at_once):
            some = slice(start, start + at_once)
            beside = None if attributes is None else attributes[some]
            found = self._begun.search(features[some], asked, where, how, attributes=beside)
            for number, answer in enumerate(zip(found.scores, found.ids, strict=True)):
                one = slice(start + number, start + number + 1)
                ranked = self._without(*answer, own[one.start], without)
                wider = asked
                while len(ranked.ids) < k and wider < found.matching:  # the query's file was added by several paths
                    wider = min(found.matching, 2 * wider)
                    more = None if attributes is None else attributes[one]
                    again = self._begun.search(features[one], wider, where, how, attributes=more)
                    ranked = self._without(again.scores[0], again.ids[0], own[one.start], without)
                yield Ranked(ranked.scores[:k], ranked.ids[:k], ranked.itself)

    def _without(
        self,
        scores: NDArray[np.float64],
        ids: NDArray[np.int64],
        own: Collection[str],
        without: NDArray[np.int64],
    ) -> Ranked:
        itself = np.array([key in own for key in self._keys(ids)], bool) if own else np.zeros(len(ids), bool)
        kept = ~(itself | np.isin(ids, without))
        return Ranked(scores[kept], ids[kept], bool(itself.any()))

    def _keys(self, ids: NDArray[np.int64]) -> list[str]:
        """Which files the images are; asked of the disk once for each, until the gallery changes as files may have."""
        version = self._begun.version
        if self._file_keys[0] != version:
            self._file_keys = version, {}
        known = self._file_keys[1]
        missing = np.array([number for number in ids.tolist() if number not in known], np.int64)
        if len(missing):
            table = self._begun.fetch(missing, ["id", "path"])
            known.update(zip(table["id"].to_pylist(), map(file_key, table["path"].to_pylist()), strict=True))
        return [known.get(number, "") for number in ids.tolist()]


def _places(some: Sequence[Record], records: Sequence[Record], start: int) -> list[int]:
    """Where some of the records, in their order, are among them, from `start` on."""
    places = iter(range(start, len(records)))
    return [next(place for place in places if records[place] == one) for one in some]


def _sure(
    records: Sequence[Record], places: NDArray[np.int64], sure: Mapping[str, Mapping[str, float]]
) -> dict[Column, pa.Array]:
    """The columns of the attributes' probabilities, of the records at these places."""
    of_each = [sure.get(records[place].path, {}) for place in places.tolist()]
    names = dict.fromkeys(name for one in of_each for name in one)
    return {
        Column(name + PROBABILITY, "float"): pa.array([one.get(name) for one in of_each], pa.float64())
        for name in names
    }


def plan_of(model: Recognizer) -> tuple[Schema, dict[str, Any]]:
    """What a gallery of a model's embeddings is made of, and what it keeps of the model."""
    width = model.schema.width if model.weighs_attributes else 0
    classes = {name: list(values) for name, values in model.schema.classes.items()} if model.weighs_attributes else {}
    curves = None if model.calibration is None else model.calibration.to_json()
    facts = {"model": model.source, "fingerprint": model.fingerprint, "classes": classes, "calibration": curves}
    return Schema(model.width, model.metric, FIELDS, attributes=width), facts


_KINDS: dict[type, Kind] = {bool: "bool", int: "int", float: "float", str: "text"}
_PLAIN: dict[Kind, type] = {"bool": bool, "int": int, "time": int, "float": float, "text": str}


_LEAST = {"identity": JUNK, "camera": 0}
"""The least numbers that a record takes; those below say that nothing is known."""


def _plain(name: str, value: object) -> object:
    """A value as a row has it: NumPy's as Python's, and null for an identity or a camera that is not known."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if plain == {"identity": UNLABELLED, "camera": NO_CAMERA}.get(name) else plain


def _column_for(name: str, values: Sequence[object], columns: Mapping[str, Kind]) -> Column:
    """The column that takes these values: one that is there, or a new one of their kind."""
    if name in ("id", "path", FILE, STATE):
        raise DataError(f"{name} cannot be changed: an image is known by it; delete it and add it anew")
    known = [value for value in values if value is not None]
    new: Kind = next((_KINDS.get(type(value), "text") for value in known), "text")
    kind: Kind = columns.get(name) or new
    for value in known:
        fits = type(value) is _PLAIN[kind] or (kind == "float" and type(value) is int)
        if not fits or (isinstance(value, float) and not math.isfinite(value)):
            raise DataError(f"{name} takes {_PLAIN[kind].__name__}, not {value!r}")
        if type(value) is int and not _LEAST.get(name, -(2**63)) <= value < 2**63:
            raise DataError(f"{name} takes numbers from {_LEAST.get(name, '-2**63')} to 2**63, not {value}")
    return Column(name, kind)
