"""A training starts from another run's weights: all of them, but for a classifier of other people."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from resight.errors import WeightsError
from resight.importing.flow import import_weights
from resight.importing.sources import sha256
from resight.importing.start import start_from
from resight.models.osnet import OSNet
from resight.run import Run, build_model
from tests.support.runs import untrained_run, weights

SMALL = ["image.height=64", "image.width=32"]


def test_other_identities_replace_the_classifier_alone(tiny, tmp_path: Path) -> None:
    donor = untrained_run(tmp_path / "run", tiny(), 5)
    model = build_model(tiny(), 7)
    fresh = model.classifier.weight.clone()
    begun = start_from(str(donor.folder), model, tiny(), 7)
    theirs, ours = weights(donor.folder), model.state_dict()
    assert {name for name in ours if not torch.equal(ours[name], theirs[name])} == {"classifier.weight"}
    assert torch.equal(model.classifier.weight, fresh)
    assert begun.report.dropped == {"classifier.weight": "of 5 other identities"}
    assert begun.report.missing == ["classifier.weight"]
    told = f"from {donor.folder}: {len(ours) - 1} weights loaded, 1 dropped and 1 at random (classifier.weight)"
    assert begun.notes == [told]


def test_as_many_identities_keep_it(tiny, tmp_path: Path) -> None:
    donor = untrained_run(tmp_path / "run", tiny(), 5)
    model = build_model(tiny(), 5)
    assert not start_from(str(donor.folder), model, tiny(), 5).report.missing
    assert torch.equal(model.classifier.weight, weights(donor.folder)["classifier.weight"])


def test_a_number_of_identities_that_is_also_a_width_hides_nothing(tiny, tmp_path: Path) -> None:
    """Of 512 identities: a layer of the trunk with 512 rows is no classifier."""
    donor = untrained_run(tmp_path / "run", tiny(), 512)
    state = weights(donor.folder)
    del state["backbone.trunk.layer4.0.bn1.weight"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"1 missing \(backbone\.trunk\.layer4\.0\.bn1\.weight\)"):
        start_from(str(tmp_path / "a.pth"), build_model(tiny(), 512), tiny(), 512)


def test_a_two_branch_network_has_two_classifiers(tiny, tmp_path: Path) -> None:
    recipe = tiny(recipe="reid-two-branch")
    donor = untrained_run(tmp_path / "run", recipe, 5)
    report = start_from(str(donor.folder), build_model(recipe, 7), recipe, 7).report
    assert set(report.missing) == {
        f"branches.{branch}.identities.1.{kind}" for branch in ("global", "max") for kind in ("weight", "bias")
    }


def test_a_file_of_our_names_is_enough_and_another_network_is_refused(tiny, tmp_path: Path) -> None:
    torch.save({"state_dict": OSNet(9, 0.25).state_dict()}, tmp_path / "osnet.pth")
    recipe = tiny("model.dim=512", recipe="reid-osnet")
    begun = start_from(str(tmp_path / "osnet.pth"), build_model(recipe, 3), recipe, 3)
    assert set(begun.report.missing) == {"classifier.weight", "classifier.bias"}
    assert begun.origin.sha256 == sha256(tmp_path / "osnet.pth")
    with pytest.raises(WeightsError, match="a file of another layout comes in by `resight import`") as told:
        start_from(str(tmp_path / "osnet.pth"), build_model(tiny(), 3), tiny(), 3)
    assert "\n" not in str(told.value)


def test_a_licence_goes_on_and_another_preparation_is_told(tiny, tmp_path: Path) -> None:
    torch.save(OSNet(9, 0.25).state_dict(), tmp_path / "a.pth")
    import_weights(
        tmp_path / "a.pth",
        tmp_path / "run",
        "osnet_x0_25",
        [*SMALL, "image.interpolation=bicubic"],
        licence="research only",
    )
    recipe = tiny("model.dim=512", recipe="reid-osnet")
    begun = start_from(str(tmp_path / "run"), build_model(recipe, 3), recipe, 3)
    assert begun.origin == Run.open(tmp_path / "run").origin
    assert begun.notes[1].endswith("was trained on images prepared otherwise: interpolation bicubic, here bilinear")
