"""Motion correction through the whole run: off unless asked for, said wherever its numbers stand, and undone again."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

import uptake

CASE = "PHANTOM-0001"


def test_corrected_phases_are_used_and_named_and_gone_again_when_no_longer_asked_for(
    phantoms: Path, tmp_path: Path
) -> None:
    cohort = tmp_path / "cohort"
    case = cohort / "cases" / CASE
    assert uptake.run(phantoms / CASE, cohort, jobs=1).ok
    raw = json.loads((case / "ftv.json").read_text())
    assert raw["motion_correction"] == "no"
    assert len(json.loads((case / "motion.json").read_text())["phases"]) == 2

    assert uptake.run((), cohort, jobs=1, motion={"correct": "rigid"}).ok
    assert json.loads((case / "ftv.json").read_text())["motion_correction"] == "rigid"
    assert "computed on motion-corrected phases (rigid)" in (case / "report.html").read_text("utf-8")
    pre, early = (np.asarray(nib.load(case / f"aligned/{CASE}_000{n}.nii.gz").dataobj) for n in (0, 1))
    pe = np.asarray(nib.load(case / "maps/pe.nii.gz").dataobj)
    bright = pre > 100
    np.testing.assert_allclose(pe[bright], 100 * (early[bright] / pre[bright] - 1), rtol=1e-3, atol=1e-2)
    checks = {row["check"] for row in json.loads((case / "checks.json").read_text())}
    assert {"motion of phase 1", "no folding in phase 2", "lesion kept in phase 1"} <= checks

    assert uptake.run((), cohort, jobs=1, motion={"correct": "no"}).ok
    assert json.loads((case / "ftv.json").read_text()) == raw
    assert not list(case.glob("aligned/*.nii.gz")) + list(case.glob("maps/jacobian*"))
