"""IBSI's phantoms and reference values, which are not part of the project."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from uptake.features import FeatureTable, extract
from uptake.pipeline.settings import from_layers, parse_toml
from uptake.volume import Grid, Volume

TABLES = {
    "ibsi-phantom": "dig_phantom",
    "ibsi-config-a": "chest_config_a",
    "ibsi-config-b": "chest_config_b",
    "ibsi-config-c": "chest_config_c",
    "ibsi-config-d": "chest_config_d",
    "ibsi-config-e": "chest_config_e",
}
"""The table of reference values by the name of the settings that come with the package."""


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
def conforming(ibsi: Path) -> Callable[[str], FeatureTable]:
    """All features of IBSI's phantom for the settings of one of its configurations."""

    @cache
    def of(name: str) -> FeatureTable:
        folder = ibsi / ("ibsi_1_digital_phantom" if name == "ibsi-phantom" else "ibsi_1_ct_radiomics_phantom")
        text = (resources.files("uptake.verbs") / "settings" / f"{name}.toml").read_text("utf-8")
        return extract(*_phantom(folder), from_layers([parse_toml(text, name)]).features)

    return of


@pytest.fixture(scope="session")
def digital_phantom(conforming: Callable[[str], FeatureTable]) -> FeatureTable:
    """All features of the digital phantom."""
    return conforming("ibsi-phantom")


def _phantom(folder: Path) -> tuple[Volume, Volume]:
    image = nib.load(folder / "nifti" / "image" / "phantom.nii.gz")
    mask = nib.load(folder / "nifti" / "mask" / "mask.nii.gz")
    volume = Volume(np.asarray(image.dataobj), Grid(image.shape, image.affine))
    return volume, Volume(np.asarray(mask.dataobj) == 1, Grid(mask.shape, mask.affine))


def _reference(row: dict[str, str]) -> Reference | None:
    if not row["reference value"]:
        return None
    return Reference(float(row["reference value"]), float(row["tolerance"]))
