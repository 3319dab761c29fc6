"""RO-Crate 1.1 and Croissant 1.0: what is in a release, for catalogues and machine-learning tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from uptake.io.archives.manifest import Entry
from uptake.io.archives.metadata import UNKNOWN, Metadata, citation

_Item = Mapping[str, Any]
CRATE_FILE, CROISSANT_FILE = "ro-crate-metadata.json", "croissant.json"
TYPES = {"nii.gz": "application/gzip", "dcm": "application/dicom", "csv": "text/csv", "json": "application/json",
         "md": "text/markdown", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
         "tsv": "text/tab-separated-values", "cff": "text/yaml", "py": "text/x-python"}  # fmt: skip
CROISSANT_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "samplingRate": "cr:samplingRate",
}


def media_type(name: str) -> str:
    """The media type of a file by its name."""
    return next((kind for suffix, kind in TYPES.items() if name.endswith(f".{suffix}")), "application/octet-stream")


def ro_crate(metadata: Metadata, entries: Sequence[Entry], version: str) -> dict[str, Any]:
    """The crate's metadata: root, files with checksums, authors, source collections and the run that made them."""
    authors = [
        {"@id": _person(n, a.orcid), "@type": "Person", "name": a.name}
        | ({"affiliation": _refer(_organisation(a.affiliation))} if a.affiliation else {})
        for n, a in enumerate(metadata.authors)
    ]
    origins = [
        {"@id": f"https://doi.org/{o.doi}" if o.doi else f"#collection-{quote(o.name)}", "@type": "CreativeWork",
         "name": o.name, "license": o.licence, "description": o.citation}
        for o in metadata.collections
    ]  # fmt: skip
    files = [
        {"@id": e.file, "@type": "File", "name": e.what or e.file, "encodingFormat": media_type(e.file),
         "contentSize": str(e.bytes), "sha256": e.sha256}
        for e in entries
    ]  # fmt: skip
    software = {"@id": "#uptake", "@type": "SoftwareApplication", "name": "uptake", "softwareVersion": version}
    action = {
        "@id": "#release", "@type": "CreateAction", "name": "uptake release", "instrument": _refer(software),
        "object": [_refer(origin) for origin in origins], "result": {"@id": "./"},
    }  # fmt: skip
    about = {
        "@id": CRATE_FILE, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }  # fmt: skip
    licence = {"@id": metadata.licence_url, "@type": "CreativeWork", "name": metadata.licence}
    root = _root(metadata, authors, origins, files) | {"mentions": _refer(action)}
    names = {author.affiliation for author in metadata.authors} - {""}
    if metadata.publisher != UNKNOWN:
        root["publisher"] = _refer(_organisation(metadata.publisher))
        names.add(metadata.publisher)
    organisations = [_organisation(name) for name in sorted(names)]
    graph = [about, root, *authors, *organisations, *origins, licence, software, action, *files]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def croissant(metadata: Metadata, entries: Sequence[Entry], tables: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Tables as record sets with their columns, images and masks as file sets. tables: name -> columns."""
    paths = {entry.file: entry for entry in entries}
    files = {name: paths[f"tables/{name}.csv"] for name in tables}
    objects = [
        {"@type": "cr:FileObject", "@id": f"{name}.csv", "name": f"{name}.csv", "contentUrl": file.file,
         "encodingFormat": "text/csv", "sha256": file.sha256, "contentSize": f"{file.bytes} B"}
        for name, file in files.items()
    ]  # fmt: skip
    folders = sorted({e.file.split("/")[1] for e in entries if e.file.startswith("NIfTI-Files/") and e.case_id})
    sets = [
        {"@type": "cr:FileSet", "@id": folder, "name": folder, "encodingFormat": "application/gzip",
         "includes": f"NIfTI-Files/{folder}/**/*.nii.gz"}
        for folder in folders
    ]  # fmt: skip
    records = [
        {"@type": "cr:RecordSet", "@id": name, "name": name,
         "field": [_field(name, column) for column in columns]}
        for name, columns in tables.items()
    ]  # fmt: skip
    return {
        "@context": dict(CROISSANT_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": metadata.title,
        "description": metadata.description,
        "version": metadata.version,
        "license": metadata.licence_url,
        "url": f"https://doi.org/{metadata.doi}" if metadata.doi else UNKNOWN,
        "creator": [{"@type": "sc:Person", "name": author.name} for author in metadata.authors],
        "keywords": list(metadata.keywords),
        "distribution": [*objects, *sets],
        "recordSet": records,
    } | _said({"datePublished": metadata.date, "citeAs": citation(metadata)})


def _field(table: str, column: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column}",
        "name": column,
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": f"{table}.csv"}, "extract": {"column": column}},
    }


def _root(
    metadata: Metadata, authors: Sequence[_Item], origins: Sequence[_Item], files: Sequence[_Item]
) -> dict[str, Any]:
    """The crate's own item: the release as a whole."""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": metadata.title,
        "description": metadata.description,
        "version": metadata.version,
        "license": {"@id": metadata.licence_url},
        "keywords": list(metadata.keywords),
        "author": _listed(authors),
        "isBasedOn": _listed(origins),
        "hasPart": [_refer(file) for file in files],
    } | _said({"datePublished": metadata.date, "identifier": metadata.doi and f"https://doi.org/{metadata.doi}"})


def _said(values: Mapping[str, str]) -> dict[str, str]:
    """What release.toml says; nothing is made up."""
    return {name: value for name, value in values.items() if value}


def _organisation(name: str) -> dict[str, Any]:
    return {"@id": f"#organisation-{quote(name)}", "@type": "Organization", "name": name}


def _listed(items: Sequence[_Item]) -> object:
    """References to items; RO-Crate wants a single one by itself."""
    found = [_refer(item) for item in items]
    return found[0] if len(found) == 1 else found


def _refer(item: _Item) -> dict[str, Any]:
    return {"@id": item["@id"]}


def _person(number: int, orcid: str) -> str:
    return f"https://orcid.org/{orcid}" if orcid else f"#author-{number + 1}"
