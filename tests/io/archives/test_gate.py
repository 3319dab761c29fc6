"""The gate finds what a source says of a person wherever it stands, and takes no number of an image for it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from openpyxl import Workbook
from openpyxl.comments import Comment
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from uptake.io.archives.gate import Gate, Leak
from uptake.io.archives.identifiers import Needle
from uptake.io.nifti import write_volume
from uptake.volume import Grid, Volume

pytest.importorskip("ahocorasick_rs", reason="the extra 'release' is not installed")

UID = "1.3.51.5145.7.20230317.884512"
NEEDLES = (
    Needle("QUINTERELLA^MARGUERITA", "name", "PatientName"),
    Needle("VOßBERG^ZOË", "name", "PatientName"),
    Needle("HX77-90412", "identifier", "PatientID"),
    Needle("ZK4411", "identifier", "OtherPatientIDs"),
    Needle("7712", "identifier", "StudyID"),
    Needle("Spital Krähenbühl, Zürich", "identifier", "InstitutionName"),
    Needle("seen by nurse Odalys after lunch", "text", "PatientComments"),
    Needle("19730429", "date", "PatientBirthDate"),
    Needle("143652.25", "time", "StudyTime"),
)
Plant = Callable[[Path], None]


def text(name: str, content: str | bytes) -> Plant:
    return lambda root: _write(root / name, content.encode() if isinstance(content, str) else content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _nifti(array: np.ndarray | None = None) -> bytes:
    """A .nii file as bytes."""
    with io.BytesIO() as buffer:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            voxels = np.zeros((8, 8, 8), np.int16) if array is None else array
            write_volume(Volume(voxels, Grid(voxels.shape, np.eye(4))), Path(folder) / "a.nii")
            buffer.write((Path(folder) / "a.nii").read_bytes())
        return buffer.getvalue()


def nifti_header(offset: int, words: bytes) -> Plant:
    def plant(root: Path) -> None:
        data = bytearray(_nifti())
        data[offset : offset + len(words)] = words
        _write(root / "image.nii.gz", gzip.compress(bytes(data), mtime=0))

    return plant


def nifti_extension(root: Path) -> None:
    data = bytearray(_nifti())
    body = b"MARGUERITA QUINTERELLA".ljust(40, b"\0")
    data[108:112] = struct.pack("<f", 352 + 8 + len(body))
    extended = bytes(data[:348]) + b"\1\0\0\0" + struct.pack("<ii", 8 + len(body), 6) + body + bytes(data[352:])
    _write(root / "image.nii.gz", gzip.compress(extended, mtime=0))


def nifti_voxels(root: Path) -> None:
    flat = np.zeros(512, np.uint8)
    flat[100:110] = list(b"HX77-90412")
    _write(root / "image.nii", _nifti(flat.reshape((8, 8, 8), order="F")))


def nifti_tail(root: Path) -> None:
    _write(root / "image.nii.gz", gzip.compress(_nifti() + b" Quinterella ", mtime=0))


def gzip_name(root: Path) -> None:
    with (root / "table.csv.gz").open("wb") as raw, gzip.GzipFile("HX77-90412.csv", "wb", fileobj=raw, mtime=0) as file:
        file.write(b"a,b\n")


def gzip_tail(root: Path) -> None:
    _write(root / "image.nii.gz", gzip.compress(_nifti(), mtime=0) + b"HX77-90412")


def gzip_second_member(root: Path) -> None:
    _write(root / "a.gz", gzip.compress(b"one", mtime=0) + gzip.compress(b"HX77-90412", mtime=0))


def zipped(name: str, content: bytes, comment: bytes = b"") -> Plant:
    def plant(root: Path) -> None:
        with zipfile.ZipFile(root / "more.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
            archive.comment = comment

    return plant


def zip_in_zip(root: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"HX77-90412")
    zipped("inner.zip", inner.getvalue())(root)


def workbook(edit: Callable[[Workbook], None]) -> Plant:
    def plant(root: Path) -> None:
        book = Workbook()
        edit(book)
        book.save(root / "features.xlsx")

    return plant


def _cell(book: Workbook) -> None:
    book.active["B7"] = "HX77-90412"


def _hidden_sheet(book: Workbook) -> None:
    sheet = book.create_sheet("notes")
    sheet.sheet_state = "hidden"
    sheet["A1"] = "Quinterella, Marguerita"


def _sheet_name(book: Workbook) -> None:
    book.create_sheet("HX77-90412")


def _author(book: Workbook) -> None:
    book.properties.creator = "Zoë Voßberg"


def _comment(book: Workbook) -> None:
    book.active["A1"].comment = Comment("call Marguerita", "x")


def dicom(edit: Callable[[Dataset], None]) -> Plant:
    def plant(root: Path) -> None:
        made = Dataset()
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.SOPClassUID, made.SOPInstanceUID = SegmentationStorage, "2.25.12345"
        made.PatientID, made.SpecificCharacterSet = "P-AAAAAAAAAAA", "ISO_IR 192"
        made.Rows = made.Columns = 4
        made.BitsAllocated, made.PixelData = 8, bytes(16)
        edit(made)
        made.save_as(root / "seg.dcm", enforce_file_format=True)

    return plant


def _set(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(dataset, keyword, value)


def _nested(dataset: Dataset) -> None:
    item, inner = Dataset(), Dataset()
    inner.OperatorsName = "VOßBERG^ZOË"
    item.ReferencedSeriesSequence = [inner]
    dataset.ReferencedStudySequence = [item]


def _private(dataset: Dataset) -> None:
    dataset.private_block(0x0011, "MAKER", create=True).add_new(0x01, "UN", b"id HX77-90412 ")


def _private_bytes(value: bytes) -> Callable[[Dataset], None]:
    return lambda made: made.private_block(0x0011, "MAKER", create=True).add_new(0x01, "OB", value)


def preamble(root: Path) -> None:
    dicom(lambda _: None)(root)
    data = bytearray((root / "seg.dcm").read_bytes())
    data[20:30] = b"HX77-90412"
    (root / "seg.dcm").write_bytes(bytes(data))


def png(root: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packed = b"Comment\0\0" + zlib.compress(b"nurse Quinterella")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0"))
    _write(root / "a.png", b"\x89PNG\r\n\x1a\n" + header + chunk(b"zTXt", packed) + pixels + chunk(b"IEND", b""))


PLACES: dict[str, Plant] = {
    "a text": text("README.md", "patient Quinterella was measured"),
    "a text in another case": text("README.md", "mArGuErItA"),
    "a name joined": text("README.md", "x_marguerita_quinterella_x"),
    "a name in the other order": text("a.csv", 'case,who\n1,"QUINTERELLA, MARGUERITA"\n'),
    "a name in Latin-1": text("a.txt", "Zoë Voßberg".encode("latin-1")),
    "a name decomposed": text("a.txt", "Zoe\u0308 Voßberg"),
    "UTF-16": text("a.txt", "Quinterella".encode("utf-16")),
    "UTF-16 of the other order": text("a.txt", "HX77-90412".encode("utf-16-be")),
    "base64": text("a.json", json.dumps({"k": base64.b64encode(b"id: HX77-90412 ").decode()})),
    "base64 one byte on": text("a.json", json.dumps({"k": base64.b64encode(b" id: HX77-90412").decode()})),
    "hexadecimal": text("a.txt", b"HX77-90412".hex()),
    "JSON escapes": text("a.json", '{"who": "Zo\\u00eb Vo\\u00dfberg"}'),
    "HTML entities": text("a.html", "<p>Zo&euml; Vo&szlig;berg</p>"),
    "percent signs": text("a.html", "?id=HX77%2D90412"),
    "a short identifier": text("a.csv", "id\nZK4411\n"),
    "a four-digit identifier in a file name": text("scan_7712.txt", "x"),
    "a file name": text("HX77-90412/a.txt", "x"),
    "an institution": text("a.txt", "made at Spital Krähenbühl, Zürich"),
    "a word of an institution": text("a.txt", "from Krähenbühl"),
    "free text": text("a.txt", "Seen by nurse Odalys after lunch."),
    "a date": text("a.csv", "day\n19730429\n"),
    "a date with hyphens": text("a.json", '{"born": "1973-04-29"}'),
    "a date with points": text("a.txt", "born 29.04.1973"),
    "a date with slashes": text("a.txt", "born 4/29/1973"),
    "a date in words": text("a.txt", "born 29 April 1973"),
    "a date in short words": text("a.txt", "born Apr 29, 1973"),
    "a clock time": text("a.txt", "at 14:36:52"),
    "a time with a fraction": text("a.txt", "at 143652.25 sharp"),
    "a UID": text("a.json", f'{{"uid": "{UID}"}}'),
    "a NIfTI description": nifti_header(148, b"QUINTERELLA"),
    "the NIfTI field aux_file": nifti_header(228, b"HX77-90412"),
    "the NIfTI field db_name": nifti_header(14, b"ZK4411"),
    "the NIfTI field intent_name": nifti_header(328, b"143652.25"),
    "a NIfTI extension": nifti_extension,
    "voxels": nifti_voxels,
    "after the voxels": nifti_tail,
    "a gzip name": gzip_name,
    "after a gzip stream": gzip_tail,
    "a second gzip member": gzip_second_member,
    "a zip member": zipped("a.txt", b"HX77-90412"),
    "a zip member's name": zipped("HX77-90412.txt", b""),
    "a zip's comment": zipped("a.txt", b"", b"HX77-90412"),
    "a zip in a zip": zip_in_zip,
    "an XLSX cell": workbook(_cell),
    "a hidden sheet": workbook(_hidden_sheet),
    "a sheet's name": workbook(_sheet_name),
    "an XLSX author": workbook(_author),
    "an XLSX comment": workbook(_comment),
    "a DICOM name": dicom(_set("PatientName", "Quinterella^M")),
    "a DICOM date": dicom(_set("ContentDate", "19730429")),
    "a DICOM time": dicom(_set("ContentTime", "143652.25")),
    "a DICOM UID": dicom(_set("StudyInstanceUID", UID)),
    "a DICOM short number": dicom(_set("StudyID", "7712")),
    "a DICOM sequence": dicom(_nested),
    "a private DICOM element": dicom(_private),
    "DICOM pixels": dicom(_set("PixelData", b"....HX77-90412..")),
    "a DICOM preamble": preamble,
    "a PNG comment": png,
    "zlib in a private DICOM element": dicom(_private_bytes(b"\0\1" + zlib.compress(b"nurse Quinterella"))),
    "gzip in a private DICOM element": dicom(_private_bytes(gzip.compress(b"nurse Quinterella", mtime=0))),
    "DICOM's file meta information": dicom(
        lambda made: setattr(made.file_meta, "SendingApplicationEntityTitle", "ZK4411")
    ),
    "a SEG's description": dicom(_set("ContentDescription", "as nurse Odalys said: Quinterella")),
    "a packed stream inside a document": text(
        "a.pdf", b"%PDF-1.4 stream\r\n" + zlib.compress(b"(Quinterella)") + b"endstream"
    ),
    "a cell in two fonts": zipped("xl/sharedStrings.xml", b"<r><t>Quint</t></r><r><rPr><b/></rPr><t>erella</t></r>"),
    "a text across two lines": text("README.md", "It was seen by nurse\n  Odalys after lunch, they say"),
    "a date with a year of two digits": text("a.txt", "born 29.04.73"),
    "an identifier with other separators": text("a.txt", "HX77 90412"),
    "an XLSX title": workbook(lambda book: setattr(book.properties, "title", "Quinterella")),
    "a provenance string": text("provenance/P-A.json", '{"sources": ["/home/quinterella/in"]}'),
}


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate(NEEDLES, [UID], ["P-AAAAAAAAAAA"])


def search(gate: Gate, root: Path) -> list[Leak]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return [leak for path in files for leak in gate.search(path, path.relative_to(root).as_posix())]


def test_there_are_forty_kinds_of_place_and_more() -> None:
    assert len(PLACES) >= 40


@pytest.mark.parametrize("place", PLACES)
def test_what_is_planted_is_found_and_the_file_is_named(gate: Gate, tmp_path: Path, place: str) -> None:
    PLACES[place](tmp_path)
    leaks = search(gate, tmp_path)
    assert leaks
    (planted,) = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {leak.file for leak in leaks} == {planted}
    assert all(leak.place and leak.what for leak in leaks)


CLEAN: dict[str, Plant] = {
    "plain text": text("README.md", "measured in 2.5 cm3, 20 May 1973, 14:36:53"),
    "an empty workbook": workbook(lambda book: book.active.append(["case", 7712, 143652, 19730430])),
    "counts as large as a time and a study's number": text("ftv.csv", "case,voxels,other\nA,143652,7712\n"),
    "a number whose decimals are the date": text("a.csv", "x\n0.19730429\n19730429.5\n"),
    "a checksum that holds the date": text("m.csv", "a" * 28 + "19730429" + "b" * 28),
    "a UID that begins with the one": text("a.json", UID + "9"),
    "part of a longer word": text("a.txt", "XZK44112"),
    "an image": lambda root: _write(root / "image.nii.gz", gzip.compress(_nifti(), mtime=0)),
    "a DICOM object": dicom(lambda _: None),
    "an empty zip": zipped("a.txt", b""),
}


@pytest.mark.parametrize("kind", CLEAN)
def test_numbers_of_images_and_tables_are_no_alarm(gate: Gate, tmp_path: Path, kind: str) -> None:
    CLEAN[kind](tmp_path)
    assert search(gate, tmp_path) == []


def test_noise_of_a_gigabyte_would_not_hold_an_identifier_by_chance(gate: Gate, tmp_path: Path) -> None:
    noise = np.random.default_rng(7).integers(0, 2**15, (64, 64, 64), np.int16)
    _write(tmp_path / "image.nii.gz", gzip.compress(_nifti(noise), mtime=0))
    assert search(gate, tmp_path) == []


def test_a_value_that_is_allowed_may_stand_anywhere_and_so_may_its_parts(tmp_path: Path) -> None:
    needles = [Needle("1001^6657^ISPY1", "name", "PatientName"), Needle("ISPY1_1001", "identifier", "PatientID")]
    text("ISPY1_1001/a.txt", "ISPY1_1001 of ISPY1")(tmp_path)
    assert search(Gate(needles), tmp_path)
    assert search(Gate(needles, (), ["ISPY1_1001", "ISPY1"]), tmp_path) == []
    text("b.txt", "6657_ISPY1")(tmp_path)
    assert {leak.file for leak in search(Gate(needles, (), ["ISPY1_1001", "ISPY1"]), tmp_path)} == {"b.txt"}


def test_a_name_that_the_program_writes_itself_is_looked_for_with_its_other_half_alone(tmp_path: Path) -> None:
    gate = Gate([Needle("GREY^LINDGARD", "name", "PatientName")])
    text("a.txt", "grey levels")(tmp_path)
    assert search(gate, tmp_path) == []
    text("b.txt", "Lindgard Grey")(tmp_path)
    assert search(gate, tmp_path)


def test_what_is_too_short_to_look_for_is_counted() -> None:
    gate = Gate([Needle("AB", "identifier", "PatientID"), Needle("HX77-90412", "identifier", "PatientID")])
    assert (gate.values, [needle.text for needle in gate.unsearched]) == (1, ["AB"])


def test_a_pydicom_file_written_for_a_test_can_be_read(tmp_path: Path) -> None:
    dicom(lambda _: None)(tmp_path)
    assert pydicom.dcmread(tmp_path / "seg.dcm").PatientID == "P-AAAAAAAAAAA"
