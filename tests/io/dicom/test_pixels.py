"""Stored values become intensities exactly, each slice by its own rescale."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.study import Code, Refusal


def first_pixels(study: Any) -> list[list[float]]:
    """The first stored pixel of every slice, by phase."""
    return [[float(value) for value in volume.array[0, -1, :]] for volume in study.volumes]


def stored(image: Any, dtype: str, values: Any) -> Any:
    """Gives an image other pixels of another type."""
    array = np.full(image.Rows * image.Columns, values, dtype)
    image.PixelData = array.tobytes() + b"\0" * (array.nbytes % 2)
    image.BitsAllocated = 8 * array.itemsize
    image.PixelRepresentation = int(array.dtype.kind == "i")
    image["PixelData"].VR = "OB" if array.itemsize == 1 else "OW"
    return image


def run_length_encode(images: list[Any]) -> None:
    for image in images:
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)


def test_values_without_rescale_stay_int16(maker: Any) -> None:
    study = maker.read(maker.series())

    assert {volume.array.dtype for volume in study.volumes} == {np.dtype(np.int16)}
    assert first_pixels(study)[1] == [2000, 2010, 2020, 2030, 2040, 2050]


def test_a_whole_intercept_keeps_int16(maker: Any) -> None:
    study = maker.read(maker.series(RescaleSlope="1", RescaleIntercept="-7"))

    assert study.volumes[0].array.dtype == np.int16
    assert first_pixels(study)[0][:2] == [993, 1003]


def test_every_slice_has_its_own_rescale(maker: Any) -> None:
    images = maker.series()
    for place, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = str(0.5 + place), str(place / 4)

    study = maker.read(images)

    assert {volume.array.dtype for volume in study.volumes} == {np.dtype(np.float32)}
    expected = [
        [(1000 * (phase + 1) + 10 * index) * (0.5 + 6 * phase + index) + (6 * phase + index) / 4 for index in range(6)]
        for phase in range(3)
    ]
    assert first_pixels(study) == expected


def test_one_phase_with_a_slope_makes_all_phases_float32(maker: Any) -> None:
    images = maker.series()
    for image in images[6:12]:
        image.RescaleSlope, image.RescaleIntercept = "2", "0"

    study = maker.read(images)

    assert {volume.array.dtype for volume in study.volumes} == {np.dtype(np.float32)}
    assert [values[0] for values in first_pixels(study)] == [1000, 4000, 3000]


def test_a_slope_without_an_intercept_is_taken_with_zero(maker: Any) -> None:
    assert first_pixels(maker.read(maker.series(RescaleSlope="2")))[0][0] == 2000


@pytest.mark.parametrize(
    ("dtype", "value", "read_as"),
    [
        ("<i2", -5, np.int16),
        ("<u2", 32767, np.int16),
        ("<u2", 40000, np.float32),
        ("u1", 250, np.int16),
        ("<i4", -70000, np.float32),
        ("<u4", 12, np.int16),
    ],
)
def test_signed_and_unsigned_values_of_every_size_keep_their_value(
    maker: Any, dtype: str, value: int, read_as: type
) -> None:
    images = [stored(image, dtype, value) for image in maker.series()]
    for image in images:
        image.BitsStored, image.HighBit = image.BitsAllocated, image.BitsAllocated - 1

    study = maker.read(images)

    assert study.volumes[0].array.dtype == read_as
    assert (study.volumes[0].array == value).all()


@pytest.mark.parametrize(("signed", "expected"), [(0, 0xABC), (1, 0xABC - 0x1000)])
def test_bits_above_the_stored_ones_do_not_count(maker: Any, signed: int, expected: int) -> None:
    images = [stored(image, "<u2", 0x5ABC) for image in maker.series()]
    for image in images:
        image.BitsStored, image.HighBit, image.PixelRepresentation = 12, 11, signed

    assert (maker.read(images).volumes[0].array == expected).all()


def test_stored_bits_may_lie_high(maker: Any) -> None:
    images = [stored(image, "<u2", 0xABCF) for image in maker.series()]
    for image in images:
        image.BitsStored, image.HighBit = 12, 15

    assert (maker.read(images).volumes[0].array == 0xABC).all()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=20, max_size=20),
    intercept=st.integers(-100, 100),
)
def test_any_values_come_back_where_they_were(maker: Any, values: list[int], intercept: int) -> None:
    images = maker.series(slices=2, RescaleSlope="1", RescaleIntercept=str(intercept))
    images[1].PixelData = struct.pack("<20h", *values)

    volume = maker.read(images).volumes[0]

    expected = np.array(values).reshape(5, 4)[::-1].T + intercept
    assert np.array_equal(volume.array[:, :, 1], expected)


def test_run_length_encoded_images_are_the_same(maker: Any) -> None:
    images = maker.series()
    expected = maker.read(images)
    run_length_encode(images)

    (source,) = scan([maker.write(images, syntax=RLELossless, to="rle")]).studies
    study = read_study(source, "case")

    assert all(np.array_equal(a.array, b.array) for a, b in zip(study.volumes, expected.volumes, strict=True))


def test_an_encapsulated_image_that_is_cut_is_refused(maker: Any) -> None:
    images = maker.series()
    run_length_encode(images)
    folder = maker.write(images, syntax=RLELossless)
    path = sorted(folder.iterdir())[5]
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(Refusal, match="ends before its pixels do"):
        read_study(scan([folder]).studies[0], "case")


def test_an_encapsulated_image_that_cannot_be_decoded_is_refused(maker: Any) -> None:
    images = maker.series()
    run_length_encode(images)
    folder = maker.write(images, syntax=RLELossless)
    path = sorted(folder.iterdir())[5]
    data = bytearray(path.read_bytes())
    start = data.rindex(b"\xfe\xff\x00\xe0") + 8
    data[start : start + 64] = b"\xff" * 64
    path.write_bytes(data)

    with pytest.raises(Refusal, match="cannot be decoded") as caught:
        read_study(scan([folder]).studies[0], "case")
    assert caught.value.code == Code.UNREADABLE


def test_a_transfer_syntax_that_nothing_here_decodes_is_refused(maker: Any) -> None:
    images = maker.series()
    run_length_encode(images)
    folder = maker.write(images, syntax="1.2.840.10008.1.2.4.102")

    with pytest.raises(Refusal, match="MPEG-4") as caught:
        read_study(scan([folder]).studies[0], "case")
    assert caught.value.code == Code.TRANSFER_SYNTAX


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"RescaleIntercept": "0"}, "without a RescaleSlope"),
        ({"RescaleSlope": "0", "RescaleIntercept": "0"}, "zero or no number"),
        ({"RescaleSlope": "1", "RescaleIntercept": "0"}, None),
    ],
)
def test_a_rescale_that_makes_no_sense_is_refused(maker: Any, tags: dict[str, str], words: str | None) -> None:
    if words is None:
        assert maker.read(maker.series(**tags))
        return
    refusal = maker.refusal(maker.series(**tags))

    assert refusal.code == Code.RESCALE
    assert words in refusal.found


@pytest.mark.parametrize(("keyword", "words"), [(b"2.5   ", "zero or no number"), (b"-1.0  ", "no number")])
def test_a_rescale_that_is_no_number_is_refused(maker: Any, keyword: bytes, words: str) -> None:
    folder = maker.write(maker.series(RescaleSlope="2.5000", RescaleIntercept="-1.000"))
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"2.5000" if b"2" in keyword else b"-1.000", b"abcdef"))

    with pytest.raises(Refusal, match=words) as caught:
        read_study(scan([folder]).studies[0], "case")
    assert caught.value.code == Code.RESCALE


def test_a_modality_lut_is_refused(maker: Any, change: Any) -> None:
    images = maker.series()
    lut = change(type(images[0])(), LUTDescriptor=[2, 0, 16], ModalityLUTType="US", LUTData=b"\0\0\1\0")
    refusal = maker.refusal(maker.series(ModalityLUTSequence=[lut]))

    assert refusal.code == Code.RESCALE
    assert "modality LUT" in refusal.found


def test_values_beyond_the_range_of_numbers_are_refused(maker: Any) -> None:
    refusal = maker.refusal(maker.series(RescaleSlope="1e38", RescaleIntercept="0"))

    assert refusal.code == Code.NON_FINITE
    assert refusal.found.startswith("phase 1")


def test_a_phase_without_any_signal_is_refused(maker: Any) -> None:
    images = maker.series()
    for image in images[6:12]:
        image.PixelData = bytes(len(image.PixelData))

    refusal = maker.refusal(images)

    assert refusal.code == Code.ALL_ZERO
    assert refusal.found.startswith("phase 2")


def test_fewer_pixels_than_rows_and_columns_say_are_refused(maker: Any) -> None:
    images = maker.series()
    images[3].PixelData = images[3].PixelData[:-2]

    assert maker.refusal(images).code == Code.UNREADABLE


def test_bits_that_make_no_sense_are_refused(maker: Any) -> None:
    images = maker.series()
    images[3].BitsAllocated = 12

    assert maker.refusal(images).code == Code.UNREADABLE
