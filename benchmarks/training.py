"""How fast training is beside torchreid's own loop and a plain loop in the style of the field, in one run.

    python benchmarks/training.py --torchreid ../deep-person-reid     # ResNet-18 at 128×64 on the CPU
    python benchmarks/training.py --torchreid … --device cuda --backbone resnet50 --size 256 128 --images 12936 \
        --identities 751 --workers 8 model settings such as trainer.precision=bf16

All train the same network with the same losses (identity and batch-hard triplet) and alike augmentation on the same JPEG
files, an epoch each in turn; the first epoch, in which caches fill and kernels are chosen, is shown and not counted. What
resight does at an epoch's end (metrics, a checkpoint that survives a power cut) is counted, and shown without as well.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from results import matrix_units, report
from side_by_side import where


def main() -> None:
    options = _options()
    os.environ["TTY_COMPATIBLE"] = "0"  # training tells a line for each epoch instead of drawing a bar
    from ceiling import told_ceiling
    from crops import write_crops

    with tempfile.TemporaryDirectory() as folder:
        os.environ["RESIGHT_CACHE"] = str(Path(folder) / "cache")
        records = write_crops(Path(folder) / "crops", options.images, options.identities)
        told, most = told_ceiling(options.device)
        print(f"{where(options.device)}: {options.backbone}, {options.size[0]}×{options.size[1]}, batch {options.batch}, {len(records):,} images; {told}", flush=True)  # fmt: skip
        times = _Times(options)
        for name, epoch in _others(options, records).items():
            times.add(name, epoch)
        alone = _ours(options, records, Path(folder) / "run", times)
    times.report(alone, most)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torchreid", type=Path, help="its source; left out of the comparison if not given")
    parser.add_argument("--no-plain", action="store_true", help="leave the plain loop out")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--backbone", default="resnet18", choices=["resnet18", "resnet50"])
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64])
    parser.add_argument("--last-stride", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--identities", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=3, help="of ours, the first one not counted")
    parser.add_argument("--others", type=int, default=2, help="epochs of each of the others, the first one not counted")
    parser.add_argument("--workers", type=int, default=0, help="of the others; resight has its own default")
    parser.add_argument("--profile", action="store_true", help="print where the time of resight's last epoch goes")
    parser.add_argument("--syncs", action="store_true", help="print where resight's last epoch waits for a GPU")
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE of resight's recipe")
    return parser.parse_args()


class _Times:
    """Seconds of each epoch, by name: wall clock, this process's processor time, images."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.others: dict[str, Callable[[], int]] = {}
        self.found: dict[str, list[tuple[float, float, int]]] = {}
        self.start()

    def add(self, name: str, epoch: Callable[[], int]) -> None:
        self.others[name] = epoch

    def start(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def stop(self, name: str, images: int) -> None:
        if self.options.device != "cpu":
            import torch

            torch.cuda.synchronize()
        wall, processor = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        self.found.setdefault(name, []).append((wall, processor, images))
        print(f"  {name:10} epoch of {images:,} images: {wall:7.2f} s, processor {processor:7.2f} s", flush=True)

    def turn(self) -> None:
        for name, epoch in self.others.items():
            if len(self.found.get(name, [])) < self.options.others:
                self.start()
                self.stop(name, epoch())
        self.start()

    def report(self, alone: list[float], most: float) -> None:
        images = self.found["resight"][0][2]
        speeds = {
            name: max(count / wall for wall, _, count in found[1:] or found) for name, found in self.found.items()
        }
        processor = {name: min(used / count for _, used, count in found[1:] or found) for name, found in self.found.items()}  # fmt: skip
        operations = _operations(self.options)
        print(f"resight's epochs without their ends: {', '.join(f'{value:.2f}' for value in alone)} s")
        whole = 12_936 / (images / statistics.median(alone[1:] or alone))
        print(
            f"12,936 images, Market-1501's epoch: {whole:.2f} s of steps alone, {12_936 / speeds['resight']:.2f} s in all"
        )
        report("12,936 images, Market-1501's epoch", 12_936 / speeds["resight"], "s", most=None if self.options.device == "cpu" else 3)  # fmt: skip
        for name, speed in speeds.items():
            print(
                f"{name:10} {speed:8,.0f} images/s  {1000 * self.options.batch / speed:8.1f} ms a step  "
                f"{operations * speed / 1e12:7.2f} TFLOP/s, {100 * operations * speed / most:4.1f} % of the ceiling  "
                f"{1000 * processor[name] * self.options.batch:8.1f} ms of processor time a step"
            )
            report(f"{name}: images/s", speed, "", ceiling=operations * speed / most)
        for name in self.others:
            print(
                f"resight / {name}: {speeds['resight'] / speeds[name]:.2f} by the clock, "
                f"{processor[name] / processor['resight']:.2f} by processor time"
            )
            goal = self._goal() if name == "torchreid" else None
            report(f"resight / {name}", speeds["resight"] / speeds[name], least=goal)
            report(f"resight / {name}, by processor time", processor[name] / processor["resight"])

    def _goal(self) -> float:
        """Times as fast as torchreid; a CPU without units for bfloat16 is to be not slower."""
        if self.options.device != "cpu":
            return 5
        return 1.8 if matrix_units() in ("AMX", "AVX512-BF16") else 1


def _operations(options: argparse.Namespace) -> float:
    """Operations of a training step for one image: forwards, and twice as many backwards."""
    from resight.models.backbone import Backbone
    from resight.models.cost import multiply_adds
    from resight.recipe import ImageOptions

    network = Backbone(options.backbone, pretrained=False, last_stride=options.last_stride)
    return 6 * multiply_adds(network, ImageOptions(height=options.size[0], width=options.size[1]))


def _others(options: argparse.Namespace, records: list) -> dict[str, Callable[[], int]]:
    from theirs import plain_epoch, torchreid_epoch

    size = (options.size[0], options.size[1])
    how = {"batch": options.batch, "workers": options.workers, "device": options.device}
    found = {}
    if options.torchreid is not None:
        found["torchreid"] = torchreid_epoch(options.torchreid, records, size, options.backbone, options.last_stride, **how)  # fmt: skip
    if not options.no_plain:
        found["plain"] = plain_epoch(records, size, options.backbone, options.last_stride, **how)
    return found


def _ours(options: argparse.Namespace, records: list, folder: Path, times: _Times) -> list[float]:
    """Train, the others in turn after each epoch; the seconds of the epochs without what comes at their ends."""
    from resight.recipe import load_recipe
    from resight.records import ReidDataset
    from resight.training import train

    recipe = load_recipe(
        "reid-strong-baseline",
        [
            f"epochs={options.epochs}",
            f"image.height={options.size[0]}",
            f"image.width={options.size[1]}",
            f"model.backbone={options.backbone}",
            "model.pretrained=false",
            f"model.last_stride={options.last_stride}",
            f"sampler.identities={options.batch // 4}",
            f"trainer.accelerator={'cpu' if options.device == 'cpu' else 'gpu'}",
            "losses.centre.weight=0",
            *(["loader.workers=0"] if not options.workers else [f"loader.workers={options.workers}"]),
            "loader.cache=auto",
            *options.overrides,
        ],
    )
    images = _steps(records, recipe) * options.batch
    watchers = _Profiler(options), _Syncs(options)

    def tell(line: str) -> None:
        if not line.startswith("epoch "):
            print(f"  {line}")
            return
        times.stop("resight", images)
        done = len(times.found["resight"])
        for watcher in watchers if done == options.epochs else ():
            watcher.stop()
        times.turn()
        for watcher in watchers if done == options.epochs - 1 else ():
            watcher.start()

    times.start()
    train(recipe, ReidDataset("crops", train=records), folder, tell=tell)
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def _steps(records: list, recipe: object) -> int:
    from resight.data.samplers import SAMPLERS
    from resight.recipe import make

    ids = [record.identity for record in records]
    return len(make(SAMPLERS, recipe.sampler, "sampler", ids=ids, cameras=None, targets=None, seed=0))  # type: ignore[attr-defined]


class _Profiler:
    """PyTorch's profiler over one epoch; its greatest operations are printed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.profile = options, None

    def start(self) -> None:
        if self.options.profile:
            from torch.profiler import profile

            self.profile = profile()
            self.profile.__enter__()

    def stop(self) -> None:
        if self.profile is not None:
            self.profile.__exit__(None, None, None)
            by = "self_cpu_time_total" if self.options.device == "cpu" else "self_cuda_time_total"
            print(self.profile.key_averages().table(sort_by=by, row_limit=14, max_name_column_width=48))


class _Syncs:
    """The lines of the program that wait for the GPU, and how often in one epoch."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.wanted = options.syncs and options.device != "cpu"

    def start(self) -> None:
        if self.wanted:
            import torch

            self.counts: Counter[str] = Counter()
            self.shown, warnings.showwarning = warnings.showwarning, self._note  # type: ignore[assignment]
            warnings.filterwarnings("always", message=".*synchroniz")
            torch.cuda.set_sync_debug_mode("warn")

    def _note(self, message: object, kind: object, file: str, line: int, *rest: object) -> None:
        frames = [
            frame
            for frame in traceback.extract_stack()
            if "resight" in frame.filename and "benchmarks" not in frame.filename
        ]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else f"{Path(file).name}:{line}"
        self.counts[where] += 1

    def stop(self) -> None:
        if self.wanted:
            import torch

            torch.cuda.set_sync_debug_mode("default")
            warnings.showwarning = self.shown
            print("waits for the GPU in the last epoch:", dict(self.counts.most_common(12)))


if __name__ == "__main__":
    main()
