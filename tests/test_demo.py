"""`resight demo` at toy size: what it leaves behind, and that it goes on where it was cut."""

from __future__ import annotations

import shlex
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from PIL import Image

from resight.demo import demo
from resight.errors import RunError
from resight.gallery import Gallery
from resight.run import Run
from resight.synthetic import synthesize
from resight.tasks.systems import SYSTEMS
from tests.support.commands import command, resight
from tests.support.recipes import tiny_overrides
from tests.support.runs import metrics


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A demo whose street is drawn already, a small one."""
    synthesize(tmp_path / "demo" / "street", preset="people-tiny", size=(64, 32), processes=1)
    return tmp_path / "demo"


TINY = [*tiny_overrides(), "epochs=2"]


@pytest.mark.slow
def test_a_demo_that_is_cut_goes_on_and_is_then_complete(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = SYSTEMS["embedding"].step

    def cut(self, *given):  # type: ignore[no-untyped-def]
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(SYSTEMS["embedding"], "step", cut)
        assert resight("demo", "--out", out, *TINY, capsys=capsys)[0] == 130
    first = metrics(out / "run")
    assert len(first) == 1
    assert not (out / "report.html").exists()

    status, told, _ = resight("demo", "--out", out, *TINY, capsys=capsys)
    assert status == 0
    assert metrics(out / "run")[:1] == first
    assert len(metrics(out / "run")) == 2
    for words in ("re-ranked", "chance", "colour histogram", "of the first 10 hits", f"report: {out / 'report.html'}"):
        assert words in told, words
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Ranked lists" in page
    assert "resight demo" in page
    assert Image.open(out / "search.jpg").width > 100
    assert Run.open(out / "run").trained_on([f"market1501:{out / 'street'}"])
    images = len(Gallery.open(out / "gallery"))
    assert images == len(list((out / "street" / "bounding_box_test").glob("*.jpg")))

    trained = (out / "run" / "metrics.csv").read_bytes()
    assert resight("demo", "--out", out, *TINY, capsys=capsys)[0] == 0
    assert (out / "run" / "metrics.csv").read_bytes() == trained, "nothing is trained a second time"
    assert len(Gallery.open(out / "gallery")) == images, "nothing is added a second time"

    process = subprocess.Popen(command("demo", "--serve", "--port", 0, "--out", out), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = next(line.split()[1] for line in process.stdout if line.startswith("open: "))
    assert httpx.get(f"{address}api/v1/gallery").json()["count"] == images
    process.send_signal(signal.SIGINT)
    assert process.wait(30) in (0, 130), "Ctrl-C ends it; 0 where whoever started it ignores it"
    assert f"search it in the browser: resight serve {out / 'gallery'}" in told

    (search,) = [shlex.split(line)[1:] for line in told.splitlines() if line.startswith("  resight search")]
    monkeypatch.chdir(out)  # where the command that it proposes draws its picture
    assert resight(*search, capsys=capsys)[0] == 0


@pytest.mark.slow
def test_vehicles_have_a_demo_too(tmp_path: Path) -> None:
    synthesize(tmp_path / "street", preset="vehicles-tiny", size=(32, 48), processes=1)
    told: list[str] = []
    made = demo(tmp_path, "vehicles", overrides=[*TINY, "image.width=48", "epochs=1"], tell=told.append)
    assert made.data == f"veri776:{tmp_path / 'street'}"
    assert made.run.finished
    assert len(made.hits) == 10
    assert made.report.is_file()
    assert [line.split()[0] for line in told] == ["training", "epoch", "evaluating,", "building"], "the street is there"


def test_a_kind_that_there_is_not_is_named_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no demo of 'dogs'; there is: people, vehicles"):
        demo(tmp_path / "demo", "dogs")
    assert not (tmp_path / "demo").exists()
