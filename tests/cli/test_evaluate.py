"""`resight evaluate` as a user types it: every option with every kind of run, and a report that can be made again."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from resight.cli.evaluate import _beside
from resight.run import Run
from tests.support.commands import options_of, resight
from tests.support.pages import quoted

KINDS = ["embedding", "bruna", "vae", "autoencoder", "masks", "attributes"]
EMBEDDING = {"embedding", "bruna", "vae"}
EVERY = set(KINDS)

# Option -> the kinds of run that it applies to, and its words.
OPTIONS: dict[str, tuple[set[str], list[str]]] = {
    "on": (EVERY, ["--on", "test"]),
    "rerank": (EMBEDDING, ["--rerank"]),
    "k1": (EMBEDDING, ["--rerank", "--k1", "5"]),
    "k2": (EMBEDDING, ["--rerank", "--k2", "2"]),
    "lambda_value": (EMBEDDING, ["--rerank", "--lambda", "0.5"]),
    "expand": (EMBEDDING, ["--expand", "2"]),
    "average_precision": (EMBEDDING, ["--ap", "trapezoid"]),
    "depth": (EMBEDDING, ["--depth", "3"]),
    "baselines": (EMBEDDING, ["--baselines"]),
    "drop_junk": ({"bruna"}, ["--drop-junk"]),
    "keep_junk": ({"bruna"}, ["--keep-junk"]),
    "by": (EMBEDDING, ["--by", "clusters"]),
    "clusters": (EMBEDDING, ["--by", "clusters", "--clusters", "2"]),
    "threshold": (EMBEDDING, ["--by", "clusters", "--threshold", "0.5"]),
    "figure": (EMBEDDING, ["--by", "clusters", "--figure", "nmi"]),
    "linkage": (EMBEDDING, ["--by", "clusters", "--linkage", "average"]),
    "memory": (EMBEDDING, ["--by", "clusters", "--memory", "1.5"]),
    "anew": (EMBEDDING, ["--by", "clusters", "--anew"]),
    "most": (EMBEDDING, ["--by", "clusters", "--anew", "--most", "100"]),
    "protocol": (EMBEDDING | {"attributes"}, ["--protocol"]),
    "report": (EVERY, ["--report", "page.html"]),
    "as_json": (EVERY, ["--json"]),
}


NEEDED = {"--rerank", "--by", "clusters", "--anew"}
"""Words that make room for further options."""


def test_figures_are_printed_and_a_report_written(
    trained: Run, crowd_spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", crowd_spec, "--rerank", "--baselines", "--report", tmp_path / "r.html"]
    status, out, _ = resight("evaluate", trained.folder, *words, capsys=capsys)
    assert status == 0
    for word in ("mAP", "rank-1", "mINP", "re-ranked", "chance", "colour histogram", "precision"):
        assert word in out, word
    report = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "data:image" in report or "<svg" in report
    for section in ("Ranked lists", "Where the model looks", "Feature maps", "Feature space"):
        assert f">{section}</h2>" in report, section
    assert "Nothing is shown" not in report
    words = ["--data", crowd_spec, "--json", "--report", tmp_path / "r.html"]
    status, out, _ = resight("evaluate", trained.folder, *words, capsys=capsys)
    told = json.loads(out)
    assert 0 <= told["model"]["mAP"] <= 1
    assert told["cost"]["parameters"] > 0
    assert told["cost"]["images/s"]["64"] > 0


def test_a_files_report_stands_beside_it(
    exported: Path, crowd_spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    file = Path(shutil.copy(exported, there / "street.v2.onnx"))
    status, out, _ = resight("evaluate", file, "--data", crowd_spec, capsys=capsys)
    assert status == 0
    assert f"report: {there / 'street.v2.report.html'}\n" in out
    assert sorted(there.iterdir()) == [file, there / "street.v2.report.html"]
    assert not list(here.iterdir())


def test_of_the_hub_a_report_stands_here() -> None:
    assert _beside("hf:owner/street") == Path("street.report.html")


def test_every_option_stands_in_the_table_above() -> None:
    assert options_of("evaluate", {"run", "data"}) == set(OPTIONS)


@pytest.mark.parametrize(
    ("option", "kind"),
    [(option, kind) for option, (kinds, _) in OPTIONS.items() for kind in KINDS if kind not in kinds],
)
def test_evaluate_refuses_an_option_that_does_not_apply(
    option: str, kind: str, kinds: dict[str, Path], people: str, capsys
) -> None:
    words = [*OPTIONS[option][1], *(["course"] if option == "protocol" else [])]
    status, out, err = resight("evaluate", kinds[kind], "--data", people, *words, capsys=capsys)
    assert status == 2
    assert not out
    assert len(err.strip().splitlines()) == 1, "one line"
    flag = next(word for word in words if word.startswith("--"))
    if "junk" in flag and kind in EMBEDDING:
        assert "is for runs that weigh attributes and know junk" in err
    else:
        assert re.search(rf"{flag} is for an embedding run.*; .*{kind} is an? .*\brun|without embedding", err), err
    assert not (kinds[kind] / "report.html").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_takes_all_options_that_apply_and_quotes_them(
    kind: str, kinds: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    page = tmp_path / "a page.html"
    others = {"keep_junk", "threshold", "figure"}  # in the place of drop_junk and clusters
    applying = [option for option, (kinds, _) in OPTIONS.items() if kind in kinds and option not in others]
    words = [word for option in applying for word in OPTIONS[option][1]]
    # What an option needs is said once.
    words = [word for place, word in enumerate(words) if word not in NEEDED or word not in words[:place]]
    words = [str(page) if word == "page.html" else word for word in words]
    if "protocol" in applying:
        words.insert(words.index("--protocol") + 1, "apr" if kind == "attributes" else "course")
    status, out, err = resight("evaluate", kinds[kind], "--data", people, *words, capsys=capsys)
    assert status == 0, err
    assert json.loads(out)
    assert sorted(shlex.split(quoted(page))) == sorted(
        ["resight", "evaluate", str(kinds[kind]), "--data", people, *words]
    )


@pytest.mark.parametrize(
    ("option", "other"),
    [
        (["--k1", "5"], "--rerank"),
        (["--k2", "5"], "--rerank"),
        (["--lambda", "0.1"], "--rerank"),
        (["--clusters", "2"], "--by"),
        (["--figure", "nmi"], "--by"),
        (["--anew"], "--by"),
        (["--most", "9"], "--anew"),
    ],
)
def test_an_option_that_needs_another_says_so(
    option: list[str], other: str, kinds: dict[str, Path], people: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("evaluate", kinds["embedding"], "--data", people, *option, capsys=capsys)
    assert status == 2
    assert f"error: {option[0]} is for {other}" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--clusters", "2", "--threshold", "1"], "give one of --clusters, --threshold and --figure"),
        (["--clusters", "2", "--figure", "mAP"], "give one of --clusters, --threshold and --figure"),
        (["--clusters", "3"], "3 clusters of 2 images: ask for 1 to 2"),
        (["--clusters", "2", "--linkage", "centroid"], "unknown linkage 'centroid'"),
        (["--figure", "purity"], "unknown figure 'purity'"),
        (["--clusters", "2", "--anew", "--most", "0"], "over the limit of 0; give fewer, or raise the limit"),
    ],
)
def test_a_search_by_clusters_that_cannot_be_is_one_line(
    words: list[str], told: str, kinds: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    page = ["--report", tmp_path / "r.html"]
    status, out, err = resight(
        "evaluate", kinds["embedding"], "--data", people, "--by", "clusters", *words, *page, capsys=capsys
    )
    assert status == 2
    assert not out
    assert told in " ".join(err.split())
    assert err.startswith("error: ")


def test_a_search_by_clusters_stands_beside_the_model(
    trained: Run, crowd_spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", trained.folder, "--data", crowd_spec, "--by", "clusters", "--report", tmp_path / "r.html"]
    status, out, _ = resight(*words, capsys=capsys)
    assert status == 0
    told = " ".join(out.split())
    assert "by clusters" in told
    assert re.search(r"12 gallery images lie in \d+ clusters of \d+ to \d+ images, cut at .* training images", told), (
        told
    )
    status, out, _ = resight(*words, "--anew", "--json", capsys=capsys)
    found = json.loads(out)
    assert found["by clusters"]["metric"] == f"{found['model']['metric']}, within clusters"


def test_the_command_of_a_report_runs_as_printed(
    kinds: dict[str, Path], people: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    """A path with a blank, a repeated option, a flag of a pair: the command is quoted and gives the same figures."""
    monkeypatch.chdir(tmp_path)
    words = ["--data", people, "--keep-junk", "--ap", "trapezoid", "--report", "a page.html", "--json"]
    status, first, err = resight("evaluate", kinds["bruna"], *words, capsys=capsys)
    assert status == 0, err
    line = quoted(tmp_path / "a page.html")
    assert "'a page.html'" in line
    program, *again = shlex.split(line)
    assert program == "resight"
    status, second, _ = resight(*again, capsys=capsys)
    assert status == 0
    assert _figures(second) == _figures(first)


def _figures(printed: str) -> dict[str, object]:
    """All but the speed, which is measured anew."""
    return {name: value for name, value in json.loads(printed).items() if name != "cost"}


def test_the_own_images_of_another_run_are_refused_in_one_line(
    trained: Run, crowd_spec: str, kinds: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    page = ["--report", tmp_path / "page.html"]
    for on in ("train", "validation"):
        status, out, err = resight("evaluate", trained.folder, "--data", people, "--on", on, *page, capsys=capsys)
        assert (status, out) == (2, "")
        assert err.splitlines()[-1].endswith(f"give the data of its training: --data {crowd_spec}")
        assert "was not trained on this data" in err
    words = ["--data", crowd_spec, "--on", "validation", *page]
    status, out, err = resight("evaluate", trained.folder, *words, capsys=capsys)
    assert (status, out) == (2, "")
    assert "the recipe holds nobody out (validation.ratio=0)" in err
    words = ["--data", people, "--on", "train", "--protocol", "apr", *page]
    status, out, err = resight("evaluate", kinds["attributes"], *words, capsys=capsys)
    assert (status, out) == (2, "")
    assert "has no train images for this run; there is: test" in err


def test_what_only_validation_reads_is_not_read_without_it(
    trained: Run, crowd_spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(trained.folder, copy)
    (copy / "validation.safetensors").write_bytes(b"damaged")
    status, out, err = resight("evaluate", copy, "--data", crowd_spec, capsys=capsys)
    assert status == 0, err
    assert "report: " in out
