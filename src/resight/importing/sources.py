"""Where weights come from: a file, a run folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resight.errors import WeightsError

__all__ = ["Source", "find", "sha256"]

_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt")


@dataclass(frozen=True)
class Source:
    """A file of weights on this machine, or the run folder that holds it."""

    file: Path
    run: Path | None = None
    """The folder, where it is a run of resight."""
    timm: Mapping[str, Any] = field(default_factory=dict)
    """The config.json beside the weights of a timm model on the hub."""


def find(source: str) -> Source:
    """The file that a user named: a path, `hf:owner/name/FILE`, or `hf:owner/name` of a run or of a timm model.

    `hf-hub:`, as timm says it, is the same as `hf:`. Raises WeightsError when nothing is there, when it cannot be
    fetched, and when a repository leaves open which of its files is meant.
    """
    for start in ("hf:", "hf-hub:"):
        if source.startswith(start):
            return _on_hub(source.removeprefix(start))
    path = Path(source)
    if (path / "run.json").is_file():
        return Source(path / "model.safetensors", run=path)
    if path.is_dir():
        raise WeightsError(f"{path} is a folder without run.json; give a file of weights, or a run folder")
    if not path.exists():
        raise WeightsError(f"{path}: no such file; give a file of weights, a run folder, or hf:owner/name")
    return Source(path)


def _on_hub(name: str) -> Source:
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if not owner or not repository:
        raise WeightsError(f"hf:{name}: name a repository, as hf:owner/name or hf:owner/name/FILE")
    repository = f"{owner}/{repository}"
    if file:
        return Source(_fetched(repository, file))
    names = _listed(repository)
    if "run.json" in names:
        run = _fetched(repository, "run.json").parent
        _fetched(repository, "recipe.yaml")
        return Source(_fetched(repository, "model.safetensors"), run=run)
    weights = [found for found in names if found.endswith(_WEIGHTS)]
    if "config.json" in names and (facts := _timm_facts(_fetched(repository, "config.json"))):
        usual = [found for found in ("model.safetensors", "pytorch_model.bin") if found in names]
        if usual:
            return Source(_fetched(repository, usual[0]), timm=facts)
    if len(weights) == 1:
        return Source(_fetched(repository, weights[0]))
    raise WeightsError(
        f"hf:{repository} holds {len(weights)} files of weights; name one as hf:{repository}/FILE"
        + (f": {', '.join(weights[:5])}{' …' if len(weights) > 5 else ''}" if weights else "")
    )


def _timm_facts(config: Path) -> dict[str, Any]:
    """What a timm model's config.json says; nothing where it is another library's."""
    facts = json.loads(config.read_text(encoding="utf-8"))
    return facts if isinstance(facts, dict) and isinstance(facts.get("architecture"), str) else {}


def _listed(repository: str) -> list[str]:
    import huggingface_hub

    try:
        return list(huggingface_hub.list_repo_files(repository))
    except Exception as error:  # the hub client raises a different class for each way of being offline
        raise _unreachable(repository, error) from error


def _fetched(repository: str, file: str) -> Path:
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(repository, file))
    except Exception as error:
        raise _unreachable(f"{repository}/{file}", error) from error


def _unreachable(name: str, error: Exception) -> WeightsError:
    return WeightsError(f"hf:{name} cannot be fetched ({type(error).__name__}); connect, or give a file")


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
