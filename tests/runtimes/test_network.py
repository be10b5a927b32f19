"""An exported file as a network: what it embeds, and which files are not taken for one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from resight.errors import RunError
from resight.models.abilities import Embeds, Recognises
from resight.recognizer import load
from resight.runtimes.config import CONFIG
from resight.runtimes.network import is_exported, open_exported
from tests.support.onnx_files import means, say

PIXELS = list(np.random.default_rng(0).integers(0, 256, (4, 32, 16, 3), dtype=np.uint8))


def test_a_file_is_told_from_a_run_by_its_ending(tmp_path: Path) -> None:
    (tmp_path / "run.onnx").mkdir()
    assert is_exported("missing.onnx")
    assert is_exported("a.XML")
    assert not is_exported(tmp_path / "run.onnx"), "a folder"
    assert not is_exported("hf:owner/model.onnx")


def test_facts_beside_a_file_of_others_say_how_to_use_it(tmp_path: Path) -> None:
    model = load(say(means(tmp_path / "m.onnx")))
    wanted = (np.stack(PIXELS) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(model.embed(PIXELS), wanted.mean((1, 2)), atol=1e-5)
    assert (model.width, model.metric, model.size) == (3, "euclidean", "32×16 pixels")
    assert isinstance(model.model, Embeds)
    assert not isinstance(model.model, Recognises)


def test_a_file_whose_pixels_are_prepared_inside_gets_the_pixels(tmp_path: Path) -> None:
    """The network hands back what normalisation took, to the last of 256 values."""
    seen: list[np.ndarray] = []
    exported = open_exported(say(means(tmp_path / "m.onnx"), input="float32 NCHW"))
    object.__setattr__(exported.config, "input", "uint8 NHWC")
    exported.engine = lambda images: [seen.append(images) or np.zeros((len(images), 3), np.float32)]  # type: ignore[assignment,func-returns-value]
    every = np.arange(512 * 3, dtype=np.int64).reshape(1, 32, 16, 3) % 256
    pixels = torch.from_numpy(every.astype(np.uint8))
    from resight.data.loaders import normalise

    exported.embed(normalise(pixels.permute(0, 3, 1, 2), exported.recipe.image))
    np.testing.assert_array_equal(seen[0], pixels.numpy())


def test_what_the_file_says_itself_counts_before_what_lies_beside_it(exported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(exported, tmp_path / "model.onnx"))
    say(copy)
    model = load(copy)
    assert (model.metric, model.recipe.image.std) == ("cosine", (0.229, 0.224, 0.225))


def test_two_files_have_two_fingerprints_and_a_copy_has_the_same(tmp_path: Path) -> None:
    one = load(say(means(tmp_path / "a.onnx")))
    same = load(shutil.copy(tmp_path / "a.onnx", tmp_path / "b.onnx"))
    other = load(means(tmp_path / "c.onnx", output="other"))
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "m.onnx does not say preprocessing, distance"), ("{", "cannot be read"), ("[]", "a mapping of names")],
)
def test_facts_that_cannot_be_had_are_one_line(text: str | None, told: str, tmp_path: Path) -> None:
    path = means(tmp_path / "m.onnx")
    if text is not None:
        (tmp_path / CONFIG).write_text(text)
    with pytest.raises(RunError, match=told) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_facts_of_another_size_than_the_file_takes_are_one_line(tmp_path: Path) -> None:
    facts = {"input_size": [64, 32], "mean": [0, 0, 0], "std": [1, 1, 1]}
    with pytest.raises(RunError, match="m.onnx does not run on images of 1×3×64×32") as caught:
        load(say(means(tmp_path / "m.onnx"), preprocessing=facts))
    assert "\n" not in str(caught.value)
