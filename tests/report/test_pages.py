from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from uptake.features import FeatureTable
from uptake.preprocess.motion import MotionNumbers, PhaseMotion, Shift
from uptake.report import CaseView, CohortCase, CohortView, RefusedRow, case_page, case_report, cohort_page, thumbnail
from uptake.report.pages import case_href
from uptake.study import Code, Phase, Refusal, Study
from uptake.volume import Volume

VOID = {"meta", "input", "img", "br"}
EVIL = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Elements in order, the text inside each section, and every address."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.addresses: list[str] = []
        self.sections: dict[str, str] = {}
        self.scripts: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert not self._open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        self.addresses += [given[name] for name in ("href", "src", "action", "data", "srcset") if name in given]
        if tag not in VOID:
            self._open.append((tag, given.get("id", "") if tag == "section" else ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "script":
            self.scripts.append(data)
        for _, name in self._open:
            if name:
                self.sections[name] = self.sections.get(name, "") + " " + data

    def words(self, section: str) -> str:
        return " ".join(self.sections[section].split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def words_of(html: str) -> str:
    """What a person reads, with single spaces."""
    body = re.sub(r"<(style|script).*?</\1>", "", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def cohort(*cases: CohortCase, refusals: tuple[RefusedRow, ...] = ()) -> CohortView:
    return CohortView("Cohort", cases, refusals, version="9.8.7")


def test_a_case_page_needs_no_other_file_and_no_network(view: CaseView) -> None:
    html = case_page(view)
    page = Page(html)
    assert all(address.startswith(("data:", "#", "../../report/index.html")) for address in page.addresses)
    text = re.sub(r"base64,[A-Za-z0-9+/=]*", "", html)
    assert not re.search(r"https?:|@import|url\((?!#)|fetch\(|XMLHttpRequest|=\s*[\"']//", text, re.I)
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_equal_views_give_equal_pages(view: CaseView) -> None:
    assert case_page(view) == case_page(view)
    assert thumbnail(view) == thumbnail(view)


def test_the_numbers_on_the_page_are_the_numbers_given(view: CaseView) -> None:
    shown = words_of(case_page(view))
    for number in (
        "15.68 cc",
        "12 345 voxels",
        "8.64 cc",
        "6 789 voxels",
        "47.2 mm",
        "6 801 voxels",
        "0.287",
    ):
        assert number in shown
    for threshold in ("PE \u2265 90 %", "\u2265 9 of 26", "S0 \u2265 57", "SER &gt; 0.9", "5 7 2 to 16 15 8"):
        assert threshold in shown
    assert "recorded in the study (SER map)" in shown


def test_the_stv_volume_is_that_of_its_mask(view: CaseView) -> None:
    # 8 x 7 x 4 voxels of 0.8 x 0.8 x 2 mm
    assert "0.29 cc" in words_of(case_page(view))


def test_the_band_table_shows_every_band_and_their_sum(view: CaseView) -> None:
    table = Page(case_page(view)).words("ser")
    rows = re.findall(r"([\d.]+) \u2013 ([\d.]+) (\d+) ([\d.]+) ([\d.]+)", table)
    assert [(float(low), float(high)) for low, high, *_ in rows] == [(b.low, b.high) for b in view.ftv.bands]
    assert sum(int(row[2]) for row in rows) == 100
    assert sum(float(row[3]) for row in rows) == pytest.approx(0.128, abs=0.003)
    assert "all bands 100 0.128" in table
    assert "above 3 12 245" in table  # 12345 voxels in all


def test_the_ser_picture_and_the_table_have_the_same_colours(view: CaseView) -> None:
    colours = re.findall(r"background: (#[0-9a-f]{6})", case_page(view))
    assert list(dict.fromkeys(colours)) == ["#2f6bff", "#a855f7", "#22b85c", "#e53935", "#ffd60a"]


def test_the_slides_are_data_that_fit_the_pictures(view: CaseView) -> None:
    page = Page(case_page(view))
    slides = json.loads(page.scripts[0])
    slots = {attributes["data-slot"] for _, attributes in page.elements if "data-slot" in attributes}
    assert slots == {"phase0", "phase1", "phase2", "ser", "ftv", "stv"}
    assert all(slots < set(slide) for slide in slides)
    (slider,) = [element for element in page.all("input") if "data-slider" in element]
    assert int(slider["max"]) == len(slides) - 1
    first = slides[int(slider["value"])]
    shown = {image["data-slot"]: image["href"] for image in page.all("image") if "data-slot" in image}
    assert shown == {slot: first[slot] for slot in ("phase0", "phase1", "phase2", "ser")}


def test_every_picture_is_described_and_lettered(view: CaseView) -> None:
    page = Page(case_page(view))
    assert all(svg.get("aria-label") for svg in page.all("svg"))
    assert all(image.get("alt") for image in page.all("img"))
    edges = re.findall(r'class="edge (\w+)"[^>]*>(\w+)<', case_page(view))
    assert edges[:4] == [("left", "A"), ("right", "P"), ("top", "S"), ("bottom", "I")]
    assert all("aria-label" in e for e in page.all("input"))


def test_a_given_voi_is_not_called_automatic(view: CaseView) -> None:
    assert "automatic" not in words_of(case_page(view))


def test_an_automatic_voi_is_marked_wherever_a_number_depends_on_it(automatic: CaseView) -> None:
    html = case_page(automatic)
    page = Page(html)
    for section in ("images", "ser", "mips", "curve", "decided", "features"):
        assert "automatic" in page.words(section), section
    keys = html.partition('<dl class="keys">')[2].partition("</dl>")[0]
    assert keys.count("automatic VOI") == keys.count("<dt>") == 5
    assert "The volume of interest is automatic." in words_of(html).partition("Phases")[0]


def test_warnings_and_checks_that_did_not_pass_stand_before_the_numbers(view: CaseView) -> None:
    top = words_of(case_page(view).partition('<dl class="keys">')[0])
    assert "A warning of the pipeline." in top
    assert "motion: 1.8 mm; allowed: 1.5 mm. look at the skin" in top
    assert "slice gaps" not in top


def test_refused_objects_are_listed_with_what_to_do(view: CaseView) -> None:
    refusal = Refusal(Code.UNREADABLE, found="half a file", allowed="a whole one", remedy="copy it again")
    section = Page(case_page(replace(view, refused=(refusal,)))).words("decided")
    assert "unreadable-file half a file a whole one copy it again" in section
    assert "Nothing was refused." in Page(case_page(view)).words("decided")


def test_decisions_and_left_out_objects_are_told(view: CaseView) -> None:
    section = Page(case_page(replace(view, history=("One bias field.",)))).words("decided")
    assert "The phases were told apart by time. One bias field." in section
    assert "localiser 3 not part of the dynamic series" in section


def test_features_show_value_unit_code_and_why_there_is_none(view: CaseView) -> None:
    section = Page(case_page(view)).words("features")
    assert "Mean 1.23457 SD Q4LE" in section
    assert "Skewness NaN 1 KE2A all voxels are equal" in section


def test_features_are_shown_panel_by_panel_with_the_image_that_each_is_of(view: CaseView) -> None:
    section = Page(case_page(view)).words("features")
    ibsi, captk = (
        section.index("Image Biomarker Standardisation Initiative"),
        section.index("CaPTk 1.8.1, as it computed"),
    )
    assert ibsi < section.index("Skewness") < captk < section.index("T1_E_NGTDM_Coarsness 0.25 1")
    assert "as acquired" not in section
    acquired = replace(view, settings=(("features.captk_image", "acquired"),))
    section = Page(case_page(acquired)).words("features")
    assert section.count("First post-contrast image, harmonised, inside the STV") == 1
    assert section.index("First post-contrast image, as acquired, inside the STV") > section.index("CaPTk 1.8.1")


def test_provenance_names_the_software_and_its_settings(view: CaseView) -> None:
    assert "uptake 9.8.7 bias.shrink 4" in Page(case_page(view)).words("provenance")


def test_markup_in_any_text_is_shown_and_never_run(view: CaseView) -> None:
    made = replace(view.study.acquisition, manufacturer=EVIL, decisions=(EVIL,))
    evil = replace(
        view,
        study=Study(EVIL, view.study.phases, made),
        warnings=(EVIL,),
        features={"ibsi": FeatureTable((view.features["ibsi"].rows[0]._replace(name=EVIL),))},
        settings=((EVIL, EVIL),),
    )
    clean, dirty = Page(case_page(view)), Page(case_page(evil))
    assert len(dirty.all("script")) == len(clean.all("script")) == 2
    assert dirty.scripts == clean.scripts
    assert "&lt;script&gt;alert" in case_page(evil)


def test_a_case_without_tumour_has_a_page_that_says_so(view: CaseView) -> None:
    numbers = replace(
        view.ftv, ftv_pe_voxels=0, ftv_pe_cc=0.0, ftv_ser_voxels=0, ftv_ser_cc=0.0, longest_diameter_mm=0.0,
        bands=tuple(replace(band, voxels=0, cc=0.0, percent=0.0) for band in view.ftv.bands),
    )  # fmt: skip
    empty = Volume(np.zeros(view.study.grid.shape, dtype=bool), view.study.grid)
    html = case_page(replace(view, ftv=numbers, ftv_pe=empty, stv=empty, stv_numbers=None))
    assert "The FTV is empty." in words_of(html)
    assert "rest of VOI" in Page(html).words("curve")


def test_a_case_without_stv_harmonised_images_field_or_features_has_a_page(view: CaseView) -> None:
    bare = replace(view, stv=None, stv_numbers=None, harmonised=None, fields=(), features={}, findings=(), warnings=())
    page = Page(case_page(bare))
    assert "There are no harmonised images." in page.words("harmonised")
    assert "No features were computed." in page.words("features")
    assert "bias" not in page.sections
    assert 'class="alarms"' not in case_page(bare)


def test_without_times_the_curve_counts_phases(view: CaseView) -> None:
    phases = tuple(Phase(phase.volume, None) for phase in view.study.phases)
    html = case_page(replace(view, study=replace(view.study, phases=phases)))
    assert "seconds" not in Page(html).words("curve")
    assert re.search(r">phase</text>", html)
    assert "early, phase 1" in words_of(html)


def test_the_curve_shows_the_means_of_every_phase(view: CaseView) -> None:
    charts = [svg["aria-label"] for svg in Page(case_page(view)).all("svg") if svg.get("class") == "chart"]
    assert "FTV: mean 80, 140, 130" in charts[0]


def test_a_readers_stv_is_named_as_such_and_awaits_nobody(view: CaseView) -> None:
    shown = words_of(case_page(replace(view, stv_source="reader")))
    assert "STV approved by a reader" in shown
    assert "awaiting a reader" not in shown
    assert "awaiting a reader" in words_of(case_page(view))


def test_a_thumbnail_is_a_small_picture_with_the_outlines_in_their_colours(view: CaseView) -> None:
    picture = Image.open(BytesIO(thumbnail(view))).convert("RGB")
    assert max(picture.size) == 176
    pixels = np.asarray(picture).reshape(-1, 3).astype(int)
    for colour in ((0, 229, 255), (255, 179, 0)):
        assert (np.abs(pixels - colour).max(axis=1) < 40).any()


def test_the_cohort_page_counts_cases_made_refused_and_waiting(cohort_case: Callable[..., CohortCase]) -> None:
    refusals = (
        RefusedRow("C", "missing-slice", "59 slices", "60", "copy again"),
        RefusedRow("C", "slice-gap", "3 mm", "2 mm", "copy again"),
        RefusedRow("notes.dcm", "not-dicom", "text", "DICOM", "remove it", is_case=False),
    )
    cases = (cohort_case("A"), cohort_case("B", stv_source="reader", automatic_voi=True))
    shown = words_of(cohort_page(cohort(*cases, refusals=refusals)))
    assert (
        "2 of 3 cases made; 1 refused. 1 awaits a reader. 1 with an automatic VOI. 1 source or file refused besides."
        in shown
    )
    assert "missing-slice 59 slices 60 copy again" in shown


def test_every_case_has_a_picture_a_row_and_a_link_to_its_page(cohort_case: Callable[..., CohortCase]) -> None:
    html = cohort_page(cohort(cohort_case("ISPY1_1001", thumbnail=b"one"), cohort_case("a b#c", thumbnail=b"two")))
    page = Page(html)
    cards = [link["href"] for link in page.all("a") if link.get("class") == "card"]
    assert cards == ["../cases/ISPY1_1001/report.html", "../cases/a%20b%23c/report.html"]
    pictures = [base64.b64decode(image["src"].partition(",")[2]) for image in page.all("img")]
    assert pictures == [b"one", b"two"]
    assert [row["data-key"] for row in page.all("tr") if "data-key" in row] == ["ISPY1_1001", "a b#c"]
    assert all(address.startswith(("data:", "#", "../cases/", "../tables/")) for address in page.addresses)


def test_the_cohort_table_shows_the_numbers_given(cohort_case: Callable[..., CohortCase]) -> None:
    case = cohort_case(
        "A", ftv_pe_cc=21.156, ftv_ser_cc=9.5, stv_cc=None, longest_diameter_mm=85.8, failures=2, automatic_voi=True
    )
    section = Page(cohort_page(cohort(case))).words("table")
    assert "A T1 GE SIGNA 21.16 9.50 \u2013 85.8 proposal automatic VOI awaiting a reader 0 2" in section


def test_the_strips_show_the_cases_that_have_a_volume(cohort_case: Callable[..., CohortCase]) -> None:
    html = cohort_page(
        cohort(cohort_case("A", 10.0), cohort_case("B", None), cohort_case("C", 0.0), cohort_case("D", 40.0))
    )
    labels = [svg["aria-label"] for svg in Page(html).all("svg")]
    assert labels == [
        "FTV, PE rule, cc: 2 cases, median 25.00 cc",
        "FTV, PE and SER rule, cc: 2 cases, median 25.00 cc",
        "STV, cc: 2 cases, median 25.00 cc",
    ]


def test_an_empty_cohort_has_a_page() -> None:
    shown = words_of(cohort_page(cohort()))
    assert "0 of 0 cases made; 0 refused." in shown
    assert "No case was made." in shown
    assert "Nothing was refused." in shown


def test_markup_in_a_case_id_or_a_refusal_is_shown_and_never_run(cohort_case: Callable[..., CohortCase]) -> None:
    rows = (RefusedRow(EVIL, EVIL, EVIL, EVIL, EVIL),)
    page = Page(cohort_page(cohort(cohort_case(EVIL, scanner=EVIL), refusals=rows)))
    assert len(page.all("script")) == 1
    assert "%3Cscript%3E" in case_href(EVIL)


def test_a_check_that_passed_asks_for_nothing(view: CaseView) -> None:
    findings = (replace(view.findings[0], remedy="do this"), replace(view.findings[1], remedy="do that"))
    section = Page(case_page(replace(view, findings=findings))).words("checks")
    assert "do that" in section
    assert "do this" not in section


def test_the_side_and_the_visit_are_told_in_words(view: CaseView) -> None:
    made = replace(view.study.acquisition, laterality="L", visit="T2")
    shown = words_of(case_page(replace(view, study=replace(view.study, acquisition=made))))
    assert "1.5 T left breast visit T2 3 phases 24 \u00d7 20 \u00d7 10 voxels of 0.8 \u00d7 0.8 \u00d7 2 mm" in shown


def test_of_many_phases_only_those_used_and_the_last_have_their_time_written(view: CaseView) -> None:
    first, early, late = view.study.volumes
    phases = tuple(Phase(volume, 60.0 * n) for n, volume in enumerate([first, *[early] * 10, late]))
    html = case_page(replace(view, study=replace(view.study, phases=phases)))
    ticks = re.findall(
        r'class="tick"[^>]*text-anchor="middle">(\d*)<', html.partition('id="curve"')[2].partition("</svg>")[0]
    )
    assert [tick for tick in ticks if tick] == ["0", "60", "120", "660"]


def test_a_scale_bar_is_as_long_as_it_says(view: CaseView) -> None:
    html = case_page(view)
    boxes = [tuple(map(float, box.split())) for box in re.findall(r'viewBox="([^"]*)" data-full', html)]
    bars = re.findall(r'class="bar when-full" style="width: ([\d.]+)%" aria-hidden="true">(\d+) mm', html)
    assert float(bars[0][0]) / 100 * boxes[0][2] == pytest.approx(float(bars[0][1]), rel=1e-3)
    assert len(bars) == len(re.findall(r'class="panel"', html))


def test_motion_stands_on_the_page_as_acquired_and_as_corrected(view: CaseView) -> None:
    acquired, corrected = Shift(1.234, 5.678, 321), Shift(0.111, 0.222, 320)
    measured = MotionNumbers(0, "no", (PhaseMotion(1, acquired), PhaseMotion(2, Shift(None, None, 3))))
    words = Page(case_page(replace(view, motion=measured))).words("motion")
    assert "early 1.23 5.68 321" in words
    assert "late \u2013 \u2013 3" in words
    assert "as acquired" in words
    done = MotionNumbers(0, "bspline", (PhaseMotion(1, acquired, corrected, 0.876),))
    words = Page(case_page(replace(view, motion=done))).words("motion")
    assert "0.11 0.22 0.88" in words
    assert "corrected (bspline)" in words


def test_an_ftv_on_corrected_phases_is_a_warning_on_top(view: CaseView) -> None:
    assert "motion-corrected" not in words_of(case_page(view))
    corrected = replace(view, ftv=replace(view.ftv, motion_correction="rigid"))
    assert "The FTV was computed on motion-corrected phases (rigid)." in words_of(case_page(corrected))


def test_the_plots_of_a_case_are_rows_too(view: CaseView) -> None:
    rows = case_report(view).plots
    ftv = [row for row in rows if (row["plot"], row["series"]) == ("time-intensity", "FTV")]
    inside = [volume.array[view.ftv_pe.array] for volume in view.study.volumes]
    assert [row["value"] for row in ftv] == pytest.approx([float(values.mean()) for values in inside])
    assert [row["x"] for row in ftv] == [phase.time_s for phase in view.study.phases]
    assert all(row["lower"] <= row["value"] <= row["upper"] for row in ftv)  # type: ignore[operator]
    shares = [row for row in rows if (row["plot"], row["series"]) == ("histogram acquired", "early")]
    assert sum(float(row["value"]) for row in shares) == pytest.approx(1, abs=0.02)
    assert all(a["x_end"] == b["x"] for a, b in pairwise(shares))
    assert {row["plot"] for row in rows} == {"time-intensity", "histogram acquired", "histogram harmonised"}
    assert {row["plot"] for row in case_report(replace(view, harmonised=None)).plots} == {
        "time-intensity",
        "histogram acquired",
    }
