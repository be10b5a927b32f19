"""What clustering a site's images costs: seconds and peak memory of each method.

    python benchmarks/clustering.py                       # 20,000 images of 1,500 people, 128 numbers each
    python benchmarks/clustering.py --methods ward        # one of them
    python benchmarks/clustering.py --images 5000

Memory is the peak of the process above what it held with the features loaded.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from resight.retrieval.clusters import Density, GaussianMixture, Hierarchical, Method, cluster, score_clusters
from results import report
from side_by_side import Memory, where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--people", type=int, default=1_500)
    parser.add_argument("--methods", nargs="*")
    options = parser.parse_args()
    people = options.people
    methods: dict[str, Method] = {
        "ward": Hierarchical(clusters=people),
        "average": Hierarchical(clusters=people, linkage="average"),
        "ward, 30 neighbours": Hierarchical(clusters=people, neighbours=30),
        "gaussian-mixture": GaussianMixture(people),
        "density": Density(smallest=5),
    }
    rng = np.random.default_rng(0)
    ids = rng.integers(1, people + 1, options.images)
    features = rng.standard_normal((people + 1, options.dimensions), dtype=np.float32)[ids]
    features += 0.7 * rng.standard_normal(features.shape, dtype=np.float32)
    print(f"{where()}: {options.images:,} x {options.dimensions}, {people:,} people")
    for name in options.methods or methods:
        started = time.perf_counter()
        with Memory() as memory:
            found = cluster(features, methods[name], "euclidean")
        taken, scores = time.perf_counter() - started, score_clusters(found.labels, ids)
        told = f"{scores.clusters:,} clusters, adjusted Rand {scores.adjusted_rand:.2f}"
        print(f"{name:20} {taken:7.1f} s {memory.mebibytes:7,.0f} MiB  {told}", flush=True)
        report(f"{name}: time", taken, "s")
        report(f"{name}: memory above the inputs", memory.mebibytes, "MiB")
        report(f"{name}: adjusted Rand", scores.adjusted_rand, "")


if __name__ == "__main__":
    main()
