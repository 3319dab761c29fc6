"""NIfTI-1 files (``.nii.gz``, ``.nii``): one volume, RAS+ millimetres, the same bytes for the same voxels.

nibabel reads headers. It does not make them, since importing it takes longer than writing all files of a case: the
tests hold ours against its own, byte for byte. Compression is ISA-L's deflate: on a 200 x 200 x 120 float32 volume
0.06 s against zlib's 0.8 s for the same size.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt
from isal import igzip
from isal.igzip_lib import IsalError

from uptake.io.files import whole_file
from uptake.study import Code, Refusal
from uptake.volume import Array, Grid, Volume

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

LEVEL = 2
HEADER_BYTES = 348
VOXELS_START = 352
SLAB_PLANES = 16
MAX_BYTES = 2**34
SCANNER = 1
SINGULAR_MM3 = 1e-12
MILLIMETRES = 2
MAGIC = b"n+1\0"
WRITTEN = {"u1": 2, "i2": 4, "u2": 512, "i4": 8, "f4": 16, "f8": 64}
"""NIfTI's codes of the types that we write."""
READ = (*WRITTEN, "i1", "u4", "i8", "u8")
UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres per spatial unit: unknown (taken as mm), metre, millimetre, micrometre."""
DAMAGED: tuple[type[Exception], ...] = (EOFError, igzip.BadGzipFile, IsalError)  # type: ignore[assignment]


def write_volume(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI-1, whole or not at all, gzipped where the name ends in ``.gz``.

    Masks become uint8 0/1; uint8, int16, uint16, int32, float32 and float64 are kept. sform and qform both have
    code 1 (scanner) and RAS+ mm. The sform is the affine (in float32). The qform holds a rotation as three float32
    numbers, so it can be up to 0.001 rad off near half turns; where the axes are not perpendicular it is the nearest
    rotation with the same spacing. All text fields are empty, gzip carries neither name nor time: equal volumes give
    equal bytes whatever the memory order of their arrays.
    Raises `TypeError` for another dtype, `Refusal` NO_SPACE where the file cannot be written.
    """
    array = volume.array.view(np.uint8) if volume.is_mask else volume.array
    header = _header(array.dtype, volume.grid)
    with whole_file(path) as handle:
        if path.name.endswith(".gz"):
            with igzip.IGzipFile("", "wb", LEVEL, handle, mtime=0) as zipped:  # type: ignore[no-untyped-call]
                _write_all(zipped, header, array)
        else:
            _write_all(handle, header, array)


def read_volume(path: Path) -> Volume:
    """Read a NIfTI-1 file as (i, j, k) on a RAS+ mm grid, scaling applied.

    The sform is used, else the qform. Unscaled voxels keep their type in native byte order; scaled ones become float32
    (float64 where stored as 32 bits or more and not float32). A fourth axis of length 1 is dropped.
    Raises `Refusal`: UNREADABLE (not a NIfTI-1 file, cut short, not one volume, unknown type), NO_ORIENTATION
    (neither sform nor qform is set, or it is singular), NON_FINITE.
    """
    from nibabel.spatialimages import HeaderDataError

    with _opened(path) as handle:
        try:
            header = _parsed(handle.read(HEADER_BYTES), path.name)
            grid = Grid(header.get_data_shape()[:3], _affine(header, path.name))
            array = _scaled(_voxels(handle, header), header)
        except HeaderDataError as error:
            raise _unreadable(path.name, str(error)) from error
        except DAMAGED as error:
            raise _unreadable(path.name, f"damaged or cut short ({type(error).__name__})") from error
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Refusal(
            Code.NON_FINITE,
            found=f"{path.name} holds {np.count_nonzero(~np.isfinite(array))} voxels that are NaN or infinite",
            allowed="finite numbers only",
            remedy="write the file again with a number in every voxel",
        )
    return Volume(array, grid)


def read_grid(path: Path) -> Grid:
    """The grid of a NIfTI-1 file, from its header alone. Raises `Refusal` UNREADABLE, NO_ORIENTATION."""
    with _opened(path) as handle:
        try:
            header = _parsed(handle.read(HEADER_BYTES), path.name)
        except DAMAGED as error:
            raise _unreadable(path.name, f"damaged or cut short ({type(error).__name__})") from error
    return Grid(header.get_data_shape()[:3], _affine(header, path.name))


def read_mask(path: Path) -> Volume:
    """Read a mask: a NIfTI-1 file whose voxels are 0 and 1, or 0 and 255, as a volume of bool.

    A file of zeros only is an empty mask, which is for the caller to judge.
    Raises the refusals of `read_volume`, and UNREADABLE for any other value, naming the values found.
    """
    volume = read_volume(path)
    array = volume.array
    mask = array != 0
    if not (array[mask] == 1).all() and not (array[mask] == 255).all():
        found = ", ".join(f"{value:g}" for value in np.unique(array)[:8])
        raise Refusal(
            Code.UNREADABLE,
            found=f"mask {path.name} with the values {found}",
            allowed="0 and 1, or 0 and 255: one structure per file",
            remedy="export the one label that is meant as a binary mask",
        )
    return volume.with_array(mask)


def read_label(path: Path, label: int) -> Volume:
    """Read one structure of a mask with several: the voxels that hold `label`, as a volume of bool.

    Raises the refusals of `read_volume`, UNREADABLE for values that are no whole numbers, EMPTY_MASK for a label that
    no voxel has.
    """
    volume = read_volume(path)
    array = volume.array
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        raise Refusal(
            Code.UNREADABLE,
            found=f"mask {path.name} with values between whole numbers",
            allowed="whole numbers: one label per voxel",
            remedy="bring the mask to the image's grid again with nearest-neighbour interpolation",
        )
    inside = array == label
    if not inside.any():
        there = ", ".join(f"{value:g}" for value in np.unique(array)[:8])
        raise Refusal(
            Code.EMPTY_MASK,
            found=f"mask {path.name} with the labels {there} and not {label}",
            allowed="at least one voxel of the label",
            remedy="give a label that the mask has",
        )
    return volume.with_array(inside)


def _header(dtype: np.dtype[np.generic], grid: Grid) -> bytes:
    """The header and the four bytes that say that no extension follows."""
    if dtype.str[1:] not in WRITTEN or not dtype.isnative:
        raise TypeError(f"a volume of {dtype} cannot be written: bool or one of {', '.join(WRITTEN)}")
    spacing, handedness, quaternion = _qform(grid)
    made = bytearray(VOXELS_START)
    struct.pack_into("<i", made, 0, HEADER_BYTES)
    struct.pack_into("<8h", made, 40, 3, *grid.shape, 1, 1, 1, 1)
    struct.pack_into("<2h", made, 70, WRITTEN[dtype.str[1:]], 8 * dtype.itemsize)
    struct.pack_into("<8f", made, 76, handedness, *spacing, 1, 1, 1, 1)
    struct.pack_into("<3f", made, 108, VOXELS_START, 1, 0)  # where voxels begin, slope, intercept
    struct.pack_into("<B", made, 123, MILLIMETRES)
    struct.pack_into("<2h", made, 252, SCANNER, SCANNER)
    struct.pack_into("<6f", made, 256, *quaternion, *grid.origin)
    struct.pack_into("<12f", made, 280, *grid.affine[:3].ravel())
    struct.pack_into("<4s", made, 344, MAGIC)
    return bytes(made)


def _qform(grid: Grid) -> tuple[tuple[float, float, float], int, npt.NDArray[np.float64]]:
    """Spacing in mm, -1 for a left-handed grid, and the last three numbers of the quaternion of the nearest rotation.

    Source: NIfTI-1's qform (pixdim[0] turns the third axis round); the quaternion is Bar-Itzhack's, J Guidance
    Control Dyn 2000;23:1085, which also serves a matrix that is not quite a rotation.
    """
    axes = grid.affine[:3, :3] / grid.spacing_mm
    handedness = 1 if np.linalg.det(axes) > 0 else -1
    left, _, right = np.linalg.svd(axes * (1, 1, handedness))
    (xx, yx, zx), (xy, yy, zy), (xz, yz, zz) = (left @ right).tolist()
    lower = [
        [xx - yy - zz, 0, 0, 0],
        [yx + xy, yy - xx - zz, 0, 0],
        [zx + xz, zy + yz, zz - xx - yy, 0],
        [yz - zy, zx - xz, xy - yx, xx + yy + zz],
    ]
    values, vectors = np.linalg.eigh(np.array(lower) / 3)
    x, y, z, w = vectors[:, values.argmax()]
    return grid.spacing_mm, handedness, np.array([x, y, z]) * (-1 if w < 0 else 1)


def _write_all(handle: BinaryIO | igzip.IGzipFile, header: bytes, array: Array) -> None:
    """Header, then the voxels i fastest, a slab of planes at a time: no second copy of the volume is ever made."""
    little = array.dtype.newbyteorder("<")
    handle.write(header)
    for start in range(0, array.shape[2], SLAB_PLANES):
        slab = np.asfortranarray(array[:, :, start : start + SLAB_PLANES], dtype=little)
        handle.write(slab.T.data.cast("B"))


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as handle:
        gzipped = handle.read(2) == b"\x1f\x8b"
    return igzip.open(path, "rb") if gzipped else path.open("rb")  # type: ignore[no-untyped-call]


def _parsed(raw: bytes, name: str) -> Nifti1Header:
    """The header, if it is that of one volume of real numbers."""
    from nibabel.nifti1 import Nifti1Header, data_type_codes

    if len(raw) < HEADER_BYTES or raw[-4:] != MAGIC:
        raise _unreadable(name, "not a NIfTI-1 single file")
    header = Nifti1Header(raw, check=False)
    shape, code, start = header.get_data_shape(), int(header["datatype"]), float(header["vox_offset"])
    if header["sizeof_hdr"] != HEADER_BYTES:
        raise _unreadable(name, "not a NIfTI-1 single file")
    if len(shape) < 3 or min(shape) < 1 or max(shape[3:], default=1) > 1:
        raise _unreadable(name, f"an array of {' x '.join(map(str, shape))}")
    if code not in data_type_codes.dtype or header.get_data_dtype().str[1:] not in READ:
        raise _unreadable(name, f"NIfTI datatype {code}")
    size = math.prod(shape) * header.get_data_dtype().itemsize
    if not HEADER_BYTES <= start < 2**24 or size > MAX_BYTES:
        raise _unreadable(name, f"{math.prod(shape)} voxels from byte {start:g} on")
    return header


def _affine(header: Nifti1Header, name: str) -> npt.NDArray[np.float64]:
    from nibabel.spatialimages import HeaderDataError

    if header["sform_code"] <= 0 and header["qform_code"] <= 0:
        raise _nowhere(name, "neither sform nor qform set")
    try:
        affine: npt.NDArray[np.float64] = header.get_best_affine().astype(np.float64)
    except (ValueError, HeaderDataError) as error:  # a quaternion that is no rotation, a negative spacing
        raise _nowhere(name, f"a qform that is none ({error})") from error
    affine[:3] *= UNIT_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < SINGULAR_MM3:
        raise _nowhere(name, "an affine that is singular or not finite")
    return affine


def _voxels(handle: BinaryIO, header: Nifti1Header) -> Array:
    """The voxels as stored, in pieces: read all at once, as nibabel does, igzip takes twice the memory."""
    dtype = header.get_data_dtype()
    array = np.empty(header.get_data_shape()[:3], dtype=dtype, order="F")
    handle.seek(header.get_data_offset())
    left = array.T.data.cast("B")
    while left:
        count = handle.readinto(left[: 2**20])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        left = left[count:]
    handle.read(1)  # at the end of a gzip stream this compares its checksum
    return array.astype(dtype.newbyteorder("="), copy=False)


def _scaled(array: Array, header: Nifti1Header) -> Array:
    from nibabel.volumeutils import apply_read_scaling

    slope, intercept = header.get_slope_inter()
    if slope is None or (slope, intercept) == (1, 0):
        return array
    wide = array.dtype.itemsize > 2 and array.dtype != np.float32
    return apply_read_scaling(array, slope, intercept).astype(np.float64 if wide else np.float32)


def _nowhere(name: str, found: str) -> Refusal:
    return Refusal(
        Code.NO_ORIENTATION,
        found=f"{name}: {found}",
        allowed="a NIfTI file that says where its voxels lie",
        remedy="convert it again with a tool that keeps the geometry, such as dcm2niix",
    )


def _unreadable(name: str, found: str) -> Refusal:
    return Refusal(
        Code.UNREADABLE,
        found=f"{name}: {found}",
        allowed="one volume of real numbers in a NIfTI-1 file (.nii or .nii.gz)",
        remedy="write it again as three-dimensional NIfTI-1",
    )
