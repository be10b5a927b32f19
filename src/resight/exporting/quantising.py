"""Weights and activations of 8 bits, by ONNX Runtime's static quantisation on images of the data that is to be seen."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from resight.errors import DataError
from resight.recognizer import Recognizer
from resight.records import Record
from resight.runtimes.engines import INPUT
from resight.words import counted

__all__ = ["FEWEST", "MOST", "SPARED", "calibration_images", "quantise"]

FEWEST, MOST = 32, 256
"""Images that are calibrated on: of fewer the ranges of activations are chance, of more they hardly change."""
SPARED = (0, 3, 8)
"""How many convolutions keep float32, tried in turn until the file is near enough to its run."""
_JUDGED = 64
"""Images beside them by which the result is judged."""


def calibration_images(model: Recognizer, records: Sequence[Record]) -> tuple[Tensor, Tensor]:
    """Images to calibrate on and others to judge by, uint8 (N, 3, height, width), drawn from records.

    Raises DataError where fewer than 64 can be read.
    """
    order = np.random.default_rng(0).permutation(len(records))[: MOST + _JUDGED].tolist()
    if len(order) < 2 * FEWEST:
        raise DataError(_too_few(len(order)))
    seen = model.see([records[place] for place in order], lambda batch: batch.images)
    images = torch.cat(seen.found)
    if len(images) < 2 * FEWEST:
        raise DataError(_too_few(len(images)))
    judged = min(_JUDGED, len(images) // 2)
    return images[judged:], images[:judged]


def _too_few(found: int) -> str:
    return f"--calibrate: {counted(found, 'image')}; int8 needs {2 * FEWEST} or more to calibrate on and to judge by"


def quantise(source: Path, target: Path, batches: Sequence[NDArray[Any]], spared: int = 0) -> None:
    """Write the ONNX file `source` with weights and activations of 8 bits, calibrated on batches of its input.

    The first `spared` convolutions stay in float32: their few channels have very different ranges, and what they lose
    is lost to all that follows.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[NDArray[Any]] = iter(batches)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            batch = next(self.left, None)
            return None if batch is None else {INPUT: batch}

    prepared = source.with_name(f"prepared-{source.name}")
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # its advice is followed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(target),
                Batches(),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
                nodes_to_exclude=_convolutions(onnx.load(str(prepared), load_external_data=False))[:spared],
            )
    finally:
        logging.root.setLevel(level)
        prepared.unlink(missing_ok=True)


def _convolutions(model: Any) -> list[str]:
    """Names of an ONNX model's convolutions, from the input on."""
    return [node.name for node in model.graph.node if node.op_type == "Conv"]
