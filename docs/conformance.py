"""Writes docs/conformance.md: every reference value of IBSI 1 beside ours.

    python docs/conformance.py FOLDER

FOLDER holds the IBSI's phantoms and tables of reference values, which are not part of the project. A test keeps the
page current.
"""

from __future__ import annotations

import csv
import sys
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from uptake.features import extract
from uptake.features.catalogue import FAMILIES
from uptake.io.nifti import read_mask, read_volume
from uptake.pipeline.settings import from_layers, parse_toml

HERE = Path(__file__).parent

CONFIGURATIONS = {
    "ibsi-phantom": ("ibsi_1_digital_phantom", "dig_phantom"),
    "ibsi-config-a": ("ibsi_1_ct_radiomics_phantom", "chest_config_a"),
    "ibsi-config-b": ("ibsi_1_ct_radiomics_phantom", "chest_config_b"),
    "ibsi-config-c": ("ibsi_1_ct_radiomics_phantom", "chest_config_c"),
    "ibsi-config-d": ("ibsi_1_ct_radiomics_phantom", "chest_config_d"),
    "ibsi-config-e": ("ibsi_1_ct_radiomics_phantom", "chest_config_e"),
}

HEAD = """\
# Conformance with the IBSI

<!-- Written by docs/conformance.py. Change the features, not this page. -->

Every reference value of the first chapter of the Image Biomarker Standardisation Initiative (IBSI 1; Zwanenburg et al.,
Radiology 2020;295:328–338), and what `uptake features --settings NAME` finds: on the digital phantom, and on the CT
phantom in the configurations A to E. A value conforms if, rounded to three significant digits, it differs from the
reference by no more than the tolerance that comes with it. Features without a reference value are not counted. In a
cell stands our value, then the reference and its tolerance.
"""


class Compared(NamedTuple):
    """One reference value, its tolerance and ours."""

    value: float
    reference: float
    tolerance: float

    @property
    def conforms(self) -> bool:
        """Whether it is within the tolerance, at the reference's three significant digits."""
        return abs(float(f"{self.value:.3g}") - self.reference) <= self.tolerance + 1e-9 * abs(self.reference)


def page(folder: Path) -> str:
    """The page, from the IBSI's phantoms and tables in a folder."""
    compared = {name: compare(name, folder) for name in CONFIGURATIONS}
    return HEAD + _summary(compared) + _values(compared)


def compare(name: str, folder: Path) -> dict[str, Compared]:
    """Our features and their reference values for one of the settings that come with the package, by IBSI tag."""
    phantom, table = CONFIGURATIONS[name]
    text = (resources.files("uptake.verbs") / "settings" / f"{name}.toml").read_text("utf-8")
    image = read_volume(folder / phantom / "nifti" / "image" / "phantom.nii.gz")
    mask = read_mask(folder / phantom / "nifti" / "mask" / "mask.nii.gz")
    found = extract(image, mask, from_layers([parse_toml(text, name)]).features).wide()
    with (folder / "ibsi_1_reference_values" / f"ibsi_1_{table}.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter=";") if row["reference value"] and row["tag"] in found]
    return {r["tag"]: Compared(found[r["tag"]], float(r["reference value"]), float(r["tolerance"])) for r in rows}


def _summary(compared: dict[str, dict[str, Compared]]) -> str:
    rows = [["family", *(f"`{name}`" for name in compared)], ["---"] * (len(compared) + 1)]
    for family in FAMILIES:
        tags = {definition.ibsi_tag for definition in family.definitions}
        rows.append([family.name, *(_share({t: c for t, c in of.items() if t in tags}) for of in compared.values())])
    rows.append(["**all**", *(f"**{_share(of)}**" for of in compared.values())])
    return "\n## How many conform\n\n" + _table(rows)


def _share(compared: dict[str, Compared]) -> str:
    return f"{sum(c.conforms for c in compared.values())} of {len(compared)}" if compared else "–"


def _values(compared: dict[str, dict[str, Compared]]) -> str:
    text = ""
    for family in FAMILIES:
        rows = [["feature", "IBSI", "tag", *(f"`{name}`" for name in compared)], ["---"] * (len(compared) + 3)]
        for d in family.definitions:
            cells = [_cell(of.get(d.ibsi_tag)) for of in compared.values()]
            if any(cells):
                name = f"{d.name}, {d.aggregation}" if d.aggregation else d.name
                rows.append([name, d.ibsi, f"`{d.ibsi_tag}`", *cells])
        text += f"\n## {family.name}\n\n" + _table(rows)
    return text


def _cell(one: Compared | None) -> str:
    if one is None:
        return ""
    mark = "" if one.conforms else " **does not conform**"
    return f"{one.value:.3g} ({one.reference:g} ± {one.tolerance:g}){mark}"


def _table(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    (HERE / "conformance.md").write_text(page(Path(sys.argv[1])), encoding="utf-8")
