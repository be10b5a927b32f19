"""The page in a real browser: what a user does with it, by mouse and by keys, in the dark, on a phone, by ear."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resight.gallery import Gallery
from resight.records import DISTRACTOR, JUNK, Record
from resight.serving.app import create_app
from resight.serving.limits import Limits
from resight.serving.security import Access, Names
from tests.support.browser import CONTRAST, chromium, why_no_browser
from tests.support.calibrations import calibrated
from tests.support.serving import TOKEN, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_no_browser() is not None, reason=f"pages are not tested in a browser: {why_no_browser()}"),
]

CLOCK = 1_780_000_000_000
PEOPLE, CAMERAS = 6, 3
ASKED = """
const append = FormData.prototype.append;
FormData.prototype.append = function (name, ...values) {
  if (name === "options") globalThis.asked = JSON.parse(values[0]);
  return append.call(this, name, ...values);
};
"""
"""Keeps what a search asks: no tool reads the body of a form with files."""


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Six colours of people on three cameras, a distractor and junk."""
    folder = tmp_path_factory.mktemp("crops")
    random = np.random.default_rng(0)
    records = []
    for identity in [*range(1, PEOPLE + 1), DISTRACTOR, JUNK]:
        colour = random.integers(40, 215, 3)
        for camera in range(1, CAMERAS + 1):
            path = folder / f"{identity}_{camera}.png"
            pixels = np.clip(colour + random.normal(0, 20, (96, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path)
            looks = {"upper_color": ("red", "blue", "green")[identity % 3], "hat": "yes" if identity == 1 else "no"}
            time = CLOCK + 3_600_000 * camera + 60_000 * identity
            records.append(Record(str(path), identity, camera, attributes=looks, time=time))
    return records


@pytest.fixture(scope="module")
def gallery(kinds: dict[str, Path], crops: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    folder = tmp_path_factory.mktemp("page")
    run = Path(shutil.copytree(kinds["embedding"], folder / "run"))
    calibrated(run, Path(crops[0].path).parent.name, 24)
    made = Gallery.create(folder / "gallery", model=run)
    made.add(crops)
    return made


@pytest.fixture(scope="module")
def home(gallery: Gallery) -> Iterator[str]:
    limits = Limits(rate=0)
    with serving(lambda port: create_app(gallery, Access(Names.of("127.0.0.1", port)), limits), limits) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, home: str) -> Iterator[Any]:
    """Opens the page; at the end nothing was said to the console, and nothing was asked of another place."""
    contexts, complaints = [], []

    def opened(path: str = "/", **options: Any) -> Any:
        context = browser.new_context(
            **({"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce"} | options)
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith((home, "blob:", "data:")) else complaints.append(asked.url))  # fmt: skip
        page.add_init_script(ASKED)
        page.set_default_timeout(60_000)
        page.goto(home + path)
        page.wait_for_selector("#frame:not([hidden])")
        settled(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def visited(browser: Any, address: str, shown: str) -> Any:
    """A server's page in a context of its own, once it shows this part."""
    page = browser.new_context().new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    page.wait_for_selector(f"{shown}:not([hidden])")
    return page


def pick(page: Any, *crops: Record) -> list[str]:
    """Searches for pictures that are picked; the answers' ids."""
    with page.expect_response("**/api/v1/search") as asked:
        page.set_input_files("#pick", [crop.path for crop in crops])
    return shown(page, asked.value)


def shown(page: Any, answer: Any) -> list[str]:
    ids = [hit["id"] for hit in answer.json()["hits"]]
    settled(page)
    assert set(page.locator(".card").evaluate_all("all => all.map(one => one.dataset.id)")) == set(ids)
    return ids


def settled(page: Any) -> None:
    """Waits until the page shows what it last asked the server for."""
    page.wait_for_selector("[aria-busy=true]", state="detached")


def again(page: Any, act: Any) -> dict[str, Any]:
    """What a search by `act` asks, `options`, and what it finds."""
    with page.expect_response("**/api/v1/search") as asked:
        act()
    return {"options": page.evaluate("asked"), "ids": shown(page, asked.value), **asked.value.json()}


def follow(page: Any, place: Any) -> None:
    """Opens the timeline of an answer."""
    with page.expect_response("**/api/v1/timeline*"):
        place.locator(".act.follow").click()
    page.wait_for_selector("#timeline[open]")


def test_answers_stand_by_camera_with_probabilities(open_page: Any, crops: list[Record], gallery: Gallery) -> None:
    page = open_page()
    assert "24 images" in page.inner_text("#about")
    ids = pick(page, crops[0])
    assert len(ids) == len(crops)
    groups = page.locator("#groups section")
    assert sorted(groups.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")) == [
        "Camera 1",
        "Camera 2",
        "Camera 3",
    ]
    assert re.fullmatch(r"\d+ %", page.locator(".card .told b").first.inner_text())
    assert re.fullmatch(r"-?\d\.\d{3}", page.locator(".card .told .score").first.inner_text())
    assert re.match(r"24 answers of 24 images, the nearest first, in \d+ ms", page.inner_text("#status"))
    page.get_by_label("One list").check()
    assert page.locator("#groups section").count() == 1
    assert page.locator(".card").evaluate_all("all => all.map(one => one.dataset.id)") == ids
    names = {gallery.fetch([int(one)])[0].identity: page.locator(f"[data-id='{one}'] .name").inner_text() for one in ids}  # fmt: skip
    assert names[JUNK] == "Junk"
    assert names[DISTRACTOR] == "Distractor"
    assert names[3] == "Identity 3"


def test_pictures_are_dropped_and_pasted(open_page: Any, crops: list[Record]) -> None:
    page = open_page()
    data = list(Path(crops[3].path).read_bytes())
    send = """([kind, bytes]) => {
        const given = new DataTransfer();
        given.items.add(new File([new Uint8Array(bytes)], "crop.png", { type: "image/png" }));
        const event = kind === "drop" ? new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
    }"""
    first = again(page, lambda: page.evaluate(send, ["drop", data]))
    assert page.locator("#query img").count() == 1
    second = again(page, lambda: page.evaluate(send, ["paste", data]))
    assert page.locator("#query img").count() == 2
    assert first["ids"] == second["ids"], "the same picture twice is the same search"
    assert page.locator("#combine").is_visible()
    best = again(page, lambda: page.get_by_label("compared each, best counts").check())
    assert best["options"]["combine"] == "best"
    again(page, lambda: page.get_by_role("button", name="Remove crop.png").first.click())
    assert page.locator("#query img").count() == 1
    page.set_input_files("#pick", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no"})
    page.wait_for_selector("#error:has-text('That is not a picture.')")


def test_pictures_beyond_eight_are_left_out_and_that_is_said(open_page: Any, crops: list[Record]) -> None:
    page = open_page()
    pick(page, *crops[:9])
    assert page.locator("#query img").count() == 8
    assert page.inner_text("#error") == "Eight pictures at most: 1 left out."
    again(page, lambda: page.get_by_role("button", name=f"Remove {Path(crops[0].path).name}").click())
    assert page.locator("#error").is_hidden()


def test_chips_count_and_narrow(open_page: Any, crops: list[Record]) -> None:
    page = open_page()
    pick(page, crops[0])
    chip = page.get_by_role("button", name="Camera 2, 8")
    found = again(page, chip.click)
    assert found["options"]["where"] == {"camera": [2]}
    assert found["matching"] == len(crops) / CAMERAS == len(found["ids"])
    assert page.get_by_role("button", name="Camera 2, 8").get_attribute("aria-pressed") == "true"
    assert page.inner_text("#narrowed") == "1"
    page.locator("summary", has_text="Upper color").click()
    red = page.get_by_role("button", name=re.compile(r"^Upper color Red, \d+$"))
    found = again(page, red.click)
    assert found["options"]["where"] == {"camera": [2], "upper_color": ["red"]}
    found = again(page, page.get_by_role("button", name="Clear all filters").click)
    assert found["options"]["where"] is None
    until = page.get_by_role("slider", name="Time: until")
    found = again(page, lambda: until.press("PageDown"))
    span, times = found["options"]["where"]["time"], [record.time or 0 for record in crops]
    assert span["from"] == min(times)
    assert len(crops) > found["matching"] == sum(span["from"] <= time <= span["to"] for time in times) > 2
    assert f"of {found['matching']} images" in page.inner_text("#status")
    found = again(page, lambda: until.press("Home"))
    assert found["options"]["where"]["time"]["to"] == min(times)
    assert found["matching"] == 1


def test_switches_change_the_search(open_page: Any, crops: list[Record]) -> None:
    page = open_page()
    pick(page, crops[0])
    assert again(page, lambda: page.locator("label", has_text="Re-rank").click())["options"]["rerank"]
    assert "re-ranked" in page.inner_text("#status"), "and no longer the nearest first"
    found = again(page, lambda: page.locator("label", has_text="Expand the query").click())
    assert found["options"]["expand"] == 5
    found = again(page, lambda: page.select_option("#camera", label="Camera 2"))
    assert found["options"]["camera"] == 2
    assert again(page, lambda: page.select_option("#camera", label="any camera"))["options"]["camera"] is None
    found = again(page, lambda: page.select_option("#count", "20"))
    assert len(found["ids"]) == 20
    assert page.locator("#further").is_visible()
    assert len(again(page, lambda: page.click("#further"))["ids"]) == len(crops)
    found = again(page, lambda: page.locator("#accept").press("End"))
    assert found["options"]["accept"] == 0.99
    assert found["nobody"]
    assert page.inner_text("#verdict").startswith("Nobody. No answer is the one searched for with 99 % or more.")


def test_marks_steer_the_next_search(open_page: Any, crops: list[Record], gallery: Gallery) -> None:
    page = open_page()
    ids = pick(page, crops[0])
    before = [gallery.fetch([int(one)])[0].identity for one in ids]
    far = next(place for place in range(len(ids) - 1, 0, -1) if before[place] > 1)
    page.locator(f"[data-id='{ids[far]}'] .act.right").click()
    page.locator(f"[data-id='{ids[0]}'] .act.wrong").click()
    assert page.inner_text("#feedback-say") == "1 marked right, 1 marked wrong"
    found = again(page, lambda: page.get_by_role("button", name="Search again with them").click())
    assert found["options"]["right"] == [ids[far]]
    assert found["options"]["wrong"] == [ids[0]]
    assert found["ids"].index(ids[far]) < far, "what is marked right rises"
    assert page.get_by_role("button", name="Searched with them").is_disabled()
    found = again(page, page.get_by_role("button", name="Clear the marks").click)
    assert found["ids"] == ids


def test_one_is_followed_over_the_cameras_named_and_exported(
    open_page: Any, crops: list[Record], gallery: Gallery
) -> None:
    page = open_page()
    ids = pick(page, crops[4])
    mine = [one for one in ids if gallery.fetch([int(one)])[0].identity == 2]
    follow(page, page.locator(f"[data-id='{mine[0]}']"))
    assert page.inner_text("#timeline-title") == "Identity 2"
    assert page.inner_text("#timeline-say").startswith("3 pictures on 3 cameras")
    assert page.locator("#timeline-chart .lane").count() == CAMERAS
    stays = page.locator("#timeline-stays li b").all_inner_texts()
    assert stays == ["Camera 1", "Camera 2", "Camera 3"], "in the order of time"
    page.keyboard.press("Escape")
    strangers = [one for one in ids if gallery.fetch([int(one)])[0].identity == DISTRACTOR]
    follow(page, page.locator(f"[data-id='{strangers[0]}']"))
    assert page.inner_text("#timeline-say").startswith("1 picture on 1 camera"), "distractors are not one person"
    page.keyboard.press("Escape")
    for one in mine:
        page.locator(f"[data-id='{one}'] .select").click()
    assert page.inner_text("#selected-say") == "3 selected"
    page.fill("#name", "Ann <b>")
    with page.expect_response("**/api/v1/items"):
        page.get_by_role("button", name="Give name").click()
    page.wait_for_selector("#status:has-text('3 images named Ann <b>.')")
    gallery.refresh()
    assert sorted(map(str, gallery.ids({"name": "Ann <b>"}).tolist())) == sorted(mine)
    assert page.locator(f"[data-id='{mine[0]}'] .name").inner_text() == "Ann <b>"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export CSV").click()
    text = Path(saved.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["id"] for row in rows) == sorted(mine)
    assert {row["name"] for row in rows} == {"Ann <b>"}


def test_times_of_several_days_are_told_with_their_day(gallery: Gallery, browser: Any, crops: list[Record]) -> None:
    days = Gallery.create(Path(gallery.where).parent / "days", model=gallery.model)
    times = [CLOCK + 30 * 3_600_000 * (record.camera - 1) for record in crops[:3]]
    days.add([replace(record, time=time) for record, time in zip(crops, times, strict=False)])
    limits = Limits(rate=0)
    with serving(lambda port: create_app(days, Access(Names.of("127.0.0.1", port)), limits), limits) as home:
        page = visited(browser, home, "#frame")
        settled(page)
        assert len(pick(page, crops[0])) == 3
        told = ["2026-05-28 20:26:40", "2026-05-30 02:26:40", "2026-05-31 08:26:40"]
        assert sorted(page.locator(".card .meta").all_inner_texts()) == told
        halved = "all => all.filter(word => word.getClientRects().length > 1).length"
        words = page.locator(".card .meta span")
        assert (words.count(), words.evaluate_all(halved)) == (6, 0), "no date is broken at a hyphen"
        follow(page, page.locator(".card").first)
        assert page.locator("#timeline-stays li span:not(.quiet)").all_inner_texts() == told
        ticks = page.locator("#timeline-chart .tick text").all_text_contents()
        assert {"2026-05-29", "2026-05-30", "2026-05-31"} <= set(ticks)
        moment = "import('/static/format.js').then(format => format.moment(1.7e18))"
        assert page.evaluate(moment) == "day 19675925925 22:13:20", "nanoseconds by mistake stop no page"
        page.context.close()


def test_by_keys_alone(open_page: Any, crops: list[Record]) -> None:
    page = open_page()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "pick"
    ids = pick(page, crops[0])
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('face')"):
            break
    here = "document.activeElement.closest('.card')?.dataset.id"
    order = page.locator(".card").evaluate_all("all => all.map(one => one.dataset.id)")
    assert page.evaluate(here) == order[0]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(here) == order[1]
    page.keyboard.press("End")
    assert page.evaluate(here) == order[-1]
    page.keyboard.press("Home")
    page.keyboard.press("r")
    page.keyboard.press("x")
    assert page.inner_text("#feedback-say") == "1 marked right"
    assert page.inner_text("#selected-say") == "1 selected"
    found = again(page, lambda: page.keyboard.press("s"))
    assert found["options"]["right"] == [order[0]]
    page.keyboard.press("Enter")
    assert page.locator("#inspector").is_visible()
    title = page.inner_text("#inspector-title")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#inspector-title") != title
    page.keyboard.press("w")
    assert page.locator("#inspector-wrong").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.evaluate(here) is not None, "the focus is on the answers again"
    page.keyboard.press("t")
    page.wait_for_selector("#timeline[open]")
    page.keyboard.press("Escape")
    found = again(page, lambda: page.keyboard.press("m"))
    assert len(found["options"]["right"]) == 1
    assert found["ids"][0] == found["options"]["right"][0], "a row of the gallery is its own nearest"
    assert sorted(found["ids"]) == sorted(ids)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(open_page: Any, crops: list[Record], scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []
    pick(page, crops[0])
    page.locator(".card .act.right").first.click()
    page.locator(".card .select").nth(1).click()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate(CONTRAST) == []
    follow(page, page.locator(".card").first)
    assert page.evaluate(CONTRAST) == []
    page.keyboard.press("Escape")
    page.locator(".card .face").first.click()
    assert page.evaluate(CONTRAST) == []


def test_the_theme_is_chosen_and_kept(open_page: Any) -> None:
    page = open_page(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(ground) != light
    page.reload()
    page.wait_for_selector("#frame:not([hidden])")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_on_a_phone_nothing_is_wider_than_it(open_page: Any, crops: list[Record]) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.locator("#refine").get_attribute("open") is None, "what narrows the search is folded away"
    wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wider)
    pick(page, crops[0])
    assert not page.evaluate(wider)
    page.locator("#refine > summary").click()
    page.locator(".card .select").first.click()
    assert not page.evaluate(wider)
    follow(page, page.locator(".card").first)
    assert not page.evaluate(wider)
    page.keyboard.press("Escape")
    page.locator(".card .face").first.click()
    assert not page.evaluate(wider)


def test_everything_has_a_name_to_be_read_aloud(open_page: Any, crops: list[Record]) -> None:
    page = open_page()
    pick(page, crops[0])
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    asking = {"button", "checkbox", "switch", "radio", "slider", "combobox", "textbox", "link"}
    seen = [node for node in tree if not node.get("ignored") and node["role"]["value"] in asking]
    assert len(seen) > 100
    assert [node["role"]["value"] for node in seen if not node.get("name", {}).get("value", "").strip()] == []
    roles = {node["role"]["value"] for node in tree if not node.get("ignored")}
    assert {"banner", "main", "complementary", "heading", "list", "status"} <= roles
    face = page.locator(".card .face").first.get_attribute("aria-label")
    assert re.match(r"Answer 1, probability \d+ %, Camera \d, \d\d:\d\d:\d\d", face)
    assert page.locator("img:not([alt])").count() == 0


def test_a_token_is_asked_for(gallery: Gallery, browser: Any, crops: list[Record]) -> None:
    limits = Limits(rate=0)
    with serving(lambda port: create_app(gallery, Access(Names.of("127.0.0.1", port), TOKEN), limits), limits) as home:
        page = visited(browser, home, "#token-page")
        assert page.locator("#frame").is_hidden()
        assert page.evaluate(CONTRAST) == []
        page.fill("#token", "a-wrong-token-of-enough-letters")
        page.keyboard.press("Enter")
        page.wait_for_selector("#error:has-text('That is not the token of this gallery.')")
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_selector("#frame:not([hidden])")
        assert TOKEN not in page.url, "it does not stay in the address"
        assert page.evaluate("document.cookie") == "", "no script reads it"
        assert len(pick(page, crops[0])) == len(crops)
        page.context.close()


def test_a_server_that_is_gone_is_said(gallery: Gallery, browser: Any, crops: list[Record]) -> None:
    limits = Limits(rate=0)
    with serving(lambda port: create_app(gallery, Access(Names.of("127.0.0.1", port)), limits), limits) as home:
        page = visited(browser, home, "#frame")
    page.set_input_files("#pick", crops[0].path)
    page.wait_for_selector("#error:has-text('The server does not answer. Is resight serve still running?')")
    page.context.close()
