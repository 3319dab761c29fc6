"""What a source says of a person: every name, identifier, date, time and free text of its DICOM headers.

These are the needles of the gate. What a release may hold of a source is `allowed` beside them: the technical values
it prints, and for a public collection its PatientIDs, UIDs and the collection's own name.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag

from uptake.io.archives.facts import maker, model
from uptake.io.dicom.lenient import MALFORMED, quiet
from uptake.io.dicom.sources import FileRef, read_all

Kind = Literal["name", "identifier", "text", "uid", "date", "time"]

_TECHNICAL = """
    TransferSyntaxUID SOPClassUID ImplementationVersionName ImplementationClassUID MediaStorageSOPClassUID
    ReferencedSOPClassUID ImagedNucleus CodeMeaning CodeValue CodingSchemeDesignator CodingSchemeVersion
    SpecificCharacterSet MappingResource ContextUID
"""
_COLLECTION = """
    ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSubjectID ClinicalTrialTimePointID
"""
_PERSONAL = """
    InstitutionName InstitutionAddress InstitutionalDepartmentName StationName PatientComments PatientAddress
    OperatorsName OtherPatientIDs ImageComments PatientID AccessionNumber StudyID DeviceSerialNumber
    AdditionalPatientHistory PatientTelephoneNumbers Occupation EthnicGroup MilitaryRank CountryOfResidence
    RegionOfResidence PatientReligiousPreference ResponsibleOrganization ClinicalTrialSiteName
    ClinicalTrialCoordinatingCenterName ClinicalTrialSponsorName IssuerOfPatientID PatientMotherBirthName
    PatientInsurancePlanCodeSequence CurrentPatientLocation MedicalRecordLocator AdmissionID RequestingService
    StudyComments RequestAttributesSequence PerformedStationName PerformedLocation NameOfPhysiciansReadingStudy
    ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers MedicalAlerts Allergies PatientState
    VisitComments ReasonForStudy RequestedProcedureComments InterpretationText ResultsComments
"""
TECHNICAL = frozenset(_TECHNICAL.split())
"""Codes and classes of the standard, which name nobody."""
COLLECTION, PERSONAL = frozenset(_COLLECTION.split()), frozenset(_PERSONAL.split())
"""Attributes whose every unusual word is looked for, not only the whole text."""
SCANNER = ("Manufacturer", "ManufacturerModelName")
TEXTS = frozenset({"SH", "LO", "ST", "LT", "UT", "UC", "UR", "AE", "PN"})
DATED = frozenset({"DA", "TM", "DT"})
WELL_KNOWN_UID = "1.2.840.10008."
TCIA_CREATOR = "CTP"
"""The private creator of group 0013 under which TCIA writes the collection's name, (0013,xx10)."""

PHANTOM = "PHANTOM"
"""ClinicalTrialProtocolID of the phantoms that uptake writes."""


@dataclass(frozen=True, slots=True)
class Needle:
    """One value that must not be found. what: the attribute, in words; the value itself is never printed."""

    text: str
    kind: Kind
    what: str


@dataclass(frozen=True)
class SourceFacts:
    """What was read of one source beside its images.

    identity_removed: every file says that its patient's identity was removed. collection: TCIA's name of it.
    """

    needles: frozenset[Needle] = frozenset()
    uids: frozenset[str] = frozenset()
    identity_removed: bool = False
    collection: str = ""
    patient_sex: str = ""
    frame_of_reference_uid: str = ""


def source_facts(files: Iterable[FileRef]) -> SourceFacts:
    """Every needle of the DICOM files, sequences and private elements included; each value is looked at once.

    Raises `Refusal` UNREADABLE where a file is gone or has changed since the scan.
    """
    collected = _Collected()
    refs = list(files)
    for ref, data in zip(refs, read_all(refs), strict=True):
        collected.add(ref, data)
    return collected.facts()


def of_text(value: str, what: str) -> Needle | None:
    """A needle for a free text that was not taken over (a table's cell, a file's name); None for what names nobody."""
    text = value.strip()
    return Needle(text, "text", what) if _worth_it(text) else None


def of_name(value: str, what: str) -> Needle | None:
    """A needle for the name of a file or folder; None where it has no word that the program does not write."""
    text = value.strip()
    return Needle(text, "text", what) if len(text) >= 6 and _unknown(words_of(text)) else None


@functools.cache
def own_words() -> frozenset[str]:
    """The words (three letters or more, or such as ``ispy1``; lower case) that the program writes: its own source's."""
    words: set[str] = set()
    folders = [resources.files("uptake")]
    while folders:
        for item in folders.pop().iterdir():
            if item.is_dir():
                folders.append(item)
            elif item.name.endswith((".py", ".html", ".toml", ".md")):
                text = item.read_text(encoding="utf-8").lower()
                words.update(re.findall(r"[a-z]{3,}", text), re.findall(r"\b[a-z]{3,}\d\b", text))
    return frozenset(words)


def words_of(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, lower case."""
    return re.findall(r"[^\W_]+", text.lower())


@dataclass
class _Collected:
    seen: set[tuple[int, bytes]] = field(default_factory=set)
    needles: set[Needle] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, ref: FileRef, data: bytes) -> None:
        try:
            with quiet():
                dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
                self._look(dataset)
                self._look(dataset.file_meta)
        except MALFORMED:
            self._raw(data)
        for part in re.split(r"[/\\]", ref.name):
            needle = of_name(part.rsplit(".", 1)[0], "a name of a source file or folder")
            self.needles |= {needle} if needle else set()
        with quiet():
            self.removed.add(str(dataset.get("PatientIdentityRemoved", "")).strip().upper())
            for keyword in ("PatientSex", "FrameOfReferenceUID"):
                if keyword not in self.first:
                    self.first[keyword] = str(dataset.get(keyword, "") or "")
            if not self.first.get("collection"):
                self.first["collection"] = _collection(dataset)

    def facts(self) -> SourceFacts:
        return SourceFacts(
            needles=frozenset(self.needles),
            uids=frozenset(self.uids),
            identity_removed=self.removed == {"YES"},
            collection=self.first.get("collection", ""),
            patient_sex=self.first.get("PatientSex", ""),
            frame_of_reference_uid=self.first.get("FrameOfReferenceUID", ""),
        )

    def _look(self, dataset: pydicom.Dataset) -> None:
        for tag in list(dataset.keys()):
            raw = _bytes(dataset.get_item(tag).value)
            if raw and (int(tag), raw) in self.seen:
                continue
            self.seen.add((int(tag), raw))
            self._element(dataset, tag)

    def _element(self, dataset: pydicom.Dataset, tag: BaseTag) -> None:
        try:
            element = dataset[tag]
        except MALFORMED:
            self._raw(_bytes(dataset.get_item(tag).value))
            return
        if element.VR == "SQ":
            for item in element.value:
                self._look(item)
        elif element.VR == "UN" or (element.VR in ("OB", "OW") and tag.is_private):
            self._raw(_bytes(element.value))
        elif not tag.is_private_creator:
            values = (
                element.value if isinstance(element.value, (list, pydicom.multival.MultiValue)) else [element.value]
            )
            for value in values:
                self._value(tag, element.VR, str(value or "").strip(" \0"))

    def _value(self, tag: BaseTag, vr: str, text: str) -> None:
        keyword = keyword_for_tag(tag)
        what = f"{keyword or 'private element'} {tag}"
        if not text or keyword in TECHNICAL or (keyword in SCANNER and (maker(text) == text or model(text))):
            return
        if vr == "UI":
            self.uids |= set() if text.startswith(WELL_KNOWN_UID) else {text}
        elif vr in DATED:
            self.needles |= set(_dated(vr, text, what))
        elif vr == "PN":
            self.needles.add(Needle(text, "name", what))
        elif vr in TEXTS:
            kind: Kind = "identifier" if keyword in PERSONAL or keyword in COLLECTION else "text"
            self.needles |= {Needle(text, kind, what)} if kind == "identifier" or _worth_it(text) else set()

    def _raw(self, data: bytes) -> None:
        """Printable runs of something that cannot be parsed."""
        for run in re.findall(rb"[\x20-\x7e\xa0-\xff]{6,}", data[:65536]):
            needle = of_text(run.decode("latin-1"), "bytes without a known meaning")
            self.needles |= {needle} if needle and len(needle.text) < 200 else set()


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _dated(vr: str, text: str, what: str) -> Iterator[Needle]:
    if vr in ("DA", "DT"):
        day = re.sub(r"[.\-/]", "", text)[:8]
        if re.fullmatch(r"(18|19|20)\d{6}", day):
            yield Needle(day, "date", what)
    clock = re.sub(r"[&+-]\d{4}$", "", text)[8:] if vr == "DT" else text.replace(":", "")
    if re.fullmatch(r"\d{6}(\.\d*)?", clock) and float(clock) > 0:
        yield Needle(clock.rstrip("0").rstrip(".") if "." in clock else clock, "time", what)


def _worth_it(text: str) -> bool:
    """Whether a free text can tell anything: six characters or more, and not only words that the program writes."""
    words = words_of(text)
    return len(text) >= 6 and (_unknown(words) or any(len(w) >= 6 and w.isdigit() and int(w) for w in words))


def _unknown(words: Iterable[str]) -> bool:
    """Whether any word has letters that are no word of the program."""
    parts = (part for word in words for part in re.findall(r"[a-z]{3,}|[^\x00-\x7f]+", word))
    return any(part not in own_words() for part in parts)


def _collection(dataset: pydicom.Dataset) -> str:
    try:
        return str(dataset.private_block(0x0013, TCIA_CREATOR)[0x10].value).strip()
    except MALFORMED:  # KeyError among them: not from TCIA
        protocol = str(dataset.get("ClinicalTrialProtocolID", ""))
        return protocol if protocol == PHANTOM else ""
