"""Bytes to headers: times, numbers and what looks like DICOM."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from uptake.io.dicom import parse as parsing
from uptake.io.dicom.parse import looks_like_dicom, parse, seconds_of_day
from uptake.io.dicom.sources import FileRef
from uptake.study import Code, Refusal


def header_of(path: Path) -> Any:
    data = path.read_bytes()
    return parse(FileRef(path, (), path.name, hashlib.sha256(data).hexdigest()), data)


def header(maker: Any, **tags: Any) -> Any:
    (image,) = maker.series(1, slices=1, **tags)
    (path,) = maker.write([image], to=f"one{next(maker.written)}").iterdir()
    return header_of(path)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("000000", 0),
        ("235959.999999", 86399.999999),
        ("1012", 36720),
        ("101230.5", 36750.5),
        ("10:12:30", 36750),
        ("19990101101230.250000", 36750.25),
        ("19990101101230.250000+0100", 36750.25),
        ("19990101101230-0500", 36750),
        (" 101230 ", 36750),
        ("", None),
        ("19990101", None),
        ("noon", None),
        (None, None),
    ],
)
def test_times_are_seconds_of_the_day(text: str | None, seconds: float | None) -> None:
    assert seconds_of_day(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("name", "head", "looks"),
    [
        ("x", bytes(128) + b"DICM", True),
        ("x.dcm", b"anything", True),
        ("X.IMA", b"anything", True),
        ("x", b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", True),
        ("x", b"\x02\x00\x00\x00UL\x04\x00" + bytes(8), True),
        ("x", b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100", True),
        ("x", b"\x08\x00\x05\x00" + b"\xff" * 8, False),
        ("x.csv", b"a,b,c,d,e,f,g", False),
        ("x.nii.gz", b"\x1f\x8b" + bytes(300), False),
        ("x", b"", False),
        ("._x.dcm", bytes(128) + b"DICM", False),
        ("DICOMDIR", bytes(128) + b"DICM", False),
        ("a/dicomdir", bytes(128) + b"DICM", False),
    ],
)
def test_what_looks_like_dicom(name: str, head: bytes, looks: bool) -> None:
    assert looks_like_dicom(name, head) == looks


def test_numbers_that_are_none_do_no_harm(maker: Any) -> None:
    (path,) = maker.write([maker.series(1, slices=1, MagneticFieldStrength="1.5", TriggerTime="7.5")[0]]).iterdir()
    path.write_bytes(path.read_bytes().replace(b"1.5 ", b"n/a ").replace(b"7.5 ", b"n/a ").replace(b"8.4 ", b"n/a "))

    found = header_of(path)

    assert found.protocol.field_strength_t is None
    assert found.protocol.repetition_time_ms is None
    assert found.moment.trigger_s is None


@pytest.mark.parametrize(("field", "tesla"), [("1.5", 1.5), ("3", 3), ("15000", 1.5), ("0", None), (None, None)])
def test_field_strength_in_gauss_becomes_tesla(maker: Any, field: str | None, tesla: float | None) -> None:
    assert header(maker, MagneticFieldStrength=field).protocol.field_strength_t == tesla


def test_a_date_and_time_serves_where_the_time_is_absent(maker: Any) -> None:
    found = header(maker, AcquisitionTime=None, AcquisitionDateTime="19990101101230.5")

    assert found.moment.acquisition_s == 36750.5


def test_letters_outside_ascii_are_kept(maker: Any) -> None:
    found = header(maker, SpecificCharacterSet="ISO_IR 192", SeriesDescription="T1 mamma höger")

    assert found.description == "T1 mamma höger"


def test_equal_protocols_are_one_object(maker: Any) -> None:
    assert header(maker, FlipAngle=17).protocol is header(maker, FlipAngle=17).protocol


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_where_the_pixels_begin(maker: Any, syntax: str) -> None:
    (image,) = maker.series(1, slices=1)
    if syntax.endswith("2.2"):
        image.PixelData = b"".join(image.PixelData[k : k + 2][::-1] for k in range(0, 40, 2))
        image = big_endian(image)
    (path,) = maker.write([image], syntax=syntax).iterdir()

    pixels = header_of(path).pixels

    assert pixels.transfer_syntax == syntax
    assert path.read_bytes()[pixels.start : pixels.start + pixels.length] == image.PixelData


def big_endian(image: Any) -> Any:
    image.set_original_encoding(is_implicit_vr=False, is_little_endian=False, character_encoding=None)
    image["PixelData"].VR = "OW"
    return image


def test_a_deflated_data_set_that_grows_beyond_the_limit_is_refused(
    maker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = maker.write(maker.series(1, slices=1), syntax="1.2.840.10008.1.2.1.99").iterdir()
    assert header_of(path) is not None
    monkeypatch.setattr(parsing, "MAX_INFLATED_BYTES", 500)

    with pytest.raises(Refusal) as caught:
        header_of(path)
    assert caught.value.code == Code.UNREADABLE


def test_a_dicomdir_under_another_name_is_passed_over(maker: Any) -> None:
    assert header(maker, SOPClassUID="1.2.840.10008.1.3.10") is None
