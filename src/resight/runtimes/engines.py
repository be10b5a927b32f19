"""What runs an exported file: ONNX Runtime, PyTorch's TorchScript, OpenVINO. An engine is a class and a line in a table."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from resight.errors import MissingExtraError, RunError

__all__ = ["ENGINES", "INPUT", "OUTPUT", "Engine", "OnnxRuntime", "OpenVino", "TorchScript", "open_engine"]

INPUT, OUTPUT = "images", "output0"
"""Names of a file's input and of its first output; a second one, `output1`, has the attributes' probabilities."""


class Engine(Protocol):
    """A file that is open and can be run. The constructor raises what the library raises."""

    facts: Mapping[str, Any]
    """What the file says of itself, as reid_config.json has it; empty where it says nothing."""
    inputs: Mapping[str, tuple[int | None, ...]]
    """Name of an input -> its shape; None where a size is free. Empty where the file does not state it."""

    def __init__(self, path: Path) -> None: ...

    def __call__(self, images: NDArray[Any]) -> list[NDArray[np.float32]]:
        """A batch -> the file's outputs."""


class OnnxRuntime:
    """ONNX, by ONNX Runtime on as many cores as PyTorch uses."""

    def __init__(self, path: Path) -> None:
        runtime = _library("onnxruntime", path, "export")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # it would warn of what is refused below in one line
        self.session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        told = self.session.get_modelmeta().custom_metadata_map
        self.facts: Mapping[str, Any] = {name: json.loads(value) for name, value in told.items() if _is_json(value)}
        self.inputs: Mapping[str, tuple[int | None, ...]] = {
            given.name: _sizes(given.shape) for given in self.session.get_inputs()
        }

    def __call__(self, images: NDArray[Any]) -> list[NDArray[np.float32]]:
        return list(self.session.run(None, {INPUT: images}))


class TorchScript:
    """TorchScript, by PyTorch. Such a file is a program: open none that you would not run."""

    def __init__(self, path: Path) -> None:
        extra = {"reid_config.json": ""}
        with deprecated():
            self.module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra).eval()
        told = extra["reid_config.json"] or "{}"
        self.facts: Mapping[str, Any] = json.loads(told)
        self.inputs: Mapping[str, tuple[int | None, ...]] = {}

    @torch.inference_mode()
    def __call__(self, images: NDArray[Any]) -> list[NDArray[np.float32]]:
        found = self.module(torch.from_numpy(images))
        return [values.numpy() for values in (found if isinstance(found, tuple) else (found,))]


class OpenVino:
    """OpenVINO's .xml with the .bin beside it, by OpenVINO on the CPU."""

    def __init__(self, path: Path) -> None:
        openvino = _library("openvino", path, "openvino")
        core = openvino.Core()
        core.set_property("CPU", {"INFERENCE_NUM_THREADS": torch.get_num_threads()})
        model = core.read_model(str(path))
        told = model.get_rt_info(["resight", "reid_config"]).value if model.has_rt_info(["resight"]) else "{}"
        self.facts: Mapping[str, Any] = json.loads(told)
        self.inputs: Mapping[str, tuple[int | None, ...]] = {
            given.get_any_name(): _dimensions(given.partial_shape) for given in model.inputs
        }
        self.compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, images: NDArray[Any]) -> list[NDArray[np.float32]]:
        found = self.compiled({INPUT: images})
        return [np.array(found[place]) for place in range(len(found))]


ENGINES: dict[str, type[Engine]] = {".onnx": OnnxRuntime, ".torchscript": TorchScript, ".xml": OpenVino}
"""Ending of a file -> what runs it."""


def open_engine(path: str | os.PathLike[str]) -> Engine:
    """Open an exported file.

    Raises MissingExtraError without the library that runs it, RunError for a file that is missing or damaged, whose input
    is not called `images`, or whose batch is fixed.
    """
    path = Path(path)
    if not path.is_file():
        raise RunError(f"{path}: no such file")
    try:
        engine = ENGINES[path.suffix.lower()](path)
    except MissingExtraError:
        raise
    except Exception as error:  # each library raises classes of its own, for each kind of damage another
        reason = " ".join(str(error).split())[:120]
        raise RunError(f"{path} is damaged or no {path.suffix} file ({type(error).__name__}: {reason})") from None
    for name, shape in engine.inputs.items():
        if name != INPUT:
            raise RunError(f"{path} takes {name!r} where {INPUT!r} is expected; export it with its input named {INPUT}")
        if shape and shape[0] is not None:
            raise RunError(
                f"{path} takes batches of {shape[0]} alone; export it with a dynamic batch, as `resight export` does"
            )
    return engine


@contextmanager
def deprecated():  # type: ignore[no-untyped-def]  # a context manager
    """PyTorch calls TorchScript deprecated at every step; it is what its users ask for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _library(name: str, path: Path, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(f"{path}: running it needs {name}: pip install 'resight[{extra}]'") from None


def _dimensions(shape: Any) -> tuple[int | None, ...]:
    return tuple(size.get_length() if size.is_static else None for size in shape) if shape.rank.is_static else ()


def _sizes(shape: Any) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
