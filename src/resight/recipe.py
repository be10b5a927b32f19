"""Recipes: the typed form of a training run, to and from YAML.

A recipe names keys of plain tables (`MODELS`, `LOSSES`, ...), never import paths, so that a stranger's recipe is
safe to run. Which sections exist is checked here; a section's options are checked by `make` against the
signature of the class that it names. So a new model or loss needs no edit in this file.
"""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from resight.errors import RecipeError, did_you_mean

__all__ = [
    "OneOf",
    "Options",
    "Recipe",
    "arguments",
    "built_in_recipes",
    "load_recipe",
    "make",
    "options_of",
    "override",
    "pick",
    "read_yaml",
    "told_of",
]

Entry = TypeVar("Entry")

Options = dict[str, Any]
"""Options of one table entry; `name` picks the entry if the section's key does not."""

Frozen = Annotated[int, Field(ge=1)] | Literal["always"]
"""For how many epochs a part of a network stays as it is."""

Part = Annotated[Options, pydantic.BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)]
"""Options with a `name`; a bare string stands for the name alone."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)


class ImageOptions(_Section):
    """How images are prepared for the network."""

    height: int = Field(256, ge=8, description="pixels")
    width: int = Field(128, ge=8, description="pixels")
    resize: Literal["squash", "letterbox"] = Field(
        "squash", description="squash changes an image's shape; letterbox keeps it and fills up with the mean colour"
    )
    interpolation: Literal["bilinear", "bicubic", "nearest"] = Field(
        "bilinear", description="how pixels are found between pixels; the first two are antialiased"
    )
    colours: Literal["rgb", "bgr"] = Field("rgb", description="order of the channels that the network reads")
    mean: tuple[float, float, float] = Field((0.485, 0.456, 0.406), description="RGB mean in [0, 1] (ImageNet's)")
    std: tuple[pydantic.PositiveFloat, pydantic.PositiveFloat, pydantic.PositiveFloat] = Field(
        (0.229, 0.224, 0.225), description="RGB deviation in [0, 1] (ImageNet's)"
    )


class LoaderOptions(_Section):
    """How images are loaded. `augment` changes random numbers and not how they are distributed; the others no result."""

    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        "auto",
        description="processes that decode and augment; auto: the fewest beside which a step is as fast as beside more, "
        "measured together with the precision in long trainings and where many images are embedded, else 2",
    )
    cache: bool | Literal["memory", "disk", "device", "auto"] = Field(
        False,
        description="keep decoded images: true or memory in the memory of each process, disk in a file of the user's cache folder that all runs share, device on the GPU as well, auto on the GPU if they take at most a quarter of what is free there, else disk",
    )
    augment: Literal["batch", "image", "auto"] = Field(
        "batch",
        description="change a batch at once on the device that trains, or images one by one in the workers, which takes "
        "several times as long; auto, of older runs: a batch on a GPU, else one by one",
    )
    batch_size: int = Field(64, ge=1, description="images per batch where no sampler decides: evaluation, prediction")

    @property
    def processes(self) -> int:
        """`workers`, two where their number was not measured."""
        return 2 if self.workers == "auto" else self.workers

    def with_workers(self, measured: int | None) -> LoaderOptions:
        """These options with so many workers, if that was measured and no number is set by hand."""
        return self if measured is None or self.workers != "auto" else self.model_copy(update={"workers": measured})


class ValidationOptions(_Section):
    """Identities held out of the training split for model selection; the test split is never used."""

    ratio: float = Field(0.0, ge=0, lt=1, description="share of training identities held out; 0 trains on all")
    query_ratio: float = Field(0.1, gt=0, lt=1, description="share of each held-out identity's images that are queries")
    every: int = Field(5, ge=1, description="epochs between validations")
    pictures: bool = Field(
        True,
        description="draw ranked lists and t-SNE, or confusion matrices and confident images, into the run folder's `validation` and the logs; those of attributes' training into `training`, and what camera mining chose from into `mining`",
    )
    patience: int = Field(0, ge=0, description="stop after so many validations without a better figure; 0 never")
    monitor: str = Field(
        "mAP",
        description="figure that picks the best weights: mAP or rank-1, or loss (lowest) of triplets drawn of held-out people; of attributes accuracy, balanced or loss; of masks IoU or Dice",
    )


class TrainerOptions(_Section):
    """Settings of Lightning's Trainer."""

    # YAML reads a bare 32 as a number.
    precision: Annotated[Literal["auto", "32", "bf16", "16"], pydantic.BeforeValidator(str)] = Field(
        "auto",
        description="bf16 and 16 are mixed precision; auto: what is fastest here, measured where the training is long, and "
        "else bf16 on hardware that computes in it",
    )
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field("auto", description="auto: a GPU where there is one")
    devices: int = Field(1, ge=1, description="processes or GPUs on each node, which share each batch")
    num_nodes: int = Field(1, ge=1, description="machines")
    strategy: str = Field("auto", description="a Lightning strategy name; auto picks ddp for several devices")
    gather: bool = Field(
        True,
        description="several devices compute the losses of embeddings on the whole batch, as one would; false: each on its own share",
    )
    sync_batchnorm: bool = Field(
        False, description="BatchNorm's statistics are of the whole batch, not of each device's share; GPUs alone"
    )
    accumulate: int = Field(1, ge=1, description="batches per optimiser step")
    clip: float = Field(0.0, ge=0, description="largest gradient norm; 0 does not clip")
    channels_last: bool | Literal["auto"] = Field(
        "auto", description="memory layout that most convolutions prefer; auto: measured together with precision"
    )
    checkpointing: bool = Field(
        False,
        description="compute a backbone's stages twice instead of keeping their maps: less memory, a third more time",
    )
    compile: bool | Literal["auto", "graphs"] = Field(
        "auto",
        description="by torch.compile, which takes a minute and more; auto: measured together with precision where a "
        "training is long enough to win that back, else not; graphs: not compiled, but launched whole on one GPU, as CUDA "
        "graphs, for a GPU that waits for the launches of small batches",
    )

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.devices * self.num_nodes


class AttributeOptions(_Section):
    """The attributes that a system learns; by default all attributes of the data."""

    names: list[str] | None = Field(None, min_length=1, description="attributes to learn; null takes all")
    classes: dict[str, list[str]] = Field(
        default_factory=dict, description="attribute -> its classes in order, instead of the data's own"
    )
    cameras: list[int] = Field(default_factory=list, description="cameras to recognise, a target of no and yes each")
    junk: bool = Field(False, description="add a target for junk images")


class RetrievalOptions(_Section):
    """How embeddings of this model are compared."""

    metric: Literal["cosine", "euclidean", "attribute-weighted"] = Field(
        "cosine", description="attribute-weighted: Euclidean distance of features × (0.1 + that of attributes)"
    )
    drop_junk: bool = Field(
        False, description="rank what the model takes for junk last; needs attribute-weighted and attributes.junk"
    )
    flip: bool = Field(False, description="average with the mirrored image's embedding")
    protocol: str | None = Field(
        None,
        description="evaluation protocol, a key of resight.retrieval.PROTOCOLS; null: the dataset's own",
    )
    depth: int | None = Field(
        None, ge=1, description="only so many nearest images are looked at in an evaluation; null looks at all"
    )


class Recipe(_Section):
    """All settings of one training run; a run folder stores them as `recipe.yaml`."""

    system: Part = Field(description="training regime, a key of resight.tasks.systems.SYSTEMS")
    source: str = Field("", description="the built-in recipe that this one was made from; resight fills it in")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of all random numbers: the same seed, the same run")
    epochs: int = Field(ge=1, description="how often training goes through its images, as the sampler counts")
    image: ImageOptions = Field(default_factory=ImageOptions)
    augmentation: dict[str, Options] = Field(default_factory=dict, description="in order; keys of AUGMENTATIONS")
    sampler: Part = Field(description="a key of SAMPLERS")
    model: Part = Field(description="a key of MODELS")
    losses: dict[str, Options] = Field(description="keys of LOSSES (or any label with `name`), each with a weight")
    attributes: AttributeOptions = Field(default_factory=AttributeOptions)
    optimiser: Part = Field(description="a key of OPTIMISERS")
    rates: dict[str, pydantic.PositiveFloat] = Field(
        default_factory=dict,
        description="beginning of parameter names -> their learning rate; the others have the optimiser's",
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="factor of these rates for each layer that a parameter stands before the head; 1 leaves them",
    )
    schedule: Part = Field(description="a key of SCHEDULES")
    freeze: dict[str, Frozen] = Field(
        default_factory=dict,
        description="beginning of parts' names -> how many epochs they stay as they are, BatchNorm's statistics too, "
        "or always",
    )
    average: Part | None = Field(
        None, description="a key of AVERAGES: the weights' average is judged beside them, and kept where it is better"
    )
    validation: ValidationOptions = Field(default_factory=ValidationOptions)
    retrieval: RetrievalOptions = Field(default_factory=RetrievalOptions)
    loader: LoaderOptions = Field(default_factory=LoaderOptions)
    trainer: TrainerOptions = Field(default_factory=TrainerOptions)
    loggers: list[Literal["tensorboard", "wandb"]] = Field(
        default=["tensorboard"], description="besides metrics.csv, which is always written"
    )

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str = "recipe") -> Self:
        """Check a mapping. Raises RecipeError, which names a wrong key and the nearest valid one."""
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            raise RecipeError(f"{source}: {_explain(error, cls)}") from None

    def to_yaml(self) -> str:
        return yaml.dump(self.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    """A YAML loader that reads numbers as YAML 1.2 does; PyYAML follows YAML 1.1.

    1e-4 is a number (in 1.1 only 1.0e-4 is); 4:16 and 010 are strings (in 1.1 256 and 8), and so are dates.
    """


class _Dumper(yaml.SafeDumper):
    """A YAML dumper that quotes every string that `_Loader`, or a YAML 1.1 loader, would not read as a string."""


_INT, _FLOAT, _DATE = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in (_INT, _FLOAT, _DATE)]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$")
_REAL = re.compile(
    r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+|[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?"
    r"|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"
)
_Loader.add_implicit_resolver(_INT, _WHOLE, list("-+0123456789"))
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(_FLOAT, _REAL, list("-+.0123456789"))


def read_yaml(text: str) -> Any:
    """Read YAML by the rules for recipes, overrides, tables and search spaces. Raises yaml.YAMLError.

    >>> read_yaml("{lr: 1e-4, name: '1e-4'}")
    {'lr': 0.0001, 'name': '1e-4'}
    """
    return yaml.load(text, _Loader)  # a SafeLoader: makes plain values only


def built_in_recipes() -> dict[str, Path]:
    """Recipes that ship with resight: name -> file."""
    folder = Path(str(resources.files("resight") / "recipes"))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def told_of(recipe: Path) -> str:
    """What a recipe file says of itself: the first sentence of the comment that it begins with, on one line."""
    lines = recipe.read_text(encoding="utf-8").splitlines()
    opening = itertools.takewhile(lambda line: line.startswith("# "), lines)
    return re.split(r"(?<=\.) (?=[A-Z])", " ".join(line.removeprefix("# ").strip() for line in opening))[0]


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by built-in name or by file, with `key=value` overrides applied.

    >>> load_recipe("reid-strong-baseline", ["model.backbone=resnet18.tv_in1k", "epochs=2"])

    Raises RecipeError for an unknown name, unreadable YAML, or a key or value that does not fit.
    """
    built_in = built_in_recipes()
    file = built_in.get(str(name), Path(name))
    if not file.is_file():
        raise RecipeError(
            f"no recipe {str(name)!r}{did_you_mean(str(name), built_in)}; give a file or one of: {', '.join(built_in)}"
        )
    try:
        values = read_yaml(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{file}: a recipe is a mapping of keys to values")
    if str(name) in built_in:
        values["source"] = str(name)
    return Recipe.parse(override(values, overrides), str(name))


def override(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of nested `values` with `a.b=value` strings applied; values are read as YAML.

    Raises RecipeError when a string has no `=`, its value is no YAML, or a part of its key is no section.
    """
    result = copy.deepcopy(values)
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise RecipeError(f"{text!r} is no override; write key=value, such as optimiser.lr=1e-4")
        try:
            parsed = read_yaml(value)
        except yaml.YAMLError:
            raise RecipeError(f"{text!r}: the value is not YAML") from None
        *path, last = key.split(".")
        section = result
        for step in path:
            inner = section.setdefault(step, {})
            if isinstance(inner, str):  # a bare name, such as `sampler: random`
                inner = section[step] = {"name": inner}
            if not isinstance(inner, dict):
                raise RecipeError(f"{text!r}: {step} is a value, not a section")
            section = inner
        section[last] = parsed
    return result


class OneOf:
    """Marks a parameter that is built from a table: `mining: Annotated[Mining, OneOf(MINING)]`."""

    def __init__(self, table: Mapping[str, Callable[..., Any]]) -> None:
        self.table = table


def pick(table: Mapping[str, Entry], options: Options, what: str) -> Entry:
    """The table entry that `options["name"]` names.

    >>> pick({"linear": torch.nn.Linear}, {"name": "linear", "out_features": 2}, "model")
    <class 'torch.nn.modules.linear.Linear'>

    Raises RecipeError that lists the valid names.
    """
    name = options.get("name")
    if name is None or name not in table:
        raise RecipeError(f"{what}: no {name!r}{did_you_mean(str(name), table)}; there is: {', '.join(table)}")
    return table[name]


def arguments(
    table: Mapping[str, Callable[..., Any]], options: Options, what: str, given: Sequence[str] = ()
) -> Options:
    """Check one part's options against the signature of the entry it names; defaults are filled in.

    `given` names the parameters that the program itself supplies. Raises RecipeError that lists the valid options.
    """
    model = _signature_model(pick(table, options, what), tuple(given))
    try:
        checked = model.model_validate({key: value for key, value in options.items() if key != "name"})
    except pydantic.ValidationError as error:
        raise RecipeError(f"{what} ({options['name']}): {_explain(error, model)}") from None
    values = {key: getattr(checked, key) for key in model.model_fields}
    for key, field in model.model_fields.items():
        nested = next((mark for mark in field.metadata if isinstance(mark, OneOf)), None)
        if nested is not None and isinstance(values[key], dict):
            values[key] = {
                "name": values[key]["name"],
                **arguments(nested.table, values[key], f"{what}.{key}"),
            }
    return values


def make(table: Mapping[str, Callable[..., Any]], options: Options, what: str, **given: Any) -> Any:
    """Build the table entry that `options["name"]` picks; see `arguments` for the checks.

    >>> make({"linear": torch.nn.Linear}, {"name": "linear", "out_features": 2}, "model", in_features=3)
    """
    values = arguments(table, options, what, tuple(given))
    entry = table[options["name"]]
    for key, field in _signature_model(entry, tuple(given)).model_fields.items():
        nested = next((mark for mark in field.metadata if isinstance(mark, OneOf)), None)
        if nested is not None and isinstance(values[key], dict):
            values[key] = make(nested.table, values[key], f"{what}.{key}")
    wanted = inspect.signature(entry).parameters
    return entry(**values, **{key: value for key, value in given.items() if key in wanted})


def options_of(entry: Callable[..., Any], given: Sequence[str] = ()) -> dict[str, FieldInfo]:
    """The options of a table's entry by its signature, without those `given` by the program: key -> type and default."""
    return dict(_signature_model(entry, tuple(given)).model_fields)


@functools.cache
def _signature_model(entry: Callable[..., Any], given: tuple[str, ...]) -> type[BaseModel]:
    init = entry.__init__ if inspect.isclass(entry) else entry  # type: ignore[misc]
    hints = typing.get_type_hints(init, include_extras=True)
    fields: dict[str, Any] = {}
    for key, parameter in inspect.signature(entry).parameters.items():
        if key in given or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        hint = hints.get(key, Any)
        marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, OneOf)]
        if marks:
            hint = Annotated[Part, Field(), marks[0]]
        fields[key] = (hint, ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=(), allow_inf_nan=False)
    return pydantic.create_model(getattr(entry, "__name__", "part"), __config__=config, **fields)


def _explain(error: pydantic.ValidationError, model: type[BaseModel]) -> str:
    """pydantic's findings as one line."""
    lines = []
    for finding in error.errors():
        path = [str(step) for step in finding["loc"]]
        key = ".".join(path)
        if finding["type"] == "extra_forbidden":
            known = _fields_at(model, path[:-1])
            lines.append(f"unknown key {key!r}{did_you_mean(path[-1], known)}; there is: {', '.join(known)}")
        elif finding["type"] == "missing":
            lines.append(f"key {key!r} is missing")
        else:
            lines.append(f"{key} = {finding['input']!r}: {finding['msg'][0].lower()}{finding['msg'][1:]}")
    return "; ".join(lines)


def _fields_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    for step in path:
        inner = model.model_fields[step].annotation if step in model.model_fields else None
        if not (inspect.isclass(inner) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
