# ruff: noqa: E501, ISC004 (tables and paragraphs of pages)
"""The pages of a release for people: README, licence, de-identification, errata, and a script that reads it all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from uptake.io.archives.metadata import Metadata

READER_SCRIPT = '''\
"""Reads a release with nibabel and pandas alone: python read_release.py [FOLDER]"""

import sys
from pathlib import Path

import nibabel
import pandas as pd

root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
manifest = pd.read_csv(root / "manifest.csv", dtype={"case_id": str, "patient_id": str}, keep_default_na=False)
features = pd.read_csv(root / "tables/features.csv", dtype={"case_id": str})
print(f"{manifest.case_id[manifest.case_id != ''].nunique()} cases, {features.shape[1] - 2} features each")
published = manifest[manifest.file.str.startswith("NIfTI-Files/")]
images = published[published["mask"] == ""]
for row in published[published["mask"] != ""].itertuples():
    mask = nibabel.load(root / row.file)
    on = [i for i in images[images.case_id == row.case_id].file if nibabel.load(root / i).shape == mask.shape]
    inside = mask.get_fdata() > 0
    image = nibabel.load(root / sorted(on)[min(1, len(on) - 1)]).get_fdata()
    cc = inside.sum() * abs(nibabel.affines.voxel_sizes(mask.affine).prod()) / 1000
    print(f"{row.case_id:<16} {row.mask:<13} {cc:9.3f} cc, mean {image[inside].mean() if inside.any() else 0:.3f}")
'''
"""docs/release.md shows it from here; a test runs it."""


@dataclass(frozen=True)
class Searched:
    """What the gate looked for. kept: cases whose PatientIDs and UIDs are the source's own."""

    cases: int
    kept: int
    said: tuple[str, ...]
    values: int
    spellings: int
    uids: int
    not_searched: Mapping[str, int]


FOLDERS: Mapping[str, Sequence[tuple[str, str]]] = {
    "ispy1": (
        (
            "`NIfTI-Files/images_bias-corrected_nifti/`",
            "bias-corrected images on the acquired grid: pre, early, late = `_0000`, `_0001`, `_0002`",
        ),
        (
            "`NIfTI-Files/images_bias-corrected_resampled_zscored_nifti/`",
            "harmonised images: isotropic, z-scored over the phases together",
        ),
        (
            "`NIfTI-Files/masks_*/`",
            "one mask per case: FTV (0 and 255, acquired grid), STV of a reader, of the network (0 and 1)",
        ),
        ("`NIfTI-Files/ISPY_DataPaper_features.xlsx`", "features of all cases with their dictionary"),
        ("`NIfTI-Files/captk_parameter_file_ispy1.csv`", "parameters of the CaPTk features"),
    ),
    "bids": (("`bids/`", "images and masks in BIDS form"),),
    "dicom": (("`DICOM/`", "DICOM SEG of every mask on the source's grid, and a TID 1500 report of its measurements"),),
}
"""What a form of a release adds to it: path, what is there."""
ALWAYS: Sequence[tuple[str, str]] = (
    (
        "`tables/`",
        "features wide and long (with the reason of every undefined value), volumes, scanners, checks, clinical columns",
    ),
    ("`data_dictionary.csv`", "every column of every table"),
    ("`provenance/`", "versions and settings of every step of every case"),
    ("`manifest.csv`, `checksums.sha256`", "every file with its checksum, source series, collection, DOI, licence"),
    ("`DEIDENTIFICATION.md`", "how patient data were removed, and the proof"),
    ("`ERRATA.md`, `errata.csv`", "what changed since earlier versions; how to report an error"),
    ("`read_release.py`", "reads tables and published images with nibabel and pandas"),
    ("`ro-crate-metadata.json`, `croissant.json`, `datacite.json`, `CITATION.cff`", "for catalogues"),
)
PUBLISHED_NAMES = (
    "The names and folders below `NIfTI-Files` are those of TCIA's release 10.7937/TCIA.XC7A-QT20; `N3` stands in them "
    "though the correction is N4. Masks that it does not have lie in folders of their own: `masks_ftv_pe`, "
    "`masks_stv_proposal` (from the FTV, seen by no reader), `masks_stv_truth` (phantoms)."
)


def readme(
    metadata: Metadata, cases: int, formats: Sequence[str], masks: Mapping[str, int], notes: Sequence[str]
) -> str:
    """The text of README.md. cases: how many; masks: number of cases by mask name; formats: those that are written."""
    authors = "; ".join(author.name for author in metadata.authors) or "(no authors named in release.toml)"
    places = [*(row for name in formats for row in FOLDERS[name]), *ALWAYS]
    origins = [
        (o.name, o.doi and f"[{o.doi}](https://doi.org/{o.doi})", o.licence, o.citation) for o in metadata.collections
    ]
    lines = [
        f"# {metadata.title}",
        "",
        metadata.description,
        "",
        f"Version {metadata.version}. {cases} cases. Licence {metadata.licence} ({metadata.licence_url}), with the "
        "attribution that the source collections ask for. Authors: " + authors + ".",
        *("", "## What is where", "", *_table(("path", "what"), places)),
        *(["", PUBLISHED_NAMES] if "ispy1" in formats else []),
        *("", "## Masks", "", *_table(("mask", "cases"), masks.items())),
        *("", "## Source collections", ""),
        *_table(("collection", "DOI", "licence", "citation"), origins or [("not stated", "", "", "")]),
        *("", "## To check it", ""),
        "`sha256sum -c checksums.sha256` checks the manifest, `uptake verify FOLDER` everything: checksums, names, grids, counts "
        "and the dictionary, without the cohort it was made from.",
        *(["", "## Notes", "", *(f"* {note}" for note in notes)] if notes else []),
    ]
    return "\n".join(lines) + "\n"


def licence(metadata: Metadata) -> str:
    """The text of LICENSE.md."""
    lines = [
        f"# {metadata.licence}",
        "",
        f"These data are licensed under {metadata.licence}: {metadata.licence_url}",
        "",
        "They are derived from the collections below, whose licences and attributions hold as well.",
        "",
        *(
            f"* {o.name}: {o.licence or 'licence not stated'}"
            + (f", https://doi.org/{o.doi}" if o.doi else "")
            + (f". {o.citation}" if o.citation else "")
            for o in metadata.collections
        ),
    ]
    return "\n".join(lines) + "\n"


def deidentification(searched: Searched, method: Sequence[str]) -> str:
    """The text of DEIDENTIFICATION.md. method: the methods in use, one sentence each."""
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(searched.not_searched.items())) or "none"
    lines = [
        "# De-identification",
        "",
        *(f"* {line}" for line in method),
        f"* {searched.kept} of {searched.cases} cases keep their PatientIDs and UIDs; with pseudonyms: "
        f"{searched.cases - searched.kept}. That a source is public was said by: {', '.join(searched.said) or 'nobody'}.",
        "* Headers are built anew from a fixed list of attributes; NIfTI headers hold geometry alone.",
        "* Dates are moved 100 to 110 years ahead, each patient's by one number of days; clock times are removed.",
        "* Of the scanner only maker and model from a fixed list are kept. Free text is not.",
        "",
        "## The proof",
        "",
        f"Before the release was given its name every byte of it was searched for {searched.values} names, identifiers, dates, "
        f"times and texts of the source headers in {searched.spellings} spellings, for {searched.uids} UIDs, and for the paths "
        "of the machine that made it: inside gzip, bzip2, xz, zlib, zip and XLSX, DICOM and PNG too, in UTF-8 and Latin-1, and "
        "those of six characters or more in UTF-16, UTF-32, hexadecimal and base64 as well. None was found.",
        "",
        "The rule: a value of eight characters or more counts anywhere; one of four to seven, and a number of six or seven "
        "digits, as a whole word outside voxels and packed bytes; a number of four or five digits, or a time as six digits, in "
        "file names and header fields alone; anything shorter, and single words that the program itself writes, is not "
        f"looked for. Not looked for by this rule: {kinds}.",
    ]
    return "\n".join(lines) + "\n"


def errata(metadata: Metadata, rows: Sequence[Mapping[str, object]]) -> str:
    """The text of ERRATA.md. rows: those of errata.csv, newest version last."""
    lines = [
        "# Errata and versions",
        "",
        f"This is version {metadata.version}. A release is never changed under its version: a correction is a new version with a "
        "new number (patch: metadata; minor: cases added; major: voxels or numbers changed), made by `uptake release ... "
        "--previous FOLDER --erratum TEXT`, which lists here and in `errata.csv` what is different, file by file.",
        "",
        "To report an error, name the version, the file and its line in `manifest.csv`.",
        "",
        *(f"* {row['version']}: {row['erratum']}" for row in {(r["version"], r["erratum"]): r for r in rows}.values()),
    ]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a table in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in rows)
