"""Whole stories: deciding, racing readers, dying servers and tabs, keyboard only, hostile words."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.review.browser.conftest import Page, Running
from tests.review.conftest import GRIDS, middle_mm

from uptake import verbs
from uptake.io import revisions

EVIL = "<img src=x onerror=\"document.title='gone'\"><script>document.title='gone'</script>"


def drawn(page: Page, case_id: str, up: bool = True) -> float:
    """One pen stroke through the middle of an empty mask; the volume after it."""
    centre = middle_mm(GRIDS[case_id])
    page.go(centre)
    page.press("Delete", "p")
    page.stroke(page.pixel(centre, "axial"), page.pixel(centre + np.array((5.0, 0, 0)), "axial"), up=up)
    return page.volumes[0]


def actions(cohort: Path, case_id: str) -> list[str]:
    return [entry.action for entry in revisions.entries(cohort, case_id)]


def test_a_reader_works_with_the_keyboard_alone(page: Page, cohort: Path) -> None:
    page.open("/")
    page.press("ArrowDown", "Enter")
    page.until("document.body?.dataset.loaded", "all")
    case_id = page.ask("uptake.caseId")
    assert case_id == "OBLIQUE", "the second of the list"
    page.press("y")
    page.until("uptake.of.images.state", "accepted")
    page.press("Delete", "p", "]", "]", "Enter", "PageUp", "PageUp", "Enter", "PageDown", "i")
    edits = page.ask("uptake.editor.history.edits.map((e) => e.name)")
    assert edits == ["clear", "pen", "pen", "interpolate"]
    page.press("d", "c", "Enter", *["ArrowLeft"] * 6, "Enter", *["ArrowUp"] * 6, "Enter", "'")
    assert page.ask("uptake.editor.history.edits.at(-1).name") == "contour"
    page.save()
    page.press("Shift+Enter")
    page.until("uptake.of.reader.state", "approved")
    assert actions(cohort, case_id) == ["images accepted", "saved", "approved"], "what is saved is not saved again"
    page.press("?")
    assert page.ask("document.querySelector('dialog .keys').textContent.includes('approve')")
    page.press("Escape", "n")
    page.until("globalThis.uptake?.caseId", "SAGITTAL")  # the next that waits


def test_undoing_another_start_takes_back_what_the_mask_is_said_to_be_drawn_from(page: Page) -> None:
    page.case("AXIAL")
    first = page.ask("uptake.editor.start")
    page.ask("uptake.startFrom({ label: 'an empty mask', parent: 'blank' })")
    assert page.ask("uptake.editor.start") == "blank"
    page.press("Control+z")
    assert page.ask("uptake.editor.start") == first
    page.press("Control+y")
    assert page.ask("uptake.editor.start") == "blank"


def test_images_are_rejected_only_with_a_reason_in_the_same_log(page: Page, cohort: Path) -> None:
    page.case("AXIAL")
    page.press("Shift+Y")
    page.until("document.querySelectorAll('dialog[open]').length", 1)
    page.tab.fill("dialog textarea", "arm moved")
    page.tab.click("dialog [data-action=ok]")
    page.until("uptake.of.images.state", "rejected")
    assert revisions.entries(cohort, "AXIAL")[-1].reason == "motion between phases: arm moved"


def test_a_rejection_needs_a_reason_and_is_in_the_log_with_rating_and_corruption(page: Page, cohort: Path) -> None:
    page.case("AXIAL")
    page.tab.click("[data-quality='2']")
    page.tab.click("text=Image is corrupted")
    page.press("Shift+R")
    page.until("document.querySelectorAll('dialog[open]').length", 1)
    page.tab.click("dialog [data-action=ok]")
    assert "needed" in page.ask("document.querySelector('dialog .wrong').textContent")
    page.tab.fill("dialog textarea", "not a lesion")
    page.tab.click("dialog [data-action=ok]")
    page.until("uptake.of.reader.state", "rejected")
    last = revisions.entries(cohort, "AXIAL")[-1]
    assert (last.action, last.reason, last.quality, last.corrupted) == ("rejected", "not a lesion", 2, True)
    page.tab.click("[data-act=takeBack]")
    page.until("uptake.of.reader.state", "waiting")
    assert actions(cohort, "AXIAL") == ["rejected", "waiting"]
    page.until("uptake.decider.busy", False)
    page.tab.click("text=Image is corrupted")
    page.press("y")
    page.until("uptake.of.images.state", "accepted")
    assert revisions.entries(cohort, "AXIAL")[-1].corrupted is False, "a mark that is taken out stays out"


def test_a_script_in_a_comment_is_shown_as_text(page: Page, tabs: Callable[..., Page], link: str) -> None:
    page.case("AXIAL")
    page.tab.fill("#panel textarea", EVIL)
    page.ask("document.activeElement.blur()")
    page.press("Shift+Enter")
    page.until("uptake.of.reader.state", "approved")
    assert page.ask("[...document.querySelectorAll('.said')].some((e) => e.textContent.includes('<script>'))")
    assert page.ask("document.querySelectorAll('#panel img, #panel script').length") == 0
    assert page.ask("document.title") == "AXIAL"
    other = tabs(link, EVIL[:60]).open("/")
    assert other.ask("document.querySelector('#reader').textContent") == EVIL[:60]
    assert other.ask("document.querySelectorAll('header img').length") == 0


def test_of_two_who_race_the_second_is_told_who_won_and_both_revisions_stay(
    page: Page, tabs: Callable[..., Page], link: str, cohort: Path
) -> None:
    other = tabs(link, "AB")
    for one in (page, other):
        one.case("AXIAL")
        drawn(one, "AXIAL")
    page.save()
    other.press("s")
    other.until("document.querySelectorAll('dialog[open]').length", 1)
    words = other.ask("document.querySelector('dialog').textContent")
    assert "Another save came first" in words
    assert "AB saved revision 1" in words
    assert actions(cohort, "AXIAL") == ["saved"], "nothing was written over"
    other.tab.click("dialog [data-action=over]")
    other.until("uptake.chain.revision", 2)
    assert [e.revision for e in revisions.entries(cohort, "AXIAL")] == [1, 2]


def test_a_tab_whose_browser_reads_under_another_name_by_now_saves_nothing_in_that_name(
    page: Page, tabs: Callable[..., Page], link: str, cohort: Path
) -> None:
    page.case("AXIAL")
    tabs(link, "CD", page.tab.context)
    volume = drawn(page, "AXIAL")
    page.until("document.body?.dataset.kept", "refused")
    assert "reads as CD" in page.ask("document.querySelector('#kept').textContent")
    assert (dict(revisions.drafts(cohort)), actions(cohort, "AXIAL")) == ({}, [])
    again = tabs(link, "AB", page.tab.context).case("AXIAL")
    assert again.volumes[0] == pytest.approx(volume), "her strokes are kept in the browser"


def test_a_mask_is_approved_as_it_is_on_the_screen_and_no_newer_one(
    page: Page, tabs: Callable[..., Page], link: str, cohort: Path
) -> None:
    page.case("AXIAL")
    drawn(page, "AXIAL")
    page.save()
    other = tabs(link, "AB").case("AXIAL")
    drawn(other, "AXIAL")
    other.press("Delete", "p", "]", "Enter")
    other.save()
    page.press("y")
    page.until("uptake.of.reader.revision", 2)
    page.until("uptake.decider.busy", False)
    page.press("Shift+Enter")
    page.until("document.querySelectorAll('.note.bad').length", 1)
    assert actions(cohort, "AXIAL") == ["saved", "saved", "images accepted"]


def test_second_readers_are_blind_then_compared_and_find_a_consensus(
    page: Page, tabs: Callable[..., Page], link: str, cohort: Path
) -> None:
    page.case("AXIAL")
    drawn(page, "AXIAL")
    page.press("Shift+D")
    page.until("uptake.of.state", "second read")
    other = tabs(link, "CD").case("AXIAL")
    assert other.ask("uptake.of.blind")
    assert other.ask("document.querySelector('#panel .history').textContent") == "nothing yet"
    drawn(other, "AXIAL")
    other.press("Shift+Enter")
    other.until("uptake.of.reader.state", "approved")
    page.case("AXIAL").press("Shift+Enter")
    page.until("uptake.of.reader.state", "approved")
    other.case("AXIAL")
    other.until("document.querySelectorAll('#panel table.small tbody tr').length", 1)
    assert "AB / CD" in other.ask("document.querySelector('#panel table.small').textContent")
    other.case("AXIAL", "?chain=consensus")
    other.until("document.querySelectorAll('[data-start=majority]').length", 1)
    other.tab.click("[data-start=union]")
    other.until("uptake.editor.start", "union")
    other.save()
    other.press("Shift+Enter")
    other.until("uptake.of.consensus.state", "approved")
    assert [e.chain for e in revisions.entries(cohort, "AXIAL")][-2:] == ["consensus", "consensus"]


def test_a_closed_tab_loses_no_stroke(page: Page, tabs: Callable[..., Page], link: str) -> None:
    page.case("SAGITTAL")
    volume = drawn(page, "SAGITTAL", up=False)  # the button is still down
    time.sleep(1.5)
    context = page.tab.context
    page.tab.close(run_before_unload=False)
    again = tabs(link, "AB", context).case("SAGITTAL")
    assert again.volumes[0] == pytest.approx(volume)
    assert volume > 0


def test_a_server_that_dies_in_a_stroke_and_in_a_save_loses_nothing(
    running: Running, tabs: Callable[..., Page], cohort: Path
) -> None:
    page = tabs(running.start(), "AB").case("OBLIQUE")
    centre = middle_mm(GRIDS["OBLIQUE"])
    drawn(page, "OBLIQUE", up=False)
    running.kill()
    page.tab.mouse.move(*page.pixel(centre + np.array((0, 6.0, 0)), "axial"))
    page.tab.mouse.up()
    volume = page.volumes[0]
    page.press("s")
    page.until("document.querySelectorAll('.note.bad').length > 0")
    assert "can't be reached" in page.ask("document.querySelector('.note.bad').textContent")
    page.until("document.body?.dataset.kept", "away")
    assert actions(cohort, "OBLIQUE") == []

    context = page.tab.context
    page.tab.close(run_before_unload=False)
    again = tabs(running.start(), "AB", context).case("OBLIQUE")
    assert again.volumes[0] == pytest.approx(volume)
    assert again.ask("document.querySelector('#notes').textContent").startswith("Restored")
    again.save()
    running.kill()
    (entry,) = revisions.entries(cohort, "OBLIQUE")
    assert entry.volume_cc == pytest.approx(volume)


def test_a_draft_on_the_server_is_restored_in_another_browser(page: Page, tabs: Callable[..., Page], link: str) -> None:
    page.case("AXIAL")
    volume = drawn(page, "AXIAL")
    page.until("document.body?.dataset.kept", "saved")
    other = tabs(link, "AB").case("AXIAL")
    assert other.volumes[0] == pytest.approx(volume)
    other.open("/")
    assert other.ask("document.querySelector('tr[data-case=AXIAL] .chip').textContent") == "draft"
    other.press("n")
    other.until("globalThis.uptake?.caseId", "AXIAL")


def test_a_mask_comes_back_from_a_desktop_tool(page: Page, cohort: Path, tmp_path: Path) -> None:
    page.case("AXIAL")
    file = tmp_path / "back.nii.gz"
    shutil.copyfile(cohort / "cases/AXIAL/masks/stv_proposal.nii.gz", file)
    page.tab.click("[data-act=upload]")
    page.tab.set_input_files("dialog input[type=file]", file)
    page.tab.click("dialog [data-action=ok]")
    page.until("uptake.keeper?.base", 1)
    page.until("uptake.decider.busy", False)
    assert actions(cohort, "AXIAL") == ["imported"]
    page.press("Shift+Enter")
    page.until("uptake.of.reader.state", "approved")
    assert actions(cohort, "AXIAL") == ["imported", "approved"], "what came back is approved itself, not drawn anew"
    page.until("uptake.decider.busy", False)
    page.tab.click("[data-act=upload]")
    page.tab.set_input_files("dialog input[type=file]", cohort / "cases/SAGITTAL/masks/stv_proposal.nii.gz")
    page.tab.click("dialog [data-action=ok]")
    page.until("document.querySelectorAll('.note.bad').length", 1)
    assert page.ask("uptake.of.reader.revision") == 1, "a mask on another grid is refused"
    with page.tab.expect_download() as download:
        page.tab.click("[data-act=itksnap]")
    assert download.value.suggested_filename.endswith(".zip")


def test_two_hundred_cases_are_listed_filtered_and_sorted(page: Page) -> None:
    states = ["waiting", "draft", "approved", "rejected", "second read"]
    cases = [
        {"case_id": f"CASE-{n}", "state": states[n % 5], "images": "unseen", "reader": None, "ftv_cc": float(n),
         "stv_cc": None if n == 7 else 200.0 - n, "stv_source": "proposal", "flags": [], "open_by": [], "blind": False,
         "thumbnail": "/favicon.ico", "quality": None, "corrupted": None}
        for n in range(1, 201)
    ]  # fmt: skip
    refused = [{"case_id": "BAD", "code": "missing-slice", "found": "slice 3 is missing", "remedy": "export again"}]
    page.tab.route("**/api/cases", lambda route: route.fulfill(json={"cases": cases, "refused": refused}))
    page.open("/")
    rows = "[...document.querySelectorAll('#cases tbody tr')].map((tr) => tr.dataset.case)"
    assert page.ask(rows) == [f"CASE-{n}" for n in range(1, 201)], "numbers in names are sorted as numbers"
    page.tab.click("th[data-column=stv_cc] button")
    assert page.ask(rows)[0] == "CASE-200"
    assert page.ask(rows)[-1] == "CASE-7", "a case without a number is last"
    page.tab.click("#states [data-state=rejected]")
    assert page.ask(f"({rows}).length") == 40
    page.press("/")
    page.tab.keyboard.type("case-14")
    assert page.ask(rows) == ["CASE-148", "CASE-143"]
    assert page.ask("document.querySelector('#shown').textContent") == "2 of 200 cases"
    assert "BAD slice 3 is missing. export again" in page.ask("document.querySelector('#refused').textContent")


def test_approving_makes_the_next_run_use_the_readers_mask(
    phantoms: Path, tmp_path: Path, tabs: Callable[..., Page]
) -> None:
    cohort = tmp_path / "cohort"
    verbs.run([phantoms], cohort, cases=["PHANTOM-0001"], jobs=1)
    source = cohort / "cases/PHANTOM-0001/features.csv"
    assert first(source)["stv_source"] != "reader"
    server = Running(cohort)
    try:
        page = tabs(server.start(), "AB").case("PHANTOM-0001")
        before = page.ask("uptake.voi.ftv().ftv_pe_cc")
        first_, last = page.ask("[uptake.of.voi.box.first, uptake.of.voi.box.last]")
        page.tab.click("[data-act=voi]")
        page.tab.fill(
            "dialog input[name=last]", ", ".join(str((a + b) // 2) for a, b in zip(first_, last, strict=True))
        )
        page.tab.click("dialog [data-action=ok]")
        page.until("uptake.voi.state() !== null")
        assert page.ask("uptake.voi.ftv().ftv_pe_cc") < before, "half the box holds less of the tumour"
        page.until("document.querySelector('#panel .curve .line') !== null")
        page.until("document.querySelector('#panel').textContent.includes('changed here')")
        page.press("+", "Shift+Enter")
        page.until("uptake.of.reader.state", "approved")
        volume = page.volumes[0]
    finally:
        server.kill()
    verbs.run([], cohort, jobs=1)
    assert first(source)["stv_source"] == "reader"
    (entry,) = [e for e in revisions.entries(cohort, "PHANTOM-0001") if e.action == "saved"]
    assert entry.volume_cc == pytest.approx(volume)


def first(table: Path) -> dict[str, str]:
    with table.open(newline="") as handle:
        return next(csv.DictReader(handle))


def test_the_session_is_asked_for_a_name_once(tabs: Callable[..., Page], link: str, browser: object) -> None:
    page = tabs(link, "EF")
    headers = {"X-Uptake": "1", "Origin": page.base, "Content-Type": "application/json"}
    assert json.loads(page.tab.request.get(f"{page.base}/api/session").text())["reader"] == "EF"
    page.open("/")
    page.tab.click("#reader")
    page.tab.fill("dialog input", "GH")
    page.tab.click("dialog [data-action=ok]")
    page.until("document.querySelector('#reader')?.textContent", "GH")
    assert page.tab.request.put(f"{page.base}/api/session", data="{}", headers=headers).status >= 400
