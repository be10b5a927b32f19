"""From a file of weights to a run folder: read, fitted, checked, and only then written."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from resight.errors import OptionError, RunError
from resight.files import folder_written_whole, written_whole
from resight.importing.architectures import architecture as architecture_of
from resight.importing.layout import Architecture
from resight.importing.sources import Source, find, sha256
from resight.importing.timm_trunks import timm_architecture
from resight.models.weights import Checkpoint, KeyReport, fit, read_checkpoint
from resight.recipe import Recipe, built_in_recipes, override, read_yaml
from resight.records import NO_ATTRIBUTES, AttributeSchema
from resight.run import Origin, Run, build_model

__all__ = ["Imported", "import_weights"]


@dataclass(frozen=True)
class Imported:
    """The run that was made, what became of each key, and remarks for the user."""

    run: Run
    report: KeyReport
    notes: tuple[str, ...] = ()


def import_weights(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    architecture: str | None = None,
    overrides: Sequence[str] = (),
    licence: str | None = None,
) -> Imported:
    """Make a run folder of others' weights, on which everything works that works on a run.

    >>> import_weights("osnet_x0_25_msmt17.pth.tar", "runs/osnet", architecture="osnet_x0_25").report.missing

    `source` is a file, a run folder, `hf:owner/name/FILE`, or `hf:owner/name` of a run or a timm model. `architecture` is
    a name of `resight.importing.architectures`; a run, a timm model on the hub and some files say it themselves.
    `overrides` change the recipe, such as `image.height=384`. Nothing that a file holds is run. The folder is written
    whole or not at all. Raises WeightsError unless every weight that the embedding depends on was loaded and every key of
    the file is accounted for, OptionError for an unknown architecture, RunError when `out` exists already.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} exists already; choose another --out")
    found = find(os.fspath(source))
    made = (_others if found.run is None else _own)(found, architecture, overrides)
    origin = Origin(_name(source), sha256(found.file), made.architecture, licence or made.licence)
    run = Run(folder, made.recipe, made.classes, made.schema, finished=True, origin=origin)
    _write(run, made.model, made.report)
    return Imported(run, made.report, made.notes)


def _name(source: str | os.PathLike[str]) -> str:
    return str(source) if str(source).startswith(("hf:", "hf-hub:")) else os.path.abspath(source)


class _Made(NamedTuple):
    """A network with its weights, not yet on disk."""

    architecture: str
    recipe: Recipe
    model: nn.Module
    report: KeyReport
    notes: tuple[str, ...] = ()
    classes: int = 1
    schema: AttributeSchema = NO_ATTRIBUTES
    licence: str | None = None


def _others(found: Source, name: str | None, overrides: Sequence[str]) -> _Made:
    checkpoint = read_checkpoint(found.file)
    name, chosen = _chosen(found, checkpoint, name)
    keys, said = chosen.keys(checkpoint.tensors), _said(checkpoint.facts)
    values = read_yaml(built_in_recipes()[chosen.recipe].read_text(encoding="utf-8"))
    changed = override(values, [*chosen.overrides, *keys.overrides, *said, *overrides])
    recipe = Recipe.parse({**changed, "source": chosen.recipe}, f"--as {name}")
    # One class: whom the weights were trained on is not known, and no embedding depends on it.
    model = build_model(recipe, 1, pretrained=False)
    tensors: Mapping[str, Tensor] = {**checkpoint.tensors, **keys.given}
    report = fit(model, tensors, keys.rename, keys.dropped, chosen.left_out, source=f"{found.file} as {name}")
    notes = (*keys.notes, *([f"as the file says: {' '.join(said)}"] if said else []))
    licence = found.timm.get("pretrained_cfg", {}).get("license")
    return _Made(name, recipe, model, report, notes, licence=licence)


def _own(found: Source, name: str | None, overrides: Sequence[str]) -> _Made:
    """A run of resight, fetched or copied."""
    folder = found.file.parent
    if name is not None:
        raise OptionError(f"{folder} is a run, which says what it is; leave out --as")
    before = Run.open(folder)
    recipe = Recipe.parse(override(before.recipe.model_dump(mode="json"), overrides), str(folder))
    model = build_model(recipe, before.classes, before.schema, pretrained=False)
    report = fit(model, read_checkpoint(found.file).tensors, source=str(found.file))
    licence = before.origin.licence if before.origin else None
    known = before.origin.architecture if before.origin else recipe.model["name"]
    return _Made(known, recipe, model, report, (), before.classes, before.schema, licence)


def _chosen(found: Source, checkpoint: Checkpoint, name: str | None) -> tuple[str, Architecture]:
    if name is None and found.timm:
        named = str(found.timm["architecture"])
        return f"timm:{named}", timm_architecture(named, found.timm.get("pretrained_cfg"))
    name = name or checkpoint.facts.get("model_name")
    if not isinstance(name, str):
        raise OptionError(
            f"{found.file} does not say which network it is for; give it with --as, such as --as osnet_x1_0"
        )
    return name, architecture_of(name)


def _said(facts: Mapping[str, Any]) -> list[str]:
    """What BoxMOT's files say of their images."""
    size = facts.get("img_size")
    said = []
    if isinstance(size, list | tuple) and len(size) == 2:
        said += [f"image.height={int(size[0])}", f"image.width={int(size[1])}"]
    if facts.get("preprocess") in ("resize", "resize_pad"):
        said.append(f"image.resize={'letterbox' if facts['preprocess'] == 'resize_pad' else 'squash'}")
    return said


def _write(run: Run, model: nn.Module, report: KeyReport) -> None:
    """Write the run whole or not at all."""
    folder = run.folder
    try:
        with folder_written_whole(folder, RunError) as run.folder:
            run.save_weights(model)
            with (
                written_whole(run.folder / "keys.csv") as file,
                open(file, "w", newline="", encoding="utf-8") as opened,
            ):
                writer = csv.writer(opened)
                writer.writerows([("file", "model", "outcome"), *report.lines()])
            run.save()
    finally:
        run.folder = folder
