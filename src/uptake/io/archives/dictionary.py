"""The data dictionary: every column of every table of a release, with its meaning, unit and type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uptake.features import captk, catalogue

COLUMNS = ("table", "column", "description", "unit", "type", "ibsi")

MEANINGS: Mapping[str, tuple[str, str]] = {
    "case_id": ("name of the case, as in file names and manifest.csv", ""),
    "patient_id": ("PatientID, the source's own or a pseudonym", ""),
    "manufacturer": ("maker of the scanner", ""),
    "model": ("model of the scanner, where it is a known one", ""),
    "field_strength_t": ("magnetic field", "T"),
    "repetition_time_ms": ("repetition time", "ms"),
    "echo_time_ms": ("echo time", "ms"),
    "flip_angle_deg": ("flip angle", "degrees"),
    "slice_thickness_mm": ("slice thickness, which may exceed the slice step", "mm"),
    "temporal_resolution_s": ("duration of one phase", "s"),
    "laterality": ("side that was imaged: L, R or B", ""),
    "phases": ("phases of the acquired series, the first one before contrast", ""),
    "phase_times_s": ("start of every phase after that of the first", "s"),
    "shape": ("voxels along i, j, k", "voxels"),
    "spacing_mm": ("distance of voxel centres along i, j, k", "mm"),
    "array_axes": ("DICOM axes that i, j, k follow, - where reversed", ""),
    "ftv_pe_voxels": ("functional tumour volume by the PE rule", "voxels"),
    "ftv_pe_cc": ("functional tumour volume by the PE rule", "cm3"),
    "ftv_ser_voxels": ("functional tumour volume by the PE and SER rule, SER strictly above its threshold", "voxels"),
    "ftv_ser_cc": ("functional tumour volume by the PE and SER rule", "cm3"),
    "ftv_ser_inclusive_voxels": ("the same with SER equal to its threshold counted, as UCSF's headers do", "voxels"),
    "longest_diameter_mm": ("largest distance of two voxels of the FTV", "mm"),
    "pe_threshold_percent": ("smallest percent enhancement of a tumour voxel", "%"),
    "minimum_neighbours": ("smallest number of enhancing neighbours, of 26", ""),
    "background_threshold": ("smallest pre-contrast intensity", "scanner units"),
    "ser_threshold": ("signal enhancement ratio above which a voxel counts", ""),
    "phase_pre": ("position of the pre-contrast phase, from 0", ""),
    "phase_early": ("position of the early phase, from 0", ""),
    "phase_late": ("position of the late phase, from 0", ""),
    "voi_from": ("where the volume of interest came from: study, user, reader, automatic", ""),
    "voi_start": ("first voxel of the volume of interest: column, row, slice from 0", "voxels"),
    "voi_end": ("last voxel of the volume of interest, inclusive", "voxels"),
    "motion_correction": ("how the phases were brought onto the first: no, rigid or bspline", ""),
    "stv_source": ("the mask that features were computed in: reader, truth, model or proposal", ""),
    "panel": ("ibsi or captk", ""),
    "name": ("name of the feature", ""),
    "value": ("value of the feature; empty where it is undefined, see reason", "see unit"),
    "unit": ("unit of the value", ""),
    "family": ("family of the feature", ""),
    "ibsi": ("the feature's code in the IBSI reference manual", ""),
    "ibsi_tag": ("the feature's tag in the IBSI reference values", ""),
    "aggregation": ("how directions or slices were joined", ""),
    "reason": ("why the value is undefined", ""),
    "check": ("what was checked", ""),
    "status": ("pass, warn or fail", ""),
    "found": ("what was found", ""),
    "allowed": ("what is allowed", ""),
    "remedy": ("what to do", ""),
    "file": ("path inside the release", ""),
    "sha256": ("SHA-256 of the file's bytes", ""),
    "bytes": ("size of the file", "bytes"),
    "visit": ("the patient's visit, T1 being the first; empty where there is one", ""),
    "what": ("what the file holds", ""),
    "mask": ("name of the mask", ""),
    "note": ("anything to know of the file", ""),
    "source_collection": ("collection that the images come from", ""),
    "source_doi": ("DOI of that collection", ""),
    "source_licence": ("licence of that collection", ""),
    "source_study_uid": ("StudyInstanceUID of the source", ""),
    "source_series_uids": ("SeriesInstanceUIDs of the source's phases, with spaces between", ""),
    "deidentification": ("how patient data were removed", ""),
    "version": ("version of the release", ""),
    "erratum": ("what was wrong and is corrected", ""),
    "change": ("added, changed or removed", ""),
}


def dictionary(tables: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """A row for every column of the named tables; one that nothing is known of has an empty description."""
    features = _features()
    return [
        {"table": table, "column": column, **_row(table, column, features)}
        for table, columns in tables.items()
        for column in columns
    ]


def _row(table: str, column: str, features: Mapping[str, dict[str, str]]) -> dict[str, str]:
    if table == "clinical" and column != "case_id":
        words = "clinical column of the source, under its own name"
        return {"description": words, "unit": "", "type": "number or text", "ibsi": ""}
    if column in MEANINGS:
        words, unit = MEANINGS[column]
        return {"description": words, "unit": unit, "type": _type(column), "ibsi": ""}
    if column.endswith("_from"):
        words = f"where {column.removesuffix('_from')} came from: study, setting or computed"
        return {"description": words, "unit": "", "type": "text", "ibsi": ""}
    return features.get(column, {"description": "", "unit": "", "type": "number", "ibsi": ""})


def _type(column: str) -> str:
    numbers = ("_ms", "_t", "_deg", "_cc", "_voxels", "_percent", "_neighbours", "_threshold")
    if column in ("value", "bytes", "phases", "phase_pre", "phase_early", "phase_late"):
        return "number"
    return "number" if column.endswith(numbers) or column in ("slice_thickness_mm", "longest_diameter_mm") else "text"


def _features() -> dict[str, dict[str, str]]:
    found = {
        d.ibsi_tag or d.name: {"description": f"{d.family}: {d.name}", "unit": d.unit, "type": "number", "ibsi": d.ibsi}
        for family in catalogue.FAMILIES
        for d in family.definitions
    }
    for c in captk.columns():
        words = f"CaPTk {c.family}: {c.feature}"
        found[c.name] = {"description": words, "unit": c.unit, "type": "number", "ibsi": ""}
    return found
