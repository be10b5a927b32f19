"""How many images a second reach the network, decoded and augmented: from files and from the cache, one by one and in batches.

    python benchmarks/data_path.py                                    # on the CPU, 128×64
    python benchmarks/data_path.py --recipe attributes-resnet18       # with jitter and rotation
    python benchmarks/data_path.py --device cuda --size 256 128 --images 12936 --backbone resnet50

All ways are timed in turn in one process, on the same draws; the limit beside them is a copy of as many pixels from memory
to memory (on a GPU within its memory). Then a training of the backbone tells the share of its time that it waits for
images: `data/wait` of its metrics.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from results import report
from side_by_side import seconds, where


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RESIGHT_CACHE"] = str(Path(folder) / "cache")
        _compare(options, Path(folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--recipe", default="reid-strong-baseline", help="whose augmentation")
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0, help="that decode into the cache")
    parser.add_argument("--backbone", default="resnet18", help="of the training; none trains nothing")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE of the training's recipe")
    return parser.parse_args()


def _compare(options: argparse.Namespace, folder: Path) -> None:
    import torch

    from crops import write_crops
    from resight.data.cache import cached
    from resight.recipe import load_recipe

    records = write_crops(folder / "crops", options.images, max(16, options.images // 17))
    size = [f"image.height={options.size[0]}", f"image.width={options.size[1]}"]
    recipe = load_recipe(options.recipe, size)
    steps = ", ".join(recipe.augmentation)
    print(f"{where(options.device)}, {torch.get_num_threads()} threads: {len(records):,} images, {options.size[0]}×{options.size[1]}, batches of {options.batch}; {steps}", flush=True)  # fmt: skip
    taken = seconds(lambda: cached(records, recipe.image, workers=options.workers))
    print(f"decoding all into the cache, once: {len(records) / taken:,.0f} images/s ({taken:.1f} s, {options.workers} workers)", flush=True)  # fmt: skip
    _in_turn(options, _ways(options, recipe, records))
    if options.backbone != "none":
        _train(options, records, folder)


def _ways(options: argparse.Namespace, recipe: object, records: list) -> dict[str, Callable[[], Iterator[object]]]:
    """Name -> an epoch's batches."""
    import torch

    from resight.data.augmentations import build_augmentation
    from resight.data.augmentations.batched import build_batched
    from resight.data.batches import Batches
    from resight.data.cache import cached
    from resight.data.loaders import ImageDataset
    from resight.data.samplers import RandomSampler
    from resight.recipe import LoaderOptions

    there = torch.device(options.device)
    crops = cached(records, recipe.image)  # type: ignore[attr-defined]
    sampler = RandomSampler([0] * len(records), batch_size=options.batch)

    def way(cache: object, batched: bool, device: torch.device = there) -> Callable[[], Iterator[object]]:
        images = ImageDataset(records, recipe.image, build_augmentation(recipe.augmentation, recipe.image))  # type: ignore[attr-defined]
        images.crops = cache  # type: ignore[assignment]
        if batched:
            images.batched = build_batched(recipe.augmentation, recipe.image)  # type: ignore[attr-defined]
        return lambda: iter(Batches(images, sampler, LoaderOptions(workers=0), device))

    cpu = torch.device("cpu")
    ways = {
        "limit: a copy of the pixels": _copies(crops.on(there), options),
        "files, one by one": way(None, False),
        "cache, one by one": way(crops, False),
        "cache, in batches": way(crops, True, cpu),
    }
    if options.device == "cuda":
        ways["cache on disk, in batches on the GPU"] = way(crops, True)
        ways["cache on the GPU, in batches there"] = way(crops.on(there), True)
    return ways


def _copies(crops: object, options: argparse.Namespace) -> Callable[[], Iterator[object]]:
    pixels = crops.pixels  # type: ignore[attr-defined]

    def copies() -> Iterator[object]:
        for start in range(0, len(pixels) - options.batch + 1, options.batch):
            yield pixels[start : start + options.batch].clone()

    return copies


def _in_turn(options: argparse.Namespace, ways: dict[str, Callable[[], Iterator[object]]]) -> None:
    def epoch(batches: Callable[[], Iterator[object]]) -> None:
        for _ in batches():
            pass

    images = options.images // options.batch * options.batch
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.rounds + 1):
        for name, batches in ways.items():
            taken = seconds(lambda batches=batches: epoch(batches), options.device)  # type: ignore[misc]
            if turn:  # the first warms caches up
                found[name].append(images / taken)
    speeds = {name: statistics.median(values) for name, values in found.items()}
    reference, limit = speeds["files, one by one"], next(iter(speeds.values()))
    for name, speed in speeds.items():
        print(f"{name:38} {speed:12,.0f} images/s  {1000 / speed:8.4f} ms an image  {speed / reference:7.1f} times the files  {100 * speed / limit:5.1f} % of the limit", flush=True)  # fmt: skip
        report(f"{name}: images/s", speed, "")
        report(f"{name}: times as fast as files, one by one", speed / reference)


def _train(options: argparse.Namespace, records: list, folder: Path) -> None:
    """Train with the cache, and tell how long it waited."""
    os.environ["TTY_COMPATIBLE"] = "0"
    from resight.recipe import load_recipe
    from resight.records import ReidDataset
    from resight.training import train

    recipe = load_recipe(
        "reid-strong-baseline",
        [
            f"model.backbone={options.backbone}",
            "model.pretrained=false",
            f"image.height={options.size[0]}",
            f"image.width={options.size[1]}",
            f"epochs={options.epochs}",
            "schedule={name: constant}",
            "validation.ratio=0",
            "loader.cache=auto",
            f"loader.workers={options.workers}",
            f"trainer.accelerator={'gpu' if options.device == 'cuda' else 'cpu'}",
            *options.overrides,
        ],
    )
    started = time.perf_counter()
    run = train(recipe, ReidDataset("crops", train=records, query=[], gallery=[]), folder / "run", quiet=True)
    taken = time.perf_counter() - started
    with open(run.metrics, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    waits = ", ".join(f"{100 * float(row['data/wait']):.2f} %" for row in rows)
    epochs = ", ".join(f"{float(row['seconds']):.2f} s" for row in rows)
    report(f"{options.backbone}: waiting for images, of an epoch's time", 100 * statistics.median(float(row["data/wait"]) for row in rows[1:] or rows), "%", most=3)  # fmt: skip
    print(f"training {options.backbone}: waited for images {waits} of its epochs, which took {epochs} ({taken:.1f} s in all)")  # fmt: skip


if __name__ == "__main__":
    main()
