"""One case of a release as a task that any process can do: read from the cohort, renamed, written, read back."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from uptake.io import forms
from uptake.io.archive import FORMATS
from uptake.io.archives import facts
from uptake.io.archives.bids import label
from uptake.io.archives.case import (
    MASKS,
    DicomIdentity,
    Item,
    MaskKind,
    ReleasedCase,
    ReleasedMask,
    SourceImage,
)
from uptake.io.archives.dicom_objects import WRITER
from uptake.io.archives.facts import Row
from uptake.io.archives.identifiers import Needle, SourceFacts, of_name, of_text, source_facts
from uptake.io.archives.manifest import Entry, sha256_of
from uptake.io.archives.names import Names
from uptake.io.dicom.headers import ENHANCED_CLASSES, Header
from uptake.io.dicom.read import phase_images
from uptake.io.dicom.scan import StudySource
from uptake.io.files import write_json_whole
from uptake.io.nifti import read_mask
from uptake.io.store import Cohort, RefusalRecord
from uptake.pipeline.published import Published, published
from uptake.pipeline.settings import Settings
from uptake.preprocess.motion import applied
from uptake.study import Refusal, Study
from uptake.tumour.diameter import longest_diameter_mm

SEXES = ("F", "M", "O")


@dataclass(frozen=True)
class Collection:
    """Where the images of a source come from, and under which licence."""

    name: str
    doi: str = ""
    licence: str = ""


@dataclass(frozen=True)
class ReleaseTask:
    """One case to be written below `root`: small, and sent to whichever process writes it.

    visit: its place among the patient's studies from 1; 0 where there is one. public: what the user said; None: what
    the source says. collections: by their names in the source, ``*`` for the rest.
    """

    cohort: Path
    root: Path
    case_id: str
    source: StudySource
    settings: Settings
    key: bytes
    formats: tuple[str, ...]
    visit: int = 0
    public: bool | None = None
    collections: Mapping[str, Collection] | None = None


@dataclass(frozen=True)
class ReleasedFacts:
    """What came of one case: its name, its lines of the manifest and of the tables, and what may not be found."""

    source_id: str
    source_patient: str = ""
    case_id: str = ""
    patient_id: str = ""
    sex: str = ""
    public: bool = False
    said: str = ""
    entries: tuple[Entry, ...] = ()
    tables: Mapping[str, list[Row]] | None = None
    needles: frozenset[Needle] = frozenset()
    uids: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    note: str = ""
    refusal: RefusalRecord | None = None


def release_case(task: ReleaseTask) -> ReleasedFacts:
    """Write one case of a release. What is wrong with the case is in the result, never raised."""
    try:
        return _released(task)
    except Refusal as error:
        return ReleasedFacts(
            task.case_id, refusal=RefusalRecord(error.code.value, error.found, error.allowed, error.remedy)
        )


def _released(task: ReleaseTask) -> ReleasedFacts:
    seen = source_facts(task.source.files) if task.source.kind == "dicom" else _of_names(task.source)
    public = seen.identity_removed if task.public is None else task.public
    names = Names(public, task.key)
    case_id = _case_id(task, names)
    folder = Cohort(task.cohort).case(task.case_id)
    file = forms.STUDY.glance(folder)
    phases = phase_images(task.source, task.settings.dicom)
    case = _case(task, case_id, names, seen, phases)
    items = [item for name in task.formats for item in FORMATS[name].write(task.root, case)]
    collection = _collection(task, seen, public)
    origin = _origin(task, names, phases, collection, public)
    items.append(_provenance(task, case, origin))
    about = {
        "case_id": case_id,
        "patient_id": case.identity.patient_id,
        "visit": _visit(task),
        **origin,
    }
    return ReleasedFacts(
        source_id=task.case_id,
        source_patient=task.source.patient_id,
        case_id=case_id,
        patient_id=case.identity.patient_id,
        sex=case.identity.patient_sex,
        public=public,
        said="the user" if task.public is not None else "PatientIdentityRemoved in every file",
        entries=tuple(_entry(task.root, item, about) for item in items),
        tables=_tables(folder, case_id, file),
        needles=seen.needles | _own_needles(task, public),
        uids=frozenset() if public else seen.uids,
        allowed=_allowed(task, seen, file, collection, public),
        note=_note(phases),
    )


def _case(
    task: ReleaseTask, case_id: str, names: Names, seen: SourceFacts, phases: tuple[tuple[Header, ...], ...]
) -> ReleasedCase:
    folder = Cohort(task.cohort).case(task.case_id)
    native = forms.STUDY.read(folder)
    chosen = forms.FTV.glance(folder).phases
    delivered = Study(native.case_id, tuple(native.phases[n] for n in chosen.indices), native.acquisition)
    aligned = applied(delivered, forms.MOTION.read(folder))
    harmonised = forms.HARMONISED.read(folder)
    images = published(aligned, forms.FIELDS.read(folder), harmonised, task.settings.rescale, Published("ispy1"))
    volumes = [volume for _, volume in images]
    masks = tuple(_mask(kind, folder) for kind in MASKS if (folder / f"masks/{kind.files[0]}.nii.gz").is_file())
    early = phases[chosen.early] if _can_refer(phases) else ()
    return ReleasedCase(
        case_id=case_id,
        corrected=tuple(volumes[: len(aligned.phases)]),
        zscored=tuple(volumes[len(aligned.phases) :]),
        masks=masks,
        layout=native.acquisition.layout,
        identity=_identity(task, names, seen, native, masks),
        images=tuple(_image(header, names) for header in early),
        version=metadata.version("uptake"),
        session=_visit(task),
        patient=names.patient(task.source.patient_id),
    )


def _can_refer(phases: tuple[tuple[Header, ...], ...]) -> bool:
    """Whether a SEG can refer to the images of every phase: files of their own, or frames of one multi-frame object."""
    uids = [{header.sop_uid for header in phase} for phase in phases]
    multi_frame = any(header.sop_class in ENHANCED_CLASSES for phase in phases for header in phase)
    return bool(uids) and all(
        len(found) == (1 if multi_frame else len(phase)) for found, phase in zip(uids, phases, strict=True)
    )


def _note(phases: tuple[tuple[Header, ...], ...]) -> str:
    if _can_refer(phases):
        return ""
    found = "the slices of a phase in several multi-frame objects" if phases else "no DICOM images of the phases"
    return f"the source holds {found}: no SEG, no measurements report"


def _mask(kind: MaskKind, folder: Path) -> ReleasedMask:
    volume, acquired = (read_mask(folder / f"masks/{name}.nii.gz") for name in kind.files)
    return ReleasedMask(kind, volume, acquired, longest_diameter_mm(acquired))


def _image(header: Header, names: Names) -> SourceImage:
    plane = header.plane
    if plane is None:  # read_study has refused such a study
        raise ValueError("an image of a phase has a plane")
    return SourceImage(
        header.sop_class,
        names.uid(header.sop_uid),
        names.uid(header.series_uid),
        plane.orientation,
        plane.position,
        plane.spacing,
        plane.size,
        header.frame,
    )


def _identity(
    task: ReleaseTask, names: Names, seen: SourceFacts, study: Study, masks: tuple[ReleasedMask, ...]
) -> DicomIdentity:
    source = task.source
    of_case = ("object", source.study_uid or source.patient_id)
    wanted = [f"{mask.kind.name} {part}" for mask in masks for part in ("series", "instance", "tracking")]
    wanted += ["report series", "report instance", "observer"]
    return DicomIdentity(
        patient_id=names.patient(source.patient_id),
        patient_sex=seen.patient_sex if seen.patient_sex in SEXES else "",
        study_uid=names.uid(source.study_uid or ""),
        study_date=names.shifted(source.patient_id, source.study_date),
        frame_of_reference_uid=names.uid(seen.frame_of_reference_uid) or names.new_uid(*of_case, "frame"),
        laterality=study.acquisition.laterality or "",
        uids={name: names.new_uid(*of_case, name) for name in wanted},
    )


def _case_id(task: ReleaseTask, names: Names) -> str:
    if names.public:
        return task.case_id
    return names.patient(task.source.patient_id) + (f"_{_visit(task)}" if task.visit else "")


def _visit(task: ReleaseTask) -> str:
    return f"T{task.visit}" if task.visit else ""


def _of_names(source: StudySource) -> SourceFacts:
    """What phases that came as NIfTI say: the names of their files."""
    found = (of_name(part, "a name of a source file") for file in source.files for part in Path(file.name).parts)
    return SourceFacts(frozenset(needle for needle in found if needle))


def _own_needles(task: ReleaseTask, public: bool) -> frozenset[Needle]:
    """What this machine and the cohort call the source, and who keeps it where."""
    folders = {str(file.path.parent) for file in task.source.files} | {str(task.cohort), str(Path.home())}
    found = {Needle(path, "text", "a path on this machine") for path in folders if len(path) >= 6}
    found |= {needle for needle in [of_text(platform.node(), "the name of this machine")] if needle}
    if not public:
        found |= {Needle(task.case_id, "identifier", "the case's name in the cohort")}
        found |= {Needle(task.source.patient_id, "identifier", "PatientID (0010,0020)")}
    return frozenset(found)


def _allowed(
    task: ReleaseTask, seen: SourceFacts, file: forms.StudyFile, collection: Collection, public: bool
) -> frozenset[str]:
    """What a release may say of its source: scanner by fixed lists; of a public one its names and UIDs too."""
    made = file.acquisition
    allowed = {text for text in (made.manufacturer and facts.maker(made.manufacturer), facts.model(made.model)) if text}
    allowed.add(WRITER)
    allowed |= {text for text in (collection.name, collection.doi, collection.licence) if text}
    if public:
        own = {task.source.patient_id, task.case_id, seen.collection}
        allowed |= (own | {label(name) for name in own}) - {""}
    return frozenset(allowed)


def _collection(task: ReleaseTask, seen: SourceFacts, public: bool) -> Collection:
    known = task.collections or {}
    named = known.get(seen.collection) if public else None
    fallback = known.get("*", Collection(seen.collection if public else ""))
    return named or fallback


def _origin(
    task: ReleaseTask, names: Names, phases: tuple[tuple[Header, ...], ...], collection: Collection, public: bool
) -> dict[str, str]:
    series = dict.fromkeys(names.uid(header.series_uid) for phase in phases for header in phase)
    return {
        "source_collection": collection.name,
        "source_doi": collection.doi,
        "source_licence": collection.licence,
        "source_study_uid": names.uid(task.source.study_uid or ""),
        "source_series_uids": " ".join(series),
        "deidentification": PUBLIC if public else REPLACED,
    }


PUBLIC = "public source: PatientIDs and UIDs kept; dates shifted; times, names, institutions and free text removed"
REPLACED = (
    "PatientIDs and UIDs replaced by keyed pseudonyms; dates shifted; times, names, institutions and free text removed"
)
"""De-identification methods; details in the release's DEIDENTIFICATION.md."""


def _provenance(task: ReleaseTask, case: ReleasedCase, origin: Mapping[str, str]) -> Item:
    name = f"provenance/{case.case_id}.json"
    record = Cohort(task.cohort).record(task.case_id)
    extra: dict[str, Any] = {"patient_id": case.identity.patient_id, "source": dict(origin)}
    write_json_whole(task.root / name, facts.provenance(case.case_id, record, extra))
    return Item(name, "how the case was made: versions and settings of every step")


def _entry(root: Path, item: Item, about: Mapping[str, str]) -> Entry:
    path = root / item.file
    shape = " ".join(map(str, item.shape)) if item.shape else ""
    spacing = " ".join(f"{s:.6g}" for s in item.spacing_mm) if item.spacing_mm else ""
    entry = Entry(
        item.file, sha256_of(path), path.stat().st_size, what=item.what, unit=item.unit, shape=shape,
        spacing_mm=spacing, mask=item.mask, note=item.note,
    )  # fmt: skip
    return replace(entry, **about)  # type: ignore[arg-type]


def _tables(folder: Path, case_id: str, file: forms.StudyFile) -> Mapping[str, list[Row]]:
    features = forms.FEATURES.read(folder)
    checks = [{"case_id": case_id, **vars(finding)} for finding in forms.CHECKED.read(folder)]
    return {
        "studies": [facts.study_row(case_id, file)],
        "ftv": [facts.ftv_row(case_id, forms.FTV.glance(folder))],
        "features": [facts.feature_row(case_id, features)],
        "features_long": facts.long_features(case_id, features),
        "checks": checks,
    }
