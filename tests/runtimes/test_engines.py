"""Opening files that others wrote: what they take and say, and what is wrong with them in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from resight.errors import MissingExtraError, RunError
from resight.runtimes.engines import ENGINES, open_engine
from tests.support.onnx_files import means

IMAGES = np.random.default_rng(0).normal(size=(5, 3, 32, 16)).astype(np.float32)


def openvino(path: Path) -> Path:
    import openvino as library

    library.save_model(library.convert_model(str(means(path.with_suffix(".onnx")))), str(path), compress_to_fp16=False)
    return path


def torchscript(path: Path) -> Path:
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    torch.jit.save(torch.jit.script(module), str(path))
    return path


MADE = {".onnx": means, ".xml": openvino, ".torchscript": torchscript}


@pytest.mark.parametrize("ending", ENGINES)
def test_every_engine_runs_batches_of_any_size(ending: str, tmp_path: Path) -> None:
    engine = open_engine(MADE[ending](tmp_path / f"model{ending}"))
    assert not engine.facts
    for count in (1, 5):
        (found,) = engine(IMAGES[:count])
        np.testing.assert_allclose(found, IMAGES[:count].mean((2, 3)), atol=1e-6)


def test_an_output_of_any_name_is_read(tmp_path: Path) -> None:
    (found,) = open_engine(means(tmp_path / "m.onnx", output="output"))(IMAGES)
    np.testing.assert_allclose(found, IMAGES.mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "input"}, "m.onnx takes 'input' where 'images' is expected"),
        ({"batch": 4}, "m.onnx takes batches of 4 alone; export it with a dynamic batch"),
    ],
)
def test_a_file_that_takes_something_else_is_refused(options: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=told) as caught:
        open_engine(means(tmp_path / "m.onnx", **options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ENGINES)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_half_a_file_and_an_empty_one_are_one_line(ending: str, share: float, tmp_path: Path) -> None:
    path = MADE[ending](tmp_path / f"model{ending}")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(RunError, match=f"model{ending} is damaged or no {ending} file") as caught:
        open_engine(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="m.onnx: no such file"):
        open_engine(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("library", "ending", "extra"), [("onnxruntime", ".onnx", "export"), ("openvino", ".xml", "openvino")]
)
def test_a_missing_extra_is_named(library: str, ending: str, extra: str, tmp_path: Path, monkeypatch) -> None:
    path = MADE[ending](tmp_path / f"model{ending}")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'resight\[{extra}\]'"):
        open_engine(path)
