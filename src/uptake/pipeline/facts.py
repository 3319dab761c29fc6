"""What the technical validation needs of a case, read from its files: headers and voxels, not the records' word."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from uptake.cohort.collection import CaseFacts, MaskFacts, State
from uptake.cohort.overlap import Agreement, agree, between
from uptake.cohort.reading import Entry
from uptake.io import forms, revisions
from uptake.io.forms import StudyFile
from uptake.io.nifti import read_mask, read_volume
from uptake.io.store import CaseRecord, Cohort, missing_files
from uptake.pipeline.cases import case_todo
from uptake.pipeline.settings import Settings
from uptake.study import Refusal
from uptake.tumour.ftv import FtvNumbers
from uptake.volume import Grid, Volume

HETEROGENEITY = "entropy of the SER bands, bits"

RATERS = {
    "FTV (PE)": ("ftv_pe", ""),
    "FTV (PE and SER)": ("ftv", ""),
    "FTV imported": ("ftv_imported", ""),
    "STV proposal": ("stv_proposal_acquired", "stv_proposal"),
    "network": ("stv_predicted_acquired", "stv_predicted"),
    "reader": ("stv_acquired", "stv"),
    "truth": ("stv_truth_acquired", "stv_truth"),
}
"""Who drew a mask, and its files on the acquired and on the isotropic grid."""

PAIRS = (
    ("FTV (PE)", "STV proposal"),
    ("FTV (PE)", "network"),
    ("FTV (PE)", "reader"),
    ("FTV (PE)", "truth"),
    ("FTV (PE and SER)", "network"),
    ("FTV (PE and SER)", "reader"),
    ("FTV (PE and SER)", "truth"),
    ("FTV (PE and SER)", "FTV imported"),
    ("STV proposal", "reader"),
    ("STV proposal", "truth"),
    ("network", "reader"),
    ("network", "truth"),
    ("reader", "truth"),
)
"""Who is compared with whom: the first with the second, which is nearer to the truth."""


Drawn = tuple[tuple[str, Path | Entry], ...]
"""Readers of a case by name with their masks: files, or revisions of the cohort's own record."""


@dataclass(frozen=True)
class Compared:
    """The agreement of two masks of a case, on the grid both were drawn on."""

    one: str
    other: str
    grid: str
    agreement: Agreement


@dataclass(frozen=True)
class CaseRead:
    """What was read of a case."""

    facts: CaseFacts
    compared: tuple[Compared, ...]


@dataclass(frozen=True)
class ReadTask:
    """A case to be read, sent to whichever process reads it."""

    cohort: Path
    case_id: str
    settings: Settings
    readers: Drawn = ()


def read_case(task: ReadTask) -> CaseRead:
    """Everything that the checks of a collection need of one case. What is wrong with a file is in the facts."""
    cohort = Cohort(task.cohort)
    folder, record = cohort.case(task.case_id), cohort.record(task.case_id)
    state = _state(cohort, record, task.settings)
    if not (folder / "study.json").is_file():
        return CaseRead(CaseFacts(task.case_id, state, faults=_gone(folder, record)), ())
    study: StudyFile = forms.STUDY.glance(folder)
    images = _Images.of(folder, study)
    files = sorted((folder / "masks").glob("*.nii.gz"))
    masks = _masks({path.name.removesuffix(".nii.gz"): partial(read_mask, path) for path in files}, images)
    read = _masks({f"reader {name}": partial(drawn_mask, task.cohort, mask) for name, mask in task.readers}, images)
    ftv: FtvNumbers | None = forms.FTV.glance(folder) if (folder / "ftv.json").is_file() else None
    made = study.acquisition
    facts = CaseFacts(
        case_id=task.case_id,
        state=state,
        manufacturer=made.manufacturer or "",
        model=made.model or "",
        times_s=tuple(phase.time_s for phase in study.phases),
        roles=ftv.phases.indices if ftv else (0, 1, 2),
        temporal_resolution_s=made.temporal_resolution_s,
        protocols=made.phase_protocols,
        acquired_mm=study.geometry.spacing_mm,
        harmonised_mm=images.isotropic.spacing_mm if images.isotropic else None,
        harmonised_mean=images.mean,
        harmonised_sd=images.sd,
        pe_threshold_percent=float(ftv.pe_threshold_percent.value) if ftv else None,
        pe_threshold_source=ftv.pe_threshold_percent.source if ftv else "",
        masks=tuple(item for _, item in (*masks.values(), *read.values())),
        numbers=_numbers(study, ftv, masks),
        faults=(*_gone(folder, record), *images.faults),
        findings=forms.CHECKED.read(folder) if (folder / "checks.json").is_file() else (),
    )
    volumes = {name: mask for name, (mask, _) in masks.items() if mask is not None}
    return CaseRead(facts, (*_compared(volumes), *_between_readers(read, volumes)))


def drawn_mask(cohort: Path, mask: Path | Entry) -> Volume:
    """A reader's mask: of a file, or the primary lesion of a revision. Raises Refusal."""
    return read_mask(mask) if isinstance(mask, Path) else revisions.primary(revisions.read_labels(cohort, mask))


@dataclass(frozen=True)
class _Images:
    """The grids of a case's images as the files have them, and the harmonised intensities."""

    acquired: Grid | None
    isotropic: Grid | None
    mean: float | None
    sd: float | None
    faults: tuple[str, ...]

    @staticmethod
    def of(folder: Path, study: StudyFile) -> _Images:
        faults: list[str] = []
        said = Grid(study.geometry.shape, np.array(study.geometry.affine))
        acquired = None
        for path in [*(folder / phase.file for phase in study.phases), *sorted((folder / "maps").glob("*.nii.gz"))]:
            volume = _read(path, faults)
            acquired = volume.grid if acquired is None and volume is not None else acquired
            if volume is not None and not volume.grid.same_as(said):
                faults.append(f"{path.name} lies on another grid than study.json says")
        harmonised = [_read(path, faults) for path in sorted((folder / "harmonised").glob("*.nii.gz"))]
        known = [volume for volume in harmonised if volume is not None]
        if any(not volume.grid.same_as(known[0].grid) for volume in known[1:]):
            faults.append("the harmonised phases lie on different grids")
        if not known:
            return _Images(acquired, None, None, None, tuple(faults))
        return _Images(acquired, known[0].grid, *_pooled(known), tuple(faults))


def _pooled(volumes: list[Volume]) -> tuple[float, float]:
    """Mean and standard deviation over all phases."""
    count = sum(volume.array.size for volume in volumes)
    mean = sum(float(volume.array.sum(dtype=np.float64)) for volume in volumes) / count
    square = sum(float(np.square(volume.array, dtype=np.float64).sum()) for volume in volumes) / count
    return mean, float(np.sqrt(max(square - mean**2, 0.0)))


def _masks(named: Mapping[str, Callable[[], Volume]], images: _Images) -> dict[str, tuple[Volume | None, MaskFacts]]:
    """Each mask, None where it could not be read, with what is told of it."""
    found: dict[str, tuple[Volume | None, MaskFacts]] = {}
    for name, load in named.items():
        try:
            mask = load()
        except Refusal as refusal:
            found[name] = (None, MaskFacts(name, "none", 0, f"{refusal.code}: {refusal.found}"))
            continue
        grids = {"acquired": images.acquired, "isotropic": images.isotropic}
        on = [key for key, grid in grids.items() if grid is not None and mask.grid.same_as(grid)]
        voxels = int(np.count_nonzero(mask.array))
        found[name] = (mask, MaskFacts(name, on[0] if on else "another", voxels))  # type: ignore[arg-type]
    return found


def _compared(masks: dict[str, Volume]) -> tuple[Compared, ...]:
    result = []
    for one, other in PAIRS:
        for number, grid in ((1, "isotropic"), (0, "acquired")):
            names = RATERS[one][number], RATERS[other][number]
            if all(name in masks for name in names):
                a, b = (masks[name] for name in names)
                if a.grid.same_as(b.grid):
                    result.append(Compared(one, other, grid, agree(a, b)))
                break
    return tuple(result)


def _between_readers(
    read: Mapping[str, tuple[Volume | None, MaskFacts]], masks: Mapping[str, Volume]
) -> Iterator[Compared]:
    """Every reader with every other, and the network with each, where both drew on one grid."""
    for grid, name in (("acquired", RATERS["network"][0]), ("isotropic", RATERS["network"][1])):
        drawn = {key: mask for key, (mask, item) in read.items() if mask is not None and item.grid == grid}
        for (one, other), agreement in between(drawn).items():
            yield Compared(one, other, grid, agreement)
        if name in masks:
            for key, mask in drawn.items():
                yield Compared("network", key, grid, agree(masks[name], mask))


def _numbers(
    study: StudyFile, ftv: FtvNumbers | None, masks: dict[str, tuple[Volume | None, MaskFacts]]
) -> dict[str, float]:
    """What is compared over the cohort."""
    made, spacing = study.acquisition, study.geometry.spacing_mm
    stv = next((masks[n][0] for n in ("stv", "stv_truth", "stv_predicted", "stv_proposal") if n in masks), None)
    ratio = stv.cc / ftv.ftv_pe_cc if stv is not None and ftv and ftv.ftv_pe_cc else None
    times = [phase.time_s for phase in study.phases]
    numbers = {
        "FTV (PE), cc": ftv.ftv_pe_cc if ftv else None,
        "FTV (PE and SER), cc": ftv.ftv_ser_cc if ftv else None,
        "STV, cc": stv.cc if stv is not None else None,
        "STV to FTV": ratio,
        "longest diameter, mm": ftv.longest_diameter_mm if ftv else None,
        "PE threshold, %": float(ftv.pe_threshold_percent.value) if ftv else None,
        "pixel, mm": min(spacing),
        "slice step, mm": max(spacing),
        "TR, ms": made.repetition_time_ms,
        "TE, ms": made.echo_time_ms,
        "flip angle, deg": made.flip_angle_deg,
        "first post-contrast phase, s": times[1] if len(times) > 1 else None,
        "phases": float(len(times)),
        HETEROGENEITY: _entropy([band.percent for band in ftv.bands]) if ftv and ftv.ftv_pe_voxels else None,
    }
    return {name: float(value) for name, value in numbers.items() if value is not None}


def _entropy(percents: Sequence[float]) -> float:
    """Shannon's entropy of the shares of the SER bands, in bits: 0 for one band only."""
    shares = [percent / sum(percents) for percent in percents if percent > 0]
    return -sum(share * math.log2(share) for share in shares)


def _state(cohort: Cohort, record: CaseRecord, settings: Settings) -> State:
    """Made, refused, both (results that need a refused one), or unfinished."""
    refused = {name for name, result in record.results.items() if result.refusal}
    todos = case_todo(cohort, record.case_id, settings)
    if not refused:
        return "unfinished" if any(todo.reason for todo in todos) else "made"
    lost = set(refused)
    for todo in todos:
        if lost & set(todo.step.needs):
            lost.add(todo.step.makes)
    after = [name for name in lost - refused if name in record.results and record.results[name].files]
    return "both" if after else "refused"


def _gone(folder: Path, record: CaseRecord) -> tuple[str, ...]:
    names = [name for result in record.results.values() for name in missing_files(folder, result)]
    return tuple(f"{name} is gone or has another size" for name in names)


def _read(path: Path, faults: list[str]) -> Volume | None:
    if not path.is_file():
        return None  # its record says that it is gone
    try:
        return read_volume(path)
    except Refusal as refusal:
        faults.append(f"{path.name}: {refusal.code}: {refusal.found}")
        return None
