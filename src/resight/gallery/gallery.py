"""A gallery: embeddings of many images with their records on disk, searched exactly.

faiss stores the features and finds the nearest (`resight.gallery.neighbours`); a metric that weighs attributes is
computed block by block.

```
gallery/
  gallery.json          format version, metric, model and its fingerprint, and which of the files below are current
  index-000002.faiss    the features
  records-000002.parquet  one row per feature: its record, and attributes' probabilities if the metric weighs them
```

In format 2 the probabilities were the last columns of the features. It can be opened; the next `add` writes format 3.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from resight.embedding import embed
from resight.errors import DataError, RunError, none_readable
from resight.files import file_key, locked, written_whole
from resight.gallery.hit import Hit
from resight.gallery.neighbours import Neighbours
from resight.recognizer import Progress, Recognizer, load
from resight.records import Embeddings, Record, as_records, nameable, record_table, table_attributes, table_records
from resight.retrieval import metric_between, nearest

__all__ = ["Added", "Gallery", "Ranked"]

FORMAT = 3
_PATIENCE = 600
"""Seconds that an addition waits for another one to be written."""
_QUERIES = 384
"""Queries whose distances to the whole gallery are held at a time."""
Query = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]


class Added(NamedTuple):
    """Images that `Gallery.add` added, a line for each that could not be read, and images that it had already."""

    count: int  # type: ignore[assignment]
    failed: list[str]
    known: int = 0


class Ranked(NamedTuple):
    """The images that a query found, best first."""

    scores: NDArray[np.float64]
    """[k]; see `Hit.score`."""
    places: NDArray[np.int64]
    """[k]: positions in the gallery."""
    itself: bool
    """Whether the query's own file was among them, and was left out."""


class Gallery:
    """A searchable collection of images. Make one with `create`, reopen it with `open`.

    >>> gallery = resight.Gallery.create("gallery", model=resight.load("runs/street"))
    >>> gallery.add(["a.jpg", "b.jpg"])
    >>> gallery.search("query.jpg", k=10)[0].record.path

    A change is written to new files, which gallery.json then names: after a kill the old or the new state is there.
    Additions by several handles and processes wait for one another, and all are kept. A search sees the images that were
    there when its handle was opened or last added to.
    """

    def __init__(
        self,
        folder: Path,
        facts: dict[str, Any],
        index: Any = None,
        records: Sequence[Record] = (),
        attributes: NDArray[np.float32] | None = None,
        model: Recognizer | None = None,
    ) -> None:
        self.folder, self._facts, self._model = folder, facts, model
        self._take(index, records, attributes)

    @classmethod
    def create(
        cls, folder: str | os.PathLike[str], model: Recognizer | str | os.PathLike[str], *, empty: bool = True
    ) -> Self:
        """A new, empty gallery for embeddings of `model`: a Recognizer, or the run folder to load it from.

        Unless `empty`, nothing is on disk before the first images are, so that an addition that fails leaves no gallery.
        The gallery stores the model's fingerprint, and the run that it was loaded from, so that `open` needs no model.
        Raises RunError when the folder is a gallery already.
        """
        folder = Path(folder)
        _require_none(folder)
        recognizer = model if isinstance(model, Recognizer) else load(model)
        facts = {
            "format": FORMAT,
            "metric": recognizer.metric,
            "attributes": recognizer.schema.width if recognizer.weighs_attributes else 0,
            "model": recognizer.source,
            "fingerprint": recognizer.fingerprint,
            "generation": 0,
        }
        gallery = cls(folder, facts, model=recognizer)
        if empty:
            with locked(folder, RunError, _PATIENCE):
                _require_none(folder)
                gallery._write_facts()
        return gallery

    @classmethod
    def open(cls, folder: str | os.PathLike[str], model: Recognizer | str | os.PathLike[str] | None = None) -> Self:
        """Open a gallery. `model`, a Recognizer or a run folder, is needed if the gallery's run has moved.

        Raises RunError when the folder is no gallery or is damaged, and when `model` did not make its embeddings.
        """
        gallery = cls._read(Path(folder))
        if model is not None:
            recognizer = model if isinstance(model, Recognizer) else load(model)
            gallery._require(recognizer, f"{recognizer.source or 'this model'} did not make them")
            gallery._model = recognizer
        return gallery

    @classmethod
    def _read(cls, folder: Path) -> Self:
        facts = cls._read_facts(folder)
        while True:
            try:
                return cls._read_generation(folder, dict(facts))
            except RunError:  # nobody waits to read: another process may have put a new one in this one's place
                before, facts = facts, cls._read_facts(folder)
                if facts == before:
                    raise

    @staticmethod
    def _read_facts(folder: Path) -> dict[str, Any]:
        try:
            facts = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
            facts["generation"], version = int(facts["generation"]), facts["format"]
        except NotADirectoryError:
            raise RunError(f"{folder} is a file, perhaps of a gallery; give its folder: {folder.parent}") from None
        except FileNotFoundError:
            raise RunError(f"{folder} is no gallery (gallery.json is missing); make one with `resight index`") from None
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{folder / 'gallery.json'} is damaged: {error}") from None
        if version not in (2, FORMAT):
            raise RunError(
                f"{folder} has gallery format {version}, this resight reads {FORMAT}; make it anew with `resight index`"
            )
        return dict(facts)

    @classmethod
    def _read_generation(cls, folder: Path, facts: dict[str, Any]) -> Self:
        generation, version = facts["generation"], facts["format"]
        facts["format"] = FORMAT
        if not generation:
            return cls(folder, facts)
        for file in (_vectors(folder, generation), _rows(folder, generation)):
            if not file.exists():
                raise RunError(
                    f"{folder} is damaged: {file.name} is missing; put it back, or make the gallery anew with "
                    "`resight index` in another folder"
                )
        try:
            index = faiss.read_index(str(_vectors(folder, generation)))
            table = pq.read_table(_rows(folder, generation))
            records, attributes = table_records(table), table_attributes(table)
            if version == 2 and facts["attributes"]:
                index, attributes = _taken_apart(index, facts["attributes"])
        except (OSError, RuntimeError, KeyError, pa.ArrowException) as error:
            raise RunError(
                f"{folder} is damaged ({str(error).splitlines()[0]}); make it anew with `resight index`"
            ) from None
        if index.ntotal != len(records):
            raise RunError(
                f"{folder} is damaged: {index.ntotal} vectors, {len(records)} records; make it anew with `resight index`"
            )
        if _width(attributes) != facts["attributes"]:
            raise RunError(
                f"{folder} is damaged: {_width(attributes)} probabilities of attributes beside each feature where its "
                f"model makes {facts['attributes']}; make it anew with `resight index`"
            )
        return cls(folder, facts, index, records, attributes)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def model(self) -> Recognizer:
        """The model of the gallery's embeddings, loaded when first asked for."""
        if self._model is None:
            source = self._facts["model"]
            if source is None:
                raise RunError(
                    f"{self.folder} does not know its model; give it: Gallery.open(folder, model=resight.load(...))"
                )
            try:
                model = load(source)
            except RunError as error:
                raise RunError(
                    f"{error}. {self.folder} was made with that run; if it has moved, give its new place: "
                    "`resight search --run`, or Gallery.open(folder, model=...)"
                ) from None
            self._require(model, f"{source} has changed since")
            self._model = model
        return self._model

    def _require(self, model: Recognizer, otherwise: str) -> None:
        if model.fingerprint != self._facts["fingerprint"]:
            raise RunError(
                f"{self.folder} holds embeddings of another model: {otherwise}, and embeddings of two models cannot "
                "be compared; give the run that it was made with, or index anew"
            )

    def add(
        self,
        images: Sequence[Record | str | os.PathLike[str]],
        *,
        progress: Progress | None = None,
    ) -> Added:
        """Embed images and add them to the gallery.

        Images that cannot be read, or whose names are not UTF-8, are left out and listed; those that are there already
        are skipped, also where another process has added them meanwhile, or where another path leads to the same file.
        `progress` is called with the number of images done since the last call. Raises RunError when another process
        holds the gallery for longer than ten minutes.
        """
        records, unwritable = nameable(as_records(images))
        if unwritable and not records:
            raise none_readable(len(unwritable), unwritable)
        new = self._unknown(records)
        if len(records) and not len(new):
            return Added(0, unwritable, len(records))
        embedded = embed(self.model, [records[place] for place in new], progress=progress)
        found = embedded.embeddings
        with locked(self.folder, RunError, _PATIENCE):
            self._read_anew()
            kept = self._unknown(found.records)
            if len(kept):
                self._append(found.select(kept))
        known = len(records) - len(new) + len(found) - len(kept)
        return Added(len(kept), [*unwritable, *embedded.failed], known)

    def _unknown(self, records: Sequence[Record]) -> NDArray[np.int64]:
        """Positions of those whose file is not in the gallery, the first of those that are one file."""
        there = {record.path for record in self.records} | {file_key(record.path) for record in self.records}
        new = []
        for place, record in enumerate(records):
            names = {os.path.abspath(record.path), file_key(record.path)}
            if not names & there:
                new.append(place)
            there |= names
        return np.array(new, np.int64)

    def add_embeddings(self, embeddings: Embeddings) -> None:
        """Add embeddings that the gallery's model has made; paths become absolute.

        Raises DataError when the width of their features or attributes is not the gallery's, or a number is not finite;
        RunError when another process holds the gallery for longer than ten minutes.
        """
        with locked(self.folder, RunError, _PATIENCE):
            self._read_anew()
            self._append(embeddings)

    def _read_anew(self) -> None:
        """Take up what other handles and processes have added since."""
        if self._index is None and not (self.folder / "gallery.json").exists():  # not on disk before its first images
            return
        current = type(self)._read(self.folder)
        if current._facts["fingerprint"] != self._facts["fingerprint"]:
            raise RunError(f"{self.folder} was made anew with another model meanwhile; open it again")
        self._facts = current._facts
        self._take(current._index, current.records, current._attributes)

    def _append(self, embeddings: Embeddings) -> None:
        features = np.ascontiguousarray(embeddings.features, np.float32)
        _require_finite("these have", features, embeddings.attributes)
        self._require_widths("these have", features, embeddings.attributes)
        index = faiss.clone_index(self._index) if self._index is not None else self._empty(features.shape[1])
        index.add(features)
        attributes = embeddings.attributes
        if attributes is not None and self._attributes is not None:
            attributes = np.concatenate([self._attributes, attributes])
        records = self.records + [replace(record, path=os.path.abspath(record.path)) for record in embeddings.records]
        generation = self._facts["generation"] + 1
        with written_whole(_vectors(self.folder, generation)) as partial:
            faiss.write_index(index, str(partial))
        with written_whole(_rows(self.folder, generation)) as partial:
            pq.write_table(record_table(records, attributes), partial, compression="zstd")
        self._facts["generation"] = generation
        self._write_facts()
        for stale in (_vectors(self.folder, generation - 1), _rows(self.folder, generation - 1)):
            stale.unlink(missing_ok=True)
        self._take(index, records, attributes)

    def _require_widths(
        self, theirs: str, features: NDArray[np.float32], attributes: NDArray[np.float32] | None
    ) -> None:
        width = features.shape[1]
        if self._index is not None and self._index.d != width:
            raise DataError(
                f"{self.folder} holds features of {self._index.d} numbers, {theirs} {width}: another model made them"
            )
        if _width(attributes) != self._facts["attributes"]:
            raise DataError(
                f"{self.folder} holds {self._facts['attributes']} probabilities of attributes beside each feature, "
                f"{theirs} {_width(attributes)}: another model made them"
            )

    def search(self, query: Query, k: int = 10, where: Mapping[str, object] | None = None) -> list[Hit]:
        """The `k` images nearest to one query image (path, PIL image or uint8 RGB array), best first.

        An image that is itself in the gallery, by whatever path, is not among its own hits. Raises DataError for an empty
        gallery, ImageError for a query that cannot be read.
        """
        _refuse(where)
        features, attributes = self.model.embed_with_attributes([query])
        own = file_key(query) if isinstance(query, str | os.PathLike) else None
        return self.hits(next(self._ranked(features, attributes, [own], k)))

    def search_features(
        self,
        features: NDArray[np.float32],
        k: int = 10,
        where: Mapping[str, object] | None = None,
        *,
        attributes: NDArray[np.float32] | None = None,
    ) -> list[list[Hit]]:
        """The same for queries' features, float32 [Q, D], and their attributes, [Q, A], if the metric weighs them.

        One list of hits per query. Nothing is known of a feature's image, so it may be among the hits.
        """
        _refuse(where)
        return [self.hits(found) for found in self._ranked(features, attributes, [None] * len(features), k)]

    def rank(self, queries: Embeddings, k: int | None = None, without: Collection[int] = ()) -> Iterator[Ranked]:
        """For each query: the `k` nearest images, or all if None.

        >>> for record, found in zip(queries.records, gallery.rank(queries, 80), strict=True):
        ...     print(record.path, found.places)

        Best first, equal scores by position. Neither the images at the positions `without` nor a query's own file, which
        may be in the gallery by whatever path, are among them. Raises DataError as `search` does.
        """
        own = [file_key(record.path) for record in queries.records]
        return self._ranked(queries.features, queries.attributes, own, len(self) if k is None else k, without)

    def hits(self, found: Ranked) -> list[Hit]:
        """What `rank` found for a query, as hits."""
        pairs = zip(found.places.tolist(), found.scores.tolist(), strict=True)
        return [Hit(place, score, None, self.records[place]) for place, score in pairs]

    def _ranked(
        self,
        features: NDArray[np.float32],
        attributes: NDArray[np.float32] | None,
        own: Sequence[str | None],
        k: int,
        without: Collection[int] = (),
    ) -> Iterator[Ranked]:
        """`rank` for features and attributes of queries whose files have the keys `own`; None for one without a file."""
        if k < 1:
            raise DataError(f"k = {k}: ask for at least one hit")
        if self._index is None:
            raise DataError(f"{self.folder} is empty; add images with `resight index`")
        self._require_widths("the query has", features, attributes)
        _require_finite("the query has", features, attributes)
        left_out = np.zeros(len(self), bool)
        left_out[list(without)] = True
        return self._answers(features, attributes, own, k, left_out)

    def _answers(
        self,
        features: NDArray[np.float32],
        attributes: NDArray[np.float32] | None,
        own: Sequence[str | None],
        k: int,
        left_out: NDArray[np.bool_],
    ) -> Iterator[Ranked]:
        asked = min(len(self), k + int(left_out.sum()) + 1)
        for number, found in enumerate(self._nearest(features, attributes, asked)):
            answer = self._without(*found, left_out, own[number])
            wider = asked
            while len(answer.places) < k and wider < len(self):  # the query's file was added by several paths
                wider = min(len(self), 2 * wider)
                one = slice(number, number + 1)
                found = next(self._nearest(features[one], None if attributes is None else attributes[one], wider))
                answer = self._without(*found, left_out, own[number])
            yield Ranked(answer.scores[:k], answer.places[:k], answer.itself)

    def _without(
        self, scores: NDArray[np.float64], places: NDArray[np.int64], left_out: NDArray[np.bool_], own: str | None
    ) -> Ranked:
        itself = self._files(places) == own if own is not None else np.zeros(len(places), bool)
        kept = ~(left_out[places] | itself)
        return Ranked(scores[kept], places[kept], bool(itself.any()))

    def _nearest(
        self, features: NDArray[np.float32], attributes: NDArray[np.float32] | None, k: int
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        if attributes is None:
            yield from self._neighbours.of(features, k)
            return
        for start in range(0, len(features), _QUERIES):  # a product of two distances, which faiss does not have
            some = slice(start, start + _QUERIES)
            metric = metric_between(self._facts["metric"], attributes[some], self._attributes)
            distances, places = nearest(features[some], self._neighbours.features, k, metric)
            yield from zip(-distances.astype(np.float64), places, strict=True)

    @cached_property
    def _neighbours(self) -> Neighbours:
        return Neighbours(self._index)

    def _files(self, places: NDArray[np.int64]) -> NDArray[np.object_]:
        """Which files the images at these positions are; asked of the disk once for each."""
        known = self._file_keys
        for place in places[known[places] == None]:  # noqa: E711  # element by element
            known[place] = file_key(self.records[place].path)
        return known[places]

    @cached_property
    def _file_keys(self) -> NDArray[np.object_]:
        return np.full(len(self), None, object)

    def _take(self, index: Any, records: Sequence[Record], attributes: NDArray[np.float32] | None) -> None:
        """Hold these images from now on."""
        self._index, self.records, self._attributes = index, list(records), attributes
        for derived in ("_neighbours", "_file_keys"):
            self.__dict__.pop(derived, None)

    def _empty(self, width: int) -> Any:
        return faiss.IndexFlatIP(width) if self._facts["metric"] == "cosine" else faiss.IndexFlatL2(width)

    def _write_facts(self) -> None:
        with written_whole(self.folder / "gallery.json") as partial:
            partial.write_text(json.dumps(self._facts, indent=2) + "\n", encoding="utf-8")


def _refuse(where: Mapping[str, object] | None) -> None:
    if where is not None:
        raise DataError("filtering a search by `where` is not available in this version; filter the hits' records")


def _require_none(folder: Path) -> None:
    if (folder / "gallery.json").exists():
        raise RunError(f"{folder} is a gallery already; open it with Gallery.open, or choose another folder")


def _taken_apart(index: Any, attributes: int) -> tuple[Any, NDArray[np.float32]]:
    """A format 2 index whose last columns are attributes -> an index of the features alone, and the attributes."""
    features, behind = np.split(index.reconstruct_n(0, index.ntotal), [-attributes], axis=1)
    alone = faiss.IndexFlatL2(features.shape[1])
    alone.add(np.ascontiguousarray(features))
    return alone, np.ascontiguousarray(behind)


def _require_finite(theirs: str, features: NDArray[np.float32], attributes: NDArray[np.float32] | None) -> None:
    if not all(np.isfinite(values).all() for values in (features, attributes) if values is not None):
        raise DataError(
            f"{theirs} numbers that are not finite and compare with nothing: the model diverged; train it anew"
        )


def _width(attributes: NDArray[np.float32] | None) -> int:
    return 0 if attributes is None else attributes.shape[1]


def _vectors(folder: Path, generation: int) -> Path:
    return folder / f"index-{generation:06d}.faiss"


def _rows(folder: Path, generation: int) -> Path:
    return folder / f"records-{generation:06d}.parquet"
