"""The graph of a run's embedding, and how each format writes it. A format is a function and a line in a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from resight.data.loaders import normalise
from resight.errors import MissingExtraError
from resight.models.heads import probabilities
from resight.models.output import AttributedFeature
from resight.recognizer import Recognizer
from resight.runtimes.config import ReidConfig
from resight.runtimes.engines import INPUT, OUTPUT, deprecated

__all__ = ["FORMATS", "Format", "Graph", "tag_onnx"]

OPSET = 17
"""Of ONNX: the newest that TensorRT 8 and OpenCV read; BoxMOT and torchreid ask for less."""


class Graph(nn.Module):
    """What an exported file computes: images -> embeddings (batch, dim), not normalised, in float32.

    A metric that weighs attributes adds their probabilities (batch, A), concatenated in the order of the schema. With
    `pixels` the images are uint8 RGB (batch, height, width, 3) of the recipe's size, else what `Recognizer.inputs` gives.
    """

    def __init__(self, model: Recognizer, pixels: bool = False) -> None:
        super().__init__()
        self.model, self.image, self.pixels = model.model, model.recipe.image, pixels
        self.weighs_attributes = model.weighs_attributes
        self.eval()  # the exporter leaves the network in the mode that it found the graph in

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if self.pixels:
            images = normalise(images.permute(0, 3, 1, 2), self.image)
        if not self.weighs_attributes:
            return self.model.embed(images).float()  # type: ignore[operator]
        whole: AttributedFeature = self.model(images)
        return whole.feature.float(), torch.cat([*probabilities(whole.logits).values()], dim=1)

    def example(self, batch: int = 2) -> Tensor:
        """A batch to trace by."""
        size = (self.image.height, self.image.width)
        if self.pixels:
            return torch.randint(0, 256, (batch, *size, 3), dtype=torch.uint8)
        return torch.randn(batch, 3, *size)


class Format(NamedTuple):
    """How one format is called and written."""

    ending: str
    write: Callable[[Graph, Path, ReidConfig], None]


def _onnx(graph: Graph, path: Path, config: ReidConfig) -> None:
    onnx = _need("onnx", "export")
    names = [OUTPUT, "output1"][: 2 if graph.weighs_attributes else 1]
    # The older of PyTorch's two exporters: it needs no further library, takes a twentieth of the time, and exports the
    # two-branch network and the autoencoder, at which the newer one fails (PyTorch 2.14).
    with deprecated(), torch.no_grad(), redirect_stdout(StringIO()):
        torch.onnx.export(
            graph,
            (graph.example(),),
            str(path),
            input_names=[INPUT],
            output_names=names,
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *names)},
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(str(path))
    tag_onnx(path, config.model_dump(mode="json"))


def tag_onnx(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts into an ONNX file's metadata, each as JSON under its name."""
    import onnx

    model = onnx.load(str(path))
    model.producer_name = "resight"
    onnx.helper.set_model_props(model, {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()})
    onnx.save(model, str(path))


def _torchscript(graph: Graph, path: Path, config: ReidConfig) -> None:
    with deprecated(), torch.no_grad():
        traced = torch.jit.trace(graph, graph.example(), check_trace=False)
        # Frozen: weights become constants, since a part of a network may have a name, such as `global`, that TorchScript
        # writes and cannot read.
        torch.jit.save(torch.jit.freeze(traced), str(path), _extra_files={"reid_config.json": config.to_json()})


def _openvino(graph: Graph, path: Path, config: ReidConfig) -> None:
    openvino = _need("openvino", "openvino")
    onnx = path.with_suffix(".onnx")
    _onnx(graph, onnx, config)
    model = openvino.convert_model(str(onnx))
    onnx.unlink()
    model.set_rt_info(config.to_json(), ["resight", "reid_config"])
    openvino.save_model(model, str(path), compress_to_fp16=False)


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", _onnx),
    "torchscript": Format(".torchscript", _torchscript),
    "openvino": Format(".xml", _openvino),
}


def _need(library: str, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(library)
    except ImportError:
        raise MissingExtraError(f"exporting needs {library}: pip install 'resight[{extra}]'") from None
