"""What `resight evaluate --rerank` spends its time on, from JPEG files to the report.

    python benchmarks/end_to_end.py                       # ResNet-18 at 128×64, Market-1501's course version in size
    python benchmarks/end_to_end.py --run resight-demo/run    # whose network may be computed in bfloat16
    python benchmarks/end_to_end.py --images 2000 --queries 200

The images are noise, so that nothing has to be fetched: the time does not depend on what is
found. The network's time is that of its calls, in this one process; the rest is reading, resizing, metrics, re-ranking and
the report with its pictures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules import module

from crops import write_crops
from resight.cli import main as resight
from resight.data.formats.manifest import write_manifest
from resight.recipe import load_recipe
from resight.records import NO_ATTRIBUTES, ReidDataset
from resight.run import Run, build_model
from results import report
from side_by_side import where

__all__ = ["ended_well", "untrained_run"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=1_109)
    parser.add_argument("--images", type=int, default=19_679, help="of the gallery")
    parser.add_argument("--backbone", default="resnet18.tv_in1k")
    parser.add_argument("--run", help="a trained run, such as that of `make demo`, in place of an untrained network")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = write_crops(folder / "crops", options.queries + options.images, max(2, options.images // 26))
        data = ReidDataset("crops", query=records[: options.queries], gallery=records[options.queries :])
        write_manifest(folder / "crops.csv", data)
        run = Path(options.run) if options.run else untrained_run(folder, options.backbone)
        print(f"{where()}: {options.queries:,} queries, {options.images:,} images, {options.backbone}", flush=True)
        words = ["evaluate", str(run), "--data", f"manifest:{folder / 'crops.csv'}", "--rerank"]
        words += ["--report", str(folder / "report.html")]
        with _in_network() as spent:
            began = time.perf_counter()
            ended_well(words)
            whole = time.perf_counter() - began
    share = spent[0] / whole
    print(f"in all {whole:.1f} s, in the network {spent[0]:.1f} s: {share:.0%}; the rest {whole - spent[0]:.1f} s")
    report("evaluate --rerank with its report, in all", whole, "s")
    report("of it in the network", 100 * share, "%")
    report("images/s in all", (options.queries + options.images) / whole, "")


def untrained_run(folder: Path, backbone: str, size: Sequence[int] = (128, 64)) -> Path:
    """A finished run whose network, of images of this height and width, is as it is made; its folder."""
    height, width = size
    shape = ["model.pretrained=false", f"image.height={height}", f"image.width={width}", f"model.backbone={backbone}"]
    recipe = load_recipe("reid-strong-baseline", shape)
    run = Run(folder / "run", recipe, 10, NO_ATTRIBUTES, [], finished=True)
    run.save()
    network = build_model(recipe, 10, NO_ATTRIBUTES).train()
    with torch.no_grad():  # statistics of normal pixels, so that its numbers are of the size that trained ones have
        for _ in range(10):
            network.embed(torch.randn(8, 3, height, width))  # type: ignore[operator]
    run.save_weights(network)
    return run.folder


def ended_well(words: list[str]) -> None:
    """Run a command of `resight` in this process; what it raises where it fails is raised."""
    try:
        resight(words)
    except SystemExit as ended:
        if ended.code:
            raise


@contextmanager
def _in_network() -> Iterator[list[float]]:
    """Adds up the seconds that outermost modules take within the block."""
    spent, inside, began = [0.0], 0, 0.0

    def enter(one: nn.Module, given: object) -> None:
        nonlocal inside, began
        inside += 1
        if inside == 1:
            began = time.perf_counter()

    def leave(one: nn.Module, given: object, made: object) -> None:
        nonlocal inside
        inside -= 1
        if not inside:
            spent[0] += time.perf_counter() - began

    hooks = module.register_module_forward_pre_hook(enter), module.register_module_forward_hook(leave)
    try:
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


if __name__ == "__main__":
    main()
