"""A process that changes a store in a folder until it is killed, and a journal of what it began and what was acknowledged.

python -m tests.support.store_writer FOLDER JOURNAL SEED
"""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from resight.gallery import pieces
from resight.gallery.lance import LanceStore
from resight.gallery.store import VECTOR, Column, Schema
from resight.records import vector_column, vectors_of

__all__ = ["BATCH", "SCHEMA", "batch_of", "broken_promises"]

BATCH = 60
SCHEMA = Schema(16, "cosine", (Column("path", "text"), Column("camera", "int")))


def batch_of(number: int) -> pa.Table:
    """The rows of a batch; its number is their camera."""
    vectors = np.random.default_rng(number).normal(size=(BATCH, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.arange(BATCH) + 1000 * number
    return pa.table(
        {
            "id": pa.array(ids),
            "path": pa.array([f"/{each}.jpg" for each in ids]),
            "camera": pa.array([number] * BATCH, pa.int64()),
            VECTOR: vector_column(vectors),
        }
    )


def broken_promises(folder: Path, journal: Path) -> list[str]:
    """What is not as the journal of acknowledged changes has it, a line each."""
    said: dict[int, list[str]] = defaultdict(list)
    for line in journal.read_text().splitlines():
        word, action, number = line.split()
        said[int(number)].append(f"{word} {action}")
    store, wrong = LanceStore.open(str(folder)), []
    for number, words in said.items():
        rows = store.fetch(np.arange(BATCH) + 1000 * number, ["id", VECTOR])
        last = words[-1]
        allowed = {"done upsert": [BATCH], "done delete": [0]}.get(last, [0, BATCH])
        if len(rows) not in allowed:
            wrong.append(f"batch {number} has {len(rows)} rows after {last!r}")
        elif len(rows):
            whole = vectors_of(batch_of(number)[VECTOR])
            found = store.search(whole[:2], 1, None, "auto" if number % 2 else "exact")
            if not (vectors_of(rows[VECTOR]) == whole).all() or [int(ids[0]) for ids in found.ids] != [
                1000 * number,
                1000 * number + 1,
            ]:
                wrong.append(f"batch {number} is not found as it was written")
    return wrong


def main() -> None:
    folder, journal, seed = sys.argv[1:]
    pieces._MANY = 4  # so that additions join them
    random = np.random.default_rng(int(seed))
    with open(journal, "a", buffering=1) as log:
        store = LanceStore.open(folder)
        ids = np.concatenate([np.empty(0, np.int64), *(batch.column(0).to_numpy() for batch in store.scan(["id"]))])
        there = sorted(set((ids // 1000).tolist()))
        next_one = 1 + max([int(line.split()[2]) for line in Path(journal).read_text().splitlines()] or [0])
        while True:
            action = random.choice(["upsert", "upsert", "delete", "compact", "index"])
            if action in ("upsert", "delete") and (action == "upsert" or there):
                number = there.pop(int(random.integers(len(there)))) if action == "delete" else next_one
                log.write(f"begun {action} {number}\n")
                rows = batch_of(number)
                store.upsert(rows) if action == "upsert" else store.delete(rows["id"].to_numpy())
                log.write(f"done {action} {number}\n")
                if action == "upsert":
                    there.append(number)
                    next_one += 1
            elif action == "compact":
                store.compact(timedelta(hours=1))
            elif action == "index" and there:
                store.build_index(0.9, sample=20)


if __name__ == "__main__":
    main()
