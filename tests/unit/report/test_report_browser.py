"""The page in a real browser: drawn, usable by keyboard, right in the dark, on a phone and on paper, and quiet."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_facts import NEXT, facts

from lakepredict.report import _page
from lakepredict.report._facts import Facts, Point
from lakepredict.report._figures import PALETTES

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
HOSTILE = ("</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 2'>", "x" * 300)

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of this machine: that of the variable CHROMIUM, or one on the PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium: set CHROMIUM, or have one of {', '.join(NAMES)} on the PATH")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, written once."""
    folder = tmp_path_factory.mktemp("pages")
    missing = facts([f"Store {at}" for at in range(12)])
    first = missing.members[0]
    series = {**missing.series, first.name: {**missing.series[first.name], NEXT: Point(missing=True)}}
    members = [*missing.members[1:], replace(first, expected=None)]
    pages: dict[str, Facts] = {
        "usual": replace(missing, members=members, series=series),
        "hostile": facts([*HOSTILE, "4"], title=HOSTILE[0], measure=HOSTILE[1], key=(HOSTILE[1],)),
        "first": facts(weeks=3, judged=0),
    }
    for name, told in pages.items():
        (folder / f"{name}.html").write_text(_page.page(told), encoding="utf-8")
    return folder


@pytest.fixture
def opened(browser: Any, folder: Path) -> Iterator[Open]:
    """Open a page in a window of its own. What it says on its console or asks for fails the test at its end."""
    contexts, noise = [], []

    def open_page(name: str = "usual", *, viewport: dict[str, int] = DESKTOP, **options: Any) -> Any:
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: noise.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (noise.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        address = (folder / f"{name}.html").as_uri()
        page.on("request", lambda request: noise.append(request.url) if request.url != address else None)
        page.goto(address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-drawn]")
        return page

    yield open_page
    for each in contexts:
        each.close()

    assert noise == []


def strokes(page: Any, chart: str) -> list[str]:
    """The colours of the lines of a chart."""
    found: list[str] = page.eval_on_selector_all(
        f"#{chart}-chart .scatterlayer path.js-line", "paths => paths.map(path => getComputedStyle(path).stroke)"
    )
    return found


def until(page: Any, read: Callable[[], Any], expected: Any) -> Any:
    """What ``read`` gives once it is as expected, or after five seconds: a browser tells its page of changes later."""
    for _ in range(100):
        if read() == expected:
            break
        page.wait_for_timeout(50)
    return read()


def rgb(colour: str) -> str:
    """A colour of the palette as a browser writes it."""
    return "rgb({}, {}, {})".format(*(int(colour[at : at + 2], 16) for at in (1, 3, 5)))


def test_charts_are_drawn(opened: Open) -> None:
    """Each chart has its lines or bars, as many points as there are data, and nothing is loaded or complained about."""
    page = opened()
    drawn = page.eval_on_selector_all(
        ".chart",
        "charts => charts.map(each => [each.id, each.querySelectorAll('.scatterlayer path.js-line').length,"
        " each.querySelectorAll('.barlayer .point').length])",
    )
    expected = [
        ["total-chart", 2, 0],
        ["store-chart", 2, 0],
        ["changes-chart", 0, 10],
        ["member_errors-chart", 0, 10],
        ["errors-chart", 1, 8],
    ]
    markers = page.locator("#total-chart .scatterlayer .points path").count()

    assert expected == drawn
    assert markers == 9


def test_chooser_works_by_keyboard(opened: Open) -> None:
    """Tab reaches the chooser, an arrow key changes chart, sentence, heading and table, and all focus can be seen."""
    page = opened()
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        if seen[-1] == "store":
            break
    ticks = page.locator("#store-chart .ytick")
    before = ticks.all_text_contents()
    label = page.get_attribute("#store-chart", "aria-label")
    page.keyboard.press("ArrowDown")

    assert seen[-1] == "store"
    assert page.input_value("#store") == "Store 2"
    assert page.inner_text("#one-title") == "Store 2"
    assert page.inner_text("#store-told").startswith("Store 2, 31 October 2025: 334,333 expected")
    assert page.text_content("#store-table tbody td >> nth=1") == "334,333"
    assert ticks.all_text_contents() != before
    assert page.get_attribute("#store-chart", "aria-label") != label


def test_missing_forecast_of_a_store(opened: Open) -> None:
    """A store whose forecast is NULL says so, in the sentence and in the table."""
    page = opened()
    page.select_option("#store", "Store 0")

    assert "the forecast is missing" in page.inner_text("#store-told")
    assert page.locator("#store-table tbody td >> nth=1").text_content() == "missing"


def test_dark(opened: Open) -> None:
    """Page and charts follow the system's setting, also when it changes."""
    page = opened(color_scheme="light")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expected = [rgb(PALETTES[scheme][of]) for of in ("page", "actual", "forecast")]
        seen = until(
            page,
            lambda: [page.evaluate("getComputedStyle(document.body).backgroundColor"), *strokes(page, "total")],
            expected,
        )

        assert seen == expected


@pytest.mark.parametrize("name", ["usual", "hostile", "first"])
def test_phone(opened: Open, name: str) -> None:
    """On a phone nothing is wider than the screen, and charts are as wide as their column."""
    page = opened(name, viewport=PHONE, has_touch=True, is_mobile=True)
    widths = page.eval_on_selector_all(".main-svg", "all => all.map(each => each.getBoundingClientRect().right)")

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert max(widths) <= PHONE["width"]


def test_turned(opened: Open) -> None:
    """Charts keep their height when the window changes, or a phone is turned, and are as wide as their column again."""
    page = opened(viewport=PHONE)

    def sizes() -> list[tuple[int, int]]:
        found = page.eval_on_selector_all(
            ".chart .main-svg:first-child", "all => all.map(each => [each.clientWidth, each.clientHeight])"
        )
        return [tuple(each) for each in found]

    upright = sizes()
    page.set_viewport_size({"width": PHONE["height"], "height": PHONE["width"]})
    wider = until(page, lambda: min(width for width, _ in sizes()) > upright[0][0], True)
    turned = sizes()
    page.set_viewport_size(PHONE)

    assert wider
    assert [height for _, height in turned] == [height for _, height in upright]
    assert min(height for _, height in upright) >= 200
    assert until(page, sizes, upright) == upright


def test_paper(opened: Open, tmp_path: Path) -> None:
    """It prints on a few A4 pages in light colours, in the dark too, and charts come back afterwards."""
    page = opened(color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    printed = strokes(page, "total")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    pdf = page.pdf(prefer_css_page_size=True)
    sizes = {tuple(map(float, each)) for each in re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", pdf)}

    assert printed == [rgb(PALETTES["light"][of]) for of in ("actual", "forecast")]
    assert strokes(page, "total") == [rgb(PALETTES["dark"][of]) for of in ("actual", "forecast")]
    assert len(re.findall(rb"/Type ?/Page\b", pdf)) in (3, 4)
    assert {(round(width), round(height)) for width, height in sizes} == {(595, 842)}


def test_without_scripts(opened: Open) -> None:
    """Without JavaScript summary and tables are there, and what would not work is not shown."""
    page = opened(java_script_enabled=False)

    assert page.is_visible("text=The charts need JavaScript")
    assert not page.is_visible("#store")
    assert not page.is_visible("#total-chart")
    assert page.locator("#all-table tbody tr").count() == 12
    page.click("#total summary")
    assert page.is_visible("#total-table")


def test_hostile_names_are_text(opened: Open) -> None:
    """Names that look like HTML are shown as they are: nothing of them runs."""
    page = opened("hostile")
    for position, name in enumerate(HOSTILE):
        page.select_option("#store", index=position)

        assert page.text_content("#one-title").endswith(name)
    labels = page.eval_on_selector_all(
        "#changes-chart .yaxislayer-above text", "all => all.map(each => each.textContent)"
    )

    assert page.evaluate("window.hacked") is None
    assert page.title() == HOSTILE[0]
    assert any(each.startswith("<img src=x") for each in labels)


def test_policy_is_in_force(browser: Any, folder: Path) -> None:
    """A script that is not the page's own does not run, and nothing is fetched."""
    page = browser.new_page()
    page.goto((folder / "usual.html").as_uri())
    page.evaluate(
        "() => { const made = document.createElement('script'); made.textContent = 'window.injected = 1';"
        " document.body.append(made); }"
    )
    refused = page.evaluate("fetch('http://127.0.0.1:9/').catch(() => 'refused')")
    injected = page.evaluate("window.injected")
    page.close()

    assert (injected, refused) == (None, "refused")


def test_motion_is_reduced(opened: Open) -> None:
    """Scrolling to a part is smooth, unless the reader does not want that."""
    page = opened()
    seen = []
    for motion in ("no-preference", "reduce"):
        page.emulate_media(reduced_motion=motion)
        seen.append(page.evaluate("getComputedStyle(document.documentElement).scrollBehavior"))

    assert seen == ["smooth", "auto"]


@pytest.mark.parametrize(("name", "scheme"), [("usual", "light"), ("usual", "dark"), ("first", "light")])
def test_accessible(opened: Open, scheme: str, name: str) -> None:
    """axe-core finds nothing to complain about, with the tables open, contrast included."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = opened(name, color_scheme=scheme)
    page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
    found = axe.Axe().run(page).response
    wrong = [(each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]]

    assert wrong == []
    assert len(found["passes"]) > 20
