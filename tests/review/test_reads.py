"""Decisions, blind second reads, agreement and consensus."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from tests.review.conftest import Reader, ball, middle_mm, packed

from uptake.cohort import reading
from uptake.io import revisions
from uptake.review.handoff import export
from uptake.verbs import import_masks

CASE = "/api/cases/OBLIQUE"


@pytest.fixture
def asked(enter: Callable[[str], Reader]) -> tuple[Reader, Reader]:
    """AB has drawn a ball of 5 mm and asked for a second read; CD is the one who is asked."""
    ab, cd = enter("AB"), enter("CD")
    ab.save_ball("OBLIQUE", 5.0)
    assert ab.decide("OBLIQUE", "second read", 1, comment="sure?").status_code == 200
    return ab, cd


def test_an_approval_says_what_is_in_force(reader: Reader, cohort: Path) -> None:
    made = reader.save_ball("AXIAL", 5.0)
    answer = reader.decide("AXIAL", "approved", 1, comment="clear", quality=5, corrupted=False).json()
    assert (answer["state"], answer["comment"], answer["quality"]) == ("approved", "clear", 5)
    found = reading.in_force(revisions.entries(cohort, "AXIAL"))
    assert found is not None
    assert found.sha256 == made["sha256"]


@pytest.mark.parametrize(
    ("state", "more", "status"),
    [
        ("rejected", {}, 422),
        ("rejected", {"reason": " "}, 422),
        ("approved", {"revision": 9}, 404),
        ("approved", {"quality": 0}, 422),
        ("approved", {"quality": True}, 422),
        ("approved", {"corrupted": "yes"}, 422),
        ("approved", {"comment": 5}, 422),
        ("approved", {"comment": "x" * 5000}, 422),
        ("perhaps", {}, 422),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(
    reader: Reader, cohort: Path, state: str, more: dict[str, object], status: int
) -> None:
    reader.save_ball("AXIAL", 5.0)
    assert reader.decide("AXIAL", state, 1, **more).status_code == status
    assert len(revisions.entries(cohort, "AXIAL")) == 1


def test_nothing_and_an_empty_mask_cannot_be_approved(reader: Reader) -> None:
    assert reader.decide("AXIAL", "approved", 0).status_code == 422
    grid = reader.grid("AXIAL")
    assert reader.put_mask("AXIAL", np.zeros(grid.shape, np.uint8), 0).status_code == 200
    assert reader.decide("AXIAL", "approved", 1).status_code == 422
    assert reader.decide("AXIAL", "rejected", 1, reason="no tumour").status_code == 200


def test_a_decision_on_a_revision_that_is_not_the_newest_seen_is_stale(reader: Reader) -> None:
    reader.save_ball("AXIAL", 5.0)
    reader.save_ball("AXIAL", 6.0, seen=1)
    answer = reader.decide("AXIAL", "approved", 1)
    assert (answer.status_code, answer.json()["winner"]["revision"]) == (409, 2)


def test_a_blind_reader_is_shown_nothing_of_the_first_read(
    asked: tuple[Reader, Reader], enter: Callable[[str], Reader], cohort: Path
) -> None:
    ab, cd = asked
    first = revisions.entries(cohort, "OBLIQUE")[0]
    seen = cd.client.get(CASE).json()
    assert seen["blind"] is True
    assert seen["reader"]["history"] == []
    assert seen["consensus"] is None
    assert [start["name"] for start in seen["starts"]] == ["stv_proposal"]
    for path in (f"{CASE}/revisions/{first.number}", f"{CASE}/agreement", f"{CASE}/report", f"{CASE}/combined/union"):
        assert cd.client.get(path).status_code == 403, path
    assert "AB" not in cd.client.get("/api/audit.csv").text
    assert "AB" not in enter("").client.get("/api/audit.csv").text, "a session without a name opens nothing either"
    body = np.zeros(cd.grid("OBLIQUE").shape, np.uint8)
    assert cd.put_mask("OBLIQUE", body, 0, chain="consensus").status_code == 403
    assert ab.client.get(f"{CASE}/revisions/{first.number}").status_code == 200


def test_a_blind_reader_gets_a_picture_without_the_first_readers_outline(
    asked: tuple[Reader, Reader], cohort: Path
) -> None:
    ab, cd = asked
    (cohort / "cases/OBLIQUE/features.csv").write_text("name,stv_source\nvolume,reader\n")
    shown = [browser.client.get(f"{CASE}/thumbnail").content for browser in (ab, cd)]
    assert shown[0] == (cohort / "cases/OBLIQUE/thumbnail.png").read_bytes()
    picture = np.asarray(Image.open(io.BytesIO(shown[1])))
    assert (picture.ndim, max(picture.shape) <= 160) == (2, True)
    row, column = np.unravel_index(int(picture.argmax()), picture.shape)
    height, width = picture.shape
    assert abs(row / height - 0.5) < 0.2, "the lesion lies in the middle"
    assert abs(column / width - 0.5) < 0.2


def test_a_blind_reader_who_asks_for_a_second_read_herself_is_still_shown_nothing(asked: tuple[Reader, Reader]) -> None:
    cd = asked[1]
    cd.save_ball("OBLIQUE", 6.0)
    assert cd.decide("OBLIQUE", "second read", 1).status_code == 200
    seen = cd.client.get(CASE).json()
    assert (seen["blind"], {row["reader"] for row in seen["reader"]["history"]}) == (True, {"CD"})


def test_after_both_reads_the_pair_is_compared(asked: tuple[Reader, Reader], cohort: Path) -> None:
    ab, cd = asked
    cd.approve_ball("OBLIQUE", 6.0)
    assert [e.blind for e in revisions.entries(cohort, "OBLIQUE") if e.reader == "CD"] == [True, True]
    assert cd.client.get(f"{CASE}/agreement").json()["pairs"] == [], "AB has not decided herself"
    ab.decide("OBLIQUE", "approved", 1)
    (pair,) = cd.client.get(f"{CASE}/agreement").json()["pairs"]
    grid = ab.grid("OBLIQUE")
    small, large = (np.count_nonzero(ball(grid, middle_mm(grid), radius)) for radius in (5.0, 6.0))
    assert pair["dice"] == pytest.approx(2 * small / (small + large))
    assert (pair["volume_a_cc"], pair["volume_b_cc"]) == (pytest.approx(small / 1000), pytest.approx(large / 1000))
    assert 0.5 < pair["mean_surface_distance_mm"] < 1.5
    (row,) = csv.DictReader(io.StringIO(ab.client.get("/api/agreement.csv").text))
    assert (row["case_id"], row["a"], row["b"]) == ("OBLIQUE", "AB", "CD")
    assert float(row["dice"]) == pytest.approx(pair["dice"])


def test_a_blind_second_mask_replaces_nobodys_and_the_consensus_replaces_both(
    asked: tuple[Reader, Reader], cohort: Path
) -> None:
    ab, cd = asked
    ab.decide("OBLIQUE", "approved", 1)
    cd.approve_ball("OBLIQUE", 6.0)
    force = reading.in_force(revisions.entries(cohort, "OBLIQUE"))
    assert force is not None
    assert force.chain == "AB" or force.blind is False
    start = next(s for s in cd.client.get(f"{CASE}/agreement").json()["starts"] if s["name"] == "intersection")
    image = nib.Nifti1Image.from_bytes(cd.client.get(start["url"] + "?raw=1").content)
    both = np.asanyarray(image.dataobj).astype(np.uint8)
    saved = cd.put_mask("OBLIQUE", both, 0, chain="consensus", active=4)
    assert (saved.json()["chain"], saved.json()["reader"], saved.json()["revision"]) == ("consensus", "CD", 1)
    assert cd.decide("OBLIQUE", "approved", 1, chain="consensus").status_code == 200
    force = reading.in_force(revisions.entries(cohort, "OBLIQUE"))
    assert force is not None
    assert force.chain == "consensus"
    assert ab.client.get(CASE).json()["consensus"]["state"] == "approved"


def test_a_blind_reader_who_imports_her_mask_replaces_nobodys(
    asked: tuple[Reader, Reader], cohort: Path, tmp_path: Path
) -> None:
    asked[0].decide("OBLIQUE", "approved", 1)
    export(cohort, "itk-snap", ["OBLIQUE"], tmp_path / "desk", "CD")
    assert import_masks(cohort, tmp_path / "desk", as_="reader", reader="CD").imported == ("OBLIQUE",)
    entries = revisions.entries(cohort, "OBLIQUE")
    assert [e.blind for e in entries if e.reader == "CD"] == [True, True]
    force = reading.in_force(entries)
    assert force is not None
    assert force.chain == "AB"


def test_a_readers_name_that_begins_like_a_formula_is_text_in_the_agreement(enter: Callable[[str], Reader]) -> None:
    for name in ("=AB", "CD"):
        enter(name).approve_ball("AXIAL", 5.0)
    (row,) = csv.DictReader(io.StringIO(enter("CD").client.get("/api/agreement.csv").text))
    assert (row["a"], row["b"], float(row["dice"])) == ("'=AB", "CD", 1.0)


def test_a_draft_of_the_consensus_is_nobodys_own_and_hidden_from_a_blind_reader(asked: tuple[Reader, Reader]) -> None:
    ab, cd = asked
    body = packed(np.zeros(ab.grid("OBLIQUE").shape, np.uint8))
    assert ab.put(f"{CASE}/draft", body, 0, chain="consensus").status_code == 200
    seen = ab.client.get(CASE).json()
    assert seen["draft"] is None
    assert ab.client.get(seen["consensus_draft"]["url"]).status_code == 200
    assert cd.client.get(CASE).json()["consensus_draft"] is None
    assert cd.client.get(seen["consensus_draft"]["url"]).status_code == 403


def test_a_revision_can_be_looked_at_and_started_from(reader: Reader) -> None:
    made = reader.save_ball("OBLIQUE", 5.0)
    start = reader.client.get(CASE).json()["starts"][0]
    assert (start["name"], start["parent"], start["url"]) == ("revision", "AB:1", made["url"])
    assert reader.client.get(start["url"]).status_code == 200


def test_volumes_are_those_of_the_table_and_lie_on_the_1_mm_grid(reader: Reader, cohort: Path) -> None:
    seen, grid = reader.client.get(CASE).json(), reader.grid("OBLIQUE")
    assert [phase["name"] for phase in seen["phases"]] == ["pre", "early", "late"]
    assert [phase["time_s"] for phase in seen["phases"]] == [0.0, 90.0, 180.0]
    assert seen["window"]["low"] < seen["window"]["high"]
    for item in (*seen["phases"], *seen["starts"]):
        image = nib.Nifti1Image.from_bytes(reader.client.get(item["url"] + "?raw=1").content)
        assert image.shape == grid.shape
        assert np.allclose(image.affine, grid.affine, atol=1e-4)
    assert reader.client.get(f"{CASE}/volumes/stv_predicted").status_code == 404
    assert reader.client.get(f"{CASE}/volumes/study").status_code == 404


def test_a_networks_mask_is_offered_before_the_proposal(reader: Reader, cohort: Path) -> None:
    masks = cohort / "cases/OBLIQUE/masks"
    (masks / "stv_predicted.nii.gz").write_bytes((masks / "stv_proposal.nii.gz").read_bytes())
    starts = reader.client.get(CASE).json()["starts"]
    assert [start["name"] for start in starts] == ["stv_predicted", "stv_proposal"]
    assert reader.client.get(starts[0]["url"]).status_code == 200
