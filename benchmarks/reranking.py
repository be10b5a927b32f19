"""k-reciprocal re-ranking beside the matrix product it rests on, and beside the usual dense code at a size that can bear.

    python benchmarks/reranking.py                   # 19,281 images of 2,048 dimensions, as Market-1501 has them
    python benchmarks/reranking.py --dense 500 1000 2000 4000
    python benchmarks/reranking.py --queries 11659 --gallery 82161 --evaluated --rounds 1 --dense     # MSMT17's size

The product is that of all images with all; of more than 20,000 it is timed for 20,000 rows. `--evaluated` measures
`evaluate` with re-ranking, which does not hold the distances of all queries. The dense code is the one that the tests
hold ours against: the authors' algorithm with N x N matrices.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import numpy as np

from resight.retrieval import KReciprocal, evaluate, rerank
from results import report
from side_by_side import Memory, seconds, where

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.support import brute


def features(count: int, dimensions: int) -> np.ndarray:
    """Clusters of about 26 images with much noise: neighbourhoods as full as a trained model's."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(1, count // 26), dimensions), dtype=np.float32)
    noise = rng.standard_normal((count, dimensions), dtype=np.float32)
    return centres[rng.integers(0, len(centres), count)] + 1.5 * noise


ROWS = 20_000
"""Rows of the product at most that are timed."""
GOAL_MEMORY = 3072
"""MiB."""


def product(values: np.ndarray) -> None:
    for start in range(0, min(ROWS, len(values)), 2048):  # the result in blocks: N x N floats would be 1.5 GB
        values[start : min(start + 2048, ROWS)] @ values.T


def evaluated(query: np.ndarray, gallery: np.ndarray) -> None:
    """An evaluation with re-ranking, by identities that say nothing."""
    names = np.random.default_rng(0).integers(1, 1 + len(gallery) // 26, len(query) + len(gallery))
    labels = {"query_ids": names[: len(query)], "gallery_ids": names[len(query) :]}
    evaluate(query, gallery, **labels, protocol="course", rerank=KReciprocal())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=3_368)
    parser.add_argument("--gallery", type=int, default=15_913)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dense", type=int, nargs="*", default=[500, 1000, 2000, 4000])
    parser.add_argument("--evaluated", action="store_true")
    options = parser.parse_args()
    work = evaluated if options.evaluated else rerank
    count = options.queries + options.gallery
    values = features(count, options.dimensions)
    print(f"{where()}: {count:,} images of {options.dimensions:,} dimensions, float32")
    ratios = []
    for _ in range(options.rounds):
        with Memory() as memory:
            ours = seconds(lambda: work(values[: options.queries], values[options.queries :]))
        alone = seconds(lambda: product(values)) * max(1, count / ROWS)
        ratios.append(ours / alone)
        print(
            f"product {alone:6.2f} s  re-ranking {ours:6.2f} s  ratio {ratios[-1]:.2f}"
            f"  memory above the inputs {memory.mebibytes:,.0f} MiB"
        )
    ratio = statistics.median(ratios)
    print(f"median ratio {ratio:.2f}")
    note = f"{ours:.0f} s, the product {alone:.0f} s"
    report(f"re-ranking / product, {count:,} × {options.dimensions:,}", ratio, most=1.2, note=note)
    report("memory above the inputs", memory.mebibytes, "MiB", most=GOAL_MEMORY)
    if options.dense:
        print("\nthe dense code, 1 image in 6 a query:")
    for size in options.dense:
        some = values[:size]
        with Memory() as memory:
            dense = seconds(lambda: brute.rerank(2 - 2 * _cosine(some), size // 6))  # noqa: B023
        ours = seconds(lambda: rerank(some[: size // 6], some[size // 6 :]))  # noqa: B023
        print(
            f"{size:6,} images: dense {dense:7.2f} s, {memory.mebibytes:6,.0f} MiB"
            f"  ours {ours:6.3f} s  dense / ours {dense / ours:6.1f}"
        )
        report(f"the usual dense code / ours, {size:,} images", dense / ours)


def _cosine(values: np.ndarray) -> np.ndarray:
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return np.minimum(unit @ unit.T, 1)


if __name__ == "__main__":
    main()
