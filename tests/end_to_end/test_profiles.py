"""The published release's processing through a whole run, and back to the default."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import uptake
from uptake import verbs
from uptake.study import SettingsError

CASE = "PHANTOM-0001"
FLAT, SCORED = "images_bias-corrected_nifti", "images_bias-corrected_resampled_zscored_nifti"


def test_the_release_profile_gives_its_images_under_its_names_and_the_same_ftv(phantoms: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    case = cohort / "cases" / CASE
    assert uptake.run(phantoms / CASE, cohort, jobs=1, profile="ispy1-release").ok
    assert len(list(case.glob("maps/bias_*.nii.gz"))) == 3
    scored = []
    for phase in range(3):
        flat = nib.load(case / f"published/{FLAT}/{CASE}/{CASE}_DCE_{phase:04d}_N3.nii.gz")
        assert flat.get_data_dtype() == np.int16
        values = np.asarray(flat.dataobj)
        assert (values.min(), values.max()) == (0, 32767)
        assert values.shape == nib.load(case / f"native/{CASE}_0000.nii.gz").shape
        scored.append(
            np.asarray(nib.load(case / f"published/{SCORED}/{CASE}/{CASE}_DCE_{phase:04d}_N3_zscored.nii.gz").dataobj)
        )
        assert np.array_equal(scored[-1], np.asarray(nib.load(case / f"harmonised/{CASE}_{phase:04d}.nii.gz").dataobj))
    # As in the published files: one minimum in all three phases.
    assert len({float(image.min()) for image in scored}) == 1
    ftv = json.loads((case / "ftv.json").read_text())

    assert uptake.run((), cohort, jobs=1).cases[0].done == ()
    assert uptake.run((), cohort, jobs=1, profile="default").ok
    assert json.loads((case / "ftv.json").read_text()) == ftv
    assert not list(case.rglob("*_N3*.nii.gz"))
    assert len(list(case.glob("maps/bias*.nii.gz"))) == 1


def test_a_setting_given_with_a_profile_wins_over_it() -> None:
    shown = {f"{i.section}.{i.name}": i for i in verbs.config(profile="ispy1-release", bias={"shared": True}).items}
    assert (shown["bias.shared"].value, shown["bias.shared"].origin) == (True, "command line")
    assert (shown["rescale.phases"].value, shown["rescale.phases"].origin) == ("int16", "profile ispy1-release")


def test_an_unknown_profile_is_wrong_usage(phantoms: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean"):
        uptake.run(phantoms, tmp_path / "cohort", profile="ispy1-releas")
