"""How fast streets are drawn, and how hard they are: pictures per second and core, colour alone across and within cameras.

    python benchmarks/synthesis.py

One process writes each dataset, and its processor time counts, so that a busy machine does not change the rate; beside
it stands what only encoding as many JPEG files of the size takes, which no generator can do without. The goal is 200
pictures a second and core at 128 x 64.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from resight.data.formats import read_dataset
from resight.synthetic import synthesize
from results import report
from side_by_side import where

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.synthetic.test_generate import histogram_figures


def jpeg(count: int, size: tuple[int, int]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(60, 180, (*size, 3)).astype(np.uint8)).resize(size[::-1])
    for _ in range(count):
        buffer = io.BytesIO()
        noise.save(buffer, "JPEG", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=170)
    options = parser.parse_args()
    print(f"{where()}, one process")
    for kind, size in (("people", (128, 64)), ("vehicles", (128, 64)), ("vehicles", (96, 128))):
        with tempfile.TemporaryDirectory() as folder:
            started = time.process_time()
            made = synthesize(
                Path(folder) / "street", kind, identities=options.identities, size=size, processes=1, junk=0
            )
            drawn = time.process_time()
            jpeg(made.total, size)
            alone = time.process_time() - drawn
            print(
                f"{kind:8} {size[0]:3} x {size[1]:3}: {made.total:,} pictures, {made.total / (drawn - started):5.0f} a second"
                f"  ({(drawn - started) / alone:.1f} times the JPEG encoding alone)"
            )
            told = f"{kind}, {size[0]} × {size[1]}"
            report(f"{told}: pictures a second of processor time", made.total / (drawn - started), "", least=200 if size == (128, 64) else None)  # fmt: skip
            report(f"{told}: times the JPEG encoding alone", (drawn - started) / alone)
            if size != (128, 64) or kind == "people":
                across, within = histogram_figures(read_dataset(f"{made.preset.layout}:{made.root}"))
                print(f"         colour histogram: mAP {across:.1%} across cameras, {within:.1%} within one")
                report(f"{told}: colour histogram's mAP across cameras", 100 * across, "%")
                report(f"{told}: colour histogram's mAP within one", 100 * within, "%")


if __name__ == "__main__":
    main()
