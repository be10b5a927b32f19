"""An export is there whole or not at all, compares with its run, and works in its place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from resight.embedding import embed
from resight.errors import MissingExtraError, OptionError, RunError
from resight.exporting import flow
from resight.exporting.flow import export
from resight.exporting.graphs import FORMATS
from resight.gallery import Gallery
from resight.recognizer import load
from resight.records import ReidDataset
from resight.retrieval.calibration import Calibration
from resight.run import Origin, Run
from resight.runtimes.config import CONFIG, ReidConfig
from resight.tasks.reid.evaluation import evaluate
from tests.support.calibrations import calibrated


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_exported_file_evaluates_as_its_run_does(exported: Path, trained: Run, crowd: ReidDataset) -> None:
    run, file = (evaluate(load(source), crowd).result for source in (trained.folder, exported))
    assert file.mean_average_precision == pytest.approx(run.mean_average_precision, abs=1e-6)
    np.testing.assert_allclose(file.cmc, run.cmc)


def test_it_works_without_the_runs_folder(exported: Path, trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    """The file alone: what it must be told is inside it."""
    alone = Path(shutil.copy(exported, tmp_path / "street.onnx"))
    features = [embed(load(source), crowd.query).embeddings.features for source in (trained.folder, alone)]
    np.testing.assert_allclose(*features, atol=1e-5)


@pytest.mark.parametrize("to", ["onnx", "torchscript"])
def test_a_run_s_calibration_goes_into_the_file_and_from_there_into_galleries(
    to: str, trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    calibration = calibrated(run)
    made = export(run, tmp_path / "file" / f"model.{to}", to)
    assert load(made.path).calibration == calibration
    assert Calibration.from_json(json.dumps(json.loads((made.path.parent / CONFIG).read_text())["calibration"]))
    gallery = Gallery.create(tmp_path / "gallery", model=made.path)
    gallery.add(crowd.gallery)
    of_run = Gallery.create(tmp_path / "of-run", model=run)
    of_run.add(crowd.gallery)
    found, wanted = ([hit.probability for hit in one.search(crowd.query[0].path)] for one in (gallery, of_run))
    assert found == pytest.approx(wanted, abs=1e-4)


def test_what_was_made_is_told(exported: Path, trained: Run) -> None:
    told = ReidConfig.parse(json.loads((exported.parent / CONFIG).read_text()), CONFIG)
    assert files(exported.parent) == ["model.onnx", CONFIG]
    assert told.architecture == "strong-baseline resnet10t"
    assert told.dimension == load(trained.folder).width == 512
    assert told.parameters == sum(
        values.numel() for name, values in load(trained.folder).model.named_parameters() if "classifier" not in name
    )
    assert (told.licence, told.origin) == (None, None)


def test_licence_and_origin_of_imported_weights_are_carried_on(trained: Run, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    imported = Run.open(run)
    imported.origin = Origin("/home/me/w.pth", "5ea1", "osnet_x0_25", "research only")
    imported.save()
    made = export(run, tmp_path / "boxmot", consumer="boxmot")
    told = load(made.path).model.config  # type: ignore[union-attr]
    assert (told.licence, told.origin, told.origin_sha256) == ("research only", "w.pth", "5ea1")
    assert told.architecture == "osnet_x0_25"
    assert made.path.name.startswith("osnet_x0_25_")


@pytest.mark.slow
@pytest.mark.parametrize("to", FORMATS)
def test_every_format_is_written_whole_and_nothing_else(to: str, tiny, tmp_path: Path) -> None:
    from tests.support.runs import untrained_run

    run = untrained_run(tmp_path / "run", tiny("image.height=64", "image.width=32"), 3)
    out = tmp_path / "new" / "deep" / f"model{FORMATS[to].ending}"
    made = export(run.folder, out, to)
    assert made.parity.least > 0.9999
    assert files(tmp_path / "new" / "deep") == sorted([out.name, CONFIG, *(["model.bin"] if to == "openvino" else [])])
    assert made.size == sum(path.stat().st_size for path in out.parent.iterdir() if path.name != CONFIG)
    assert load(out).width == 512


def test_other_embeddings_are_an_error_and_leave_nothing(trained: Run, tmp_path: Path, monkeypatch) -> None:
    def spoilt(graph, path, config):  # type: ignore[no-untyped-def]
        kept = graph.model.neck.weight.data.clone()
        graph.model.neck.weight.data *= torch.linspace(0.5, 1.5, len(kept))
        FORMATS["onnx"].write(graph, path, config)
        graph.model.neck.weight.data = kept

    monkeypatch.setattr(flow, "FORMATS", {"onnx": FORMATS["onnx"]._replace(write=spoilt)})
    (tmp_path / "there.txt").write_text("mine")
    with pytest.raises(RunError, match="embeddings are not the run's: worst cosine 0.9"):
        export(trained.folder, tmp_path / "m.onnx")
    assert files(tmp_path) == ["there.txt"]


def test_a_network_that_cannot_be_written_is_one_line(trained: Run, tmp_path: Path, monkeypatch) -> None:
    def broken(graph, path, config):  # type: ignore[no-untyped-def]
        path.write_bytes(b"half")
        raise ValueError("no such\noperator")

    monkeypatch.setattr(flow, "FORMATS", {"onnx": FORMATS["onnx"]._replace(write=broken)})
    with pytest.raises(RunError, match=r"cannot be written as onnx \(ValueError: no such operator\)"):
        export(trained.folder, tmp_path / "m.onnx")
    assert files(tmp_path) == []


def test_a_run_without_embedding_is_one_line(kinds: dict[str, Path], tmp_path: Path) -> None:
    for kind in ("autoencoder", "masks", "attributes"):
        with pytest.raises(RunError, match="makes no embeddings and cannot be exported"):
            export(kinds[kind], tmp_path / "m.onnx")
    assert files(tmp_path) == []


def test_what_is_there_stays_unless_forced(exported: Path, kinds: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported.parent, tmp_path / "there"))
    before = (folder / "model.onnx").read_bytes()
    with pytest.raises(OptionError, match="a file that exists"):
        export(kinds["embedding"], folder / "model.onnx")
    with pytest.raises(OptionError, match="reid_config.json says otherwise"):
        export(kinds["vae"], folder / "other.onnx")
    assert (folder / "model.onnx").read_bytes() == before
    export(kinds["vae"], folder / "other.onnx", force=True)
    assert json.loads((folder / CONFIG).read_text())["architecture"] == "variational-autoencoder"


def test_for_boxmot_the_name_is_chosen(trained: Run, tmp_path: Path) -> None:
    made = export(trained.folder, tmp_path / "weights", consumer="boxmot")
    assert files(tmp_path / "weights") == [made.path.name, f"{made.path.name}.metadata.json", CONFIG]
    assert any("images are 32×16" in told for told in made.warnings)
    for name in ("mine.onnx", "mine.v2"):
        with pytest.raises(OptionError, match="which is chosen here; give a folder"):
            export(trained.folder, tmp_path / name, consumer="boxmot")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"to": "tflite"}, "no format 'tflite'; there is: onnx, torchscript, openvino"),
        ({"to": "torchscript", "calibrate": []}, "int8 is for ONNX, not for torchscript"),
        ({"to": "torchscript", "consumer": "boxmot"}, "--for boxmot is for ONNX"),
        ({"consumer": "boxmot", "pixels": True}, "leave out --normalise"),
        ({"to": "openvino"}, "name a file that ends in .xml"),
    ],
)
def test_options_that_do_not_go_together(options: dict, told: str, trained: Run, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=told):
        export(trained.folder, tmp_path / "m.onnx", **options)
    assert files(tmp_path) == []


def test_an_exported_file_is_not_exported_again(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is an exported file; give the run"):
        export(exported, tmp_path / "m.onnx")


def test_a_missing_extra_is_named(trained: Run, tmp_path: Path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"exporting needs onnx: pip install 'resight\[export\]'"):
        export(trained.folder, tmp_path / "m.onnx")
    assert files(tmp_path) == []
