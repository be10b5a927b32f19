"""A gallery of synthetic embeddings beside brute force over an array in memory, in one run.

    python benchmarks/gallery.py                                   # 100,000 x 512, a folder
    python benchmarks/gallery.py --rows 1000000 --width 256
    python benchmarks/gallery.py --store postgresql://me@localhost/bench?table=crops

Embeddings are 5,000 directions with noise: identities of 20 images at 100,000 rows, of 200 at a million. Brute force is one
matrix product and a partial sort; of a condition it gets the rows that fulfil it for nothing. Recall is at 10, of 20
queries, against brute force in float64.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resight.embedding import PIECE
from resight.gallery.address import is_address
from resight.gallery.filters import Filter, In
from resight.gallery.store import VECTOR, Column, How, Schema, Store
from resight.gallery.stores import make_store
from results import report
from side_by_side import Memory, where

SHARES = {"all": 100, "50 %": 50, "10 %": 10, "1 %": 1}
Vectors = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument(
        "--store", default="", help="a folder that is not there, or postgresql://…; default a temporary folder"
    )
    parser.add_argument("--no-index", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="gallery-", dir=os.environ.get("TMPDIR"))
    try:
        _measure(options, options.store or str(Path(folder) / "gallery"))
    finally:
        shutil.rmtree(folder)


def _measure(options: argparse.Namespace, place: str) -> None:
    rng = np.random.default_rng(0)
    vectors, queries = embeddings(options.rows, options.width, rng), embeddings(options.queries, options.width, rng)
    group = rng.integers(0, 100, options.rows)
    print(f"{where()}: {options.rows:,} x {options.width}, {place if is_address(place) else 'a folder'}")
    columns = (Column("path", "text"), Column("camera", "int"), Column("group", "int"))
    store = make_store(place, Schema(options.width, "cosine", columns), {})
    with Memory() as memory:
        began = time.perf_counter()
        for start in range(0, options.rows, PIECE):
            store.upsert(_rows(vectors, group, start, min(options.rows, start + PIECE)))
        added = time.perf_counter() - began
    _told(
        f"add, in pieces of {PIECE:,}",
        f"{added:.1f} s",
        f"{options.rows / added:,.0f} rows/s, memory {memory.mebibytes:,.0f} MiB",
    )
    report("memory above the inputs, adding", memory.mebibytes, "MiB")
    indexed = 0.0
    if not options.no_index:
        with Memory() as memory:
            began = time.perf_counter()
            facts = store.build_index(0.99)
            indexed = time.perf_counter() - began
        _told(
            "index, measured at four shares",
            f"{indexed:.1f} s",
            f"promised 0.99, recall {facts.recall[1.0]:.3f}, memory {memory.mebibytes:,.0f} MiB",
        )
    million = 120 * options.rows / 1e6
    report("added and indexed", added + indexed, "s", most=million if options.rows >= 1e6 else None)
    if not options.no_index:
        report("memory above the inputs, indexing", memory.mebibytes, "MiB")
    _told("added and indexed", f"{added + indexed:.0f} s", "goal: a million in 120 s")
    cache = sum(file.stat().st_size for file in Path(place).glob("cache/*")) if not is_address(place) else 0
    kept = (store.storage.bytes - cache) / vectors.nbytes
    report("disk / the vectors alone", kept, most=1.3)
    _told(
        "disk",
        f"{kept:.2f} x the vectors",
        f"goal: 1.3 x; beside it a cache of {cache / vectors.nbytes:.2f} x that can be deleted",
    )
    _durable(store, options, rng)
    print(f"{'':24}{'exact':>24}{'auto':>24}{'brute force':>14}{'exact/brute':>13}{'recall':>8}{'of auto':>9}")
    for name, share in SHARES.items():
        _search(store, vectors, group, queries, name, share)


def embeddings(count: int, width: int, rng: np.random.Generator) -> Vectors:
    """[count, width] of length 1; the centres do not depend on `rng`, so that queries have their like."""
    centres = np.random.default_rng(1).standard_normal((5_000, width), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    made = np.empty((count, width), np.float32)
    for start in range(0, count, 65_536):
        some = made[start : start + 65_536]
        some[:] = centres[rng.integers(0, len(centres), len(some))]
        some += rng.standard_normal(some.shape, np.float32) * np.float32(0.9 / width**0.5)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    return made


def _rows(vectors: Vectors, group: NDArray[np.int64], start: int, stop: int, first: int = 0) -> pa.Table:
    ids = np.arange(start, stop) + 1 + first
    some = vectors[start:stop]
    return pa.table(
        {
            "id": ids,
            "path": [f"/crops/{one}.jpg" for one in ids.tolist()],
            "camera": group[start:stop] % 6,
            "group": group[start:stop],
            VECTOR: pa.FixedSizeListArray.from_arrays(pa.array(some.ravel()), some.shape[1]),
        }
    )


def _durable(store: Store, options: argparse.Namespace, rng: np.random.Generator) -> None:
    """Batches of 1,000 that are on disk, put in and taken out again."""
    new, group = embeddings(1000, options.width, rng), np.zeros(1000, np.int64)
    seconds = []
    for _ in range(10):
        rows = _rows(new, group, 0, 1000, first=10**9)
        began = time.perf_counter()
        store.upsert(rows)
        seconds.append(time.perf_counter() - began)
        store.delete(rows["id"].to_numpy())
    report("a durable batch of 1,000, p50", 1000 * statistics.median(seconds), "ms", most=100)
    _told("a durable batch of 1,000", f"{1000 * statistics.median(seconds):.0f} ms", "goal: 100 ms")


def _search(store: Store, vectors: Vectors, group: NDArray[np.int64], queries: Vectors, name: str, share: int) -> None:
    condition: Filter | None = None if share == 100 else In("group", tuple(range(share)))
    kept = np.flatnonzero(group < share)
    inside = vectors if share == 100 else vectors[kept]
    true = [kept[_truly(inside, query)] + 1 for query in queries[:20]]

    def by(how: How) -> Callable[[Vectors], NDArray[np.int64]]:
        return lambda query: store.search(query[None], 10, condition, how).ids[0]

    brute, _ = _times(lambda query: kept[_best(inside @ query)] + 1, queries)
    exact, exactly = _times(by("exact"), queries)
    auto, automatically = _times(by("auto"), queries)
    recalls = [
        np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(answers, true, strict=False)])
        for answers in (exactly, automatically)
    ]
    wanted = (50 if len(vectors) <= 100_000 else 100) if share == 100 else None
    for how, times, recall, least in (("exact", exact, recalls[0], 1.0), ("auto", auto, recalls[1], 0.98)):
        report(f"{how}, {name}: p50", 1000 * statistics.median(times), "ms", most=wanted)
        report(f"{how}, {name}: p99", 1000 * float(np.percentile(times, 99)), "ms")
        report(f"{how}, {name}: recall at 10", float(recall), "", least=least)
    report(f"exact / brute force, {name}", statistics.median(exact) / statistics.median(brute))
    print(
        f"{name:24}{_ms(exact):>24}{_ms(auto):>24}{1000 * statistics.median(brute):>11.1f} ms"
        f"{statistics.median(exact) / statistics.median(brute):>13.2f}{recalls[0]:>8.3f}{recalls[1]:>9.3f}"
    )


def _best(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    some = np.argpartition(-scores, 10)[:10]
    return some[np.argsort(-scores[some])]


def _truly(inside: Vectors, query: Vectors) -> NDArray[np.int64]:
    """The 10 nearest in float64, which decides among the 200 nearest in float32."""
    near = np.argpartition(-(inside @ query), min(200, len(inside) - 1))[:200]
    return near[_best(inside[near].astype(np.float64) @ query.astype(np.float64))]


def _times(
    ask: Callable[[Vectors], NDArray[np.int64]], queries: Vectors
) -> tuple[list[float], list[NDArray[np.int64]]]:
    ask(queries[0])  # what is read once
    seconds, answers = [], []
    for query in queries:
        began = time.perf_counter()
        answers.append(ask(query))
        seconds.append(time.perf_counter() - began)
    return seconds, answers


def _ms(seconds: list[float]) -> str:
    return f"p50 {1000 * statistics.median(seconds):.1f}, p99 {1000 * np.percentile(seconds, 99):.0f} ms"


def _told(what: str, figure: str, beside: str) -> None:
    print(f"{what:36}{figure:>18}   {beside}")


if __name__ == "__main__":
    main()
