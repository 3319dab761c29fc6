"""Which files each kind of value of the cohort folder is kept in."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.cohort.checks import Finding
from uptake.features import Feature, FeatureTable
from uptake.io.files import write_bytes_whole
from uptake.io.nifti import read_mask, read_volume, write_volume
from uptake.io.store import Form
from uptake.io.tables import read_csv, write_csv
from uptake.io.values import from_plain, read_value, to_plain, write_value
from uptake.preprocess.breast import BreastMask, BreastNumbers
from uptake.preprocess.harmonise import Harmonised
from uptake.preprocess.motion import Aligned, MotionNumbers
from uptake.preprocess.normalise import Statistics
from uptake.study import Acquisition, Phase, Study
from uptake.tumour.enhancement import Enhancement
from uptake.tumour.ftv import FtvNumbers, FtvResult
from uptake.tumour.parenchyma import Background, ParenchymaNumbers
from uptake.tumour.stv import StvNumbers
from uptake.volume import Shape, Volume


@dataclass(frozen=True)
class PhaseFile:
    """A phase in ``study.json``: its file and its start in s after the first phase's."""

    file: str
    time_s: float | None


@dataclass(frozen=True)
class Geometry:
    """The acquired grid in ``study.json``; `axes` says which DICOM axis each array axis follows."""

    shape: Shape
    spacing_mm: tuple[float, float, float]
    affine: tuple[tuple[float, ...], ...]
    axes: tuple[str, str, str]


@dataclass(frozen=True)
class StudyFile:
    """What ``study.json`` holds."""

    case_id: str
    phases: tuple[PhaseFile, ...]
    geometry: Geometry
    acquisition: Acquisition


@dataclass(frozen=True)
class StvFiles:
    """An STV mask on both grids, with the numbers of the proposal where it is one."""

    isotropic: Volume
    acquired: Volume
    numbers: StvNumbers


def _write_study(folder: Path, study: Study) -> tuple[str, ...]:
    names = [f"native/{study.case_id}_{n:04d}.nii.gz" for n in range(len(study.phases))]
    for name, volume in zip(names, study.volumes, strict=True):
        write_volume(volume, folder / name)
    grid = study.grid
    geometry = Geometry(
        grid.shape,
        grid.spacing_mm,
        tuple(tuple(float(x) for x in row) for row in grid.affine),
        study.acquisition.layout.words(),
    )
    phases = tuple(PhaseFile(name, phase.time_s) for name, phase in zip(names, study.phases, strict=True))
    write_value(StudyFile(study.case_id, phases, geometry, study.acquisition), folder / "study.json")
    return (*names, "study.json")


def _read_study(folder: Path) -> Study:
    file = read_value(StudyFile, folder / "study.json")
    phases = tuple(Phase(read_volume(folder / p.file), p.time_s) for p in file.phases)
    return Study(file.case_id, phases, file.acquisition)


def _write_motion(folder: Path, made: Aligned) -> tuple[str, ...]:
    phases = tuple(f"aligned/{folder.name}_{n:04d}.nii.gz" for n in range(len(made.phases)))
    jacobians = tuple(f"maps/jacobian_{n:04d}.nii.gz" for n in range(1, 1 + len(made.jacobians)))
    _remove_others(folder / "aligned", "*.nii.gz", phases)
    _remove_others(folder / "maps", "jacobian*.nii.gz", jacobians)
    for name, volume in zip((*phases, *jacobians), (*made.phases, *made.jacobians), strict=True):
        write_volume(volume, folder / name)
    write_value(made.numbers, folder / "motion.json")
    return (*phases, *jacobians, "motion.json")


def _read_motion(folder: Path) -> Aligned:
    numbers = _glance_motion(folder)
    if numbers.correction == "no":
        return Aligned(numbers)
    volumes = tuple(read_volume(path) for path in sorted((folder / "aligned").glob("*.nii.gz")))
    jacobians = tuple(read_volume(path) for path in sorted((folder / "maps").glob("jacobian*.nii.gz")))
    return Aligned(numbers, volumes, jacobians)


def _glance_motion(folder: Path) -> MotionNumbers:
    return read_value(MotionNumbers, folder / "motion.json")


def _write_breast(folder: Path, made: BreastMask) -> tuple[str, ...]:
    write_volume(made.labels, folder / "maps/breast_labels.nii.gz")
    write_volume(made.breast, folder / "masks/breast.nii.gz")
    write_value(made.numbers, folder / "breast.json")
    return "maps/breast_labels.nii.gz", "masks/breast.nii.gz", "breast.json"


def _read_breast(folder: Path) -> BreastMask:
    return BreastMask(read_volume(folder / "maps/breast_labels.nii.gz"), _glance_breast(folder))


def _glance_breast(folder: Path) -> BreastNumbers:
    return read_value(BreastNumbers, folder / "breast.json")


def _write_background(folder: Path, made: Background) -> tuple[str, ...]:
    write_volume(made.fgt, folder / "masks/fibroglandular.nii.gz")
    write_value(made.numbers, folder / "parenchyma.json")
    return "masks/fibroglandular.nii.gz", "parenchyma.json"


def _read_background(folder: Path) -> Background:
    return Background(read_mask(folder / "masks/fibroglandular.nii.gz"), _glance_background(folder))


def _glance_background(folder: Path) -> ParenchymaNumbers:
    return read_value(ParenchymaNumbers, folder / "parenchyma.json")


def _write_maps(folder: Path, maps: Enhancement) -> tuple[str, ...]:
    write_volume(maps.pe, folder / "maps/pe.nii.gz")
    write_volume(maps.ser, folder / "maps/ser.nii.gz")
    return "maps/pe.nii.gz", "maps/ser.nii.gz"


def _read_maps(folder: Path) -> Enhancement:
    return Enhancement(read_volume(folder / "maps/pe.nii.gz"), read_volume(folder / "maps/ser.nii.gz"))


def _write_ftv(folder: Path, ftv: FtvResult) -> tuple[str, ...]:
    write_volume(ftv.pe_mask, folder / "masks/ftv_pe.nii.gz")
    write_volume(ftv.ser_mask, folder / "masks/ftv.nii.gz")
    write_value(ftv.numbers.voi, folder / "voi.json")
    write_value(ftv.numbers, folder / "ftv.json")
    return "masks/ftv_pe.nii.gz", "masks/ftv.nii.gz", "voi.json", "ftv.json"


def _read_ftv(folder: Path) -> FtvResult:
    masks = (read_mask(folder / "masks/ftv_pe.nii.gz"), read_mask(folder / "masks/ftv.nii.gz"))
    return FtvResult(*masks, _glance_ftv(folder))


def _glance_ftv(folder: Path) -> FtvNumbers:
    return read_value(FtvNumbers, folder / "ftv.json")


def _write_fields(folder: Path, fields: tuple[Volume, ...]) -> tuple[str, ...]:
    names = (
        ("maps/bias.nii.gz",) if len(fields) == 1 else tuple(f"maps/bias_{n:04d}.nii.gz" for n in range(len(fields)))
    )
    _remove_others(folder / "maps", "bias*.nii.gz", names)
    for name, volume in zip(names, fields, strict=True):
        write_volume(volume, folder / name)
    return names


def _read_fields(folder: Path) -> tuple[Volume, ...]:
    return tuple(read_volume(path) for path in sorted(folder.glob("maps/bias*.nii.gz")))


def _write_harmonised(folder: Path, made: Harmonised) -> tuple[str, ...]:
    case_id = made.study.case_id
    names = tuple(f"harmonised/{case_id}_{n:04d}.nii.gz" for n in range(len(made.study.phases)))
    for name, volume in zip(names, made.study.volumes, strict=True):
        write_volume(volume, folder / name)
    times = [phase.time_s for phase in made.study.phases]
    plain = {"statistics": to_plain(made.statistics), "times_s": times}
    write_value(plain, folder / "harmonised/statistics.json")
    return (*names, "harmonised/statistics.json")


def _read_harmonised(folder: Path) -> Harmonised:
    plain = read_value(dict[str, Any], folder / "harmonised/statistics.json")
    acquisition = read_value(StudyFile, folder / "study.json").acquisition
    paths = sorted((folder / "harmonised").glob("*.nii.gz"))
    phases = tuple(Phase(read_volume(p), t) for p, t in zip(paths, plain["times_s"], strict=True))
    study = Study(folder.name, phases, acquisition)
    return Harmonised(study, from_plain(Statistics, plain["statistics"]))


def _write_published(folder: Path, images: tuple[tuple[str, Volume], ...]) -> tuple[str, ...]:
    names = tuple(f"published/{name}" for name, _ in images)
    for path in sorted((folder / "published").rglob("*.nii.gz")):
        if path.relative_to(folder).as_posix() not in names:
            path.unlink()
    for name, (_, volume) in zip(names, images, strict=True):
        write_volume(volume, folder / name)
    return names


def _read_published(folder: Path) -> tuple[tuple[str, Volume], ...]:
    paths = sorted((folder / "published").rglob("*.nii.gz"))
    return tuple((path.relative_to(folder / "published").as_posix(), read_volume(path)) for path in paths)


def _write_stv(folder: Path, stv: StvFiles) -> tuple[str, ...]:
    write_volume(stv.isotropic, folder / "masks/stv_proposal.nii.gz")
    write_volume(stv.acquired, folder / "masks/stv_proposal_acquired.nii.gz")
    write_value(stv.numbers, folder / "stv.json")
    return "masks/stv_proposal.nii.gz", "masks/stv_proposal_acquired.nii.gz", "stv.json"


def _read_stv(folder: Path) -> StvFiles:
    return StvFiles(
        read_mask(folder / "masks/stv_proposal.nii.gz"),
        read_mask(folder / "masks/stv_proposal_acquired.nii.gz"),
        _glance_stv(folder),
    )


def _glance_stv(folder: Path) -> StvNumbers:
    return read_value(StvNumbers, folder / "stv.json")


FEATURE_COLUMNS = (
    "name",
    "value",
    "unit",
    "family",
    "ibsi",
    "ibsi_tag",
    "aggregation",
    "panel",
    "stv_source",
    "reason",
)


@dataclass(frozen=True)
class CaseFeatures:
    """The feature tables of a case by panel, in order, and the mask their numbers came from."""

    panels: Mapping[str, FeatureTable]
    stv_source: str

    @property
    def table(self) -> FeatureTable:
        """The first panel's: the IBSI's, unless the settings leave that out."""
        return next(iter(self.panels.values()), FeatureTable(()))

    @property
    def wide(self) -> dict[str, float]:
        """Values of all panels by IBSI tag, those that have none by name."""
        return {row.ibsi_tag or row.name: row.value for table in self.panels.values() for row in table}


def _write_features(folder: Path, features: CaseFeatures) -> tuple[str, ...]:
    source = features.stv_source
    rows = [
        {**row._asdict(), "panel": panel, "stv_source": source}
        for panel, table in features.panels.items()
        for row in table
    ]
    write_csv(FEATURE_COLUMNS, rows, folder / "features.csv")
    return ("features.csv",)


def _read_features(folder: Path) -> CaseFeatures:
    with (folder / "features.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    panels: dict[str, list[Feature]] = {}
    for r in rows:
        panels.setdefault(r.get("panel", "ibsi"), []).append(
            Feature(
                name=r["name"],
                value=float(r["value"]) if r["value"] else math.nan,
                unit=r["unit"],
                family=r["family"],
                ibsi=r["ibsi"],
                ibsi_tag=r["ibsi_tag"],
                aggregation=r["aggregation"],
                reason=r["reason"],
            )
        )
    tables = {panel: FeatureTable(tuple(found)) for panel, found in panels.items()}
    return CaseFeatures(tables, rows[0]["stv_source"] if rows else "")


def _write_checks(folder: Path, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    write_value(findings, folder / "checks.json")
    return ("checks.json",)


def _read_checks(folder: Path) -> tuple[Finding, ...]:
    return read_value(tuple[Finding, ...], folder / "checks.json")


PLOT_COLUMNS = ("plot", "series", "x", "x_end", "value", "lower", "upper")
"""One row per point: of the curve the mean with quartiles, of a histogram the share of voxels from x to x_end."""


@dataclass(frozen=True)
class Page:
    """A report page, the small picture (PNG) that stands for it on the cohort's page, and the data of its plots."""

    html: str
    thumbnail: bytes
    plots: tuple[Mapping[str, str | float], ...] = ()


def _write_page(folder: Path, page: Page) -> tuple[str, ...]:
    write_bytes_whole(folder / "thumbnail.png", page.thumbnail)
    write_csv(PLOT_COLUMNS, page.plots, folder / "plots.csv")
    write_bytes_whole(folder / "report.html", page.html.encode())
    return "thumbnail.png", "plots.csv", "report.html"


def _read_page(folder: Path) -> Page:
    html, thumbnail = (folder / "report.html").read_text(encoding="utf-8"), (folder / "thumbnail.png").read_bytes()
    return Page(html, thumbnail, tuple(read_csv(folder / "plots.csv")))


def _remove_others(folder: Path, pattern: str, names: tuple[str, ...]) -> None:
    for path in folder.glob(pattern):
        if f"{folder.name}/{path.name}" not in names:
            path.unlink()


STUDY = Form(_write_study, _read_study, lambda folder: read_value(StudyFile, folder / "study.json"))
MOTION = Form(_write_motion, _read_motion, _glance_motion)
BREAST = Form(_write_breast, _read_breast, _glance_breast)
BACKGROUND = Form(_write_background, _read_background, _glance_background)
MAPS = Form(_write_maps, _read_maps, lambda _: None)
FTV = Form(_write_ftv, _read_ftv, _glance_ftv)
FIELDS = Form(_write_fields, _read_fields, lambda _: None)
HARMONISED = Form(_write_harmonised, _read_harmonised, lambda _: None)
PUBLISHED = Form(_write_published, _read_published, lambda _: None)
STV = Form(_write_stv, _read_stv, _glance_stv)
FEATURES = Form(_write_features, _read_features, _read_features)
CHECKED = Form(_write_checks, _read_checks, _read_checks)
PAGE = Form(_write_page, _read_page, lambda folder: (folder / "thumbnail.png").read_bytes())
