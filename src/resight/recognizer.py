"""A trained model at work: images in, embeddings, attributes, masks or pictures out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from resight.data.images import read_image
from resight.data.loaders import Batch, ImageDataset, denormalise, evaluation_loader, normalise, resize
from resight.data.targets import JUNK_TARGET
from resight.errors import DataError, RecipeError, RunError, none_readable
from resight.machine import Way
from resight.models.abilities import Embeds, EmbedsInPassing, Recognises, Reconstructs, Samples, Segments
from resight.models.heads import probabilities
from resight.models.output import AttributedFeature
from resight.recipe import Recipe
from resight.records import NO_ATTRIBUTES, AttributeSchema, Embeddings, Record
from resight.retrieval.calibration import Calibration
from resight.retrieval.distance import AttributeWeighted
from resight.run import Run, build_model
from resight.runtimes.network import Exported, is_exported, open_exported

__all__ = [
    "CALIBRATION",
    "FeaturesAndAttributes",
    "Images",
    "Progress",
    "Recognizer",
    "Seen",
    "calibration_file",
    "called_junk",
    "comparable",
    "find_run",
    "joined",
    "kept_calibration",
    "load",
    "metric_of",
    "see",
]

FeaturesAndAttributes = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Features [N, D] of images, and their attributes' probabilities [N, A], or None if the metric weighs no attributes."""


def metric_of(recipe: Recipe, schema: AttributeSchema = NO_ATTRIBUTES) -> str:
    """The name of the metric that compares embeddings of a recipe's model, for `resight.retrieval.metric_between`.

    Raises RecipeError if it weighs attributes and the model learns none.
    """
    if recipe.retrieval.metric == AttributeWeighted.name and not schema.classes:
        raise RecipeError("retrieval.metric: attribute-weighted is for systems that learn identities and attributes")
    return recipe.retrieval.metric


def called_junk(embeddings: Embeddings, schema: AttributeSchema) -> NDArray[np.bool_]:
    """Which embeddings are of images that their model calls junk, bool [N]; their attributes are those of `schema`.

    Raises RunError when they have none, or junk is not among these.
    """
    if embeddings.attributes is None or JUNK_TARGET not in schema.classes:
        raise RunError("junk can be dropped for runs that weigh attributes and learn junk, as reid-bruna does")
    return embeddings.attributes[:, schema.columns(JUNK_TARGET)][:, 1] > 0.5


def comparable(model: nn.Module, recipe: Recipe, inputs: Tensor, output: Any = None) -> tuple[Tensor, Tensor | None]:
    """Normalised images -> what the recipe's metric compares: features float32 (batch, D), attributes (batch, A).

    The features are L2-normalised for cosine. For attribute-weighted, the attributes are their classes' probabilities,
    concatenated in the order of the schema; None otherwise. `output` is the model's own of these images where it is known
    already; it saves a pass.
    """
    found = _compared(model, recipe, inputs, output)
    if recipe.retrieval.flip:
        mirrored = _compared(model, recipe, inputs.flip(3))
        found = [(values + others) / 2 for values, others in zip(found, mirrored, strict=True)]
    if recipe.retrieval.metric == AttributeWeighted.name:
        return found[0], found[1]
    return F.normalize(found[0], dim=1) if recipe.retrieval.metric == "cosine" else found[0], None


def _compared(model: nn.Module, recipe: Recipe, inputs: Tensor, output: Any = None) -> list[Tensor]:
    """The features, and the attributes where the metric weighs them."""
    if recipe.retrieval.metric != AttributeWeighted.name:
        if output is not None and isinstance(model, EmbedsInPassing):
            return [model.embedding_of(output).float()]
        return [_embedder(model).embed(inputs).float()]
    whole: AttributedFeature = model(inputs) if output is None else output
    return [whole.feature.float(), torch.cat([*probabilities(whole.logits).values()], dim=1)]


def joined(parts: Sequence[FeaturesAndAttributes]) -> FeaturesAndAttributes:
    """Features and attributes of one or more batches, concatenated."""
    attributes = [attributes for _, attributes in parts if attributes is not None]
    return np.concatenate([features for features, _ in parts]), np.concatenate(attributes) if attributes else None


def _embedder(model: nn.Module) -> Embeds:
    if not isinstance(model, Embeds):
        raise RunError("this model makes no embeddings; give one of a re-identification recipe")
    return model


def load(source: str | os.PathLike[str], device: str | None = None) -> Recognizer:
    """A trained model, ready to turn images into embeddings.

    >>> model = resight.load("runs/street")
    >>> model.embed(["a.jpg", "b.jpg"]).shape  # (2, 2048)

    `source` is a run folder, `hf:owner/name` for a run folder on the Hugging Face hub, or a file that `resight export`
    or somebody else wrote: .onnx, .xml (OpenVINO) or .torchscript. `device` defaults to a GPU where there is one;
    exported files run on the CPU. No code is ever loaded, but for .torchscript, which is a program: weights are
    safetensors and the recipe names table keys. Raises RunError for a folder that is no run, and for a file that is
    damaged or does not say how to prepare images.
    """
    if is_exported(source):
        exported = open_exported(source)
        return Recognizer(exported, exported.recipe, exported.config.attribute_schema, "cpu", source=_source(source))
    run = find_run(source)
    model = build_model(run.recipe, run.classes, run.schema, pretrained=False)
    run.load_weights(model)
    return Recognizer(model, run.recipe, run.schema, device, source=_source(source), folder=run.folder)


def find_run(source: str | os.PathLike[str]) -> Run:
    """The run of a run folder, or of `hf:owner/name`. Raises RunError for a folder that is no run."""
    return Run.open(_fetch(str(source)[3:]) if str(source).startswith("hf:") else Path(source))


def _source(source: str | os.PathLike[str]) -> str:
    return str(source) if str(source).startswith("hf:") else os.path.abspath(source)


def _fetch(name: str) -> Path:
    import huggingface_hub  # comes with timm

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=[*_FILES, CALIBRATION]))
    except Exception as error:  # the hub client raises a different class for each way of being offline
        raise RunError(
            f"hf:{name} cannot be fetched ({type(error).__name__}); connect, or give a run folder"
        ) from error


_FILES = ("recipe.yaml", "run.json", "model.safetensors")
"""What a run folder must have to be loaded."""

CALIBRATION = "calibration.json"
"""The file of a run folder that holds its calibration."""


def calibration_file(source: str | os.PathLike[str]) -> Path:
    """Where the calibration of a run folder is kept, in it, or of an exported file, beside it.

    >>> calibration_file("street/model.onnx").name
    'model.onnx.calibration.json'
    """
    place = Path(source)
    return place.with_name(f"{place.name}.{CALIBRATION}") if is_exported(place) else place / CALIBRATION


def kept_calibration(source: str | os.PathLike[str], fingerprint: str) -> Calibration | None:
    """The calibration of a run folder or exported file; None where there is none, or where it is of another model.

    What an export took along within its file is not looked at. Raises DataError for a damaged one.
    """
    file = calibration_file(source)
    if not file.is_file():
        return None
    try:
        found = Calibration.from_json(file.read_text(encoding="utf-8"))
    except (DataError, UnicodeDecodeError):
        raise DataError(f"{file} is damaged; make it again with resight calibrate") from None
    return found if found.fitted_on is not None and found.fitted_on.fingerprint == fingerprint else None


Progress = Callable[[int], None]
"""Called with the number of images done since the last call."""

Images = Sequence[str | os.PathLike[str] | Image.Image | NDArray[np.uint8]]
"""Paths, PIL images or uint8 RGB arrays (height, width, 3)."""


Found = TypeVar("Found")


@dataclass(frozen=True)
class Seen(Generic[Found]):
    """What was found in images, the records of those that could be read, and a line for each that could not."""

    found: list[Found]
    """One value per batch, in the order of `records`."""
    records: list[Record]
    failed: list[str]


def see(
    batches: Iterable[Batch],
    records: Sequence[Record],
    look: Callable[[Batch], Found],
    progress: Progress | None = None,
) -> Seen[Found]:
    """Go through batches of the records' images, as `Recognizer.see` does. Raises DataError when none could be read."""
    found, kept = [], []
    failed: dict[str, None] = {}  # an ordered set: an image may occur in two batches
    for batch in batches:
        failed |= dict.fromkeys(batch.failed)
        if len(batch.images):
            found.append(look(batch))
            kept += [records[position] for position in batch.index.tolist()]
        if progress is not None:
            progress(len(batch.images) + len(batch.failed))
    if not kept:
        raise none_readable(len(records), list(failed))
    return Seen(found, kept, list(failed))


_ON_GPU = 512
"""Images at a time on a GPU, at least: smaller batches leave it idle."""


class _Pictured(Protocol):
    @property
    def images(self) -> Tensor: ...  # pragma: no cover


Pictures = TypeVar("Pictures", bound=_Pictured)


_LATER = {"interpolation": "bilinear", "colours": "rgb"}
"""Keys of `image` that fingerprints of older versions do not have, and the value that means what those did."""


class Recognizer:
    """A model with the recipe it was trained by: images in, embeddings or attributes out. Made by `resight.load`."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        schema: AttributeSchema = NO_ATTRIBUTES,
        device: str | None = None,
        source: str | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self.recipe, self.schema = recipe, schema
        self._folder = None if folder is None else Path(folder)
        self.way = Way()
        """How embeddings and attributes are computed; see `resight.embedding.in_bulk`."""
        self.tell: Callable[[str], None] = lambda line: None
        """Gets a line where something is decided that the user may want to know."""
        self.source = source
        """The run folder or file that `load` was given, absolute, or hf:owner/name; None for a model from elsewhere."""
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.eval().to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of weights, image options and metric: only embeddings of models with the same one can be compared."""
        # Keys that came later count only where they say something: what older versions embedded stays comparable.
        later = {name for name, usual in _LATER.items() if getattr(self.recipe.image, name) == usual}
        image = self.recipe.image.model_dump_json(exclude=later)
        digest = hashlib.sha256(f"{image} {self.recipe.retrieval.metric}".encode())
        for name, values in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    @cached_property
    def calibration(self) -> Calibration | None:
        """What `resight calibrate` left in the run folder or beside the exported file, else what an export took into it.

        None where there is none, or where it is of another model. Raises DataError for a damaged one.
        """
        source = self.model.path if isinstance(self.model, Exported) else self._folder
        found = None if source is None else kept_calibration(source, self.fingerprint)
        if found is None and source is not None and (file := calibration_file(source)).is_file():
            self.tell(f"{file} was fitted for another model and is ignored; run resight calibrate again")
        if found is None and isinstance(self.model, Exported) and self.model.config.calibration is not None:
            return Calibration.from_json(json.dumps(self.model.config.calibration))
        return found

    @property
    def embeds(self) -> bool:
        """Whether the model makes embeddings."""
        return isinstance(self.model, Embeds)

    @property
    def recognises(self) -> bool:
        """Whether the model recognises attributes; an autoencoder that takes them as input does not."""
        return isinstance(self.model, Recognises)

    @property
    def reconstructs(self) -> bool:
        """Whether the model reconstructs images."""
        return isinstance(self.model, Reconstructs)

    @property
    def generates(self) -> bool:
        """Whether the model generates new images."""
        return isinstance(self.model, Samples)

    @property
    def segments(self) -> bool:
        """Whether the model makes masks."""
        return isinstance(self.model, Segments)

    @property
    def size(self) -> str:
        """The size that images are resized to, as text."""
        return f"{self.recipe.image.height}×{self.recipe.image.width} pixels"

    @property
    def metric(self) -> str:
        """The name of the metric that compares the embeddings, for `resight.retrieval.metric_between`."""
        return metric_of(self.recipe, self.schema)

    @cached_property
    def width(self) -> int:
        """Length of a feature. Raises RunError when the model makes no embeddings."""
        return self._nothing()[0].shape[1]

    @property
    def weighs_attributes(self) -> bool:
        """Whether the metric compares attributes beside features."""
        return self.metric == AttributeWeighted.name

    @property
    def tells_junk(self) -> bool:
        """Whether the embeddings tell junk images: the metric weighs attributes, and junk is one of them."""
        return self.weighs_attributes and JUNK_TARGET in self.schema.classes

    def junk(self, embeddings: Embeddings) -> NDArray[np.bool_]:
        """Which embeddings are of junk images, bool [N].

        Raises RunError when the embeddings do not tell; see `tells_junk`.
        """
        return called_junk(embeddings, self.schema)

    def embed(self, images: Images, batch_size: int = 64) -> NDArray[np.float32]:
        """Features of images as float32 [N, D], L2-normalised where the recipe compares by cosine.

        Raises ImageError for an image that cannot be read (to skip those instead, use `resight.embed`), RunError when
        the model makes no embeddings.
        """
        return self.embed_with_attributes(images, batch_size)[0]

    def embed_with_attributes(self, images: Images, batch_size: int = 64) -> FeaturesAndAttributes:
        """Features as `embed` returns them, and the attributes that the metric weighs, or None.

        Attributes are their classes' probabilities, concatenated in the order of `schema`, float32 [N, A].
        """
        return joined([self.embed_batch(batch) for batch in self._batches(images, batch_size)] or [self._nothing()])

    def recognise(self, images: Images, batch_size: int = 64) -> dict[str, NDArray[np.float32]]:
        """Attribute -> probabilities of its classes in the order of `schema`, float32 [N, classes].

        Raises ImageError for an image that cannot be read (to skip those instead, use `resight.predict`), RunError
        when the model recognises no attributes.
        """
        found = [self.recognise_batch(batch) for batch in self._batches(images, batch_size)]
        empty = {name: np.empty((0, len(values)), np.float32) for name, values in self.schema.classes.items()}
        return {name: np.concatenate([blank, *(part[name] for part in found)]) for name, blank in empty.items()}

    def segment(self, images: Images, batch_size: int = 64) -> NDArray[np.float32]:
        """The probability that each pixel shows the individual, float32 [N, height, width] of the recipe's size.

        Raises ImageError for an image that cannot be read, RunError when the model makes no masks.
        """
        size = self.recipe.image
        found = [self.segment_batch(batch) for batch in self._batches(images, batch_size)]
        return np.concatenate([np.empty((0, size.height, size.width), np.float32), *found])

    def batches(
        self,
        records: Sequence[Record],
        masks: bool = False,
        progress: Progress | None = None,
        workers: int | None = None,
    ) -> Iterator[Batch]:
        """The records' images in batches, each image once and in order; with their masks if `masks`.

        `progress` is called with the number of a batch's images, read or not, once the next batch is asked for. So many
        `workers` load them as the recipe names, or else as are asked for, or as were measured; see `resight.embedding.in_bulk`.
        """
        loader = self.recipe.loader.with_workers(self.way.workers if workers is None else workers)
        loader = loader.model_copy(update={"batch_size": self.batch_size})
        for batch in evaluation_loader(ImageDataset(records, self.recipe.image, masks=masks), loader):
            yield batch
            if progress is not None:
                progress(len(batch.images) + len(batch.failed))

    def see(
        self,
        records: Sequence[Record],
        look: Callable[[Batch], Found],
        *,
        masks: bool = False,
        progress: Progress | None = None,
    ) -> Seen[Found]:
        """What `look` finds in each batch of the records' images; images that cannot be read are left out and named.

        >>> seen = model.see(records, lambda batch: model.embed_batch(batch.images))

        Raises DataError when not one image could be read.
        """
        return see(self.batches(records, masks), records, look, progress)

    @property
    def batch_size(self) -> int:
        """Images in a batch of `batches`."""
        return max(self.recipe.loader.batch_size, _ON_GPU if self.device.type == "cuda" else 1)

    def embed_batch(self, images: Tensor) -> FeaturesAndAttributes:
        """uint8 (batch, 3, height, width) of the recipe's size -> features float32 (batch, D), attributes (batch, A).

        The attributes are None where the metric weighs none.
        """
        return self._begun(images)()

    def embedded(self, batches: Iterable[Pictures]) -> Iterator[tuple[Pictures, FeaturesAndAttributes | None]]:
        """Batches and what `embed_batch` makes of their `images`, None where there are none.

        Each comes when the next one has been begun: a GPU has something to compute while its results are looked at.
        """
        before: tuple[Pictures, Callable[[], FeaturesAndAttributes | None]] | None = None
        for batch in batches:
            begun = batch, self._begun(batch.images) if len(batch.images) else lambda: None
            if before is not None:
                yield before[0], before[1]()
            before = begun
        if before is not None:
            yield before[0], before[1]()

    @torch.inference_mode()
    def _begun(self, images: Tensor) -> Callable[[], FeaturesAndAttributes]:
        """Have a batch embedded; what is returned waits for it."""
        on_gpu = self.device.type == "cuda"
        here = [values.to("cpu", non_blocking=on_gpu) for values in self.compare(images) if values is not None]
        arrived = torch.cuda.current_stream(self.device).record_event() if on_gpu else None

        def ended() -> FeaturesAndAttributes:
            if arrived is not None:
                arrived.synchronize()
            # What a GPU has written lies in memory that cannot be swapped, which is wanted for the next batches.
            features, *weighed = (self._finite(values.clone() if on_gpu else values) for values in here)
            return features, weighed[0] if weighed else None

        return ended

    @torch.inference_mode()
    def compare(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """As `embed_batch`, on the model's device, which may still be computing them: not waited for, and not checked."""
        self._require_embeddings()
        with self.way.autocast(self.device):
            return comparable(self.model, self.recipe, self.prepare(images))

    def computed_as(self, network: nn.Module, way: Way) -> Recognizer:
        """The same model as a network that computes what its own does, in a way."""
        found = Recognizer(network, self.recipe, self.schema, str(self.device), self.source, self._folder)
        found.model = network.to(memory_format=torch.channels_last if way.channels_last else torch.contiguous_format)  # type: ignore[call-overload]
        found.way = way
        return found

    @torch.inference_mode()
    def recognise_batch(self, images: Tensor) -> dict[str, NDArray[np.float32]]:
        """uint8 (batch, 3, height, width) of the recipe's size -> attribute -> float32 (batch, classes)."""
        if not isinstance(self.model, Recognises):
            raise RunError("this run recognises no attributes; train one, such as `resight train attributes-multihead`")
        with self.way.autocast(self.device):
            logits = self.model.recognise(self.prepare(images))
        return {name: self._finite(values) for name, values in probabilities(logits).items()}

    @torch.inference_mode()
    def segment_batch(self, images: Tensor) -> NDArray[np.float32]:
        """uint8 (batch, 3, height, width) of the recipe's size -> probabilities, float32 (batch, height, width)."""
        if not isinstance(self.model, Segments):
            raise RunError("this run makes no masks; train one that does: `resight train segmentation-unet`")
        logits = self.model.segment(self.prepare(images))
        return self._finite(torch.sigmoid(logits[:, 0].float()))

    @torch.inference_mode()
    def reconstruct_batch(self, images: Tensor) -> NDArray[np.uint8]:
        """uint8 (batch, 3, height, width) of the recipe's size -> their reconstructions, in the same form."""
        pixels = denormalise(self._reconstructed(self.prepare(images)), self.recipe.image)
        return pixels.cpu().numpy()

    @torch.inference_mode()
    def sample_batch(self, count: int) -> NDArray[np.uint8]:
        """New images, uint8 (count, 3, height, width), drawn with PyTorch's generator."""
        if not isinstance(self.model, Samples):
            raise RunError("this run makes no new images; train one that does, such as `resight train reid-vae`")
        sampled = self.model.sample(count)
        self._finite(sampled)
        return denormalise(sampled, self.recipe.image).cpu().numpy()

    @torch.inference_mode()
    def reconstruction_error_batch(self, images: Tensor) -> NDArray[np.float32]:
        """uint8 (batch, 3, height, width) of the recipe's size -> mean squared error of each, on normalised pixels."""
        inputs = self.prepare(images)
        errors = (self._reconstructed(inputs) - inputs).square().flatten(1).mean(1)
        return self._finite(errors)

    @torch.inference_mode()
    def detail_batch(self, images: Tensor) -> NDArray[np.float32]:
        """uint8 (batch, 3, height, width) of the recipe's size -> the amount of detail in each.

        The mean absolute difference of neighbouring pixels, squared: in the unit of the errors, and never 0.
        """
        inputs = self.prepare(images)
        down = (inputs[:, :, 1:] - inputs[:, :, :-1]).abs().flatten(1).mean(1)
        across = (inputs[:, :, :, 1:] - inputs[:, :, :, :-1]).abs().flatten(1).mean(1)
        return (down + across).square().clamp(min=1e-6).cpu().numpy()

    def _reconstructed(self, inputs: Tensor) -> Tensor:
        if not isinstance(self.model, Reconstructs):
            raise RunError(
                "this run reconstructs no images; train one that does, such as `resight train junk-autoencoder`"
            )
        made = self.model.reconstruct(inputs).float()
        self._finite(made)
        return made

    def inputs(self, images: Images) -> Tensor:
        """The network's input for these images: normalised float32 (batch, 3, height, width).

        Raises ImageError for an image that cannot be read.
        """
        return self.prepare(torch.stack([self._tensor(image) for image in images]))

    def features(self, inputs: Tensor) -> Tensor:
        """Embeddings float32 (batch, dim) of what `inputs` returns, without normalisation, flip or attributes.

        Raises RunError when the model makes none.
        """
        self._require_embeddings()
        return _embedder(self.model).embed(inputs).float()

    def _finite(self, values: Tensor) -> NDArray[Any]:
        """What the network made, as an array. Raises RunError for nan and infinity, which only broken weights make of pixels."""
        if not bool(torch.isfinite(values).all()):
            raise RunError(
                f"{self.source or 'this model'} makes numbers that are not finite: its training diverged; "
                "train it anew, with a lower optimiser.lr for example"
            )
        return values.cpu().numpy()

    def _require_embeddings(self) -> None:
        if not self.embeds:
            other = "recognises attributes" if self.recognises else "works on pixels"
            raise RunError(f"this run {other} and makes no embeddings; give one of a re-identification recipe")

    def prepare(self, images: Tensor) -> Tensor:
        """uint8 (batch, 3, height, width) of the recipe's size -> the network's input, float32 on its device."""
        layout = torch.channels_last if self.way.channels_last else torch.contiguous_format
        return normalise(images.to(self.device, non_blocking=True), self.recipe.image).contiguous(memory_format=layout)

    def _batches(self, images: Images, size: int) -> Iterator[Tensor]:
        for start in range(0, len(images), size):
            yield torch.stack([self._tensor(image) for image in images[start : start + size]])

    def _tensor(self, image: str | os.PathLike[str] | Image.Image | NDArray[np.uint8]) -> Tensor:
        if isinstance(image, Image.Image):
            pixels = np.asarray(image.convert("RGB"))
        elif isinstance(image, np.ndarray):
            pixels = image
        else:
            pixels = read_image(image)
        return resize(pixels, self.recipe.image)

    def _nothing(self) -> FeaturesAndAttributes:
        """Features and attributes of no image; a blank image is embedded to learn their widths."""
        size = self.recipe.image
        features, attributes = self.embed_batch(torch.zeros(1, 3, size.height, size.width, dtype=torch.uint8))
        return features[:0], None if attributes is None else attributes[:0]
