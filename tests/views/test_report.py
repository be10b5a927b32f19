"""The report: one inert, self-contained page, whatever the data is called."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.errors import DataError
from resight.version import __version__
from resight.views import charts
from resight.views.report import Report

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil.example/x onerror=alert(1)>&amp;{{ 7 * 7 }}"


class Page(HTMLParser):
    """Elements with their attributes, and the text of the page outside of its styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._styles = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._styles += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._styles -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._styles:
            self.text += data

    def all(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def full(word: str) -> Report:
    """A report with every kind of block, `word` wherever words can stand."""
    report = Report(word, word, {word: word}, word)
    report.heading(word, word)
    report.table((word, "mAP"), [(word, 0.5), (word, word)], caption=word, note=word)
    report.figure(charts.cmc_curve({word: np.linspace(0.5, 1, 50)}), word)
    report.figure(charts.attribute_imbalance({word: {word: 3, "other": 1}}), word)
    report.heading(word)
    report.image(Image.effect_noise((60, 40), 90).convert("RGB"), word)
    report.text(word)
    report.code(word)
    report.ending(word, [word])
    return report


def test_hostile_names_come_out_as_words() -> None:
    page = Page(full(HOSTILE).html())
    assert not page.all("script")
    assert len(page.all("img")) == 1
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    # Title, heading twice in the contents and twice in the text, and each other place.
    assert page.text.count(HOSTILE) >= 15
    assert page.all("img")[0]["alt"] == HOSTILE


def test_the_page_loads_nothing_and_says_so() -> None:
    page = Page(full("street").html())
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "action", "srcset", "poster"):
                assert value.startswith(("#", "data:image/"))
    styles = re.findall(r"url\(([^)]*)\)|@import", full("street").html())
    assert all(style.startswith("#") for style in styles)


def test_the_page_can_be_read_by_all() -> None:
    text = full("street").html()
    page = Page(text)
    assert page.all("html")[0]["lang"] == "en"
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert {"header", "nav", "main", "footer", "figure", "figcaption", "h1"} <= {tag for tag, _ in page.elements}
    assert all(image["alt"] for image in page.all("img"))
    assert all(part["aria-label"] for _, part in page.elements if part.get("role") == "img")
    assert "prefers-color-scheme: dark" in text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"] for link in page.all("a")} == {f"#section-{number}" for number in range(1, 5)}
    assert {"section-1", "section-2"} <= set(ids)


def test_one_chart_twice_shares_no_ids() -> None:
    report, figure = Report("twice"), charts.images_per_identity_chart([1, 2])
    report.figure(figure, "one")
    report.figure(figure, "two")
    ids = [attributes["id"] for _, attributes in Page(report.html()).elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 2


def test_one_heading_needs_no_contents() -> None:
    report = Report("short")
    report.heading("only")
    assert not Page(report.html()).all("nav")


def cells(report: Report) -> list[tuple[str, str]]:
    """Words and class of each cell of the body."""
    body = report.html().split("<tbody>")[1].split("</tbody>")[0]
    return [(words, kind) for kind, words in re.findall(r'<t[hd](?: scope="row")?(?: class="(\w+)")?>(.*?)</t', body)]


def test_columns_of_numbers_are_flush_right_and_the_first_left() -> None:
    report = Report("table")
    report.table(("id", "mAP", "model", "gap"), [(1, "85.9", "r50", None), (2, "–", "12", float("nan"))])
    assert cells(report) == [
        ("1", ""), ("85.9", "number"), ("r50", ""), ("–", ""),
        ("2", ""), ("–", "number"), ("12", ""), ("–", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456, "0.1235"),
        (np.float32(0.5), "0.5"),
        (123456.7, "123,457"),
        (np.int64(1501), "1501"),
        (1e-7, "1e-07"),
        (float("inf"), "inf"),
        (-2.5, "-2.5"),
        (None, "–"),
        (True, "True"),
    ],
)
def test_values_are_shown_shortly(value: object, shown: str) -> None:
    report = Report("values")
    report.table(("name", "value"), [("x", value)])
    assert cells(report)[1][0] == shown


def test_a_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="a row of 1 cells does not fit 2 columns"):
        Report("table").table(("a", "b"), [("x",)])


@pytest.mark.parametrize(("mode", "kind"), [("noise", "jpeg"), ("flat", "png"), ("clear", "png")])
def test_pictures_are_stored_in_the_page(mode: str, kind: str) -> None:
    image = {
        "noise": Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 20, 3)).astype(np.uint8)),
        "flat": Image.new("L", (20, 30), 9),
        "clear": Image.new("RGBA", (20, 30), (1, 2, 3, 4)),
    }[mode]
    report = Report("picture")
    report.image(image, "a picture")
    found = Page(report.html()).all("img")[0]
    head, _, data = found["src"].partition(";base64,")
    assert head == f"data:image/{kind}"
    with Image.open(io.BytesIO(base64.b64decode(data))) as read:
        assert read.size == (20, 30)
    assert (found["width"], found["height"]) == ("20", "30")


def test_save_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "report.html"
    report = full("street")
    report.text("stra\u00dfe \udcff")  # an undecodable byte of a file name
    report.save(path)
    first = path.read_bytes()
    assert first.decode("utf-8").startswith("<!DOCTYPE html>")
    assert "stra\u00dfe ?".encode() in first

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    report.text("more")
    with pytest.raises(OSError, match="disk full"):
        report.save(path)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_training_is_a_section_with_a_panel_for_each_curve_and_none_without() -> None:
    report = Report("run")
    report.training({})
    assert not Page(report.html()).all("h2")
    report.training({"loss": [(1, 3.0), (2, 1.5)], "mAP": [(2, 0.5)]})
    page = Page(report.html())
    assert "Training" in page.text
    assert "Per epoch, from metrics.csv of the run." in page.text
    assert all(name in page.text for name in ("loss", "mAP", "epoch"))


def test_a_report_ends_with_its_command_its_facts_and_the_day() -> None:
    report = Report("run", facts={"Model": "ours", "Images": 1234})
    report.ending("resight evaluate 'runs/a street'")
    page = Page(report.html())
    for words in ("How this was made", "resight evaluate 'runs/a street'", "Model", "ours", "1234", "Made"):
        assert words in page.text
    assert re.search(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d by resight {re.escape(__version__)}", page.text)
    assert "could not be used" not in page.text


def test_images_that_failed_are_listed_with_what_that_means() -> None:
    for without in ("They are missing from every figure above.", "They are not in the hand-in."):
        report = Report("run", missing=without)
        report.ending("resight", ["a.jpg: empty file", "b.jpg: no such file"])
        page = Page(report.html())
        assert "Images that could not be used" in page.text
        assert without in page.text
        assert [words for words, _ in cells(report)] == ["a.jpg: empty file", "b.jpg: no such file"]


def test_a_finished_page_has_the_training_and_the_ending_and_is_written(tmp_path: Path) -> None:
    report = Report("run", facts={"Images": 12})
    report.heading("Figures")
    report.finish(tmp_path / "r.html", command="resight", failed=["a.jpg: gone"], curves={"loss": [(1, 3.0), (2, 1.0)]})
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2[^>]*>([^<]*)", text) == [
        "Figures",
        "Training",
        "How this was made",
        "Images that could not be used",
    ]
    Report("bare").finish(tmp_path / "b.html", command="resight")
    assert "Training" not in (tmp_path / "b.html").read_text(encoding="utf-8")


def test_the_same_report_is_the_same_text() -> None:
    def made() -> str:
        report = Report("same")
        report.figure(charts.cmc_curve({"a": np.linspace(0, 1, 50)}), "curve")
        return report.html()

    assert made() == made()
