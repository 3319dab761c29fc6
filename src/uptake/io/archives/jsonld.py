"""RO-Crate 1.1 and Croissant 1.0: what is in a release, for catalogues and machine-learning tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uptake.io.archives.manifest import Entry
from uptake.io.archives.metadata import UNKNOWN, Metadata

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
        {"@id": _person(n, a.orcid), "@type": "Person", "name": a.name, "affiliation": a.affiliation}
        for n, a in enumerate(metadata.authors)
    ]
    origins = [
        {"@id": f"https://doi.org/{o.doi}" if o.doi else f"#collection-{o.name}", "@type": "Dataset", "name": o.name,
         "license": o.licence, "description": o.citation}
        for o in metadata.collections
    ]  # fmt: skip
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": metadata.title,
        "description": metadata.description,
        "version": metadata.version,
        "license": {"@id": metadata.licence_url},
        "keywords": list(metadata.keywords),
        "author": [{"@id": author["@id"]} for author in authors],
        "isBasedOn": [{"@id": origin["@id"]} for origin in origins],
        "datePublished": str(metadata.year) if metadata.year else UNKNOWN,
        "hasPart": [{"@id": entry.file} for entry in entries],
        "mentions": [{"@id": "#release"}],
    } | ({"identifier": f"https://doi.org/{metadata.doi}"} if metadata.doi else {})
    files = [
        {"@id": e.file, "@type": "File", "name": e.what or e.file, "encodingFormat": media_type(e.file),
         "contentSize": str(e.bytes), "sha256": e.sha256}
        for e in entries
    ]  # fmt: skip
    software = {"@id": "#uptake", "@type": "SoftwareApplication", "name": "uptake", "softwareVersion": version}
    action = {
        "@id": "#release", "@type": "CreateAction", "name": "uptake release", "instrument": {"@id": "#uptake"},
        "object": [{"@id": origin["@id"]} for origin in origins], "result": {"@id": "./"},
    }  # fmt: skip
    about = {
        "@id": CRATE_FILE, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }  # fmt: skip
    licence = {"@id": metadata.licence_url, "@type": "CreativeWork", "name": metadata.licence}
    graph = [about, root, *authors, *origins, licence, software, action, *files]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def croissant(metadata: Metadata, entries: Sequence[Entry], tables: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Tables as record sets with their columns, images and masks as file sets. tables: path -> columns."""
    known = {entry.file: entry for entry in entries}
    objects = [
        {"@type": "cr:FileObject", "@id": _id(name), "name": _id(name), "contentUrl": name,
         "encodingFormat": "text/csv", "sha256": known[name].sha256, "contentSize": f"{known[name].bytes} B"}
        for name in tables
        if name in known
    ]  # fmt: skip
    folders = sorted({e.file.split("/")[1] for e in entries if e.file.startswith("NIfTI-Files/") and e.case_id})
    sets = [
        {"@type": "cr:FileSet", "@id": folder, "name": folder, "encodingFormat": "application/gzip",
         "includes": f"NIfTI-Files/{folder}/**/*.nii.gz"}
        for folder in folders
    ]  # fmt: skip
    records = [
        {"@type": "cr:RecordSet", "@id": f"{_id(name)}-records", "name": f"{_id(name)}-records",
         "field": [_field(_id(name), column) for column in columns]}
        for name, columns in tables.items()
        if name in known
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
    }


def _field(table: str, column: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column}",
        "name": column,
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": table}, "extract": {"column": column}},
    }


def _id(name: str) -> str:
    return name.replace("/", "-")


def _person(number: int, orcid: str) -> str:
    return f"https://orcid.org/{orcid}" if orcid else f"#author-{number + 1}"
