"""What the pages' script does, in a real browser, under the pages' own content security policy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from uptake.report import CaseView, CohortCase, CohortView, case_page, cohort_page
from uptake.study import Study

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install it to test what the pages do"),
]


def answer(html: str, folder: Path, script: str) -> object:
    """What the expression `script` gives, as JSON, after the page has loaded."""
    probe = f"<script>document.body.dataset.answer = JSON.stringify((() => {{ {script} }})());</script></body>"
    page = folder / "page.html"
    page.write_text(html.replace("</body>", probe), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [str(CHROMIUM), *flags, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r'data-answer="([^"]*)"', done.stdout)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found[1]))


@pytest.fixture
def three_cases(cohort_case: Callable[..., CohortCase]) -> str:
    cases = (
        cohort_case("case-2", 9.0, scanner="SIEMENS"),
        cohort_case("case-10", 100.0),
        cohort_case("case-1", None),
    )
    return cohort_page(CohortView("Cohort", cases))


def test_a_click_on_a_heading_sorts_numbers_as_numbers_with_empty_ones_last(three_cases: str, tmp_path: Path) -> None:
    script = """
      const head = document.querySelectorAll("#case-table thead button");
      const rows = () => Array.from(document.querySelectorAll("#case-table tbody tr"), (row) => row.dataset.key);
      const cards = () => Array.from(document.querySelectorAll(".card"), (card) => card.dataset.key);
      const seen = [];
      for (const column of [3, 3, 0]) { head[column].click(); seen.push([rows(), cards()]); }
      return [seen, head[0].parentElement.getAttribute("aria-sort"), head[3].parentElement.getAttribute("aria-sort")];
    """
    rising, falling, names = (
        ["case-2", "case-10", "case-1"],
        ["case-10", "case-2", "case-1"],
        ["case-1", "case-2", "case-10"],
    )
    seen = [[rising, rising], [falling, falling], [names, names]]
    assert answer(three_cases, tmp_path, script) == [seen, "ascending", None]


def test_the_search_field_hides_what_does_not_fit(three_cases: str, tmp_path: Path) -> None:
    script = """
      const field = document.querySelector("[data-filter]");
      field.value = "siemens case"; field.dispatchEvent(new Event("input"));
      const shown = (selector) =>
        Array.from(document.querySelectorAll(selector)).filter((e) => !e.hidden).map((e) => e.dataset.key);
      return [shown("#case-table tbody tr"), shown(".card"), document.querySelector("[data-count]").textContent];
    """
    assert answer(three_cases, tmp_path, script) == [["case-2"], ["case-2"], "1 of 3"]


def test_the_slider_and_the_arrow_keys_change_every_phase_the_ser_and_the_outlines(
    view: CaseView, tmp_path: Path
) -> None:
    script = """
      const slides = JSON.parse(document.getElementById("slides").textContent);
      const slider = document.querySelector("[data-slider]");
      const fits = (n) => Array.from(document.querySelectorAll("[data-slot]")).every(
        (e) => e.getAttribute(e.tagName === "path" ? "d" : "href") === slides[n][e.dataset.slot]);
      const words = () => document.querySelector("[data-words]").textContent;
      const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      const seen = [];
      slider.value = 2; slider.dispatchEvent(new Event("input")); seen.push(fits(2) && words() === slides[2].words);
      press("ArrowRight"); seen.push(fits(3));
      for (let n = 0; n < 9; n++) press("ArrowLeft");
      seen.push(fits(0) && words() === slides[0].words);
      return seen;
    """
    assert answer(case_page(view), tmp_path, script) == [True, True, True]


def test_outlines_and_zoom_are_switched_by_button_and_by_key(view: CaseView, tmp_path: Path) -> None:
    script = """
      const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      const drawn = (kind) => getComputedStyle(document.querySelector("#images path." + kind)).display !== "none";
      const svg = document.querySelector("#images svg");
      const seen = [[drawn("ftv"), drawn("stv")]];
      press("f"); seen.push([drawn("ftv"), drawn("stv")]);
      document.querySelector("[data-toggle=stv]").click(); seen.push([drawn("ftv"), drawn("stv")]);
      press("z"); seen.push(svg.getAttribute("viewBox") === svg.dataset.zoom);
      press("z"); seen.push(svg.getAttribute("viewBox") === svg.dataset.full);
      return seen;
    """
    expected = [[True, True], [False, True], [False, False], True, True]
    assert answer(case_page(view), tmp_path, script) == expected


def test_a_script_in_a_case_id_does_not_run(view: CaseView, tmp_path: Path) -> None:
    evil = replace(
        view, study=Study("<img src=x onerror=window.run=1><script>window.run=1</script>", view.study.phases)
    )
    script = "return [window.run ?? null, document.querySelector('h1').children.length];"
    assert answer(case_page(evil), tmp_path, script) == [None, 0]
