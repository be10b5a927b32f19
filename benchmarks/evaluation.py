"""How much the whole evaluation costs beside the matrix product that it cannot do without.

    python benchmarks/evaluation.py                  # Market-1501's size
    python benchmarks/evaluation.py --size msmt17    # 11,659 x 82,161
    python benchmarks/evaluation.py --device cuda

Both are timed in turn in one process; memory is the peak of the process above what it held with the inputs loaded.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from resight.retrieval import evaluate
from results import report
from side_by_side import Memory, seconds, where

SIZES = {
    "market1501": (3_368, 15_913, 750, 6),
    "msmt17": (11_659, 82_161, 3_060, 15),
    "small": (500, 3_000, 120, 6),
}
GOAL = 1.2
GOAL_MEMORY = {"market1501": 1024, "msmt17": 4096, "small": 256}
"""MiB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="market1501")
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    queries, gallery, identities, cameras = SIZES[options.size]
    rng = np.random.default_rng(0)
    ids = rng.integers(1, identities + 1, gallery)
    ids[rng.random(gallery) < 0.18] = 0  # the share of Market-1501's distractors
    labels = {
        "query_ids": rng.integers(1, identities + 1, queries),
        "gallery_ids": ids,
        "query_cameras": rng.integers(1, cameras + 1, queries),
        "gallery_cameras": rng.integers(1, cameras + 1, gallery),
    }
    centres = rng.standard_normal((identities + 1, options.dimensions), dtype=np.float32)
    sides = [
        centres[names] + 3 * rng.standard_normal((len(names), options.dimensions), dtype=np.float32)
        for names in (labels["query_ids"], labels["gallery_ids"])
    ]
    if options.device != "cpu":
        import torch

        sides = [torch.from_numpy(side).to(options.device) for side in sides]
    print(f"{where(options.device)}: {queries:,} x {gallery:,} x {options.dimensions:,}, float32")
    with Memory() as memory:
        result = evaluate(*sides, **labels)
    print(f"mAP {100 * result.mean_average_precision:.2f} %  memory above the inputs {memory.mebibytes:,.0f} MiB")
    ratios = []
    for _ in range(options.rounds):
        product = seconds(lambda: sides[0] @ sides[1].T, options.device)
        started = time.perf_counter()
        evaluate(*sides, **labels)
        whole = time.perf_counter() - started
        ratios.append(whole / product)
        print(f"product {product:7.3f} s  evaluation {whole:7.3f} s  ratio {ratios[-1]:.2f}")
    ratio = statistics.median(ratios)
    print(f"median ratio {ratio:.2f}")
    size = f"{queries:,} × {gallery:,} × {options.dimensions:,}"
    report(f"evaluation / product, {size}", ratio, most=GOAL)
    report("memory above the inputs", memory.mebibytes, "MiB", most=GOAL_MEMORY[options.size])


if __name__ == "__main__":
    main()
