"""The HTML report in a real browser: it opens offline and silently, filters and drill-down work, nothing in it runs."""

from __future__ import annotations

import json
import re
import shutil

import msgspec
import pytest
from recorded import CASES, CPU, GPU, info, record, write

from kparity import CheckResult, DeviceInfo, Verdict, read_runs
from kparity.html.figures import figures
from kparity.html.page import HtmlReporter, embedded
from kparity.html.payload import SAMPLES, payload, thinned
from kparity.records import Accuracy, Ceilings, Roofline
from kparity.reporting import Combined

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "</script><script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'><!--"
FAILURE = Verdict.of_checks(
    [CheckResult("bound", "failed", f"3 are off {HOSTILE}", {"worst_element": HOSTILE, "map": "..#\n.##"})]
)


def timed(label, case, seconds, **more):
    one = record(label, case=case, seconds=seconds, noise=0.02, **more)
    accuracy = Accuracy(output="y", relative_l2=1e-8, worst_ulps=0.5, ulps=(9, 1, 0, 0, 0, 0, 0, 0, 0), compared=10)
    return msgspec.structs.replace(
        one, roofline=Roofline(1e9 / seconds, 5e8 / seconds, seconds / 2, 0.5, "memory"), accuracy=(accuracy,)
    )


def records():
    return [
        *(timed("torch:eager", case, 4e-3) for case in CASES[:4]),
        *(timed("toy:good", case, 1e-3) for case in CASES[:4]),
        record("toy:good", "unsupported", case=CASES[4]),
        record("toy:other", device=CPU),
        msgspec.structs.replace(record(f"toy:{HOSTILE}", task=f"evil/{HOSTILE}"), verdict=FAILURE, output=HOSTILE),
    ]


def run_info():
    devices = (DeviceInfo(backend="toy", name=GPU.name, kind="gpu", uuid=GPU.uuid),)
    return msgspec.structs.replace(info(), devices=devices, ceilings={"toy": Ceilings(3e12, {"float32": 5e13})})


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The file, as the reporter writes it from a run folder."""
    folder = tmp_path_factory.mktemp("report")
    run = write(folder / "run", *records(), run=run_info())
    path = folder / "report.html"
    path.write_bytes(HtmlReporter({"": "def kernel(): ..."}).combine(Combined.of(read_runs([run]))))
    return path


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("no Chromium on the path: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, report, request):
    """The opened report; at the end nothing may have been complained of or asked for."""
    context = browser.new_context(**getattr(request, "param", {}))
    tab = context.new_page()
    complaints, asked = [], []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda one: asked.append(one.url))
    tab.goto(report.as_uri())
    yield tab
    for figure in tab.query_selector_all("[data-figure]"):
        figure.scroll_into_view_if_needed()
        figure.wait_for_selector(".main-svg")
    assert tab.evaluate("window.pwned") is None
    assert complaints == []
    assert asked == [report.as_uri()], "the report asks the network for nothing"
    context.close()


def cells(page):
    return page.eval_on_selector_all("#grid td button", "all => all.map(one => one.textContent)")


@pytest.mark.slow
def test_the_matrix_shows_correctness_speed_and_the_share_of_the_limit(page):
    assert cells(page) == ["✗ 0/1", "✓ 4/4", "✓ 4/4", "✓ 1/1"]
    page.check("input[value=speed]")
    assert cells(page) == ["4.00x"]
    page.check("input[value=fraction]")
    assert cells(page) == ["50%", "50%"]
    assert page.locator("#grid thead th[scope=colgroup]").all_inner_texts() == ["Fast GPU"]


@pytest.mark.slow
def test_filters_leave_over_what_they_say_and_reset_brings_everything_back(page):
    shown = page.locator("#shown")
    assert shown.inner_text() == "11 of 11 evaluations"
    page.select_option("[name=status]", "failed")
    assert shown.inner_text() == "1 of 11 evaluations"
    assert cells(page) == ["✗ 0/1"]
    page.click("[type=reset]")
    page.get_by_text("11 of 11 evaluations").wait_for()
    for name, value, count in (
        ("backend", "torch", 4),
        ("device", "Processor, 4 cores", 1),
        ("category", "toy", 10),
        ("role", CASES[0].role, sum(case.role == CASES[0].role for case in (*CASES[:4], *CASES[:5])) + 2),
    ):
        page.select_option(f"[name={name}]", value)
        assert shown.inner_text() == f"{count} of 11 evaluations", name
        page.select_option(f"[name={name}]", "")
    page.fill("[name=text]", "Torch:EAGER")
    page.get_by_text("4 of 11 evaluations").wait_for()
    page.fill("[name=text]", "no such thing")
    page.get_by_text("0 of 11 evaluations").wait_for()
    assert page.locator("#grid").inner_text() == "Nothing to show."


@pytest.mark.slow
def test_a_failure_is_reached_by_keyboard_alone_and_shows_what_went_wrong(page):
    page.locator("#grid td button").first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    text = dialog.inner_text()
    assert "✗ failed" in text
    assert "bound: 3 are off" in text
    assert HOSTILE in text, "shown as it stands"
    assert dialog.locator("pre.map").inner_text() == "..#\n.##"
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("evil/"), "focus is back where it was"


@pytest.mark.slow
def test_a_timed_evaluation_shows_times_samples_errors_and_its_source(page):
    page.locator("#grid td button").nth(2).click()
    page.locator("#body td.key button").first.click()
    dialog = page.locator("dialog[open]")
    dialog.locator("#samples .main-svg").first.wait_for()
    text = dialog.inner_text()
    assert "4.00x the speed of torch:eager" in text
    assert "1.00 ms" in text
    assert "21" in text
    assert "≤ 0.5" in text
    dialog.locator("summary").click()
    assert "def kernel()" in dialog.inner_text()


@pytest.mark.slow
def test_a_figure_that_comes_into_view_moves_nothing(page):
    """It is drawn late; what a reader is about to click on must not slip away from under the pointer."""
    where = "document.getElementById('list').getBoundingClientRect().top + scrollY"
    before = page.evaluate(where)
    for figure in page.query_selector_all("[data-figure]"):
        figure.scroll_into_view_if_needed()
        figure.wait_for_selector(".main-svg")
    assert page.evaluate(where) == before


@pytest.mark.slow
def test_a_heading_sorts_the_list(page):
    page.click("#evaluations th button[data-name=time]")
    page.wait_for_selector("th[aria-sort=ascending]")
    times = page.eval_on_selector_all("#evaluations tbody tr td:nth-child(6)", "all => all.map(one => one.textContent)")
    assert times[:8] == ["1.00 ms"] * 4 + ["4.00 ms"] * 4
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("time")


@pytest.mark.slow
@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}], indirect=True)
def test_a_phone_in_the_dark_gets_a_dark_page_that_does_not_scroll_sideways(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    assert max(map(int, re.findall(r"\d+", dark)[:3])) < 60
    page.click("#theme")
    assert min(map(int, re.findall(r"\d+", page.evaluate(background))[:3])) > 200


@pytest.mark.slow
def test_text_stands_out_from_what_lies_behind_it_in_both_themes(page):
    """WCAG 2.1: at least 4.5 to 1 for every cell, tag and hint."""
    contrast = """() => {
      const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
      const behind = (one) => { const found = getComputedStyle(one).backgroundColor;
        return /, 0\\)$/.test(found) && one.parentElement ? behind(one.parentElement) : found; };
      return Math.min(...[...document.querySelectorAll('button, .tag, .hint, th, td, label, dt')].map((one) => {
        const pair = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
        return (pair[0] + 0.05) / (pair[1] + 0.05); }));
    }"""
    for shown in ("verdict", "speed", "fraction"):
        page.check(f"input[value={shown}]")
        assert page.evaluate(contrast) >= 4.5
    page.click("#theme")
    for shown in ("verdict", "speed", "fraction"):
        page.check(f"input[value={shown}]")
        assert page.evaluate(contrast) >= 4.5


@pytest.mark.slow
def test_devices_that_were_timed_on_other_cases_are_told_and_the_shared_cases_can_be_chosen(browser, tmp_path):
    fast = [timed(label, case, 1e-3) for label in ("torch:eager", "toy:good") for case in CASES[:3]]
    slow = [timed(label, CASES[0], 2e-3, device=CPU) for label in ("torch:eager", "toy:good")]
    folders = [write(tmp_path / "fast", *fast, run=run_info()), write(tmp_path / "slow", *slow)]
    path = tmp_path / "report.html"
    path.write_bytes(HtmlReporter().combine(Combined.of(read_runs(folders))))
    opened = browser.new_page()
    opened.goto(path.as_uri())
    timed_on = opened.locator(".devices li").all_inner_texts()
    assert [line.partition(":")[0] for line in timed_on] == ["Fast GPU", "Processor, 4 cores"]
    assert [line.partition(": ")[2].split(" ")[0] for line in timed_on] == ["3", "1"], "cases that were timed"
    caution = opened.locator("#caution")
    assert not caution.is_visible(), "verdicts are compared whatever was timed"
    opened.check("input[value=speed]")
    assert "same cases of toy/scale" in caution.inner_text()
    opened.select_option("[name=cases]", "shared")
    assert opened.locator("#shown").inner_text() == "4 of 8 evaluations"
    assert not caution.is_visible()
    opened.close()


def test_ceilings_are_found_by_line_up():
    device = DeviceInfo(backend="toy", name=GPU.name, kind="gpu", uuid=GPU.uuid)
    run = msgspec.structs.replace(info(), devices=(device,), ceilings={"toy:good": Ceilings(3e12, {"float32": 5e13})})
    combined = Combined({"": run}, [("", timed("toy:good", CASES[0], 1e-3))])
    assert list(figures(combined, payload(combined))["roofline"]) == [GPU.name]


def test_the_data_cannot_leave_its_element(report):
    assert "<" not in embedded({"text": HOSTILE, "other": "\u2028"})
    assert json.loads(embedded([HOSTILE])) == [HOSTILE]
    text = report.read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert text.count("</script>") == 3


def test_of_many_samples_evenly_spaced_ones_are_kept_in_order():
    assert thinned([1.0, 2.0, 3.0], 5) == [1.0, 2.0, 3.0]
    assert thinned([float(n) for n in range(1000)], 10) == [float(n) for n in range(0, 1000, 100)]


def test_ten_thousand_evaluations_stay_small_enough_to_open():
    one = record(seconds=1e-3)
    long = msgspec.structs.replace(one.measurements[0], samples_s=tuple(1e-3 + n * 1e-9 for n in range(1000)))
    many = [msgspec.structs.replace(one, measurements=(long,), seed=seed) for seed in range(10_000)]
    found = payload(Combined({"": info()}, [("", evaluation) for evaluation in many]))
    assert len(found["evaluations"]) == len(found["details"]) == 10_000
    shown = {len(detail["times"][0]["samples"]) for detail in found["details"]}
    assert max(shown) <= SAMPLES // 2
    assert {detail["times"][0]["count"] for detail in found["details"]} == {1000}
    assert len(embedded(found)) < 20e6
