"""ONNX files as others write them, small enough to be made by a test."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from resight.runtimes.config import CONFIG

__all__ = ["FACTS", "means", "say"]

FACTS = {
    "preprocessing": {"input_size": [32, 16], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "distance": "euclidean",
}
"""What reid_config.json must say of such a file."""


def means(path: Path, name: str = "images", batch: int | str = "batch", output: str = "output0") -> Path:
    """A file whose embedding is the mean of each channel: (batch, 3, 32, 16) -> (batch, 3). It says nothing of itself."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", [name], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], [output]),
        ],
        "means",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3, 32, 16])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    onnx.save(model, str(path))
    return path


def say(path: Path, **changes: object) -> Path:
    """Write reid_config.json beside a file, with top-level facts changed."""
    (path.parent / CONFIG).write_text(json.dumps({**FACTS, **changes}))
    return path
