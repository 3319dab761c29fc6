"""`read_study`: the files of a study to its DCE phases on one RAS+ grid, or a refusal."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import pydicom

from uptake.io.dicom.candidates import FEWEST_PHASES, Candidate, choose, named
from uptake.io.dicom.enhanced import expand
from uptake.io.dicom.evidence import find_evidence
from uptake.io.dicom.faults import fault
from uptake.io.dicom.geometry import affine_lps, arranged, grid_of, layout_of, parallel
from uptake.io.dicom.headers import ENHANCED_CLASSES, Header
from uptake.io.dicom.leave import FROM_OTHERS, is_derived, is_mr_image, is_ucsf_object, reason_to_leave
from uptake.io.dicom.lenient import MALFORMED, quiet
from uptake.io.dicom.phases import Sorted, sort_phases
from uptake.io.dicom.pixels import read_phases
from uptake.io.dicom.scan import StudySource
from uptake.io.dicom.sources import read_all
from uptake.io.dicom.stacks import Stack, same_protocol, series_name, stacks_of
from uptake.io.dicom.ucsf import DceReference, read_recorded
from uptake.io.nifti import read_volume
from uptake.study import Acquisition, Code, LeftOut, Phase, PhaseProtocol, Refusal, Study
from uptake.volume import Volume

NO_ORIGINAL = "no original time series: derived images were considered"


@dataclass(frozen=True)
class Dicom:
    """How a study's DCE is found among its series."""

    series: Annotated[
        str, "series of the DCE by number, description or UID; several with commas; empty: found by the rules"
    ] = ""


def read_study(source: StudySource, case_id: str, settings: Dicom | None = None) -> Study:
    """The DCE of a study: phases in time order with raw intensities on one grid, and how they were found.

    Arrays are ordered as dcm2niix orders them; times are seconds from the start of the first phase, or all None.
    Raises `Refusal` for every way in which a study can be unusable: the code, what was found, what to do.
    """
    if source.kind == "nifti":
        return _read_nifti(source, case_id)
    found = _found(source, settings or Dicom())
    return _study(source, case_id, found.ordered, found.objects, found.decisions)


def phase_images(source: StudySource, settings: Dicom | None = None) -> tuple[tuple[Header, ...], ...]:
    """The images of each phase of the DCE, ascending along the normal: those that `read_study` makes volumes of.

    Empty for phases that came as NIfTI. Raises as `read_study`.
    """
    return () if source.kind == "nifti" else _found(source, settings or Dicom()).ordered.phases


@dataclass(frozen=True)
class _Found:
    ordered: Sorted
    objects: list[pydicom.Dataset]
    decisions: tuple[str, ...]


def _found(source: StudySource, settings: Dicom) -> _Found:
    _check_identity(source)
    images = _images(source.headers)
    objects = _derived_objects(source.headers)
    candidate, decisions = _find(source.headers, images, objects, settings.series)
    _check_series(source.headers, images, candidate)
    ordered = sort_phases(candidate.images)
    if len(ordered.phases) < FEWEST_PHASES:
        raise _few_phases([*candidate.stacks])
    return _Found(ordered, objects, decisions)


def _check_identity(source: StudySource) -> None:
    if source.conflicts:
        raise Refusal(
            Code.UNREADABLE,
            found=f"{len(source.conflicts)} images are there twice with different contents (one SOP Instance UID)",
            allowed="one content for each SOP Instance UID",
            remedy="keep one of the two exports",
        )
    owners: dict[str, set[str]] = defaultdict(set)
    for header in source.headers:
        owners[header.series_uid].add(header.patient_id)
    mixed = {header.series_uid: series_name(header) for header in source.headers if len(owners[header.series_uid]) > 1}
    if mixed:
        raise Refusal(
            Code.TWO_PATIENTS,
            found="; ".join(f"{name}: {len(owners[uid])} PatientIDs" for uid, name in sorted(mixed.items())),
            allowed="one PatientID in a series",
            remedy="find out whose images they are, and separate them",
        )
    if not any(is_mr_image(header) for header in source.headers):
        raise _not_mr(source.headers)


def _images(headers: Sequence[Header]) -> tuple[Header, ...]:
    """All images of MR objects, the frames of enhanced ones each on its own."""
    enhanced = [header for header in headers if header.sop_class in ENHANCED_CLASSES and is_mr_image(header)]
    frames = read_all([header.file for header in enhanced])
    expanded = [image for header, data in zip(enhanced, frames, strict=True) for image in expand(header, data)]
    classic = [header for header in headers if header.sop_class not in ENHANCED_CLASSES]
    return (*(header for header in classic if is_mr_image(header)), *expanded)


def _derived_objects(headers: Sequence[Header]) -> list[pydicom.Dataset]:
    """UCSF's objects parsed: the first image of each map without its pixels, segmentations whole."""
    series: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        if is_ucsf_object(header):
            series[header.series_uid].append(header)
    chosen: list[Header] = []
    for uid in sorted(series):
        group = sorted(series[uid], key=lambda header: (not header.ucsf, header.moment.instance_number or 0))
        chosen += group if group[0].modality == "SEG" else group[:1]
    data = read_all([header.file for header in chosen])
    return [dataset for header, bytes_ in zip(chosen, data, strict=True) for dataset in _parsed(header, bytes_)]


def _parsed(header: Header, data: bytes) -> list[pydicom.Dataset]:
    try:
        with quiet():
            return [pydicom.dcmread(io.BytesIO(data), stop_before_pixels=header.modality != "SEG", force=True)]
    except MALFORMED:
        return []


def _find(
    headers: Sequence[Header], images: Sequence[Header], objects: Sequence[pydicom.Dataset], wanted: str
) -> tuple[Candidate, tuple[str, ...]]:
    if wanted:
        candidate = named(stacks_of(image for image in images if image.plane is not None), wanted)
        if candidate is None:
            raise _not_named(images, wanted)
        return candidate, (f"DCE: {candidate.name}, {candidate.why}",)
    evidence = find_evidence([header for header in headers if is_ucsf_object(header)], objects)
    possible = [image for image in images if reason_to_leave(image) is None]
    originals = [image for image in possible if not is_derived(image)]
    sums = [image for image in images if evidence and reason_to_leave(image) in (None, FROM_OTHERS)]
    for pool, said in ((originals, ()), (possible, (NO_ORIGINAL,)), (sums, (NO_ORIGINAL,))):
        chosen = choose(stacks_of(image for image in pool if image.plane is not None), evidence)
        if chosen is not None:
            return chosen[0], (*said, *chosen[1])
    raise _nothing_found(headers, originals or possible)


def _check_series(headers: Sequence[Header], images: Sequence[Header], candidate: Candidate) -> None:
    """Refuses what is wrong with a file of the chosen series, even if it did not take part in the choice."""
    series = {image.series_uid for image in candidate.images}
    for header in headers:
        if header.truncated and header.series_uid in series:
            raise _truncated(header)
    chosen = {(image.sop_uid, image.frame) for image in candidate.images}
    others = [image for image in images if image.series_uid in series and (image.sop_uid, image.frame) not in chosen]
    if any(image.plane is None for image in others):
        raise _no_orientation([image for image in others if image.plane is None])
    refusal = fault([image for image in images if image.series_uid in series]) if others else None
    if refusal is not None and refusal.code == Code.GEOMETRY:
        raise refusal


def _nothing_found(headers: Sequence[Header], possible: Sequence[Header]) -> Refusal:
    """Why there is no candidate: the most telling of the things that can be wrong."""
    for header in headers:
        if header.truncated and is_mr_image(header) and not is_ucsf_object(header):
            return _truncated(header)
    unplaced = [image for image in possible if image.plane is None]
    if unplaced:
        return _no_orientation(unplaced)
    others = [header for header in headers if header.plane is not None and not is_mr_image(header)]
    if len(others) > len(possible):
        return _not_mr(headers)
    stacks = stacks_of(possible)
    faults = (fault(images) for images in _same_names(stacks))
    return next((refusal for refusal in faults if refusal is not None), _few_phases(stacks))


def _same_names(stacks: Sequence[Stack]) -> Iterable[tuple[Header, ...]]:
    """Images of each series, then of all series of one name and protocol that are seen from one direction."""
    series: dict[str, list[Stack]] = defaultdict(list)
    names: dict[tuple[tuple[str, ...], str], list[Stack]] = defaultdict(list)
    for stack in stacks:
        series[stack.first.series_uid].append(stack)
        towards = next(s for s in stacks if parallel(s.plane, stack.plane) and same_protocol(s, stack))
        names[stack.bare_name, towards.first.sop_uid].append(stack)
    for group in (*series.values(), *names.values()):
        yield tuple(image for stack in group for image in stack.images)


def _study(
    source: StudySource, case_id: str, ordered: Sorted, objects: list[pydicom.Dataset], decisions: tuple[str, ...]
) -> Study:
    first = ordered.phases[0]
    planes = [image.plane for image in first if image.plane is not None]
    affine, (columns, rows) = affine_lps(planes), planes[0].size
    shape = columns, rows, len(first)
    layout = layout_of(affine, shape, rotated=_is_3d_series_per_phase(ordered))
    grid = grid_of(affine, shape, layout)
    arrays = read_phases(ordered.phases)
    volumes = [Volume(arranged(arrays.pop(0), layout), grid) for _ in ordered.phases]
    recorded = read_recorded(objects, DceReference(_phase_of_uid(ordered), len(volumes), shape, affine))
    acquisition = dataclasses.replace(_acquisition(source, ordered, decisions), layout=layout, recorded=recorded)
    phases = tuple(Phase(volume, time) for volume, time in zip(volumes, ordered.times_s, strict=True))
    return Study(case_id, phases, acquisition)


def _is_3d_series_per_phase(ordered: Sorted) -> bool:
    """Whether dcm2niix would write each phase as a volume of its own, and turn it."""
    series = {image.series_uid for phase in ordered.phases for image in phase}
    return len(series) == len(ordered.phases) and ordered.phases[0][0].protocol.acquisition_type == "3D"


def _acquisition(source: StudySource, ordered: Sorted, decisions: tuple[str, ...]) -> Acquisition:
    images = [image for phase in ordered.phases for image in phase]
    series = {image.series_uid: None for image in images}
    protocol = images[0].protocol
    return Acquisition(
        manufacturer=protocol.manufacturer,
        model=protocol.model,
        field_strength_t=protocol.field_strength_t,
        sequence=protocol.sequence,
        repetition_time_ms=protocol.repetition_time_ms,
        echo_time_ms=protocol.echo_time_ms,
        flip_angle_deg=protocol.flip_angle_deg,
        slice_thickness_mm=protocol.slice_thickness_mm,
        temporal_resolution_s=protocol.temporal_resolution_s,
        laterality=protocol.laterality,
        visit=source.visit,
        study_uid=source.study_uid,
        series_uids=tuple(series),
        phase_protocols=tuple(map(_phase_protocol, ordered.phases)),
        decisions=(*decisions, *ordered.decisions),
        left_out=_left_out(source.headers, {image.sop_uid for image in images}, set(series)),
    )


def _phase_protocol(images: Sequence[Header]) -> PhaseProtocol:
    names = ("repetition_time_ms", "echo_time_ms", "flip_angle_deg")
    found = ({getattr(image.protocol, name) for image in images} for name in names)
    return PhaseProtocol(*(values.pop() if len(values) == 1 else None for values in found))


def _phase_of_uid(ordered: Sorted) -> dict[str, int]:
    """SOP Instance UID -> phase, without objects whose frames belong to several."""
    phases: dict[str, set[int]] = defaultdict(set)
    for number, phase in enumerate(ordered.phases):
        for image in phase:
            phases[image.sop_uid].add(number)
    return {uid: min(numbers) for uid, numbers in phases.items() if len(numbers) == 1}


def _left_out(headers: Sequence[Header], used: set[str], series: set[str]) -> tuple[LeftOut, ...]:
    counts: Counter[tuple[float, str, str]] = Counter()
    for header in headers:
        if header.sop_uid not in used:
            number = float("inf") if header.series_number is None else header.series_number
            other = "other planes than the rest of its series" if header.series_uid in series else "another series"
            what = f"{series_name(header)} ({header.modality or 'no modality'})"
            counts[number, what, reason_to_leave(header) or other] += 1
    return tuple(LeftOut(what, files, reason) for (_, what, reason), files in sorted(counts.items()))


def _read_nifti(source: StudySource, case_id: str) -> Study:
    """Phases that were converted elsewhere; their times are not known."""
    numbers = [file.name.split("_")[-1].split(".")[0] for file in source.files]
    if numbers != [f"{k:04d}" for k in range(len(numbers))]:
        raise Refusal(
            Code.PHASES,
            found=f"phases numbered {', '.join(numbers)}",
            allowed="phases numbered 0000, 0001, 0002 and so on",
            remedy="add the phases that are absent, or number the files anew",
        )
    if len(numbers) < FEWEST_PHASES:
        raise _too_few(f"{len(numbers)} phases as NIfTI")
    volumes = [read_volume(file.path) for file in source.files]
    for number, volume in enumerate(volumes):
        if not volume.grid.same_as(volumes[0].grid):
            raise Refusal(
                Code.GEOMETRY,
                found=f"phase {number} lies on another grid than phase 0",
                allowed="one grid for all phases",
                remedy="resample the phases to one grid first",
            )
        if not volume.array.any():
            raise Refusal(
                Code.ALL_ZERO,
                found=f"phase {number} is zero in every voxel",
                allowed="phases with a signal",
                remedy="convert the phase again",
            )
    said = (f"{len(volumes)} phases told apart by their file names", "no tag tells when the phases were acquired")
    return Study(case_id, tuple(Phase(volume, None) for volume in volumes), Acquisition(decisions=said))


def _not_mr(headers: Sequence[Header]) -> Refusal:
    kinds = Counter(header.modality or "none" for header in headers)
    return Refusal(
        Code.NOT_MR,
        found="no MR time series; modalities: " + ", ".join(f"{kind} ({n} files)" for kind, n in sorted(kinds.items())),
        allowed="a study with an MR time series",
        remedy="give the MR study of the patient",
    )


def _truncated(header: Header) -> Refusal:
    return Refusal(
        Code.UNREADABLE,
        found=f"{header.file.name} ends before its pixels do",
        allowed="whole files",
        remedy="copy or download the file again",
    )


def _no_orientation(images: Sequence[Header]) -> Refusal:
    return Refusal(
        Code.NO_ORIENTATION,
        found=f"{len(images)} images of {series_name(images[0])} without a valid ImagePositionPatient, "
        "ImageOrientationPatient or PixelSpacing",
        allowed="images with position, orientation and pixel size",
        remedy="export the series again with its geometry",
    )


def _few_phases(stacks: Sequence[Stack]) -> Refusal:
    most = sorted(stacks, key=lambda stack: (-stack.phases, -len(stack.positions), stack.name))[:5]
    listed = "; ".join(
        f"{stack.name}: {_counted(stack.phases, 'phase')} of {_counted(len(stack.positions), 'slice')}"
        for stack in most
    )
    return _too_few(listed or "no original MR series")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _too_few(found: str) -> Refusal:
    return Refusal(
        Code.FEW_PHASES,
        found=found,
        allowed="one phase before contrast and at least two after it, at the same slice positions",
        remedy="add the series that is absent, or name the series to use in the settings (dicom.series)",
    )


def _not_named(images: Sequence[Header], wanted: str) -> Refusal:
    names = "; ".join(sorted({series_name(image) for image in images}))
    return Refusal(
        Code.FEW_PHASES,
        found=f"no MR series is called {wanted!r}; there are {names}",
        allowed="a series number, description or UID of the study",
        remedy="correct the setting dicom.series",
    )
