"""Parameters of the CaPTk panel, and CaPTk's own parameter file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from uptake.study import SettingsError

Offsets = Literal["Average", "Combined"]
FamilyName = Literal["Intensity", "Histogram", "Volumetric", "Morphologic", "GLCM", "GLRLM", "GLSZM", "NGTDM", "LBP"]
FAMILY_NAMES: tuple[FamilyName, ...] = get_args(FamilyName)


@dataclass(frozen=True)
class CaptkParameters:
    """Which columns CaPTk writes, and how it computes them. The defaults are those of the paper's published table.

    Its column names settle 128 bins everywhere, radius 1 for GLCM and 3 for GLRLM, GLSZM and LBP; its counts settle
    Average for GLRLM and that nothing was resampled. Two values are assumed, because nothing published settles
    them: Average for GLCM, and radius 1 for NGTDM.
    """

    modality: Annotated[str, "name of the image, the first part of every column name"] = "T1"
    label: Annotated[str, "name of the region, the second part of every column name"] = "E"
    families: Annotated[tuple[FamilyName, ...], "families of columns; Intensity is always computed"] = FAMILY_NAMES
    histogram_bins: Annotated[int, "bins of the intensity histogram"] = 128
    glcm_bins: Annotated[int, "grey levels of the co-occurrence matrix"] = 128
    glcm_radius: Annotated[int, "voxels; only 1 gives all directions, see captk_offsets"] = 1
    glcm_offset: Annotated[Offsets, "mean over directions, or one matrix of all (unknown in the published table)"] = (
        "Average"
    )
    glrlm_bins: Annotated[int, "grey levels of the run length matrix, and bins of the run lengths in mm"] = 128
    glrlm_radius: Annotated[int, "voxels; only 1 gives all directions, see captk_offsets"] = 3
    glrlm_offset: Annotated[Offsets, "mean over directions, or one matrix of all (without two of the features)"] = (
        "Average"
    )
    glszm_bins: Annotated[int, "grey levels of the size zone matrix"] = 128
    glszm_radius: Annotated[int, "voxels; only 1 joins zones in all directions, see captk_offsets"] = 3
    ngtdm_bins: Annotated[int, "grey levels of the grey tone difference matrix"] = 128
    ngtdm_radius: Annotated[int, "voxels; 0 is the voxel alone (unknown in the published table)"] = 1
    lbp_radius: Annotated[int, "voxels; CaPTk's own code is defined for 1 only"] = 3
    resampling_mm: Annotated[float, "mm; isotropic grid that the image must be on; 0: as it was acquired"] = 0.0

    def __post_init__(self) -> None:
        unknown = [name for name in self.families if name not in FAMILY_NAMES]
        if unknown:
            raise SettingsError(f"families {unknown}: allowed are {', '.join(FAMILY_NAMES)}")
        self._check_whole_numbers()
        for field in ("glcm_offset", "glrlm_offset"):
            if getattr(self, field) not in get_args(Offsets):
                raise SettingsError(f"{field} {getattr(self, field)!r}: allowed are {', '.join(get_args(Offsets))}")
        if not 0 <= self.resampling_mm <= 10:
            raise SettingsError(f"resampling_mm {self.resampling_mm}: allowed is 0 to 10")

    def _check_whole_numbers(self) -> None:
        for field in ("histogram_bins", "glcm_bins", "glrlm_bins", "glszm_bins", "ngtdm_bins"):
            if not 2 <= getattr(self, field) <= 4096:
                raise SettingsError(f"{field} {getattr(self, field)}: allowed is 2 to 4096")
        for field, least in (
            ("glcm_radius", 1),
            ("glrlm_radius", 1),
            ("glszm_radius", 1),
            ("ngtdm_radius", 0),
            ("lbp_radius", 1),
        ):
            if not least <= getattr(self, field) <= 9:
                raise SettingsError(f"{field} {getattr(self, field)}: allowed is {least} to 9")

    @property
    def chosen(self) -> tuple[FamilyName, ...]:
        """The families that are computed, in the order of the columns."""
        return tuple(name for name in FAMILY_NAMES if name == "Intensity" or name in self.families)


PAPER = CaptkParameters()

_FIELDS = {
    ("Generic", "Resampling"): "resampling_mm",
    ("Histogram", "Bins"): "histogram_bins",
    ("GLCM", "Bins"): "glcm_bins",
    ("GLCM", "Radius"): "glcm_radius",
    ("GLCM", "Offset"): "glcm_offset",
    ("GLRLM", "Bins"): "glrlm_bins",
    ("GLRLM", "Radius"): "glrlm_radius",
    ("GLRLM", "Offset"): "glrlm_offset",
    ("GLSZM", "Bins"): "glszm_bins",
    ("GLSZM", "Radius"): "glszm_radius",
    ("NGTDM", "Bins"): "ngtdm_bins",
    ("LBP", "Radius"): "lbp_radius",
}
_FIXED = {
    ("Generic", "Quantization_Extent"): ("ROI", "Image"),  # without a lattice both are the region
    ("Generic", "Quantization_Type"): ("FixedBinNumber",),
    ("Generic", "ResamplingInterpolator_Image"): ("Nearest", "Linear", "BSpline"),
    ("Generic", "ResamplingInterpolator_Mask"): ("Nearest",),
    ("Generic", "SliceComputation"): ("0",),
    ("Generic", "NaN-Handling"): ("Keep", "Remove"),  # CaPTk looks for another name: NaN always stays
    ("Morphologic", "Range"): ("0",),
    ("Morphologic", "Feret"): ("0",),
    ("Volumetric", "Dimension"): ("3D",),
    ("Histogram", "Bins_Min"): ("-666",),
    ("GLSZM", "Offset"): ("Individual", "Average", "Combined"),  # without effect, as the next three
    ("NGTDM", "Offset"): ("Individual", "Average"),
    ("NGTDM", "Radius"): tuple(map(str, range(1, 10))),
    ("LBP", "Neighborhood"): tuple(map(str, range(28))),
    ("LBP", "Type"): tuple(map(str, range(4))),
}
_RANGES = tuple((family, "Range") for family in ("Morphologic", "GLCM", "GLRLM", "GLSZM", "NGTDM"))
_NEEDED = {"Histogram": ("Bins",), "NGTDM": ("Bins",), "LBP": ("Radius",)} | {
    family: ("Bins", "Radius", "Offset") if family != "GLSZM" else ("Bins", "Radius")
    for family in ("GLCM", "GLRLM", "GLSZM")
}


def read_parameters(text: str) -> CaptkParameters:
    """Parameters from the text of CaPTk's parameter file, a CSV whose column `Default` holds the values.

    A family without rows is switched off. What CaPTk 1.8.1 ignores is accepted and ignored (the radius of NGTDM is
    the last `Range` of the file in the order Morphologic, GLCM, GLRLM, GLSZM, NGTDM: 0 in the file that it ships).
    Raises SettingsError for an unknown row or value, a row given twice, a missing one, and for what this panel does
    not compute (lattices, ranges of bins, radii in mm, fixed bin size, slices, Feret's diameter).
    """
    rows = _rows(text)
    for key, value in rows.items():
        _check_row(key, value)
    families = tuple(name for name in FAMILY_NAMES if name == "Intensity" or any(key[0] == name for key in rows))
    for family in families:
        for name in _NEEDED.get(family, ()):
            if (family, name) not in rows:
                raise SettingsError(f"the parameter file has no row {family}, {name}")
    given: dict[str, Any] = {field: _typed(key, rows[key], field) for key, field in _FIELDS.items() if key in rows}
    ranges = [rows[key] for key in _RANGES if key in rows]
    if ranges:
        given["ngtdm_radius"] = _whole(_RANGES[-1], ranges[-1])
    return CaptkParameters(families=families, **given)


def write_parameters(parameters: CaptkParameters = PAPER) -> str:
    """The parameters as the text of CaPTk's parameter file: what `read_parameters` reads back as the same."""
    rows = [("Generic", "Resampling", f"{parameters.resampling_mm:g}")]
    for (family, name), field in _FIELDS.items():
        if family in parameters.chosen:
            rows.append((family, name, str(getattr(parameters, field))))
    named = {family for family, _, _ in rows}
    rows += [(family, "-", "") for family in parameters.chosen if family not in named and family != "Intensity"]
    if "NGTDM" in parameters.chosen:
        rows.append(("NGTDM", "Range", str(parameters.ngtdm_radius)))
    lines = ["FeatureName,ParamName,Default", *(",".join(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _rows(text: str) -> dict[tuple[str, str], str]:
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    missing = {"FeatureName", "ParamName", "Default"} - set(reader.fieldnames or ())
    if missing:
        raise SettingsError(f"the parameter file has no column {', '.join(sorted(missing))}")
    rows: dict[tuple[str, str], str] = {}
    for row in reader:
        key = (row["FeatureName"] or "").strip(), _plain(row["ParamName"])
        if key == ("", ""):
            continue
        if key in rows:
            raise SettingsError(f"the parameter file has two rows {key[0]}, {key[1]}")
        rows[key] = (row["Default"] or "").strip()
    return rows


def _plain(name: str | None) -> str:
    """The name of a parameter without its unit: ``Resampling (mm)`` is `Resampling`."""
    return (name or "").partition("(")[0].strip()


def _check_row(key: tuple[str, str], value: str) -> None:
    family, name = key
    if family in ("Lattice", "Collage", "NGLDM"):
        raise SettingsError(f"{family}: this panel has no such family; take its rows out of the parameter file")
    if key in _FIXED:
        if value not in _FIXED[key]:
            raise SettingsError(f"{family}, {name} = {value!r}: this panel allows {', '.join(_FIXED[key])}")
    elif key not in _FIELDS and key not in _RANGES and not (family in FAMILY_NAMES and name in ("", "-")):
        raise SettingsError(f"{family}, {name}: CaPTk has no such parameter")


def _typed(key: tuple[str, str], value: str, field: str) -> int | float | str:
    if field == "resampling_mm":
        try:
            return float(value)
        except ValueError:
            raise SettingsError(f"{key[0]}, {key[1]} = {value!r}: allowed is a number of mm") from None
    return value if field.endswith("_offset") else _whole(key, value)


def _whole(key: tuple[str, str], value: str) -> int:
    if not value.isdecimal():
        raise SettingsError(f"{key[0]}, {key[1]} = {value!r}: allowed is one whole number, of voxels or of bins")
    return int(value)


def differences(parameters: CaptkParameters, other: CaptkParameters = PAPER) -> Mapping[str, tuple[object, object]]:
    """Fields in which two sets of parameters differ, with both values: what a result does not share with the paper."""
    both = ((name, getattr(parameters, name), getattr(other, name)) for name in CaptkParameters.__dataclass_fields__)
    return {name: (mine, theirs) for name, mine, theirs in both if mine != theirs}
