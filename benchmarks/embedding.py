"""How fast embedding is beside torchreid's FeatureExtractor, in one run: from a folder of JPEG files, and from decoded pixels.

    python benchmarks/embedding.py --torchreid ../deep-person-reid            # ResNet-18 at 128×64 on the CPU
    python benchmarks/embedding.py --torchreid … --run resight-demo/run       # with a network that has learned something
    python benchmarks/embedding.py --torchreid … --device cuda --backbone resnet50 --size 256 128 --images 20480

Of a network that was never trained all images' embeddings are nearly the same, and bfloat16 is refused as too inexact beside
what little tells them apart.

torchreid's is called with the paths of 64 images at a time. Ours is `resight.embed`, which decides how it computes within
the timed part. "From the cache" are pixels that are decoded, as `loader.cache` keeps them. Beside the speed stands how much
of the machine's fastest matrix product it is, and how far the embeddings are from float32's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ceiling import told_ceiling
from crops import write_crops
from resight.data.cache import cached
from resight.embedding import embed, in_bulk, inexactness
from resight.models.backbone import Backbone
from resight.models.cost import multiply_adds
from resight.recipe import load_recipe
from resight.recognizer import Recognizer, load
from resight.run import build_model
from results import report
from side_by_side import seconds, where
from theirs import torchreid_extractor


class Pixels(NamedTuple):
    """A batch."""

    images: torch.Tensor


def main() -> None:
    options = _options()
    model = _model(options)
    operations = 2 * multiply_adds(Backbone(options.backbone, pretrained=False, last_stride=1), model.recipe.image)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("RESIGHT_CACHE", str(Path(folder) / "cache"))
        paths = [record.path for record in write_crops(Path(folder) / "crops", options.images, 100)]
        told, most = told_ceiling(options.device)
        print(f"{where(options.device)}: {options.backbone}, {options.size[0]}×{options.size[1]}, {len(paths):,} JPEG files; {told}", flush=True)  # fmt: skip
        works: dict[str, Callable[[], object]] = {"resight": lambda: embed(model, paths)}
        works["resight, from the cache"] = _from_cache(model, paths, options)
        if options.torchreid is not None:
            works["torchreid"] = _theirs(options, paths)
        counts = {name: options.theirs if name == "torchreid" else len(paths) for name in works}
        speeds: dict[str, float] = {}
        for turn in range(options.rounds):
            for name, work in works.items():
                taken = seconds(work, options.device)
                speeds[name] = max(speeds.get(name, 0.0), counts[name] / taken)
                print(f"  round {turn + 1}: {name:24} {taken:8.2f} s", flush=True)
        some = embed(model, paths).embeddings.features
        os.environ["RESIGHT_PRECISION"] = "32"
        exact = embed(model, paths[:2048]).embeddings.features
    print(f"inexactness beside float32: {inexactness(torch.from_numpy(some[:2048]), torch.from_numpy(exact)):.1e}")
    print(f"least cosine: {float(np.sum(some[:2048] * exact, axis=1).min()):.6f}")
    for name, speed in speeds.items():
        print(f"{name:24} {speed:9,.0f} images/s  {operations * speed / 1e12:7.2f} TFLOP/s, {100 * operations * speed / most:4.1f} % of the ceiling")  # fmt: skip
        cached_on_gpu = name.endswith("cache") and options.device != "cpu"
        report(f"{name}: images/s", speed, "", least=10_000 if cached_on_gpu else None, ceiling=operations * speed / most)  # fmt: skip
    if "torchreid" in speeds:
        print(f"resight / torchreid: {speeds['resight'] / speeds['torchreid']:.2f}")
        report("resight / torchreid, from JPEG files", speeds["resight"] / speeds["torchreid"], least=3)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torchreid", type=Path, help="its source; left out of the comparison if not given")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--backbone", default="resnet18", choices=["resnet18", "resnet50"])
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64])
    parser.add_argument("--images", type=int, default=8192)
    parser.add_argument("--theirs", type=int, default=2048, help="images that torchreid embeds")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--run", help="a trained run of --backbone and --size, such as that of `make demo`")
    parser.add_argument("--workers", type=int, default=2, help="processes of resight that decode")
    return parser.parse_args()


def _model(options: argparse.Namespace) -> Recognizer:
    """A network as it is made, with statistics of normal pixels, so that its numbers are of the size that trained ones have."""
    if options.run is not None:
        trained = load(options.run, device=options.device)
        trained.tell = print
        return trained
    torch.manual_seed(0)
    overrides = [
        f"image.height={options.size[0]}",
        f"image.width={options.size[1]}",
        f"loader.workers={options.workers}",
    ]
    recipe = load_recipe("reid-strong-baseline", [*overrides, f"model.backbone={options.backbone}"])
    network = build_model(recipe, 1, pretrained=False).train()
    with torch.no_grad():
        for _ in range(10):
            network.embed(torch.randn(8, 3, *options.size))  # type: ignore[operator]
    model = Recognizer(network, recipe, device=options.device)
    model.tell = print
    return model


def _from_cache(model: Recognizer, paths: list[str], options: argparse.Namespace) -> Callable[[], object]:
    from resight.records import as_records

    crops = cached(as_records(paths), model.recipe.image, workers=options.workers)
    on_gpu = options.device != "cpu"
    size = 512 if on_gpu else 64

    def work() -> list[object]:
        bulk = in_bulk(model, crops.gather(torch.arange(size)), len(paths))
        batches = (Pixels(crops.gather(part, pinned=on_gpu)) for part in torch.arange(len(paths)).split(size))
        return [found for _, found in bulk.embedded(batches)]

    return work


def _theirs(options: argparse.Namespace, paths: list[str]) -> Callable[[], object]:
    size = (options.size[0], options.size[1])
    extractor = torchreid_extractor(options.torchreid, size, options.backbone, 1, options.device)
    starts = range(0, options.theirs, 64)
    return lambda: [extractor(paths[start : start + 64]).cpu() for start in starts]


if __name__ == "__main__":
    main()
