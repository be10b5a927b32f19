"""Options: what was given is written down as a command that runs again, and what does not apply to a run is refused."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import typer
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from resight.cli.app import app
from resight.cli.options import command_line, given
from resight.data.attributes import MARKET_SCHEMA
from resight.data.formats.manifest import write_manifest
from resight.recipe import Recipe
from resight.records import AttributeSchema, Record, ReidDataset
from resight.run import Run, build_model
from tests.support.commands import resight

# Kind of run -> its recipe, and what changes it.
RECIPES = {
    "embedding": ("reid-strong-baseline", []),
    "bruna": ("reid-bruna", ["attributes.cameras=[]"]),
    "vae": ("reid-vae", []),
    "autoencoder": ("junk-autoencoder", []),
    "masks": ("segmentation-unet", []),
    "attributes": ("attributes-residual-cnn", []),
}
EMBEDDING = {"embedding", "bruna", "vae"}
EVERY = set(RECIPES)

# Command -> option -> the kinds of run that it applies to, and its words.
EVALUATE: dict[str, tuple[set[str], list[str]]] = {
    "rerank": (EMBEDDING, ["--rerank"]),
    "k1": (EMBEDDING, ["--rerank", "--k1", "5"]),
    "k2": (EMBEDDING, ["--rerank", "--k2", "2"]),
    "lambda_value": (EMBEDDING, ["--rerank", "--lambda", "0.5"]),
    "average_precision": (EMBEDDING, ["--ap", "trapezoid"]),
    "baselines": (EMBEDDING, ["--baselines"]),
    "drop_junk": ({"bruna"}, ["--drop-junk"]),
    "keep_junk": ({"bruna"}, ["--keep-junk"]),
    "protocol": (EMBEDDING | {"attributes"}, ["--protocol"]),
    "report": (EVERY, ["--report", "page.html"]),
    "as_json": (EVERY, ["--json"]),
}
PREDICT: dict[str, tuple[set[str], list[str]]] = {"multi": ({"attributes", "bruna"}, ["--multi"])}
PREDICTS = {"masks", "attributes", "bruna"}
FIXED = {"run", "data", "images", "out", "help"}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four people with masks and Market-1501's attributes, two of them to train on."""
    folder = tmp_path_factory.mktemp("two words") / "people"
    folder.mkdir()
    random = np.random.default_rng(0)
    looks = [
        {name: values[place % len(values)] for name, values in MARKET_SCHEMA.classes.items()} for place in range(4)
    ]
    splits: dict[str, list[Record]] = {"train": [], "query": [], "gallery": []}
    mask = folder / "mask.png"
    Image.fromarray(np.eye(32, 16, dtype=np.uint8) * 255).save(mask)
    for identity in range(1, 5):
        for camera in (1, 2):
            path = folder / f"{identity}_{camera}.png"
            Image.fromarray(random.integers(0, 255, (32, 16, 3), dtype=np.uint8)).save(path)
            split = "train" if identity < 3 else "query" if camera == 1 else "gallery"
            splits[split].append(Record(str(path), identity, camera, attributes=looks[identity - 1], mask=str(mask)))
    write_manifest(folder / "people.csv", ReidDataset("people", **splits))
    return f"manifest:{folder / 'people.csv'}"


@pytest.fixture(scope="module")
def runs(people: str, tiny: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each kind that was never trained."""
    folder = tmp_path_factory.mktemp("some runs")
    made = {}
    for kind, (recipe, changes) in RECIPES.items():
        schema = AttributeSchema(dict(MARKET_SCHEMA.classes)) if kind in ("attributes", "bruna") else AttributeSchema()
        if kind == "bruna":
            schema = AttributeSchema({**schema.classes, "junk": ("no", "yes")})
        run = Run(folder / kind, tiny(*changes, recipe=recipe), 2, schema, [people], finished=True)
        run.save()
        run.save_weights(build_model(run.recipe, run.classes, run.schema))
        made[kind] = run.folder
    return made


def options_of(command: str) -> set[str]:
    found = get_command(app).commands[command].params  # type: ignore[attr-defined]
    names = {parameter.name for parameter in found} - FIXED
    return names | {"keep_junk"} if "drop_junk" in names else names


def test_every_option_stands_in_the_table_below() -> None:
    assert options_of("evaluate") == set(EVALUATE)
    assert options_of("predict") == set(PREDICT)


@pytest.mark.parametrize(
    ("option", "kind"),
    [(option, kind) for option, (kinds, _) in EVALUATE.items() for kind in RECIPES if kind not in kinds],
)
def test_evaluate_refuses_an_option_that_does_not_apply(
    option: str, kind: str, runs: dict[str, Path], people: str, capsys
) -> None:
    words = [*EVALUATE[option][1], *(["course"] if option == "protocol" else [])]
    status, out, err = resight("evaluate", runs[kind], "--data", people, *words, capsys=capsys)
    assert status == 2
    assert not out
    assert len(err.strip().splitlines()) == 1, "one line"
    flag = next(word for word in words if word.startswith("--"))
    if "junk" in flag and kind in EMBEDDING:
        assert "is for runs that weigh attributes and know junk" in err
    else:
        assert re.search(rf"{flag} is for an embedding run.*; .*{kind} is an? .*\brun|without embedding", err), err
    assert not (runs[kind] / "report.html").exists()


@pytest.mark.parametrize("kind", RECIPES)
def test_evaluate_takes_all_options_that_apply_and_quotes_them(
    kind: str, runs: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    page = tmp_path / "a page.html"
    applying = [option for option, (kinds, _) in EVALUATE.items() if kind in kinds and option != "keep_junk"]
    words = [
        word for option in applying for word in EVALUATE[option][1] if not (word == "--rerank" and option != "rerank")
    ]
    words = [str(page) if word == "page.html" else word for word in words]
    if "protocol" in applying:
        words.insert(words.index("--protocol") + 1, "apr" if kind == "attributes" else "course")
    status, out, err = resight("evaluate", runs[kind], "--data", people, *words, capsys=capsys)
    assert status == 0, err
    assert json.loads(out)
    assert sorted(shlex.split(quoted(page))) == sorted(
        ["resight", "evaluate", str(runs[kind]), "--data", people, *words]
    )


def quoted(page: Path) -> str:
    """The command that a report says it was made by."""
    found = re.search(r"<pre[^>]*>(.*?)</pre>", page.read_text(), re.DOTALL)
    assert found is not None
    return html.unescape(re.sub(r"<[^>]+>", "", found[1]))


@pytest.mark.parametrize("kind", RECIPES)
@pytest.mark.parametrize("multi", [False, True])
def test_predict_takes_an_option_or_refuses_it(
    kind: str, multi: bool, runs: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    out = tmp_path / ("masks" if kind == "masks" else "found.csv")
    words = ["--multi"] if multi else []
    status, _, err = resight("predict", runs[kind], people, "--out", out, *words, capsys=capsys)
    if kind in PREDICTS and not (multi and kind == "masks"):
        assert status == 0, err
        assert out.exists()
        assert kind == "masks" or ("upmulticolor" in out.read_text()) == multi
    else:
        assert status == 2
        assert len(err.strip().splitlines()) == 1
        assert "recognises no attributes" in err or "--multi is for an attribute run" in err
        assert not out.exists()


def test_multi_colours_are_a_csvs(runs: dict[str, Path], people: str, tmp_path: Path, capsys) -> None:
    status, _, err = resight(
        "predict", runs["attributes"], people, "--out", tmp_path / "p.json", "--multi", capsys=capsys
    )
    assert status == 2
    assert "multi-colour columns are a .csv's" in err


@pytest.mark.parametrize("option", [["--k1", "5"], ["--k2", "5"], ["--lambda", "0.1"]])
def test_options_of_reranking_want_reranking(
    option: list[str], runs: dict[str, Path], people: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("evaluate", runs["embedding"], "--data", people, *option, capsys=capsys)
    assert status == 2
    assert f"error: {option[0]} is for --rerank" in err


def test_the_command_of_a_report_runs_as_printed(
    runs: dict[str, Path], people: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    """A path with a blank, a repeated option, a flag of a pair: the command is quoted and gives the same figures."""
    monkeypatch.chdir(tmp_path)
    words = ["--data", people, "--keep-junk", "--ap", "trapezoid", "--report", "a page.html", "--json"]
    status, first, err = resight("evaluate", runs["bruna"], *words, capsys=capsys)
    assert status == 0, err
    line = quoted(tmp_path / "a page.html")
    assert "'a page.html'" in line
    program, *again = shlex.split(line)
    assert program == "resight"
    assert resight(*again, capsys=capsys)[:2] == (0, first)


def test_clusters_and_scans_quote_commands_that_run_with_blanks_in_paths(
    runs: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    folder = Path(people.partition(":")[2]).parent
    for words in (
        ["cluster", runs["vae"], folder, "--clusters", "3", "--out", tmp_path / "some clusters"],
        ["junk", "scan", runs["autoencoder"], folder, "--quantile", "0.5", "--out", tmp_path / "some suspects"],
    ):
        status, _, err = resight(*words, capsys=capsys)
        assert status == 0, err
        line = quoted(Path(words[-1]) / "report.html")  # type: ignore[arg-type]
        assert sorted(shlex.split(line)[1:]) == sorted(str(word) for word in words)
        assert resight(*shlex.split(line)[1:], capsys=capsys)[0] == 0


def test_a_command_line_is_quoted_and_has_only_what_was_given() -> None:
    own = typer.Typer()
    told: list[str] = []

    @own.command()
    def draw(
        context: typer.Context,
        names: Annotated[list[str], typer.Argument()],
        size: Annotated[float, typer.Option("--size", "-s")] = 1.0,
        tags: Annotated[list[str] | None, typer.Option("--tag")] = None,
        fill: Annotated[bool | None, typer.Option("--fill/--empty")] = None,
    ) -> None:
        told.append(command_line(context))
        assert ("size" in given(context)) == ("--size" in told[-1])

    for words in (["a", "b c"], ["a", "-s", "2.5", "--tag", "x", "--tag", "y z", "--empty"], ["--fill", "--", "-a"]):
        result = CliRunner().invoke(own, words)
        assert result.exit_code == 0, result.output
    assert told == [
        "resight a 'b c'",
        "resight a --size 2.5 --tag x --tag 'y z' --empty",
        "resight --fill -- -a",
    ]
