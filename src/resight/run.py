"""The run folder on disk, and the network that its recipe describes.

```
runs/street/
  recipe.yaml         the resolved recipe
  run.json            what the recipe does not say: classes, data, version, state, origin of imported weights
  model.safetensors   the weights that `load` uses: the best validated ones, else the last
  validation.safetensors  what the losses had learned or counted when these were validated, and the epoch
  last.ckpt           everything a resumed training needs
  metrics.csv         one row an epoch
  tensorboard/        the same as curves
```
"""

from __future__ import annotations

import csv
import inspect
import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import safetensors
import safetensors.torch
from torch import Tensor, nn

from resight.data.formats import absolute_spec
from resight.errors import RecipeError, RunError
from resight.files import holder, written_whole
from resight.machine import Way
from resight.models import MODELS
from resight.models.abilities import Borrows
from resight.recipe import Recipe, load_recipe, make
from resight.records import NO_ATTRIBUTES, AttributeSchema

__all__ = ["Origin", "Run", "build_model", "histories", "history", "leftovers"]


@dataclass(frozen=True)
class Origin:
    """Where imported weights came from."""

    source: str
    """The file or folder, absolute, or its name on the Hugging Face hub."""
    sha256: str
    architecture: str
    licence: str | None = None
    """In the words of the one who imported them."""


@dataclass
class Run:
    """A run folder on disk. Raises RunError when it is none."""

    folder: Path
    recipe: Recipe
    classes: int
    """Training identities: the width of the classifier."""
    schema: AttributeSchema = field(default_factory=AttributeSchema)
    """The attributes that it recognises."""
    data: list[str] = field(default_factory=list)
    """The `--data` of the training, which a resume reads again."""
    finished: bool = False
    digest: str | None = None
    """`TrainingSet.digest` of what it was trained on; None in runs of versions that kept none."""
    origin: Origin | None = None
    """Of imported weights, and of weights that the training started from."""
    start: str | None = None
    """The run or file that the training started from."""
    processes: int | None = None
    """How many train it together; None in runs of versions that kept no number."""
    way: Way | None = None
    """How it is computed, which a resume keeps; None before it is decided, and in runs of versions that kept none."""

    @property
    def computed(self) -> Way:
        """How it is computed: as decided, or else as the recipe says."""
        options = self.recipe.trainer
        precision = "32" if options.precision == "auto" else options.precision
        compiled, graphs = options.compile is True, options.compile == "graphs"
        return self.way or Way(precision, options.channels_last is not False, compiled=compiled, graphs=graphs)

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def validation_state(self) -> Path:
        return self.folder / "validation.safetensors"

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
            recipe = _as_it_was(load_recipe(folder / "recipe.yaml"))
            # Older versions kept it in the recipe alone.
            way = {"compiled": recipe.trainer.compile is True}
            return cls(
                folder,
                recipe,
                classes=int(facts["classes"]),
                schema=AttributeSchema(
                    {str(name): tuple(map(str, values)) for name, values in facts["attributes"].items()}
                ),
                data=[str(spec) for spec in facts["data"]],
                finished=bool(facts["finished"]),
                digest=facts.get("digest"),
                start=facts.get("start"),
                processes=facts.get("processes"),
                way=None if facts.get("way") is None else Way.from_json(way | facts["way"]),
                origin=None if facts.get("origin") is None else Origin(**facts["origin"]),
            )
        except FileNotFoundError as error:
            raise RunError(f"{folder} is no run folder ({error.filename} is missing); {_instead(folder)}") from None
        except NotADirectoryError:
            raise RunError(f"{folder} is a file, no run folder; {_instead_of_file(folder)}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{folder / 'run.json'} is damaged: {error}") from None

    def trained_on(self, data: Sequence[str]) -> bool:
        """Whether these dataset specs are the training's own."""
        return sorted(map(absolute_spec, data)) == sorted(self.data)

    def save(self) -> None:
        """Write recipe.yaml and run.json."""
        from resight.version import __version__

        with written_whole(self.folder / "recipe.yaml") as partial:
            partial.write_text(self.recipe.to_yaml(), encoding="utf-8")
        facts = {
            "resight": __version__,
            "classes": self.classes,
            "attributes": {name: list(values) for name, values in self.schema.classes.items()},
            "data": self.data,
            "finished": self.finished,
            "digest": self.digest,
        }
        if self.start is not None:
            facts["start"] = self.start
        if self.processes is not None:
            facts["processes"] = self.processes
        if self.way is not None:
            facts["way"] = self.way.to_json()
        if self.origin is not None:
            facts["origin"] = asdict(self.origin)
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
            raise RunError(self._without_weights()) from None
        except (safetensors.SafetensorError, RuntimeError, OSError) as error:
            raise RunError(
                f"{self.weights} does not fit its recipe or is damaged: {str(error).splitlines()[0]}"
            ) from None

    def save_validation_state(self, tensors: Mapping[str, Tensor], epoch: int) -> None:
        """Write validation.safetensors: what a validation reads beside the weights, and the epoch, from 0, that it is of."""
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with written_whole(self.validation_state) as partial:
            partial.write_bytes(safetensors.torch.save(whole, {"epoch": str(epoch)}))

    def load_validation_state(self) -> tuple[dict[str, Tensor], int] | None:
        """What `save_validation_state` wrote; None in runs of versions that wrote none, or without a validation.

        Raises RunError when it is damaged.
        """
        if not self.validation_state.exists():
            return None
        try:
            with safetensors.safe_open(self.validation_state, "pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, int(file.metadata()["epoch"])  # noqa: SIM118
        except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.validation_state} is damaged: {str(error).splitlines()[0]}") from None

    def _without_weights(self) -> str:
        if (trainer := holder(self.folder)) is not None:
            return (
                f"{self.folder} has no weights yet; {trainer} trains it: wait for its first validation, or for its end"
            )
        if self.finished:
            return (
                f"{self.folder} is finished, but {self.weights.name} is missing; put it back, or train anew with "
                f"`{shlex.join(['resight', 'train', str(self.folder / 'recipe.yaml')])} --data … --out …`"
            )
        return f"{self.folder} has no weights yet; finish it with `{shlex.join(['resight', 'train', '--resume', str(self.folder)])}`"


def _as_it_was(recipe: Recipe) -> Recipe:
    """A run's recipe; where an older one does not say how images are augmented, it was as `auto` has it."""
    if "augment" in recipe.loader.model_fields_set:
        return recipe
    return recipe.model_copy(update={"loader": recipe.loader.model_copy(update={"augment": "auto"})})


def leftovers(folder: Path) -> list[str]:
    """Files in a folder that a training would write or read, such as another one left there."""
    names = ("last.ckpt", "metrics.csv", "model.safetensors", "validation.safetensors")
    return [name for name in names if (folder / name).exists()]


def build_model(
    recipe: Recipe, classes: int, schema: AttributeSchema = NO_ATTRIBUTES, pretrained: bool | None = None
) -> nn.Module:
    """The network that a recipe describes.

    `pretrained=False` overrides the recipe and loads no weights from elsewhere: a run's own follow. Raises RecipeError
    or RunError when the run that gives a part its weights is missing or does not fit.
    """
    options = dict(recipe.model)
    entry = MODELS.get(options.get("name", ""))
    known = {} if entry is None else inspect.signature(entry).parameters
    if pretrained is not None and "pretrained" in known:
        options["pretrained"] = pretrained
    if pretrained is False and "weights" in known:
        options["weights"] = None
    size = (recipe.image.height, recipe.image.width)
    widths = {name: len(values) for name, values in schema.classes.items()}
    model = make(MODELS, options, "model", num_classes=classes, attributes=widths, image_size=size)
    if pretrained is not False and isinstance(model, Borrows):
        for option, borrowed in model.borrows.items():
            _borrow(borrowed.part, recipe, option, borrowed.recipe)
    return model


def _is_run(folder: Path) -> bool:
    return (folder / "run.json").exists()


def _instead_of_file(file: Path) -> str:
    """What may have been meant by a file: the run that it is of, or an OpenVINO file whose weights it has."""
    if _is_run(file.parent):
        return f"give its folder: {file.parent}"
    if file.suffix == ".bin" and (network := file.with_suffix(".xml")).is_file():
        return f"it has the weights of {network}; give that"
    return "`resight train` makes one"


def _instead(folder: Path) -> str:
    """What may have been meant by a folder that is no run: one of those in it, as `reproduce` and `tune` make them."""
    for within in ("*", "*/seed-*"):
        if runs := sorted(found.parent for found in folder.glob(f"{within}/run.json")):
            return f"it holds runs; give one, such as {runs[0]}"
    return "`resight train` makes one"


def _borrow(part: nn.Module, recipe: Recipe, option: str, maker: str) -> None:
    """Give a part the weights of the run that `model.{option}` names."""
    folder = recipe.model.get(option)
    how = f"make one with `resight train {maker} --data … --out RUN`, and give it as model.{option}=RUN"
    if folder is None:
        raise RecipeError(f"model.{option} is missing: it names a run of {maker}; {how}")
    if not Path(folder).exists():
        raise RunError(f"model.{option} = {folder}: no such run; {how}")
    donor = Run.open(folder)
    if donor.recipe.system["name"] != load_recipe(maker).system["name"]:
        raise RunError(f"model.{option} = {folder} is a run of system {donor.recipe.system['name']}; {how}")
    if donor.recipe.image != recipe.image:
        raise RunError(f"{folder} was trained on images of another size or normalisation than this recipe's; {how}")
    theirs = build_model(donor.recipe, donor.classes, donor.schema, pretrained=False)
    donor.load_weights(theirs)
    try:
        part.load_state_dict(theirs.state_dict())
    except RuntimeError:
        raise RunError(
            f"model.{option} = {folder} is another network than this recipe's; its model section is {donor.recipe.model}"
        ) from None


def history(path: Path) -> dict[str, list[tuple[float, float]]]:
    """The curves of a run's metrics.csv: column -> (epoch, value) points of the epochs that have a value.

    Empty if the file does not exist.
    """
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if name not in ("epoch", "seconds", "data/wait")]
    curves = {name: [(float(row["epoch"]), float(row[name])) for row in rows if row[name]] for name in names}
    return {name: points for name, points in curves.items() if points}


def histories(runs: Mapping[str, Iterable[Path]]) -> dict[str, dict[str, list[list[tuple[float, float]]]]]:
    """The curves of several runs, name -> folders (a run for each seed): column -> name -> a curve for each folder.

    Every column that some run has: figures of validation first, then those of training, the learning rate last.
    """
    found: dict[str, dict[str, list[list[tuple[float, float]]]]] = {}
    for name, folders in runs.items():
        for folder in folders:
            for column, points in history(folder / "metrics.csv").items():
                found.setdefault(column, {}).setdefault(name, []).append(points)
    kinds = ("val/", "train/")
    return {
        column: found[column]
        for column in sorted(found, key=lambda column: [not column.startswith(kind) for kind in kinds])
    }
