"""`resight serve`, as a process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from resight.gallery import Gallery
from resight.recognizer import load
from resight.records import ReidDataset
from resight.run import Run
from tests.support.calibrations import calibrated
from tests.support.commands import resight


@pytest.fixture
def gallery(kinds: dict[str, Path], crowd: ReidDataset, tmp_path: Path) -> Path:
    Gallery.create(tmp_path / "gallery", model=load(kinds["embedding"])).add(list(crowd.gallery))
    return tmp_path / "gallery"


def test_other_machines_need_a_token(gallery: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESIGHT_TOKEN", raising=False)
    status, out, err = resight("serve", gallery, "--host", "0.0.0.0", capsys=capsys)
    assert (status, out) == (2, "")
    assert "set RESIGHT_TOKEN" in err
    status, _, err = resight("serve", gallery, "--name", "search.example.org", capsys=capsys)
    assert (status, "--name search.example.org lets other machines in" in err) == (2, True), "through a proxy"
    status, _, err = resight("serve", gallery, "--token", "secret", capsys=capsys)
    assert status == 2
    assert "could be guessed" in err


def test_what_is_no_gallery_is_one_line(tmp_path: Path, capsys) -> None:
    status, _, err = resight("serve", tmp_path, capsys=capsys)
    assert status == 2
    assert len(err.strip().splitlines()) == 1


def test_probabilities_of_another_site_are_told_of_at_the_start(
    trained: Run, crowd: ReidDataset, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    Gallery.create(tmp_path / "gallery", model=run).add(list(crowd.gallery))
    monkeypatch.setattr("resight.serving.server.server", lambda *_: SimpleNamespace(run=lambda sockets: None))
    for folder, told in (("mall", True), (Path(crowd.gallery[0].path).parent.name, False)):
        calibrated(run, folder)
        status, out, err = resight("serve", tmp_path / "gallery", "--port", "0", capsys=capsys)
        assert status == 0, err
        assert "open: http://127.0.0.1:" in out
        assert ("note: the probabilities were fitted on street" in err) == told


@pytest.mark.slow
def test_it_serves_and_ends_when_it_is_told_to(gallery: Path, crowd: ReidDataset) -> None:
    command = [sys.executable, "-m", "resight", "serve", str(gallery), "--port", "0"]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        address = next(found[1] for line in lines if (found := re.search(r"open: (http://\S+)/", line)))
        files = {"images": ("q.png", Path(crowd.query[0].path).read_bytes(), "image/png")}
        answer = httpx.post(f"{address}/api/v1/search", files=files, headers={"X-Resight": "1"}, timeout=60)
        assert answer.status_code == 200
        assert answer.json()["hits"][0]["identity"] in {record.identity for record in crowd.gallery}
        assert "resight" in httpx.get(address, timeout=60).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.communicate()
