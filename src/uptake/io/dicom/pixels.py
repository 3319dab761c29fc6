"""Stored values to intensities: phases as arrays in (column, row, slice), every slice with its own rescale.

Uncompressed pixels are taken straight from the file's bytes; compressed ones are decoded by pydicom with GDCM.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
import pydicom
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from uptake.io.dicom.headers import Header, Pixels
from uptake.io.dicom.lenient import MALFORMED, quiet
from uptake.io.dicom.sources import read_all
from uptake.study import Code, Refusal
from uptake.volume import Array

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
INT16 = np.iinfo(np.int16)


def read_phases(phases: Sequence[Sequence[Header]]) -> list[Array]:
    """The intensities of phases whose images ascend along the normal: arrays (column, row, slice), all of one type.

    int16 where every slope is 1, every intercept whole and every value fits, else float32 (slope and intercept
    applied in float64 slice by slice).
    Raises `Refusal`: RESCALE, TRANSFER_SYNTAX, UNREADABLE, ALL_ZERO and NON_FINITE, naming the phase or file.
    """
    images = [image for phase in phases for image in phase]
    for image in images:
        _check(image)
    stored = _stored(phases, images)
    rescaled = _rescaled(stored, phases)
    for number, values in enumerate(rescaled, start=1):
        _check_values(values, number)
    return [values.T for values in rescaled]


def _check(image: Header) -> None:
    pixels = _layout(image)
    if pixels.transfer_syntax not in NATIVE and pixels.transfer_syntax != DeflatedExplicitVRLittleEndian:
        _decoder(image)
    if pixels.bits_allocated not in (8, 16, 32) or not 0 < pixels.bits_stored <= pixels.high_bit + 1:
        raise _unreadable(image, f"has {pixels.bits_stored} bits in {pixels.bits_allocated}")
    if pixels.modality_lut:
        raise _rescale(image, "a modality LUT")
    slope, intercept = pixels.slope, pixels.intercept
    if slope is None and intercept is not None:
        raise _rescale(image, "a RescaleIntercept without a RescaleSlope")
    if slope is not None and (not math.isfinite(slope) or slope == 0):
        raise _rescale(image, "a RescaleSlope that is zero or no number")
    if intercept is not None and not math.isfinite(intercept):
        raise _rescale(image, "a RescaleIntercept that is no number")


def _stored(phases: Sequence[Sequence[Header]], images: Sequence[Header]) -> list[Array]:
    """Stored values of each phase, (slice, row, column); the files are read in the order in which they lie on disk."""
    plane = images[0].plane
    if plane is None:
        raise ValueError("images without a plane cannot be stacked")
    columns, rows = plane.size
    place = {(i.file, i.frame): (p, s) for p, phase in enumerate(phases) for s, i in enumerate(phase)}
    dtype = np.result_type(*{_dtype(_layout(image)).newbyteorder("=") for image in images})
    arrays = [np.empty((len(phase), rows, columns), dtype) for phase in phases]
    by_file = sorted(images, key=lambda image: (str(image.file.path), image.file.members, image.frame))
    groups = [list(group) for _, group in groupby(by_file, key=lambda image: image.file)]
    for group, data in zip(groups, read_all([group[0].file for group in groups]), strict=True):
        frame_values = _frames(group[0], data, (rows, columns))
        for image in group:
            phase, index = place[image.file, image.frame]
            arrays[phase][index] = frame_values(image.frame)
    return arrays


def _frames(image: Header, data: bytes, size: tuple[int, int]) -> Callable[[int], Array]:
    """A function that gives the stored values of a frame of one file, (row, column)."""
    pixels, (rows, columns) = _layout(image), size
    if pixels.transfer_syntax not in NATIVE:
        return _decoded_frames(image, data)
    dtype = _dtype(pixels)
    values = np.frombuffer(data, dtype, pixels.frames * rows * columns, pixels.start)
    return lambda frame: _sign_extended(values.reshape(pixels.frames, rows, columns)[frame], pixels)


def _decoded_frames(image: Header, data: bytes) -> Callable[[int], Array]:
    try:
        with quiet():
            array = pydicom.dcmread(io.BytesIO(data), force=True).pixel_array
    except (*MALFORMED, RuntimeError) as error:
        raise _unreadable(image, f"has pixels that cannot be decoded ({type(error).__name__})") from error
    return lambda frame: np.asarray(array[frame] if array.ndim == 3 else array)


def _decoder(image: Header) -> None:
    syntax = UID(_layout(image).transfer_syntax)
    try:
        if get_decoder(syntax).is_available:
            return
    except NotImplementedError:
        pass
    raise Refusal(
        Code.TRANSFER_SYNTAX,
        found=f"{image.file.name}: transfer syntax {syntax.name}",
        allowed="uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000",
        remedy="have the archive send the study uncompressed (Explicit VR Little Endian)",
    )


def _dtype(pixels: Pixels) -> np.dtype[np.generic]:
    order = ">" if pixels.transfer_syntax == ExplicitVRBigEndian else "<"
    return np.dtype(f"{order}{'i' if pixels.signed else 'u'}{pixels.bits_allocated // 8}")


def _sign_extended(values: Array, pixels: Pixels) -> Array:
    """Stored values without what else may stand in the unused high bits (overlays, a missing sign)."""
    if pixels.bits_stored == pixels.bits_allocated:
        return values
    above, below = pixels.bits_allocated - 1 - pixels.high_bit, pixels.high_bit + 1 - pixels.bits_stored
    extended: Array = np.right_shift(np.left_shift(values, above), above + below)
    return extended


def _rescaled(stored: list[Array], phases: Sequence[Sequence[Header]]) -> list[Array]:
    """The stored values with slope and intercept applied; `stored` is emptied on the way to spare memory."""
    pairs = [[(_layout(i).slope or 1.0, _layout(i).intercept or 0.0) for i in phase] for phase in phases]
    if not all(slope == 1 and intercept == int(intercept) for phase in pairs for slope, intercept in phase):
        return [_scaled(stored.pop(0), phase) for phase in pairs]
    whole = [_shifted(stored.pop(0), [int(intercept) for _, intercept in phase]) for phase in pairs]
    fits = all(INT16.min <= values.min() and values.max() <= INT16.max for values in whole)
    return [whole.pop(0).astype(np.int16 if fits else np.float32, copy=False) for _ in pairs]


def _shifted(values: Array, intercepts: Sequence[int]) -> Array:
    if not any(intercepts):
        return values
    shifted: Array = values.astype(np.int64) + np.array(intercepts)[:, None, None]
    return shifted


def _scaled(values: Array, pairs: Sequence[tuple[float, float]]) -> Array:
    scaled = np.empty(values.shape, np.float32)
    with np.errstate(over="ignore"):
        for index, (slope, intercept) in enumerate(pairs):
            scaled[index] = values[index] * slope + intercept
    return scaled


def _check_values(values: Array, number: int) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise Refusal(
            Code.NON_FINITE,
            found=f"phase {number} holds values beyond the range of numbers after rescaling",
            allowed="finite intensities",
            remedy="check RescaleSlope and RescaleIntercept of the series",
        )
    if not values.any():
        raise Refusal(
            Code.ALL_ZERO,
            found=f"phase {number} is zero in every voxel",
            allowed="phases with a signal",
            remedy="export the series again, or leave it out",
        )


def _layout(image: Header) -> Pixels:
    if image.pixels is None:
        raise _unreadable(image, "holds no pixels")
    return image.pixels


def _unreadable(image: Header, found: str) -> Refusal:
    return Refusal(
        Code.UNREADABLE,
        found=f"{image.file.name} {found}",
        allowed="whole image files of 8, 16 or 32 bits",
        remedy="copy or download the file again",
    )


def _rescale(image: Header, found: str) -> Refusal:
    return Refusal(
        Code.RESCALE,
        found=f"{image.file.name} has {found}",
        allowed="RescaleSlope and RescaleIntercept that are numbers, or neither of them",
        remedy="export the series again, without a modality LUT",
    )
