"""What a release says of a case in its tables: numbers and words from fixed lists, nothing that a person typed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from uptake.io.forms import CaseFeatures, StudyFile
from uptake.io.store import CaseRecord
from uptake.tumour.ftv import FtvNumbers, Threshold

Row = dict[str, object]

MAKERS = {"GE MEDICAL SYSTEMS": "GE", "SIEMENS": "Siemens", "PHILIPS": "Philips", "HITACHI": "Hitachi",
          "TOSHIBA": "Toshiba", "CANON": "Canon", "UNITED IMAGING": "United Imaging", "GE ": "GE"}  # fmt: skip
MODELS = frozenset(
    """GENESIS_SIGNA SIGNA SIGNA EXCITE SIGNA HDX SIGNA HDXT OPTIMA MR450W DISCOVERY MR750 DISCOVERY MR750W SIGNA ARTIST
    SIGNA PREMIER MAGNETOM VISION VISION MAGNETOM VISION PLUS SONATA SONATAVISION SYMPHONY SYMPHONYTIM AVANTO AERA
    AVANTO_FIT ESPREE TRIO TRIOTIM SKYRA VERIO PRISMA PRISMA_FIT MAGNETOM VIDA MAGNETOM SOLA GYROSCAN NT GYROSCAN INTERA
    INTERA ACHIEVA INGENIA INGENIA ELITION X INGENIA AMBITION X AMBITION ELITION""".replace("\n", " ").split()
)
"""Words that names of scanner models are made of."""
HIDDEN_SETTINGS = frozenset({("dicom", "series")})
"""Settings that hold a text of the source (a series' name)."""
ENVIRONMENT = ("python", "uptake", "numpy", "scipy", "SimpleITK", "pydicom")
FEATURE_COLUMNS = ("case_id", "panel", "name", "value", "unit", "family", "ibsi", "ibsi_tag", "aggregation",
                   "stv_source", "reason")  # fmt: skip


def study_row(case_id: str, file: StudyFile) -> Row:
    """Scanner, protocol and geometry of a case."""
    made, geometry = file.acquisition, file.geometry
    times = [phase.time_s for phase in file.phases]
    return {
        "case_id": case_id,
        "manufacturer": maker(made.manufacturer),
        "model": model(made.model),
        "field_strength_t": made.field_strength_t,
        "repetition_time_ms": made.repetition_time_ms,
        "echo_time_ms": made.echo_time_ms,
        "flip_angle_deg": made.flip_angle_deg,
        "slice_thickness_mm": made.slice_thickness_mm,
        "temporal_resolution_s": made.temporal_resolution_s,
        "laterality": made.laterality if made.laterality in ("L", "R", "B") else None,
        "phases": len(file.phases),
        "phase_times_s": "" if None in times else " ".join(f"{t:g}" for t in times if t is not None),
        "shape": " ".join(map(str, geometry.shape)),
        "spacing_mm": " ".join(f"{s:.6g}" for s in geometry.spacing_mm),
        "array_axes": " ".join(geometry.axes),
    }


def ftv_row(case_id: str, ftv: FtvNumbers) -> Row:
    """Functional tumour volumes with their thresholds, and whether each was recorded in the study or is a setting."""
    counts = ("ftv_pe_voxels", "ftv_pe_cc", "ftv_ser_voxels", "ftv_ser_cc", "ftv_ser_inclusive_voxels")
    row: Row = {"case_id": case_id, **{name: getattr(ftv, name) for name in (*counts, "longest_diameter_mm")}}
    for name in ("pe_threshold_percent", "minimum_neighbours", "background_threshold", "ser_threshold"):
        limit: Threshold = getattr(ftv, name)
        row[name] = limit.value
        row[f"{name}_from"] = _origin(limit.source)
    row |= {"phase_pre": ftv.phases.pre, "phase_early": ftv.phases.early, "phase_late": ftv.phases.late}
    row |= {"voi_from": ftv.voi.source, "voi_start": " ".join(map(str, ftv.voi.start))}
    return row | {"voi_end": " ".join(map(str, ftv.voi.end)), "motion_correction": ftv.motion_correction}


def feature_row(case_id: str, features: CaseFeatures) -> Row:
    """All features of a case, wide."""
    values = {name: None if math.isnan(value) else value for name, value in features.wide.items()}
    return {"case_id": case_id, "stv_source": features.stv_source, **values}


def long_features(case_id: str, features: CaseFeatures) -> list[Row]:
    """Every feature of a case with its unit, its IBSI code and why it is undefined."""
    return [
        {
            "case_id": case_id,
            "panel": panel,
            **{name: getattr(row, name) for name in FEATURE_COLUMNS[2:] if name not in ("value", "stv_source")},
            "value": None if math.isnan(row.value) else row.value,
            "stv_source": features.stv_source,
        }
        for panel, table in features.panels.items()
        for row in table
    ]


def provenance(case_id: str, record: CaseRecord, extra: Mapping[str, Any]) -> dict[str, Any]:
    """How a case was made: versions and the settings of every step; no clock, host or path."""
    environment: dict[str, str] = {}
    steps = {}
    for name, result in sorted(record.results.items()):
        environment |= {key: result.environment[key] for key in ENVIRONMENT if key in result.environment}
        steps[name] = {"settings": _shown(result.settings), "code": result.code, "key": result.key}
    return {"case_id": case_id, **extra, "versions": environment, "steps": steps}


def maker(text: str | None) -> str | None:
    """The manufacturer by its usual name; None for one that is not known, whose text is not repeated."""
    upper = (text or "").upper()
    return next((name for start, name in MAKERS.items() if upper.startswith(start)), None)


def model(text: str | None) -> str | None:
    """The scanner's model where it is made of known words; None otherwise."""
    return text if text and all(word in MODELS for word in text.upper().split()) else None


def _origin(source: str) -> str:
    if source.startswith("recorded"):
        return "study"
    return "setting" if source.startswith("setting") else "computed"


def _shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        section: {
            name: ("given" if value else "") if (section, name) in HIDDEN_SETTINGS else value
            for name, value in values.items()
        }
        for section, values in settings.items()
    }
