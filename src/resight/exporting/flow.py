"""Export a run: written beside its place, compared with the run, and only then moved there."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from resight.data.formats import absolute_spec
from resight.errors import OptionError, ResightError, RunError
from resight.exporting.boxmot import BoxMot, boxmot
from resight.exporting.graphs import FORMATS, Graph, tag_onnx
from resight.exporting.parity import LEAST, LEAST_INT8, Parity, made_up, parity
from resight.exporting.quantising import SPARED, calibration_images, quantise
from resight.files import disk_named, written_whole
from resight.models.cost import multiply_adds, parameters
from resight.recognizer import Recognizer, find_run, load
from resight.records import Record
from resight.run import Run
from resight.runtimes.config import CONFIG, ReidConfig
from resight.runtimes.network import is_exported, parts

__all__ = ["ExportedFile", "export", "exported_name", "format_of"]


@dataclass(frozen=True)
class ExportedFile:
    """What an export wrote, and how it compares with the run."""

    path: Path
    config: ReidConfig
    parity: Parity
    size: int
    """Bytes of the file, of OpenVINO with its .bin."""
    calibrated_on: int = 0
    """Images that int8 was calibrated on."""
    spared: int = 0
    """The first convolutions of an int8 file that stay in float32."""
    left_out: bool = False
    """Whether the run has a calibration that is not in the file."""
    warnings: tuple[str, ...] = field(default=())
    """What the program that the file is for does otherwise than the run."""


def export(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    to: str | None = None,
    *,
    pixels: bool = False,
    calibrate: Sequence[Record] | None = None,
    consumer: Literal["boxmot"] | None = None,
    force: bool = False,
) -> ExportedFile:
    """Write a run's embedding as a file that other programs run, with reid_config.json beside it.

    >>> export("runs/street", "street/model.onnx").parity.least  # above 0.9999

    `run` is a run folder or hf:owner/name; `to` a key of `FORMATS`, by default that of the ending of `out`, for a
    consumer "onnx". The batch is dynamic, the input is `images`, the output `output0`: embeddings, not yet of length one. With `pixels` the input is uint8 RGB (batch, height, width, 3) of
    the run's size, which the file normalises itself; otherwise float32 (batch, 3, height, width), normalised.
    With `calibrate`, records of images, weights and activations are of 8 bits. For "boxmot", `out` is a folder, in which
    the file gets the name by which BoxMOT knows it, and a side file.

    The file is opened and compared with the run at batches of 1, 7 and 64 before it gets its name. Raises RunError, and
    writes nothing, where its embeddings are others, for a run without embeddings, and where `out` or a differing
    reid_config.json is there already and not `force`; OptionError for options that do not go together.
    """
    to = to or ("onnx" if consumer else format_of(out))
    if to not in FORMATS:
        raise OptionError(f"no format {to!r}; there is: {', '.join(FORMATS)}")
    if (calibrate is not None or consumer) and to != "onnx":
        raise OptionError(f"{'int8' if calibrate is not None else f'--for {consumer}'} is for ONNX, not for {to}")
    if consumer and pixels:
        raise OptionError("BoxMOT prepares images itself; leave out --normalise")
    if is_exported(run):
        raise OptionError(f"{run} is an exported file; give the run that it was made from")
    found = find_run(run)
    model = load(run, device="cpu")
    if not model.embeds:
        raise RunError(f"{run} makes no embeddings and cannot be exported; give a run of a re-identification recipe")
    config = _config(found, model, pixels, exact=calibrate is None)
    named = _for_boxmot(found, config) if consumer else None
    target = exported_name(out, to, named)
    _require_free(target, config, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    within = tempfile.TemporaryDirectory(dir=target.parent, prefix=".resight-export-")
    with within as folder, disk_named(target, Path(folder)):
        partial = Path(folder) / target.name
        graph = Graph(model, pixels)
        _write(to, graph, partial, config)
        calibrated = spared = 0
        if calibrate is None:
            image = model.recipe.image
            compared = parity(model, load(partial), made_up(image.height, image.width))
            compared.require(LEAST)
        else:
            given, judged = calibration_images(model, calibrate)
            calibrated = len(given)
            compared, spared = _quantise(partial, model, given, judged, pixels, config)
        size = sum(part.stat().st_size for part in parts(partial))
        with written_whole(target.parent / CONFIG) as side:
            side.write_text(config.to_json(), encoding="utf-8")
        if named is not None:
            with written_whole(target.with_name(f"{target.name}.metadata.json")) as side:
                side.write_text(named.side_file, encoding="utf-8")
        for part in reversed(parts(partial)):  # the file itself last
            os.replace(part, target.with_name(part.name))
    left_out = model.calibration is not None and config.calibration is None
    warnings = named.warnings if named else ()
    return ExportedFile(target, config, compared, size, calibrated, spared, left_out, warnings)


def format_of(out: str | os.PathLike[str]) -> str:
    """The format with the ending that `out` has; ONNX of a folder. Raises OptionError for an ending of none."""
    path = Path(out)
    if not path.suffix:
        return "onnx"
    for name, known in FORMATS.items():
        if path.suffix.lower() == known.ending:
            return name
    endings = ", ".join(known.ending for known in FORMATS.values())
    raise OptionError(f"--out {out}: name a file that ends in {endings}")


def exported_name(out: str | os.PathLike[str], to: str, named: BoxMot | None = None) -> Path:
    """The file that an export to `out` writes. Raises OptionError where its ending is another than the format's."""
    path, ending = Path(out), FORMATS[to].ending
    if named is not None:
        if path.suffix or path.is_file():
            raise OptionError(f"--out {out}: BoxMOT knows a file by its name, which is chosen here; give a folder")
        return path / named.name
    if path.suffix.lower() != ending:
        raise OptionError(f"--out {out}: name a file that ends in {ending}")
    return path


def _config(run: Run, model: Recognizer, pixels: bool, exact: bool) -> ReidConfig:
    """The file's facts. Scores of 8 bits are not those that were calibrated, so that such a file has no probabilities."""
    calibration = model.calibration if exact else None
    return ReidConfig.of(
        run.recipe,
        run.schema,
        architecture=" ".join(reversed(_architectures(run))),
        input="uint8 NHWC" if pixels else "float32 NCHW",
        dimension=model.width,
        calibration=None if calibration is None else json.loads(calibration.to_json()),
        parameters=parameters(model.model, model.recipe.image),
        multiply_adds=multiply_adds(model.model, model.recipe.image),
        **_imported(run),
    )


def _imported(run: Run) -> dict[str, Any]:
    """Licence and origin of imported weights; of a path the name alone, for the file goes to others."""
    if run.origin is None:
        return {}
    source = run.origin.source
    name = source if source.startswith(("hf:", "hf-hub:")) else os.path.basename(source)
    return {"licence": run.origin.licence, "origin": name, "origin_sha256": run.origin.sha256}


def _architectures(run: Run) -> list[str]:
    """Names of a run's network, the surest first: as it was imported, its backbone, its model."""
    if run.origin is not None:
        return [run.origin.architecture]
    options = run.recipe.model
    return [str(options[key]) for key in ("backbone", "name") if key in options]


def _for_boxmot(run: Run, config: ReidConfig) -> BoxMot:
    digest = hashlib.sha256(run.weights.read_bytes()).hexdigest()
    return boxmot(
        config,
        _architectures(run),
        [absolute_spec(spec) for spec in run.data],
        digest,
        run.classes,
    )


def _require_free(target: Path, config: ReidConfig, force: bool) -> None:
    if target.exists() and not force:
        raise OptionError(f"--out {target}: a file that exists; choose another, or --force to write over it")
    beside = target.parent / CONFIG
    if beside.exists() and not force and beside.read_text(encoding="utf-8", errors="replace") != config.to_json():
        raise OptionError(
            f"{beside} says otherwise than this export would, and belongs to another file; choose another folder for "
            "--out, or --force to write over it"
        )


def _write(to: str, graph: Graph, path: Path, config: ReidConfig) -> None:
    try:
        FORMATS[to].write(graph, path, config)
    except (ResightError, OSError):
        raise
    except Exception as error:  # each library raises classes of its own
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"this network cannot be written as {to} ({type(error).__name__}: {reason})") from error


def _quantise(
    path: Path, model: Recognizer, images: Tensor, judged: Tensor, pixels: bool, config: ReidConfig
) -> tuple[Parity, int]:
    """Make the file one of 8 bits, sparing as few convolutions as serve; how it compares, and how many are spared.

    Raises RunError where none of `SPARED` serves.
    """
    batches: list[Any] = []
    for batch in images.split(16):
        batches.append((batch.permute(0, 2, 3, 1) if pixels else model.prepare(batch)).contiguous().numpy())
    whole = path.with_name(f"whole-{path.name}")
    os.replace(path, whole)
    facts = {**config.model_dump(mode="json"), "precision": "int8", "calibrated_on": len(images)}
    for spared in SPARED:
        quantise(whole, path, batches, spared)
        tag_onnx(path, {**facts, "float32_convolutions": spared})
        compared = parity(model, load(path), judged)
        if compared.least > LEAST_INT8:
            break
    whole.unlink()
    compared.require(LEAST_INT8)
    return compared, spared
