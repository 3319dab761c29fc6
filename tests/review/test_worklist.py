"""The worklist says how every case stands, quickly."""

from __future__ import annotations

import csv
import io
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.review.conftest import Reader

from uptake.io.store import Cohort
from uptake.review.worklist import Worklist


def rows(reader: Reader) -> dict[str, dict[str, object]]:
    return {row["case_id"]: row for row in reader.client.get("/api/cases").json()["cases"]}


def test_a_case_that_nobody_has_looked_at_waits(reader: Reader) -> None:
    row = rows(reader)["AXIAL"]
    assert (row["state"], row["images"], row["reader"], row["open_by"]) == ("waiting", "unseen", None, [])
    assert row["stv_cc"] == pytest.approx(0.9, abs=0.2), "a ball of 6 mm on 1.5 x 1.5 x 3 mm voxels"
    assert row["stv_source"] != "reader"
    assert row["flags"] == [{"check": "spacing", "level": "warn", "text": "<b>odd</b>", "remedy": ""}]
    assert reader.client.get(str(row["thumbnail"])).headers["content-type"] == "image/png"


def test_states_follow_what_readers_do(enter: Callable[[str], Reader]) -> None:
    ab, cd = enter("AB"), enter("CD")
    ab.approve_ball("AXIAL", 5.0)
    ab.save_ball("SAGITTAL", 5.0)
    ab.save_ball("OBLIQUE", 5.0)
    ab.decide("OBLIQUE", "second read", 1)
    found = rows(cd)
    assert {name: row["state"] for name, row in found.items()} == {
        "AXIAL": "approved",
        "SAGITTAL": "draft",
        "OBLIQUE": "second read",
    }
    assert (found["AXIAL"]["stv_source"], found["AXIAL"]["reader"]) == ("reader", "AB")
    assert found["OBLIQUE"]["blind"] is True
    assert found["OBLIQUE"]["reader"] is None, "who reads blind is not told who read before"
    assert rows(ab)["OBLIQUE"]["blind"] is False


def test_who_has_a_case_open_is_told_to_the_others(enter: Callable[[str], Reader]) -> None:
    ab, cd = enter("AB"), enter("CD")
    assert ab.client.post("/api/cases/AXIAL/open").json() == {"open_by": []}
    assert cd.client.post("/api/cases/AXIAL/open").json() == {"open_by": ["AB"]}
    assert rows(cd)["AXIAL"]["open_by"] == ["AB"]
    ab.client.post("/api/cases/AXIAL/close")
    assert rows(cd)["AXIAL"]["open_by"] == []


def test_a_case_without_harmonised_images_is_not_in_the_list(reader: Reader, cohort: Path) -> None:
    shutil.rmtree(cohort / "cases/OBLIQUE/harmonised")
    assert set(rows(reader)) == {"AXIAL", "SAGITTAL"}
    assert reader.client.get("/api/cases/OBLIQUE").status_code == 404


def test_refused_cases_are_named_beside_the_list(reader: Reader, cohort: Path) -> None:
    assert reader.client.get("/api/cases").json()["refused"] == []
    (cohort / "tables").mkdir()
    table = "case_id,source,code,found,allowed,remedy\nLOST,,missing-slice,a gap,none,look\n"
    (cohort / "tables/refusals.csv").write_text(table)
    (row,) = reader.client.get("/api/cases").json()["refused"]
    assert (row["case_id"], row["code"], row["found"]) == ("LOST", "missing-slice", "a gap")


def test_a_run_beside_the_review_is_seen(reader: Reader, cohort: Path) -> None:
    before = rows(reader)["AXIAL"]["ftv_cc"]
    (cohort / "cases/AXIAL/ftv.json").write_text('{"ftv_ser_cc": 12.5}')
    assert (before, rows(reader)["AXIAL"]["ftv_cc"]) == (None, 12.5)


def test_images_are_judged_with_a_reason_and_a_rating_in_the_same_log(reader: Reader) -> None:
    path = "/api/cases/AXIAL/images"
    assert reader.client.put(path, json={"state": "rejected"}).status_code == 422
    assert reader.client.put(path, json={"state": "fine"}).status_code == 422
    assert reader.client.put(path, json={"state": "rejected", "reason": "x", "quality": 6}).status_code == 422
    answer = reader.client.put(path, json={"state": "rejected", "reason": "moved", "quality": 2, "corrupted": True})
    assert answer.json() == {"state": "rejected", "reason": "moved"}
    row = rows(reader)["AXIAL"]
    assert (row["images"], row["quality"], row["corrupted"]) == ("rejected", 2, True)
    table = list(csv.DictReader(io.StringIO(reader.client.get("/api/audit.csv").text)))
    assert [(r["action"], r["reason"], r["quality"], r["corrupted"]) for r in table] == [
        ("images rejected", "moved", "2", "true")
    ]


def test_the_log_as_csv_keeps_a_formula_as_text(reader: Reader) -> None:
    reader.client.put("/api/cases/AXIAL/images", json={"state": "rejected", "reason": "=HYPERLINK(1)"})
    (row,) = csv.DictReader(io.StringIO(reader.client.get("/api/audit.csv").text))
    assert row["reason"] == "'=HYPERLINK(1)"
    assert (row["reader"], row["case_id"], row["when"][-6:]) == ("AB", "AXIAL", "+00:00")


def test_two_hundred_cases_are_listed_in_a_second(cohort: Path) -> None:
    for number in range(200):
        name = f"CASE-{number:04d}"
        folder = shutil.copytree(cohort / "cases/AXIAL", cohort / "cases" / name)
        for path in (folder / "harmonised").glob("*.nii.gz"):
            path.rename(path.with_name(path.name.replace("AXIAL", name)))
    worklist = Worklist(Cohort(cohort))
    began = time.process_time()
    found = worklist.rows("AB", {})
    first = time.process_time() - began
    began = time.process_time()
    again = worklist.rows("AB", {})
    assert len(found) == 203
    assert found == again
    assert (first, time.process_time() - began) < (1.0, 0.3)
