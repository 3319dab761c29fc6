"""Which of a study's derived objects to believe first: SER maps, DICOM SEG, PE maps, others; one per series."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import pydicom

from uptake.io.dicom.private import UNCONVERTED, Group, group_of
from uptake.io.dicom.seg import STORAGE

Kind = Literal["SER map", "DICOM SEG", "PE map", "derived object"]

PE_NAME = re.compile(r"\bPE(\d+)\b")


@dataclass(frozen=True)
class Derived:
    """One series of derived objects, read in its first dataset. words: for people, without dates."""

    dataset: pydicom.Dataset
    kind: Kind
    group: Group | None
    words: str

    @property
    def series_name(self) -> str:
        """Series Description, empty where absent."""
        return str(self.dataset.get("SeriesDescription") or "")

    @property
    def labels(self) -> str:
        """Image Type and Series Description in capitals."""
        return _labels(self.dataset)

    @property
    def derivation(self) -> str:
        """Derivation Description, empty where absent."""
        return str(self.dataset.get("DerivationDescription") or "")

    @property
    def source_uids(self) -> tuple[str, ...]:
        """The SOP Instance UIDs in SourceImageSequence."""
        items = self.dataset.get("SourceImageSequence") or ()
        return tuple(str(item.get("ReferencedSOPInstanceUID", "")) for item in items)


def ranked(datasets: Sequence[pydicom.Dataset], own_uids: Container[str]) -> tuple[Derived, ...]:
    """One object per series, the most trusted first.

    own_uids: SOP Instance UIDs of the DCE. Objects that refer only to other images are dropped where others do not.
    Of several runs of one kind the latest comes first (content date and time, then series number, then UID).
    """
    series: dict[str, list[pydicom.Dataset]] = {}
    for dataset in datasets:
        series.setdefault(str(dataset.get("SeriesInstanceUID", "")), []).append(dataset)
    objects = [_derived(min(members, key=_instance)) for members in series.values()]
    own = [one for one in objects if not _foreign(one, own_uids)] or objects
    latest_first = sorted(own, key=_age, reverse=True)
    first, *others = sorted(latest_first, key=lambda one: get_args(Kind).index(one.kind)) or (None,)
    if first is None:
        return ()
    runs = 1 + sum(one.kind == first.kind for one in others)
    if first.kind == "SER map" and runs > 1:
        first = replace(first, words=f"{first.words}, the latest of {runs}")
    return (first, *others)


def kind_of(dataset: pydicom.Dataset) -> Kind:
    """What a derived object is, by its SOP class, Image Type and Series Description."""
    if dataset.get("Modality") == "SEG" or dataset.get("SOPClassUID") in STORAGE:
        return "DICOM SEG"
    labels = _labels(dataset)
    if re.search(r"\bSER\b", labels):
        return "SER map"
    return "PE map" if PE_NAME.search(labels) else "derived object"


def _labels(dataset: pydicom.Dataset) -> str:
    image_type = dataset.get("ImageType") or ()
    values = (image_type,) if isinstance(image_type, str) else image_type
    return " ".join((*map(str, values), str(dataset.get("SeriesDescription") or ""))).upper()


def _derived(dataset: pydicom.Dataset) -> Derived:
    kind, number = kind_of(dataset), _whole(dataset, "SeriesNumber")
    return Derived(dataset, kind, group_of(dataset), kind if number is None else f"{kind} (series {number})")


def _foreign(one: Derived, own_uids: Container[str]) -> bool:
    return bool(one.source_uids) and not any(uid in own_uids for uid in one.source_uids)


def _instance(dataset: pydicom.Dataset) -> tuple[bool, int, str]:
    """Datasets with UCSF's group before others, then in instance order."""
    return group_of(dataset) is None, _whole(dataset, "InstanceNumber") or 0, str(dataset.get("SOPInstanceUID", ""))


def _age(one: Derived) -> tuple[str, str, int, str]:
    header = one.dataset
    when = str(header.get("ContentDate") or ""), str(header.get("ContentTime") or "")
    return *when, _whole(header, "SeriesNumber") or 0, str(header.get("SeriesInstanceUID", ""))


def _whole(dataset: pydicom.Dataset, name: str) -> int | None:
    try:
        value = dataset.get(name)
        return None if value in (None, "") else int(value)
    except UNCONVERTED:  # no number: as good as absent
        return None
