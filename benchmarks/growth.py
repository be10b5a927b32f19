"""Whether a million images cost as much each as ten thousand do, in bounded memory: evaluated, and embedded.

    python benchmarks/growth.py                                       # evaluates up to 1,000,000, embeds up to 100,000
    python benchmarks/growth.py --gallery 10000 100000 --images 2000 8000
    python benchmarks/growth.py --gallery 10000 --images 10000 1000000 --size 32 16

The features are made up and lie on the disk, from where a memory map reads them. What is embedded are JPEG files by
`resight embed`, with a network so small that what stays is the way of the images; the files are some thousand crops under
many names. Its first images count for nothing, since programs start with them. Memory is what the process and its workers
hold above what they held before, without the pages of files, which the system drops when it needs them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crops import write_crops
from end_to_end import ended_well, untrained_run
from resight.retrieval import evaluate, verify
from resight.retrieval.camera_pairs import camera_pairs
from results import report
from side_by_side import Memory, anonymous, anonymous_of_all, seconds, where

GOAL = 1.2
GOAL_MEMORY = 1024
"""MiB, however many images are evaluated or embedded."""
STEP = 10_000
"""Rows that are made, or multiplied, at once."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="sizes, ascending")
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000], help="to embed, ascending")
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64], metavar=("H", "W"), help="that images are embedded at")  # fmt: skip
    parser.add_argument("--files", type=int, default=2_000, help="different ones among them")
    options = parser.parse_args()
    print(f"{where()}: {options.queries:,} queries, features of {options.width} numbers", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        evaluated(Path(folder), options)
        embedded(Path(folder), options)


def evaluated(folder: Path, options: argparse.Namespace) -> None:
    """mAP, CMC and mINP over galleries of each size, the sizes in turn in each round."""
    sides = {size: _sides(folder, options.queries, size, options.width) for size in options.gallery}
    costs: dict[int, list[float]] = {size: [] for size in sides}
    for size, inputs in sides.items():
        with Memory(anonymous) as memory:
            result = evaluate(**inputs)
        print(f"{size:9,} evaluated: {memory.mebibytes:6,.0f} MiB, mAP {100 * result.mean_average_precision:.1f} %", flush=True)  # fmt: skip
        report(f"memory, {options.queries:,} × {size:,} × {options.width}", memory.mebibytes, "MiB", most=GOAL_MEMORY)
    beside = {
        "verified": lambda: verify(inputs["query_features"], inputs["gallery_features"], result.judgement),
        "by camera": lambda: camera_pairs(
            inputs["query_features"],
            inputs["gallery_features"],
            result.judgement,
            inputs["query_cameras"],
            inputs["gallery_cameras"],
        ),
        "by Euclidean distance": lambda: evaluate(**inputs, metric="euclidean"),
    }
    for name, work in beside.items():  # of the largest
        with Memory(anonymous) as memory:
            taken = seconds(work)
        print(f"{size:9,} {name}: {memory.mebibytes:6,.0f} MiB, {taken:.1f} s", flush=True)
        report(f"memory, {name}, {options.queries:,} × {size:,} × {options.width}", memory.mebibytes, "MiB", most=GOAL_MEMORY)  # fmt: skip
    for turn in range(options.rounds):
        for size, inputs in sides.items():
            taken, product = seconds(lambda: evaluate(**inputs)), seconds(lambda: _product(inputs))  # noqa: B023
            costs[size].append(1e9 * taken / options.queries / size)
            print(f"  round {turn + 1}: {size:9,} in {taken:7.2f} s, {costs[size][-1]:5.1f} ns for a query and an image; the product {product:7.2f} s", flush=True)  # fmt: skip
    least, most = options.gallery[0], options.gallery[-1]
    ratio = statistics.median(large / small for small, large in zip(costs[least], costs[most], strict=True))
    print(f"cost of an image, {most:,} : {least:,}: {ratio:.2f}")
    report("time for a query and an image of the largest", statistics.median(costs[most]), "ns")
    report(f"cost of an evaluated image, {most:,} : {least:,}", ratio, most=GOAL)


def _sides(folder: Path, queries: int, size: int, width: int) -> dict[str, Any]:
    """What `evaluate` takes: a gallery on the disk of some twenty images of each identity, and queries of them."""
    rng = np.random.default_rng(size)
    centres = rng.standard_normal((max(1, size // 20), width), np.float32)
    ids = rng.integers(0, len(centres), size)
    asked = rng.integers(0, len(centres), queries)
    path = folder / f"{size}.npy"
    gallery = np.lib.format.open_memmap(path, "w+", np.float32, (size, width))
    for start in range(0, size, STEP):
        gallery[start : start + STEP] = _near(centres[ids[start : start + STEP]], rng)
    del gallery
    return {
        "query_features": _near(centres[asked], rng),
        "gallery_features": np.load(path, mmap_mode="r"),
        "query_ids": asked + 1,
        "gallery_ids": ids + 1,
        "query_cameras": rng.integers(0, 6, queries),
        "gallery_cameras": rng.integers(0, 6, size),
    }


def _near(centres: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    return centres + 2 * rng.standard_normal(centres.shape, np.float32)


def _product(inputs: dict[str, Any]) -> None:
    """The matrix product alone, of some rows at a time as it would not fit into memory."""
    query, gallery = inputs["query_features"], inputs["gallery_features"]
    for start in range(0, len(gallery), STEP):
        query @ gallery[start : start + STEP].T


def embedded(folder: Path, options: argparse.Namespace) -> None:
    """`resight embed` of folders of each size."""
    os.environ["RESIGHT_PRECISION"] = "32"  # all sizes compute in the same way
    run = untrained_run(folder, "test_resnet", options.size)
    files = [record.path for record in write_crops(folder / "crops", options.files, options.files)]
    first = options.images[0] // 10
    for _ in range(2):  # the first one loads programs
        begun, _ = _embedding(folder, run, files, first)
    costs, held = [], []
    for size in options.images:
        taken, memory = _embedding(folder, run, files, size)
        costs.append((taken - begun) / (size - first))
        held.append(memory)
        print(f"{size:9,} embedded in {taken:6.1f} s, {1e3 * costs[-1]:.2f} ms an image after the first {first:,}; {memory:6,.0f} MiB", flush=True)  # fmt: skip
    least, most = options.images[0], options.images[-1]
    print(f"cost of an image, {most:,} : {least:,}: {costs[-1] / costs[0]:.2f}")
    report(f"memory, {most:,} embedded", held[-1], "MiB", most=GOAL_MEMORY)
    report(f"memory of each further 1,000, {least:,} to {most:,}", 1e3 * (held[-1] - held[0]) / (most - least), "MiB")
    report(f"cost of an embedded image, {most:,} : {least:,}", costs[-1] / costs[0], most=GOAL)


def _embedding(folder: Path, run: Path, files: Sequence[str], size: int) -> tuple[float, float]:
    """Seconds and MiB of `resight embed` for a folder of `size` images."""
    with tempfile.TemporaryDirectory(dir=folder) as images:
        for number in range(size):
            os.link(files[number % len(files)], Path(images) / f"{number:07d}.jpg")
        words = ["embed", str(run), images, "--out", str(folder / "features.parquet"), "--force"]
        with Memory(anonymous_of_all) as memory:
            taken = seconds(lambda: ended_well(words))
    return taken, memory.mebibytes


if __name__ == "__main__":
    main()
