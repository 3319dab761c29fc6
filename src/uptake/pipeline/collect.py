"""The cohort's own table of steps: from many cases to tables and one page."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from importlib import metadata
from pathlib import Path

from uptake.cohort.checks import Finding
from uptake.features import Feature, catalogue
from uptake.io import forms, revisions
from uptake.io.files import write_bytes_whole
from uptake.io.forms import CaseFeatures, StudyFile
from uptake.io.store import (
    CaseRecord,
    Cohort,
    Form,
    RefusalRecord,
    read_cohort_record,
    write_cohort_record,
)
from uptake.io.tables import Sheet, write_csv, write_xlsx
from uptake.io.values import to_plain
from uptake.pipeline.plan import Step
from uptake.pipeline.readers import ReviewRow, review_rows
from uptake.pipeline.runner import Input, Place, Run, run_steps
from uptake.pipeline.settings import Settings
from uptake.preprocess.breast import BreastNumbers
from uptake.report import CohortCase, CohortView, RefusedRow, cohort_page
from uptake.tumour.ftv import FtvNumbers
from uptake.tumour.parenchyma import ParenchymaNumbers
from uptake.tumour.stv import StvNumbers

Row = dict[str, object]


@dataclass(frozen=True)
class Glance:
    """What tables and the cohort's page need of a case; parts that were not made are None."""

    case_id: str
    refusal: RefusalRecord | None
    study: StudyFile | None
    ftv: FtvNumbers | None
    stv: StvNumbers | None
    breast: BreastNumbers | None
    parenchyma: ParenchymaNumbers | None
    features: CaseFeatures | None
    findings: tuple[Finding, ...]
    thumbnail: bytes | None


@dataclass(frozen=True)
class Tables:
    """The cohort's tables, one row per case (features wide), per finding, per refusal; and what each feature is."""

    studies: tuple[Row, ...]
    ftv: tuple[Row, ...]
    features: tuple[Row, ...]
    checks: tuple[Row, ...]
    refusals: tuple[Row, ...]
    dictionary: tuple[Row, ...]
    review: tuple[ReviewRow, ...] = ()


def collect(cohort: Cohort, settings: Settings) -> Run:
    """Write the cohort's tables and page if any case, refusal or the code changed since."""
    record = read_cohort_record(cohort)
    place = Place(
        cohort.path,
        record.results,
        lambda results: write_cohort_record(cohort, replace(record, results=dict(results))),
    )
    cases = tuple(cohort.record(case_id) for case_id in cohort.case_ids)
    refused = tuple(
        {"case_id": item.case_id, "source": item.source, **_refusal_row(item.refusal)}
        for _, items in sorted(record.refused_sources.items())
        for item in items
    )
    reviewed = review_rows(revisions.entries(cohort.path), cohort.case_ids)
    models = tuple(sorted(path.parent.name for path in cohort.path.glob(MODEL_PAGES)))
    inputs = {
        "cases": Input(_cases_key(cases), lambda: tuple(_glance(cohort, case) for case in cases)),
        "refused_sources": Input(_hash(refused), lambda: refused),
        "review": Input(_hash(to_plain(reviewed)), lambda: reviewed),
        "validation": Input("there", lambda: True) if (cohort.path / VALIDATION).is_file() else Input(),
        "models": Input(_hash(models), lambda: models) if models else Input(),
    }
    return run_steps(COHORT_STEPS, place, settings, inputs)


def tables(cases: Sequence[Glance], refused_sources: Sequence[Row], review: Sequence[ReviewRow] = ()) -> Tables:
    """The cohort's tables."""
    of_cases = tuple(
        {"case_id": case.case_id, "source": "", **_refusal_row(case.refusal)} for case in cases if case.refusal
    )
    return Tables(
        studies=tuple(_study_row(case.study) for case in cases if case.study),
        ftv=tuple({**_ftv_row(case.case_id, case.ftv, case.stv), **_breast_row(case)} for case in cases if case.ftv),
        features=tuple(_feature_row(case.case_id, case.features) for case in cases if case.features),
        checks=tuple({"case_id": case.case_id, **vars(item)} for case in cases for item in case.findings),
        refusals=(*of_cases, *refused_sources),
        dictionary=_dictionary(cases),
        review=tuple(review),
    )


def index(
    cases: Sequence[Glance], refused_sources: Sequence[Row], validation: bool | None, models: Sequence[str] | None
) -> str:
    """The page with every case as a small picture, and links to the technical validation and to trained networks."""
    made = tuple(_cohort_case(case) for case in cases if case.thumbnail is not None and not case.refusal)
    refused = [
        RefusedRow(case.case_id, **vars(case.refusal), is_case=True) for case in cases if case.refusal is not None
    ]
    for row in refused_sources:
        subject = str(row["case_id"] or row["source"])
        words = {name: str(row[name]) for name in ("code", "found", "allowed", "remedy")}
        refused.append(RefusedRow(subject, **words, is_case=bool(row["case_id"])))
    version = metadata.version("uptake")
    view = CohortView("Cohort", made, tuple(refused), (), version, bool(validation), tuple(models or ()))
    return cohort_page(view)


def _write_tables(folder: Path, value: Tables) -> tuple[str, ...]:
    names = []
    for name, columns in TABLE_COLUMNS.items():
        rows = [row if isinstance(row, dict) else vars(row) for row in getattr(value, name)]
        write_csv(columns or _columns(rows), rows, folder / f"tables/{name}.csv")
        names.append(f"tables/{name}.csv")
    columns = _columns(value.features)
    sheets = {
        "features": Sheet(columns, value.features),
        "dictionary": Sheet(DICTIONARY, value.dictionary),
    }
    write_xlsx(sheets, folder / "tables/features.xlsx")
    return (*names, "tables/features.xlsx")


def _write_index(folder: Path, html: str) -> tuple[str, ...]:
    write_bytes_whole(folder / "report/index.html", html.encode())
    return ("report/index.html",)


def _unread(folder: Path) -> None:
    raise NotImplementedError(f"nothing is made from the tables in {folder}")


VALIDATION = "report/verify.html"
MODEL_PAGES = "models/*/report.html"
VOXEL_COUNTING_VOLUME = "morph_vol_approx"
DICTIONARY = ("column", "name", "unit", "family", "ibsi")
TABLE_COLUMNS: dict[str, tuple[str, ...]] = {
    "studies": (),
    "ftv": (),
    "features": (),
    "checks": ("case_id", "check", "status", "found", "allowed", "remedy"),
    "refusals": ("case_id", "source", "code", "found", "allowed", "remedy"),
    "review": tuple(item.name for item in fields(ReviewRow)),
}

COHORT_STEPS = (
    Step("tables", tables, ("cases", "refused_sources", "review"), (), Form(_write_tables, _unread, _unread)),
    Step(
        "index", index, ("cases", "refused_sources", "validation", "models"), (), Form(_write_index, _unread, _unread)
    ),
)
"""What is made of all cases together."""


def _glance(cohort: Cohort, record: CaseRecord) -> Glance:
    folder = cohort.case(record.case_id)
    refusals = [result.refusal for result in record.results.values() if result.refusal]

    def seen(step: str, form: Form) -> object:
        result = record.results.get(step)
        return form.glance(folder) if result and not result.refusal else None

    return Glance(
        case_id=record.case_id,
        refusal=refusals[0] if refusals else None,
        study=seen("study", forms.STUDY),  # type: ignore[arg-type]
        ftv=seen("ftv", forms.FTV),  # type: ignore[arg-type]
        stv=seen("stv_proposal", forms.STV),  # type: ignore[arg-type]
        breast=seen("breast", forms.BREAST),  # type: ignore[arg-type]
        parenchyma=seen("background", forms.BACKGROUND),  # type: ignore[arg-type]
        features=seen("features", forms.FEATURES),  # type: ignore[arg-type]
        findings=seen("checks", forms.CHECKED) or (),  # type: ignore[arg-type]
        thumbnail=seen("report", forms.PAGE),  # type: ignore[arg-type]
    )


def _study_row(file: StudyFile) -> Row:
    acquisition, geometry = file.acquisition, file.geometry
    times = [phase.time_s for phase in file.phases]
    scanner = ("visit", "manufacturer", "model", "field_strength_t", "sequence", "repetition_time_ms", "echo_time_ms")
    protocol = ("flip_angle_deg", "slice_thickness_mm", "temporal_resolution_s", "laterality")
    return {
        "case_id": file.case_id,
        **{name: getattr(acquisition, name) for name in scanner + protocol},
        "phases": len(file.phases),
        "phase_times_s": "" if None in times else " ".join(f"{t:g}" for t in times if t is not None),
        "shape": " ".join(map(str, geometry.shape)),
        "spacing_mm": " ".join(f"{s:.6g}" for s in geometry.spacing_mm),
        "array_axes": " ".join(geometry.axes),
        "decisions": " | ".join(acquisition.decisions),
        "left_out": sum(item.files for item in acquisition.left_out),
    }


def _ftv_row(case_id: str, ftv: FtvNumbers, stv: StvNumbers | None) -> Row:
    counts = ("ftv_pe_voxels", "ftv_pe_cc", "ftv_ser_voxels", "ftv_ser_cc", "ftv_ser_inclusive_voxels")
    limits = ("pe_threshold_percent", "minimum_neighbours", "background_threshold", "ser_threshold")
    row: Row = {"case_id": case_id, **{name: getattr(ftv, name) for name in (*counts, "longest_diameter_mm")}}
    for name in limits:
        row[name] = getattr(ftv, name).value
        row[f"{name}_source"] = getattr(ftv, name).source
    row |= {"phase_pre": ftv.phases.pre, "phase_early": ftv.phases.early, "phase_late": ftv.phases.late}
    row |= {"phases_source": ftv.phases.source, "voi_source": ftv.voi.source, "voi_words": ftv.voi.words}
    row |= {"voi_start": " ".join(map(str, ftv.voi.start)), "voi_end": " ".join(map(str, ftv.voi.end))}
    row |= {f"ser_{band.low:g}_{band.high:g}_cc": band.cc for band in ftv.bands}
    row["stv_proposal_cc"] = stv.stv_proposal_cc if stv else None
    row["stv_to_ftv_ratio"] = stv.ratio_to_ftv if stv else None
    return row


def _breast_row(case: Glance) -> Row:
    """Volume of each breast in cc, and the gland's share and enhancement outside the lesion."""
    cc = {side.side: side.cc for side in case.breast.sides} if case.breast else {}
    gland = case.parenchyma.whole if case.parenchyma else None
    return {
        "breast_left_cc": cc.get("L"),
        "breast_right_cc": cc.get("R"),
        "fgt_cc": gland.fgt_cc if gland else None,
        "fgt_percent": gland.fgt_percent if gland else None,
        "bpe_mean_pe_percent": gland.mean_pe_percent if gland else None,
        "bpe_above_threshold_percent": gland.above_percent if gland else None,
    }


def _feature_row(case_id: str, features: CaseFeatures) -> Row:
    values = {name: None if math.isnan(value) else value for name, value in features.wide.items()}
    return {"case_id": case_id, "stv_source": features.stv_source, **values}


def _dictionary(glances: Sequence[Glance]) -> tuple[Row, ...]:
    """What the IBSI's columns are, and those of CaPTk that a case has."""
    rows: list[Row] = [
        {"column": d.ibsi_tag, "name": d.name, "unit": d.unit, "family": d.family, "ibsi": d.ibsi}
        for family in catalogue.FAMILIES
        for d in family.definitions
    ]
    tables = (table for case in glances if case.features for table in case.features.panels.values())
    named = {row.name: row for table in tables for row in table if not row.ibsi_tag}
    rows += (
        {"column": row.name, "name": _in_family(row), "unit": row.unit, "family": row.family, "ibsi": ""}
        for row in named.values()
    )
    return tuple(rows)


def _in_family(row: Feature) -> str:
    """What is left of a column's name without modality, label, family and its bins and radius."""
    return re.sub(rf"^.*?_{row.family}(_(Bins|Radius)-\d+)*_", "", row.name)


def _cohort_case(case: Glance) -> CohortCase:
    acquisition = case.study.acquisition if case.study else None
    scanner = " ".join(filter(None, (acquisition.manufacturer, acquisition.model))) if acquisition else ""
    return CohortCase(
        case_id=case.case_id,
        thumbnail=case.thumbnail or b"",
        ftv_pe_cc=case.ftv.ftv_pe_cc if case.ftv else None,
        ftv_ser_cc=case.ftv.ftv_ser_cc if case.ftv else None,
        stv_cc=_stv_cc(case),
        longest_diameter_mm=case.ftv.longest_diameter_mm if case.ftv else None,
        scanner=scanner,
        visit=(acquisition.visit or "") if acquisition else "",
        stv_source=case.features.stv_source if case.features else "proposal",  # type: ignore[arg-type]
        automatic_voi=bool(case.ftv and case.ftv.voi.automatic),
        warnings=sum(item.status == "warn" for item in case.findings),
        failures=sum(item.status == "fail" for item in case.findings),
    )


def _stv_cc(case: Glance) -> float | None:
    """The volume in cc of the STV in force; of a reader's or a truth the first panel that has it counts the voxels."""
    if case.features and case.features.stv_source != "proposal":
        rows = (row for table in case.features.panels.values() for row in table)
        counted = [row.value for row in rows if _counts_voxels(row)]
        return counted[0] / 1000 if counted and not math.isnan(counted[0]) else None
    return case.stv.stv_proposal_cc if case.stv else None


def _counts_voxels(row: Feature) -> bool:
    return row.ibsi_tag == VOXEL_COUNTING_VOLUME or (row.family == "Volumetric" and row.name.endswith("_Volume"))


def _refusal_row(refusal: RefusalRecord) -> Row:
    return {"code": refusal.code, "found": refusal.found, "allowed": refusal.allowed, "remedy": refusal.remedy}


def _columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns of all rows in order of first appearance; a table without rows still names its case_id."""
    return tuple(dict.fromkeys(["case_id", *(name for row in rows for name in row)]))


def _cases_key(cases: Sequence[CaseRecord]) -> str:
    return _hash(
        [
            [case.case_id, [[name, r.key, r.refusal and vars(r.refusal)] for name, r in sorted(case.results.items())]]
            for case in cases
        ]
    )


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
