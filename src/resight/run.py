"""The run folder, and the Recognizer that it loads as.

```
runs/street/
  recipe.yaml         the resolved recipe
  run.json            what the recipe does not say: classes, data, version, state
  model.safetensors   the weights that `load` uses: the best validated ones, else the last
  last.ckpt           everything a resumed training needs
  metrics.csv         one row an epoch
  tensorboard/        the same as curves
```
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from resight.data.images import read_image
from resight.data.loaders import ImageDataset, evaluation_loader, normalise, resize
from resight.errors import RunError
from resight.files import written_whole
from resight.models import MODELS
from resight.recipe import Recipe, load_recipe, make
from resight.records import Record

__all__ = ["Recognizer", "Run", "build_model", "load"]


@dataclass
class Run:
    """A run folder on disk. Raises RunError when it is none."""

    folder: Path
    recipe: Recipe
    classes: int
    """Training identities: the width of the classifier."""
    data: list[str] = field(default_factory=list)
    """The `--data` of the training, so that a resume needs no repetition."""
    finished: bool = False

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "last.ckpt"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.csv"

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Self:
        folder = Path(folder)
        try:
            facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            return cls(
                folder,
                load_recipe(folder / "recipe.yaml"),
                classes=int(facts["classes"]),
                data=[str(spec) for spec in facts["data"]],
                finished=bool(facts["finished"]),
            )
        except FileNotFoundError as error:
            raise RunError(
                f"{folder} is no run folder ({error.filename} is missing); `resight train` makes one"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{folder / 'run.json'} is damaged: {error}") from None

    def save(self) -> None:
        """Write recipe.yaml and run.json."""
        from resight.version import __version__

        with written_whole(self.folder / "recipe.yaml") as partial:
            partial.write_text(self.recipe.to_yaml(), encoding="utf-8")
        facts = {
            "resight": __version__,
            "classes": self.classes,
            "data": self.data,
            "finished": self.finished,
        }
        with written_whole(self.folder / "run.json") as partial:
            partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def save_weights(self, model: nn.Module) -> None:
        """Write model.safetensors: plain tensors, nothing that could be executed when loaded."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        with written_whole(self.weights) as partial:
            partial.write_bytes(safetensors.torch.save(tensors))

    def load_weights(self, model: nn.Module) -> None:
        """Raises RunError when the weights are missing, damaged, or of another model."""
        try:
            model.load_state_dict(safetensors.torch.load_file(self.weights))
        except FileNotFoundError:
            raise RunError(
                f"{self.folder} has no weights yet; finish it with `resight train --resume {self.folder}`"
            ) from None
        except (safetensors.SafetensorError, RuntimeError, OSError) as error:
            raise RunError(
                f"{self.weights} does not fit its recipe or is damaged: {str(error).splitlines()[0]}"
            ) from None


def build_model(recipe: Recipe, classes: int, pretrained: bool | None = None) -> nn.Module:
    """The network that a recipe describes. `pretrained=False` overrides the recipe: a run brings its own weights."""
    options = dict(recipe.model)
    entry = MODELS.get(options.get("name", ""))
    if pretrained is not None and entry is not None and "pretrained" in inspect.signature(entry).parameters:
        options["pretrained"] = pretrained
    size = (recipe.image.height, recipe.image.width)
    return make(MODELS, options, "model", num_classes=classes, image_size=size)


def load(source: str | os.PathLike[str], device: str | None = None) -> Recognizer:
    """A trained model, ready to turn images into embeddings.

    >>> model = resight.load("runs/street")
    >>> model.embed(["a.jpg", "b.jpg"]).shape  # (2, 2048)

    `source` is a run folder, or `hf:owner/name` for a run folder on the Hugging Face hub. `device` defaults to a
    GPU where there is one. No code is ever loaded: weights are safetensors and the recipe names table keys.
    Raises RunError for a folder that is no run.
    """
    folder = _fetch(str(source)[3:]) if str(source).startswith("hf:") else Path(source)
    run = Run.open(folder)
    model = build_model(run.recipe, run.classes, pretrained=False)
    run.load_weights(model)
    return Recognizer(model, run.recipe, device)


def _fetch(name: str) -> Path:
    import huggingface_hub  # comes with timm

    try:
        return Path(
            huggingface_hub.snapshot_download(name, allow_patterns=["recipe.yaml", "run.json", "model.safetensors"])
        )
    except Exception as error:  # the hub client raises a different class for each way of being offline
        raise RunError(
            f"hf:{name} cannot be fetched ({type(error).__name__}); connect, or give a run folder"
        ) from error


class Recognizer:
    """A model with the recipe it was trained by: images in, embeddings out. Make one with `resight.load`."""

    def __init__(self, model: nn.Module, recipe: Recipe, device: str | None = None) -> None:
        self.recipe = recipe
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.eval().to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def normalised(self) -> bool:
        """Whether embeddings have length 1: so for models that compare by cosine."""
        return self.recipe.retrieval.metric == "cosine"

    def embed(
        self, images: Sequence[str | os.PathLike[str] | Image.Image | NDArray[np.uint8]], batch_size: int = 64
    ) -> NDArray[np.float32]:
        """Embeddings of paths, PIL images or uint8 RGB arrays (height, width, 3), as float32 [N, D].

        L2-normalised where the recipe compares by cosine. Raises ImageError for an image that cannot be read;
        to skip those instead, use `resight.embedding.embed_records`.
        """
        batches = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
        features = [self.embed_batch(torch.stack([self._tensor(image) for image in batch])) for batch in batches]
        return np.concatenate(features) if features else np.empty((0, self._width()), np.float32)

    def embed_records(self, records: Sequence[Record]) -> Iterator[tuple[NDArray[np.float32], list[int], list[str]]]:
        """Batch by batch: features, the positions of their records, one line for each image that cannot be read."""
        loader = evaluation_loader(ImageDataset(records, self.recipe.image), self.recipe.loader)
        for batch in loader:
            features = self.embed_batch(batch.images) if len(batch.images) else np.empty((0, self._width()), np.float32)
            yield features, batch.index.tolist(), batch.failed

    @torch.inference_mode()
    def embed_batch(self, images: Tensor) -> NDArray[np.float32]:
        """uint8 (batch, 3, height, width) of the recipe's size -> float32 (batch, dim)."""
        inputs = normalise(images.to(self.device), self.recipe.image).contiguous(memory_format=torch.channels_last)
        features = self.model(inputs)
        if self.recipe.retrieval.flip:
            features = features + self.model(inputs.flip(3))
        features = features.float()
        return (F.normalize(features, dim=1) if self.normalised else features).cpu().numpy()

    def _tensor(self, image: str | os.PathLike[str] | Image.Image | NDArray[np.uint8]) -> Tensor:
        if isinstance(image, Image.Image):
            pixels = np.asarray(image.convert("RGB"))
        elif isinstance(image, np.ndarray):
            pixels = image
        else:
            pixels = read_image(image)
        return resize(pixels, self.recipe.image)

    def _width(self) -> int:
        size = self.recipe.image
        return self.embed_batch(torch.zeros(1, 3, size.height, size.width, dtype=torch.uint8)).shape[1]
