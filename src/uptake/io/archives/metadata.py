"""What a release says of itself, from one file ``release.toml``: title, version, authors, licence, source collections.

DataCite 4.5, ``CITATION.cff``, RO-Crate 1.1 and Croissant 1.0 are all made of it. What nobody said is ``:unav``,
DataCite's word for it; nothing is made up.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from uptake.study import SettingsError

UNKNOWN = ":unav"
LICENCES = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "CC-BY-NC-3.0": "https://creativecommons.org/licenses/by-nc/3.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
}
VERSION = re.compile(r"\d+\.\d+\.\d+")
DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?")


@dataclass(frozen=True)
class Author:
    """A creator of the release. orcid: 0000-0000-0000-0000."""

    family: str
    given: str = ""
    orcid: str = ""
    affiliation: str = ""

    @property
    def name(self) -> str:
        """``Family, Given``."""
        return f"{self.family}, {self.given}" if self.given else self.family


@dataclass(frozen=True)
class Origin:
    """A collection that images come from: its name in the source, its DOI and its licence (attribution)."""

    name: str
    doi: str = ""
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True)
class Metadata:
    """The contents of ``release.toml``; every field may be left out. date: YYYY-MM-DD, or the year alone."""

    title: str = "Breast DCE-MRI: harmonised images, tumour masks and radiomic features"
    version: str = "1.0.0"
    description: str = (
        "Bias-corrected and harmonised dynamic contrast-enhanced MRI of the breast with functional and structural "
        "tumour volumes, radiomic features and the provenance of every number."
    )
    licence: str = "CC-BY-4.0"
    doi: str = ""
    publisher: str = UNKNOWN
    date: str = ""
    keywords: tuple[str, ...] = ("breast MRI", "DCE-MRI", "functional tumour volume", "segmentation", "radiomics")
    authors: tuple[Author, ...] = ()
    collections: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        if not VERSION.fullmatch(self.version):
            raise SettingsError(f"the version of a release is three numbers such as 1.0.0, not {self.version!r}")
        if self.date and not DATE.fullmatch(self.date):
            raise SettingsError(f"the date of a release is 2030-05-31, or its year, not {self.date!r}")
        if self.licence not in LICENCES:
            raise SettingsError(f"licence is one of {', '.join(LICENCES)}, not {self.licence!r}")

    @property
    def licence_url(self) -> str:
        """Where the licence is to be read."""
        return LICENCES[self.licence]


KNOWN_COLLECTIONS = (
    Origin("ISPY1", "10.7937/K9/TCIA.2016.HdHpgJLK", "CC-BY-3.0",
           "Newitt and Hylton, ACRIN 6657/I-SPY1 TRIAL, TCIA 2016"),
    Origin("Breast-MRI-NACT-Pilot", "10.7937/K9/TCIA.2016.QHsyhJKy", "CC-BY-3.0",
           "Newitt and Hylton, Single site breast DCE-MRI data and segmentations from patients undergoing neoadjuvant "
           "chemotherapy, TCIA 2016"),
    Origin("PHANTOM", "", "CC0-1.0", "synthetic images made by uptake phantom; no patient"),
)  # fmt: skip
"""Collections by the name that their DICOM files carry; ``release.toml`` adds others and overrides these."""
OTHERS, OTHERS_NAME = "*", "other sources"
"""The collection in ``release.toml`` that stands for every source without one of its own, and its name in a release."""


def read_metadata(path: Path | None, version: str = "") -> Metadata:
    """The metadata in a file, the defaults without one; `version` overrides. Raises `SettingsError`."""
    if path is None:
        return Metadata(version=version) if version else Metadata()
    if not path.is_file():
        raise SettingsError(f"there is no file {path}")
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path.name} cannot be read as TOML: {error}") from error
    made: Metadata = _made(Metadata, plain, path.name)
    return dataclasses.replace(made, version=version) if version else made


def datacite(metadata: Metadata, previous_doi: str = "") -> dict[str, Any]:
    """The record in DataCite's JSON (schema 4.5)."""
    related = [
        {"relatedIdentifier": origin.doi, "relatedIdentifierType": "DOI", "relationType": "IsDerivedFrom"}
        for origin in metadata.collections
        if origin.doi
    ]
    if previous_doi:
        related.append(
            {"relatedIdentifier": previous_doi, "relatedIdentifierType": "DOI", "relationType": "IsNewVersionOf"}
        )
    return {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "creators": [_creator(author) for author in metadata.authors] or [{"name": UNKNOWN}],
        "titles": [{"title": metadata.title}],
        "publisher": {"name": metadata.publisher},
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Medical images and derived measurements"},
        "subjects": [{"subject": word} for word in metadata.keywords],
        "version": metadata.version,
        "rightsList": [{"rightsIdentifier": metadata.licence, "rightsUri": metadata.licence_url}],
        "descriptions": [{"description": metadata.description, "descriptionType": "Abstract"}],
        "relatedIdentifiers": related,
    } | _known({"doi": metadata.doi, "publicationYear": metadata.date[:4]})


def citation_cff(metadata: Metadata) -> str:
    """The text of ``CITATION.cff`` (format 1.2.0)."""
    import yaml  # type: ignore[import-untyped]

    authors = [
        {key: value for key, value in (
            ("family-names", a.family), ("given-names", a.given), ("affiliation", a.affiliation),
            ("orcid", f"https://orcid.org/{a.orcid}" if a.orcid else "")) if value}
        for a in metadata.authors
    ]  # fmt: skip
    plain: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them and the collections they are derived from.",
        "type": "dataset",
        "title": metadata.title,
        "version": metadata.version,
        "license": metadata.licence,
        "keywords": list(metadata.keywords),
        "authors": authors or [{"name": UNKNOWN}],
    }
    plain |= _known({"doi": metadata.doi, "date-released": metadata.date if "-" in metadata.date else ""})
    references = [
        {"type": "data", "title": origin.citation or origin.name, "doi": origin.doi, "authors": [{"name": origin.name}]}
        for origin in metadata.collections
        if origin.doi
    ]
    if references:
        plain["references"] = references
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110))


def origins(metadata: Metadata) -> dict[str, Origin]:
    """Every collection that is known, by the name that its DICOM files carry; `OTHERS` is the one for the rest."""
    found = {origin.name: origin for origin in (*KNOWN_COLLECTIONS, *metadata.collections)}
    if OTHERS in found:
        found[OTHERS] = dataclasses.replace(found[OTHERS], name=OTHERS_NAME)
    return found


def with_known(metadata: Metadata, found: Sequence[str]) -> Metadata:
    """The metadata with every collection that a release's files come from, known or not, and those it names itself."""
    by_file = origins(metadata)
    known = {origin.name: origin for origin in by_file.values()}
    wanted = sorted({*found, *(by_file[origin.name].name for origin in metadata.collections)} - {""})
    return dataclasses.replace(metadata, collections=tuple(known.get(name, Origin(name)) for name in wanted))


def missing(metadata: Metadata) -> tuple[str, ...]:
    """What ``release.toml`` has to say before catalogues take the metadata."""
    found = {"date": metadata.date, "authors": metadata.authors, "publisher": metadata.publisher.replace(UNKNOWN, "")}
    return tuple(name for name, value in found.items() if not value)


def citation(metadata: Metadata) -> str:
    """How to cite the release, in a line; empty without authors."""
    if not metadata.authors:
        return ""
    names = "; ".join(author.name for author in metadata.authors)
    year = f" ({metadata.date[:4]})" if metadata.date else ""
    doi = f" https://doi.org/{metadata.doi}" if metadata.doi else ""
    return f"{names}{year}. {metadata.title}. Version {metadata.version}. {metadata.publisher}.{doi}".replace(
        f" {UNKNOWN}.", ""
    )


def _known(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _creator(author: Author) -> dict[str, Any]:
    made: dict[str, Any] = {"name": author.name, "nameType": "Personal", "familyName": author.family}
    if author.given:
        made["givenName"] = author.given
    if author.orcid:
        scheme = {"nameIdentifierScheme": "ORCID", "schemeUri": "https://orcid.org"}
        made["nameIdentifiers"] = [{"nameIdentifier": f"https://orcid.org/{author.orcid}", **scheme}]
    if author.affiliation:
        made["affiliation"] = [{"name": author.affiliation}]
    return made


def _made(kind: type[Any], plain: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401
    known = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(plain) - known)
    if unknown:
        raise SettingsError(f"{where} has no field {unknown[0]!r}; there are {', '.join(sorted(known))}")
    inner = {"authors": Author, "collections": Origin}
    try:
        values = {
            name: tuple(_made(inner[name], item, f"{where} [[{name}]]") for item in value)
            if name in inner
            else tuple(value)
            if isinstance(value, list)
            else value.isoformat()
            if isinstance(value, date)
            else value
            for name, value in plain.items()
        }
        return kind(**values)
    except TypeError as error:
        raise SettingsError(f"{where}: {error}") from error
