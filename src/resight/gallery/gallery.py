"""A gallery: embeddings of many images with their records on disk, searched exactly.

faiss stores and searches the features; a metric that weighs attributes is computed here, block by block.

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
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from resight.files import locked, written_whole
from resight.gallery.hit import Hit
from resight.recognizer import Progress, Recognizer, load
from resight.records import Embeddings, Record, as_records, nameable, record_table, table_attributes, table_records
from resight.retrieval import metric_between, nearest

__all__ = ["Added", "Gallery"]

FORMAT = 3
_PATIENCE = 600
"""Seconds that an addition waits for another one to be written."""
Query = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]


class Added(NamedTuple):
    """Images that `Gallery.add` added, a line for each that could not be read, and images that it had already."""

    count: int  # type: ignore[assignment]
    failed: list[str]
    known: int = 0


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
        self.folder, self.records = folder, list(records)
        self._facts, self._index, self._attributes, self._model = facts, index, attributes, model

    @classmethod
    def create(cls, folder: str | os.PathLike[str], model: Recognizer | str | os.PathLike[str]) -> Self:
        """A new, empty gallery for embeddings of `model`: a Recognizer, or the run folder to load it from.

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

        Images that cannot be read, or whose names are not UTF-8, are left out and listed; those whose path is there
        already are skipped, also where another process has added it meanwhile. `progress` is called with the number of
        images done since the last call. Raises RunError when another process holds the gallery for longer than ten
        minutes.
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
        """Positions of those whose path is not in the gallery."""
        there = {record.path for record in self.records}
        return np.array(
            [place for place, record in enumerate(records) if os.path.abspath(record.path) not in there], np.int64
        )

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
        current = type(self)._read(self.folder)
        if current._facts["fingerprint"] != self._facts["fingerprint"]:
            raise RunError(f"{self.folder} was made anew with another model meanwhile; open it again")
        self._facts, self._index = current._facts, current._index
        self.records, self._attributes = current.records, current._attributes

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
        self._index, self.records, self._attributes = index, records, attributes

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

        Raises DataError for an empty gallery, ImageError for a query that cannot be read.
        """
        features, attributes = self.model.embed_with_attributes([query])
        return self.search_features(features, k, where, attributes=attributes)[0]

    def search_features(
        self,
        features: NDArray[np.float32],
        k: int = 10,
        where: Mapping[str, object] | None = None,
        *,
        attributes: NDArray[np.float32] | None = None,
    ) -> list[list[Hit]]:
        """The same for queries' features, float32 [Q, D], and their attributes, [Q, A], if the metric weighs them.

        One list of hits per query.
        """
        if where is not None:
            raise DataError("filtering a search by `where` is not available in this version; filter the hits' records")
        if k < 1:
            raise DataError(f"k = {k}: ask for at least one hit")
        if self._index is None:
            raise DataError(f"{self.folder} is empty; add images with `resight index`")
        self._require_widths("the query has", features, attributes)
        _require_finite("the query has", features, attributes)
        scores, ids = self._nearest(np.ascontiguousarray(features, np.float32), attributes, min(k, len(self)))
        return [
            # faiss answers -1 where it has nothing: galleries of before may hold features that compare with none.
            [Hit(int(i), float(s), None, self.records[i]) for s, i in zip(row, found, strict=True) if i >= 0]
            for row, found in zip(scores, ids, strict=True)
        ]

    def _nearest(
        self, features: NDArray[np.float32], attributes: NDArray[np.float32] | None, k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if attributes is not None:  # a product of two distances, which faiss does not have
            metric = metric_between(self._facts["metric"], attributes, self._attributes)
            distances, ids = nearest(features, self._index.reconstruct_n(0, len(self)), k, metric)
            return -distances, ids
        scores, ids = self._index.search(features, k)
        # faiss returns squared distances
        return (-np.sqrt(np.maximum(scores, 0)) if self._facts["metric"] == "euclidean" else scores), ids

    def _empty(self, width: int) -> Any:
        return faiss.IndexFlatIP(width) if self._facts["metric"] == "cosine" else faiss.IndexFlatL2(width)

    def _write_facts(self) -> None:
        with written_whole(self.folder / "gallery.json") as partial:
            partial.write_text(json.dumps(self._facts, indent=2) + "\n", encoding="utf-8")


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
