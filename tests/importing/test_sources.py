"""Where weights come from: files, runs, and the hub, which the tests do not reach."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import huggingface_hub
import pytest

from resight.errors import WeightsError
from resight.importing.sources import find, sha256


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the hub: OWNER/NAME/FILE."""

    def listed(repository: str) -> list[str]:
        return [file.name for file in (tmp_path / repository).iterdir()]

    def fetched(repository: str, file: str) -> str:
        path = tmp_path / repository / file
        if not path.exists():
            raise OSError("not there")
        return str(path)

    monkeypatch.setattr(huggingface_hub, "list_repo_files", listed)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetched)
    return tmp_path


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_file_and_a_run(tmp_path: Path) -> None:
    put(tmp_path / "run", run__json="{}", model__safetensors="")
    assert find(str(tmp_path / "run")).run == tmp_path / "run"
    assert find(str(tmp_path / "run")).file == tmp_path / "run" / "model.safetensors"
    assert find(str(tmp_path / "run" / "model.safetensors")).run is None
    with pytest.raises(WeightsError, match="no such file; give a file of weights, a run folder, or hf:owner/name"):
        find(str(tmp_path / "gone"))
    with pytest.raises(WeightsError, match="is a folder without run.json"):
        find(str(tmp_path))


def test_the_hub_has_runs_timm_models_and_single_files(hub: Path) -> None:
    put(hub / "me" / "run", run__json="{}", recipe__yaml="", model__safetensors="")
    assert find("hf:me/run").run == hub / "me" / "run"
    stated = {"architecture": "swin_tiny", "pretrained_cfg": {"license": "cc-by-nc-4.0"}}
    put(hub / "bvra" / "mega", config__json=json.dumps(stated), model__safetensors="", pytorch_model__bin="")
    assert find("hf-hub:bvra/mega").timm == stated
    assert find("hf:bvra/mega").file == hub / "bvra" / "mega" / "model.safetensors"
    put(hub / "one" / "file", README__md="", osnet__pth="")
    assert find("hf:one/file").file.name == "osnet.pth"
    put(hub / "two" / "files", a__pth="", b__pth="")
    assert find("hf:two/files/b.pth").file.name == "b.pth"
    with pytest.raises(
        WeightsError, match=r"holds 2 files of weights; name one as hf:two/files/FILE: [ab]\.pth, [ab]\.pth"
    ):
        find("hf:two/files")
    with pytest.raises(
        WeightsError, match=r"hf:two/files/c\.pth cannot be fetched \(OSError\); connect, or give a file"
    ):
        find("hf:two/files/c.pth")
    with pytest.raises(WeightsError, match="name a repository, as hf:owner/name"):
        find("hf:alone")


def test_the_digest_is_the_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"weights")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"weights").hexdigest()
