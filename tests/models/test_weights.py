"""Files of weights: every wrapper is opened, no code is run, and what does not fit changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from resight.errors import WeightsError
from resight.models.weights import fit, load_weights, read_checkpoint

WEIGHTS = {"0.weight": torch.ones(2, 3), "0.bias": torch.zeros(2)}


class Bomb:
    """Pickled, it runs a command when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize(
    "held",
    [
        WEIGHTS,
        {
            "state_dict": WEIGHTS,
            "epoch": 60,
            "rank1": np.float64(0.9),
            "cmc": np.ones(3),
            "optimizer": {"state": {0: {"step": 3}}},
        },
        {"state_dict": {f"module.{name}": tensor for name, tensor in WEIGHTS.items()}, "rank1": np.float32(0.9)},
        {"model": WEIGHTS, "iteration": 3},
        {name: tensor.half() for name, tensor in WEIGHTS.items()},
    ],
    ids=["plain", "torchreid", "parallel", "fastreid", "half precision"],
)
def test_every_wrapper_is_opened(held: dict[str, Any], tmp_path: Path) -> None:
    torch.save(held, tmp_path / "model.pth.tar-60")
    found = read_checkpoint(tmp_path / "model.pth.tar-60").tensors
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in WEIGHTS.items())


def test_safetensors_and_the_facts_beside_weights(tmp_path: Path) -> None:
    safetensors.torch.save_file(WEIGHTS, tmp_path / "a.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "a.safetensors").tensors["0.weight"], WEIGHTS["0.weight"])
    torch.save({"state_dict": WEIGHTS, "model_name": "osnet_x0_25", "img_size": [256, 128]}, tmp_path / "a.pt")
    assert read_checkpoint(tmp_path / "a.pt").facts == {"model_name": "osnet_x0_25", "img_size": [256, 128]}


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    torch.save({"state_dict": WEIGHTS, "extra": Bomb(tmp_path / "mark")}, tmp_path / "bad.pth")
    with pytest.raises(
        WeightsError, match=r"bad\.pth holds code besides weights, which is never run; .*state_dict\(\)"
    ) as told:
        read_checkpoint(tmp_path / "bad.pth")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "mark").exists()


def whole(path: Path) -> bytes:
    safetensors.torch.save_file({"a": torch.zeros(100)}, path)
    return path.read_bytes()


@pytest.mark.filterwarnings("ignore::FutureWarning")  # TorchScript is on its way out
def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:300])
    (tmp_path / "cut.safetensors").write_bytes(whole(tmp_path / "whole.safetensors")[:-50])
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "a.onnx").write_bytes(b"")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    told = {
        "cut.pth": "no checkpoint of PyTorch",
        "cut.safetensors": "no safetensors file, or cut off",
        "text.pth": "no checkpoint of PyTorch",
        "empty.pth": "no checkpoint of PyTorch",
        "list.pth": "holds a list, not weights by name",
        "none.pth": "holds no weights",
        "script.pt": "TorchScript",
        "gone.pth": "no such file",
        "a.onnx": "is an ONNX program",
        "": "is a folder",
    }
    for name, words in told.items():
        with pytest.raises(WeightsError, match=words) as caught:
            read_checkpoint(tmp_path / name)
        assert "\n" not in str(caught.value)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 4))


def test_every_key_is_reported() -> None:
    theirs = {f"trunk.{name}": tensor for name, tensor in network().state_dict().items() if not name.startswith("2.")}
    theirs["1.running_var"] = theirs.pop("trunk.1.running_var")
    del theirs["trunk.1.num_batches_tracked"]
    theirs["head.weight"] = torch.zeros(9, 2)
    report = fit(
        network(),
        theirs,
        lambda key: key.removeprefix("trunk."),
        {"head.": "classifier"},
        left_out=("2.",),
    )
    assert report.loaded == ["1.running_var"]
    assert report.renamed["trunk.0.weight"] == "0.weight"
    assert report.dropped == {"head.weight": "classifier"}
    assert report.missing == ["2.weight", "2.bias"]
    lines = report.lines()
    assert [key for key, _, _ in lines if key] == [*report.loaded, *report.renamed, *report.dropped]
    assert ("head.weight", "", "dropped: classifier") in lines
    assert ("", "2.bias", "missing: starts at random") in lines


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("0.bias"), r"1 missing \(0\.bias\)"),
        (lambda state: state.pop("1.running_mean"), r"1 missing \(1\.running_mean\)"),
        (
            lambda state: state.update({"0.weight": torch.zeros(2, 4)}),
            r"of another shape \(0\.weight \(2, 4\) for \(2, 3\)\)",
        ),
        (lambda state: state.update({"3.weight": torch.zeros(1)}), r"1 unknown to it \(3\.weight\)"),
        (lambda state: state.update({"0.bias": torch.tensor([0.0, torch.nan])}), r"not finite: 0\.bias"),
    ],
    ids=["a parameter is missing", "a buffer is missing", "another shape", "a key too many", "nan"],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(change, told: str) -> None:
    module = network()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    theirs = {name: torch.ones_like(tensor) for name, tensor in before.items()}
    change(theirs)
    with pytest.raises(WeightsError, match=told) as caught:
        fit(module, theirs, source="a.pth")
    assert "\n" not in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_one_number_fits_whatever_its_shape() -> None:
    class Power(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(torch.tensor(3.0))

    power = Power()
    fit(power, {"p": torch.tensor([2.5])})
    assert power.p.item() == 2.5


def test_another_classifier_is_left_out(tmp_path: Path) -> None:
    donor = network()
    torch.save(donor.state_dict(), tmp_path / "a.pth")
    model = nn.Sequential(*network()[:2], nn.Linear(2, 9))
    report = load_weights(model, tmp_path / "a.pth", left_out=("2.",))
    assert torch.equal(model[0].weight, donor[0].weight)
    assert set(report.dropped) == set(report.missing) == {"2.weight", "2.bias"}
