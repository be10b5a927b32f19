"""An exported file as a network: what has the abilities of the run's, so that nothing else need know which it is."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from resight.data.loaders import denormalise
from resight.errors import RunError
from resight.models.output import AttributedFeature
from resight.recipe import Recipe
from resight.runtimes.config import CONFIG, ReidConfig
from resight.runtimes.engines import ENGINES, Engine, open_engine

__all__ = ["Exported", "ExportedWithAttributes", "is_exported", "open_exported"]


def is_exported(source: str | os.PathLike[str]) -> bool:
    """Whether a name is that of an exported file, by its ending."""
    return not str(source).startswith("hf:") and not Path(source).is_dir() and Path(source).suffix.lower() in ENGINES


class Exported(nn.Module):
    """A file that embeds. Images in, normalised as a run's network takes them, embeddings out, not normalised.

    >>> exported = open_exported("model.onnx")
    >>> exported.embed(torch.zeros(2, 3, 256, 128)).shape

    It runs on the CPU. `config` is what the file says of itself, `path` where it is.
    """

    def __init__(self, path: Path, engine: Engine, config: ReidConfig) -> None:
        super().__init__()
        self.path, self.engine, self.config = path, engine, config
        self.recipe: Recipe = config.to_recipe(path)
        # In the state: features of two files are not compared with one another.
        self.register_buffer("digest", torch.frombuffer(bytearray(_digest(path)), dtype=torch.uint8))
        size = self.recipe.image
        self.dim = self.run(torch.zeros(1, 3, size.height, size.width))[0].shape[1]

    @property
    def file_bytes(self) -> int:
        """Size of what must be copied to run it elsewhere."""
        return sum(part.stat().st_size for part in parts(self.path))

    def run(self, images: Tensor) -> list[Tensor]:
        """The file's outputs for normalised images, float32 on the images' device."""
        given: NDArray[Any] = images.detach().cpu().contiguous().numpy()
        if self.config.input == "uint8 NHWC":
            pixels = denormalise(images.detach().cpu(), self.recipe.image)
            given = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        try:
            found = self.engine(given)
        except Exception as error:  # each library raises classes of its own
            reason = " ".join(str(error).split())[:160]
            raise RunError(f"{self.path} does not run on images of {_shape(given)}: {reason}") from None
        if not found or found[0].ndim != 2 or len(found[0]) != len(images):
            shapes = ", ".join(_shape(np.asarray(values)) for values in found)
            raise RunError(f"{self.path} gives {shapes} for a batch of {len(images)}; an embedding each is expected")
        return [torch.from_numpy(np.asarray(values, np.float32)).to(images.device) for values in found]

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images (batch, 3, height, width) -> embeddings (batch, dim)."""
        return self.run(images)[0]


class ExportedWithAttributes(Exported):
    """A file that gives the probabilities of attributes beside each embedding."""

    def forward(self, images: Tensor) -> AttributedFeature:
        """Embeddings and attribute -> logits."""
        feature, attributes = self.run(images)[:2]
        widths = [len(values) for values in self.config.attributes.values()]
        # The logarithms of probabilities are logits of them.
        logits = attributes.clamp(min=1e-30).log().split(widths, dim=1)
        return AttributedFeature(feature, dict(zip(self.config.attributes, logits, strict=True)))

    def recognise(self, images: Tensor) -> dict[str, Tensor]:
        """Attribute -> logits."""
        return self(images).logits


def open_exported(path: str | os.PathLike[str]) -> Exported:
    """Open an exported file: what it says of itself, else what reid_config.json beside it says.

    Raises RunError for a damaged file, or one whose facts are not known, MissingExtraError without what runs it.
    """
    path = Path(path)
    engine = open_engine(path)
    config = _config(path, engine)
    return (ExportedWithAttributes if config.attributes else Exported)(path, engine, config)


def parts(path: Path) -> list[Path]:
    """The files that an exported file is made of."""
    return [path, *([path.with_suffix(".bin")] if path.suffix == ".xml" else [])]


def _config(path: Path, engine: Engine) -> ReidConfig:
    if "preprocessing" in engine.facts:
        return ReidConfig.parse(engine.facts, path)
    beside = path.parent / CONFIG
    try:
        told = json.loads(beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        told = {}
    except (ValueError, OSError) as error:
        raise RunError(f"{beside} cannot be read: {error}") from None
    if not isinstance(told, dict):
        raise RunError(f"{beside}: a mapping of names to facts is expected")
    return ReidConfig.parse(told, beside if told else path)


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    for part in parts(path):
        digest.update(part.read_bytes())
    return digest.digest()


def _shape(values: NDArray[Any]) -> str:
    return "×".join(map(str, values.shape))
