"""What the machine can do at most: its fastest matrix product, by which a network's arithmetic is judged."""

from __future__ import annotations

import statistics

import torch

from side_by_side import seconds

__all__ = ["ceiling", "told_ceiling"]


def ceiling(device: str, kind: torch.dtype) -> float:
    """Operations a second (multiplications and additions) of a large square matrix product of random numbers."""
    size = 8192 if device != "cpu" else 2048
    left, right = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    for _ in range(2):
        left @ right
    taken = [seconds(lambda: left @ right, device) for _ in range(5)]
    return 2 * size**3 / statistics.median(taken)


def told_ceiling(device: str) -> tuple[str, float]:
    """The ceilings of bfloat16 and float32 in words, and the greater."""
    found = {name: ceiling(device, getattr(torch, name)) for name in ("bfloat16", "float32")}
    words = ", ".join(f"{name} {speed / 1e12:.2f}" for name, speed in found.items())
    return f"matrix products, TFLOP/s: {words}", max(found.values())
