"""IBSI's phantoms and reference values, which are not part of the project."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from uptake.features import Features, FeatureTable, extract
from uptake.volume import Grid, Volume

GREY_LEVELS = Features(discretisation="fixed-bin-size", bin_width=1, ivh_discretisation="none")
CONFIGURATION_A = Features(
    resegment_range=(-500, 400), discretisation="fixed-bin-size", bin_width=25, ivh_discretisation="none"
)


@dataclass(frozen=True)
class Reference:
    """A value of the IBSI tables, given to three significant digits, and its tolerance."""

    value: float
    tolerance: float

    def meets(self, value: float) -> bool:
        return abs(float(f"{value:.3g}") - self.value) <= self.tolerance + 1e-9 * abs(self.value)


@pytest.fixture(scope="session")
def ibsi(shared_data: Path) -> Path:
    if not (shared_data / "ibsi").is_dir():
        pytest.skip("the IBSI phantoms and reference values are not on this machine")
    return shared_data / "ibsi"


@pytest.fixture(scope="session")
def references(ibsi: Path) -> Callable[[str], dict[str, Reference | None]]:
    """The reference values of one table by IBSI tag; None where IBSI gives none."""

    def read(name: str) -> dict[str, Reference | None]:
        with (ibsi / "ibsi_1_reference_values" / f"ibsi_1_{name}.csv").open(encoding="utf-8", newline="") as file:
            return {row["tag"]: _reference(row) for row in csv.DictReader(file, delimiter=";")}

    return read


@pytest.fixture(scope="session")
def digital_phantom(ibsi: Path) -> FeatureTable:
    """All features of the digital phantom."""
    return extract(*_phantom(ibsi / "ibsi_1_digital_phantom"), GREY_LEVELS)


@pytest.fixture(scope="session")
def configuration_a(ibsi: Path) -> FeatureTable:
    """All features of the CT phantom in configuration A: no interpolation, [-500, 400] HU, bins of 25 HU."""
    return extract(*_phantom(ibsi / "ibsi_1_ct_radiomics_phantom"), CONFIGURATION_A)


def _phantom(folder: Path) -> tuple[Volume, Volume]:
    image = nib.load(folder / "nifti" / "image" / "phantom.nii.gz")
    mask = nib.load(folder / "nifti" / "mask" / "mask.nii.gz")
    volume = Volume(np.asarray(image.dataobj), Grid(image.shape, image.affine))
    return volume, Volume(np.asarray(mask.dataobj) == 1, Grid(mask.shape, mask.affine))


def _reference(row: dict[str, str]) -> Reference | None:
    if not row["reference value"]:
        return None
    return Reference(float(row["reference value"]), float(row["tolerance"]))
