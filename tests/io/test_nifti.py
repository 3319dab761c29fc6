"""NIfTI files, held against nibabel."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.nifti1 import Nifti1Image
from scipy.spatial.transform import Rotation

from uptake.io import nifti
from uptake.io.nifti import read_grid, read_mask, read_volume, write_volume
from uptake.study import Code, Refusal
from uptake.volume import Array, Grid, Volume

SHAPE = (5, 7, 37)


def oblique(shape: tuple[int, int, int] = SHAPE, *, mirrored: bool = False) -> Grid:
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", (17, -38, 121), degrees=True).as_matrix()
    affine[:3, :3] = turn * (0.78125, 0.9, -2.5 if mirrored else 2.5)
    affine[:3, 3] = (-123.4, 56.7, 890.1)
    return Grid(shape, affine)


def values(dtype: str, shape: tuple[int, int, int] = SHAPE) -> Array:
    generator = np.random.default_rng(1)
    if dtype == "bool":
        return generator.random(shape) > 0.5
    return (
        generator.normal(0, 300, shape) if np.dtype(dtype).kind != "u" else generator.integers(0, 255, shape)
    ).astype(dtype)


def load(path: Path) -> Nifti1Image:
    image = nib.load(path)
    assert isinstance(image, Nifti1Image)
    return image


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_nibabel_reads_what_was_written_on_an_oblique_anisotropic_grid(
    tmp_path: Path, dtype: str, name: str, mirrored: bool
) -> None:
    volume = Volume(values(dtype), oblique(mirrored=mirrored))
    write_volume(volume, tmp_path / name)
    image = load(tmp_path / name)
    assert np.array_equal(np.asarray(image.dataobj), volume.array)
    assert image.get_data_dtype() == (np.uint8 if dtype == "bool" else np.dtype(dtype))
    np.testing.assert_allclose(image.affine, volume.grid.affine, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(image.header.get_qform(), volume.grid.affine, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(image.header.get_zooms(), volume.grid.spacing_mm, rtol=1e-6)


def test_the_header_has_both_codes_scanner_millimetres_and_no_text(tmp_path: Path) -> None:
    write_volume(Volume(values("int16"), oblique()), tmp_path / "a.nii.gz")
    image = load(tmp_path / "a.nii.gz")
    header = image.header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (1, 1)
    assert header.get_xyzt_units()[0] == "mm"
    assert [
        bytes(header[name].tobytes()).strip(b"\0") for name in ("descrip", "aux_file", "db_name", "intent_name")
    ] == [b""] * 4
    assert (image.dataobj.slope, image.dataobj.inter) == (1, 0)


def test_the_header_is_a_valid_one_for_nibabels_checks(tmp_path: Path) -> None:
    write_volume(Volume(values("float32"), oblique()), tmp_path / "a.nii")
    raw = (tmp_path / "a.nii").read_bytes()[:348]
    assert nib.Nifti1Header.diagnose_binaryblock(raw) == ""


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32"])
def test_a_volume_comes_back_as_it_went(tmp_path: Path, dtype: str) -> None:
    volume = Volume(values(dtype), oblique())
    write_volume(volume, tmp_path / "a.nii.gz")
    back = read_mask(tmp_path / "a.nii.gz") if dtype == "bool" else read_volume(tmp_path / "a.nii.gz")
    assert back.array.dtype == volume.array.dtype
    assert back.array.flags.writeable
    assert np.array_equal(back.array, volume.array)
    assert back.grid.same_as(volume.grid)


@given(
    turn=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 10)] * 3),
    flips=st.tuples(*[st.sampled_from((1, -1))] * 3),
)
def test_the_qform_is_the_affine_for_every_rotation_and_handedness(
    turn: tuple[float, float, float], spacing: tuple[float, float, float], flips: tuple[int, int, int]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() * spacing * flips
    header = nib.Nifti1Header(nifti._header(np.dtype("f4"), Grid((2, 2, 2), affine))[:348])
    # The fourth number of the quaternion is sqrt(1 - b2 - c2 - d2) of three float32 numbers. nibabel reads what is left
    # below three float32 epsilons as 0, so near a half turn a rotation of up to twice the root of that is lost.
    lost = 2 * np.sqrt(3 * np.finfo(np.float32).eps)
    assert np.abs((header.get_qform() - affine)[:3, :3] / spacing).max() < lost + 1e-5


@given(
    turn=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 10)] * 3),
    flips=st.tuples(*[st.sampled_from((1, -1))] * 3),
    shear=st.sampled_from((0.0, 0.3)),
    code=st.sampled_from(sorted(nifti.WRITTEN)),
)
def test_the_header_is_that_of_nibabel_byte_for_byte(
    turn: tuple[float, float, float],
    spacing: tuple[float, float, float],
    flips: tuple[int, int, int],
    shear: float,
    code: str,
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() * spacing * flips
    affine[0, 1] += shear * min(spacing)
    affine[:3, 3] = (-91.5, 0.1, 37)
    grid = Grid((3, 1, 300), affine)
    expected = nib.Nifti1Header(endianness="<")
    expected.set_data_dtype(code)
    expected.set_data_shape(grid.shape)
    expected.set_data_offset(352)
    expected.set_qform(grid.affine, 1, strip_shears=True)
    expected.set_sform(grid.affine, 1)
    expected.set_xyzt_units("mm")
    expected.set_slope_inter(1, 0)
    assert nifti._header(np.dtype(code), grid) == expected.binaryblock + bytes(4)


@pytest.mark.parametrize("turn", [(0, 0, 0), (180, 0, 0), (0, 180, 0), (0, 0, 180), (90, 0, 90), (180, 0, 90)])
def test_the_qform_holds_quarter_and_half_turns(turn: tuple[float, float, float]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() * (1, 2, 3)
    header = nib.Nifti1Header(nifti._header(np.dtype("f4"), Grid((2, 2, 2), affine))[:348])
    np.testing.assert_allclose(header.get_qform(), affine, atol=1e-5)


def test_a_sheared_grid_is_exact_in_the_sform_and_nearest_in_the_qform(tmp_path: Path) -> None:
    affine = np.diag([0.8, 0.8, 2.0, 1])
    affine[0, 2] = 0.5
    write_volume(Volume(values("int16"), Grid(SHAPE, affine)), tmp_path / "a.nii.gz")
    image = load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(image.affine, affine, atol=1e-6)
    expected = Nifti1Image(np.zeros(SHAPE, np.int16), affine)
    expected.set_qform(affine, 1, strip_shears=True)
    np.testing.assert_allclose(image.header.get_qform(), expected.header.get_qform(), atol=1e-5)


def test_a_grid_is_read_from_the_header_alone_as_nibabel_places_it(tmp_path: Path) -> None:
    affine = np.array([[0, 0, 2.5, -70], [-1.2, 0, 0, 40], [0, 1.2, 0, -30], [0, 0, 0, 1.0]])
    nib.save(Nifti1Image(np.zeros((3, 4, 5), np.float32), affine), tmp_path / "a.nii")
    (tmp_path / "cut.nii").write_bytes((tmp_path / "a.nii").read_bytes()[:352])  # not one voxel
    assert read_grid(tmp_path / "cut.nii").same_as(Grid((3, 4, 5), affine))
    (tmp_path / "cut.nii.gz").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes())[:40])
    with pytest.raises(Refusal) as refused:
        read_grid(tmp_path / "cut.nii.gz")
    assert refused.value.code == Code.UNREADABLE


def test_equal_volumes_give_equal_bytes_whatever_their_memory_order(tmp_path: Path) -> None:
    array = values("float32")
    for name, same in {"a": np.ascontiguousarray(array), "b": np.asfortranarray(array), "c": array[::-1][::-1]}.items():
        write_volume(Volume(same, oblique()), tmp_path / f"{name}.nii.gz")
    first, *others = [(tmp_path / f"{name}.nii.gz").read_bytes() for name in "abc"]
    assert all(other == first for other in others)
    flags, time = struct.unpack("<xxxBI", first[:8])
    assert (flags, time) == (0, 0), "gzip carries neither a name nor a time"
    assert len(gzip.decompress(first)) == 352 + array.nbytes


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint8, ">i2", ">f4", np.int64])
def test_nibabels_files_are_read(tmp_path: Path, dtype: Any) -> None:
    array = np.random.default_rng(2).integers(0, 99, SHAPE).astype(dtype)
    order = np.dtype(dtype).byteorder
    image = nib.Nifti1Image(
        array, oblique().affine, nib.Nifti1Header(endianness=">" if order == ">" else "<"), dtype=array.dtype
    )
    nib.save(image, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    assert np.array_equal(volume.array, array)
    assert volume.array.dtype.isnative
    assert volume.grid.same_as(oblique())


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_file_with_a_qform_only_is_placed_by_it(tmp_path: Path, mirrored: bool) -> None:
    image = Nifti1Image(values("int16"), None)
    image.set_qform(oblique(mirrored=mirrored).affine, 1)
    image.set_sform(None, 0)
    nib.save(image, tmp_path / "a.nii.gz")
    assert read_volume(tmp_path / "a.nii.gz").grid.same_as(oblique(mirrored=mirrored))


def test_where_sform_and_qform_differ_the_sform_counts_as_in_nibabel(tmp_path: Path) -> None:
    image = Nifti1Image(values("int16"), None)
    image.set_qform(np.diag([3, 3, 3, 1]), 1)
    image.set_sform(oblique().affine, 2)
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").grid.affine, load(tmp_path / "a.nii.gz").affine)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000.0), ("micron", 0.001), ("mm", 1.0), ("unknown", 1.0)])
def test_spatial_units_are_turned_into_millimetres(tmp_path: Path, unit: str, factor: float) -> None:
    image = Nifti1Image(values("int16"), np.diag([2, 3, 4, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(read_volume(tmp_path / "a.nii").grid.spacing_mm, np.array([2, 3, 4]) * factor)


@pytest.mark.parametrize(("stored", "result"), [("int16", np.float32), ("float32", np.float32), ("int32", np.float64)])
def test_scaling_is_applied(tmp_path: Path, stored: str, result: type) -> None:
    image = Nifti1Image(values(stored), np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    nib.save(image, tmp_path / "a.nii")
    _set_scaling(tmp_path / "a.nii", 0.5, -3)
    volume = read_volume(tmp_path / "a.nii")
    assert volume.array.dtype == result
    np.testing.assert_allclose(volume.array, load(tmp_path / "a.nii").get_fdata(), rtol=1e-6)


@pytest.mark.parametrize("slope", [0.0, float("nan"), float("inf")])
def test_a_slope_that_means_no_scaling_is_not_applied(tmp_path: Path, slope: float) -> None:
    nib.save(Nifti1Image(values("int16"), np.eye(4)), tmp_path / "a.nii")
    _set_scaling(tmp_path / "a.nii", slope, 7)
    volume = read_volume(tmp_path / "a.nii")
    assert np.array_equal(volume.array, values("int16"))
    assert volume.array.dtype == np.int16


def test_a_fourth_axis_of_one_volume_is_dropped(tmp_path: Path) -> None:
    nib.save(Nifti1Image(values("int16")[..., None], np.eye(4)), tmp_path / "a.nii.gz")
    assert read_volume(tmp_path / "a.nii.gz").array.shape == SHAPE


def test_a_header_extension_is_skipped(tmp_path: Path) -> None:
    image = Nifti1Image(values("int16"), np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"some words"))
    nib.save(image, tmp_path / "a.nii.gz")
    assert np.array_equal(read_volume(tmp_path / "a.nii.gz").array, values("int16"))


@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (3, 4)])
def test_several_volumes_or_a_picture_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nib.save(Nifti1Image(np.zeros(shape, np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    refusal = _refused(tmp_path / "a.nii.gz", Code.UNREADABLE)
    assert " x ".join(str(n) for n in shape) in refusal.found


def test_a_colour_image_is_refused(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    assert "datatype 128" in _refused(tmp_path / "a.nii.gz", Code.UNREADABLE).found


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_voxel_that_is_not_finite_is_refused_and_counted(tmp_path: Path, value: float) -> None:
    array = values("float32")
    array[1, 2, 3] = value
    nib.save(Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    assert "1 voxels" in _refused(tmp_path / "a.nii.gz", Code.NON_FINITE).found


def test_a_file_without_a_coordinate_system_is_refused(tmp_path: Path) -> None:
    image = Nifti1Image(values("int16"), np.eye(4))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "a.nii.gz")
    _refused(tmp_path / "a.nii.gz", Code.NO_ORIENTATION)


@pytest.mark.parametrize("affine", [np.diag([1.0, 1, 0, 1]), np.diag([1, 1, np.nan, 1])])
def test_a_singular_or_undefined_affine_is_refused(tmp_path: Path, affine: Array) -> None:
    nib.save(Nifti1Image(values("int16"), np.eye(4)), tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[280:328] = affine[:3].astype("<f4").tobytes()
    raw[254:256] = struct.pack("<h", 1)
    (tmp_path / "a.nii").write_bytes(raw)
    _refused(tmp_path / "a.nii", Code.NO_ORIENTATION)


@pytest.mark.parametrize(("field", "value"), [("quatern_b", 7.0), ("quatern_c", np.nan), ("pixdim", -2.0)])
def test_a_qform_that_is_no_rotation_or_has_a_negative_spacing_is_refused(
    tmp_path: Path, field: str, value: float
) -> None:
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_qform(oblique().affine, 1)
    header["vox_offset"] = 352
    header[field] = [1, 2, value, 1, 1, 1, 1, 1] if field == "pixdim" else value
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(10_000))
    _refused(tmp_path / "a.nii", Code.NO_ORIENTATION)


@pytest.mark.parametrize(
    ("start", "content"),
    [
        (0, struct.pack("<i", 540)),  # a NIfTI-2 header is that long
        (344, b"ni1\0"),  # the voxels lie in another file
        (40, struct.pack("<h", 0)),
        (42, struct.pack("<h", -5)),
        (70, struct.pack("<h", 9999)),
        (108, struct.pack("<f", np.nan)),
        (108, struct.pack("<f", 12)),
        (112, struct.pack("<2f", 2, np.nan)),
    ],
    ids=["length", "two-files", "no-axes", "negative-axis", "type", "no-start", "start-in-header", "intercept"],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, start: int, content: bytes) -> None:
    write_volume(Volume(values("int16"), oblique()), tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[start : start + len(content)] = content
    (tmp_path / "a.nii").write_bytes(raw)
    _refused(tmp_path / "a.nii", Code.UNREADABLE)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kept", [0, 1, 200, 351, 800, -1])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, kept: int) -> None:
    write_volume(Volume(values("int16"), oblique()), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:kept])
    _refused(tmp_path / name, Code.UNREADABLE)


def test_a_damaged_gzip_stream_is_refused(tmp_path: Path) -> None:
    write_volume(Volume(values("int16"), oblique()), tmp_path / "a.nii.gz")
    raw = bytearray((tmp_path / "a.nii.gz").read_bytes())
    raw[-6] ^= 0xFF  # the checksum
    (tmp_path / "a.nii.gz").write_bytes(raw)
    _refused(tmp_path / "a.nii.gz", Code.UNREADABLE)
    (tmp_path / "a.nii.gz").write_bytes(raw[:10] + b"\xff" * 200)
    _refused(tmp_path / "a.nii.gz", Code.UNREADABLE)


@pytest.mark.parametrize("content", [b"a text file\n" * 40, b"\x1f\x8b" + bytes(400)])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nii.gz").write_bytes(content)
    _refused(tmp_path / "a.nii.gz", Code.UNREADABLE)


def test_a_header_that_claims_more_than_any_study_holds_is_refused_without_taking_memory(tmp_path: Path) -> None:
    write_volume(Volume(values("float64"), oblique()), tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[42:48] = struct.pack("<3h", 32767, 32767, 32767)
    (tmp_path / "a.nii").write_bytes(raw)
    _refused(tmp_path / "a.nii", Code.UNREADABLE)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("one", [1, 255])
def test_a_mask_of_0_and_1_or_0_and_255_is_bool(tmp_path: Path, dtype: type, one: int) -> None:
    truth = values("bool")
    nib.save(Nifti1Image(truth.astype(dtype) * dtype(one), oblique().affine), tmp_path / "a.nii.gz")
    mask = read_mask(tmp_path / "a.nii.gz")
    assert mask.is_mask
    assert np.array_equal(mask.array, truth)


def test_an_empty_mask_is_read(tmp_path: Path) -> None:
    nib.save(Nifti1Image(np.zeros(SHAPE, np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    assert not read_mask(tmp_path / "a.nii.gz").array.any()


@pytest.mark.parametrize(
    ("labels", "words"), [((0, 1, 2), "0, 1, 2"), ((0, 2), "0, 2"), ((0, 1, 255), "0, 1, 255"), ((0, 0.5), "0, 0.5")]
)
def test_any_other_value_in_a_mask_is_refused_and_named(tmp_path: Path, labels: tuple[float, ...], words: str) -> None:
    array = np.resize(np.array(labels, np.float32), SHAPE)
    nib.save(Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(Refusal) as refused:
        read_mask(tmp_path / "a.nii.gz")
    assert refused.value.code is Code.UNREADABLE
    assert refused.value.found.endswith(f"with the values {words}")


def test_a_type_that_nifti_readers_do_not_share_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="complex64"):
        write_volume(Volume(np.zeros(SHAPE, np.complex64), oblique()), tmp_path / "a.nii.gz")
    assert not any(tmp_path.iterdir())


def _set_scaling(path: Path, slope: float, intercept: float) -> None:
    raw = bytearray(path.read_bytes())
    raw[112:120] = struct.pack("<2f", slope, intercept)
    path.write_bytes(raw)


def _refused(path: Path, code: Code) -> Refusal:
    with pytest.raises(Refusal) as refused:
        read_volume(path)
    assert refused.value.code is code
    assert str(path.parent) not in str(refused.value)
    return refused.value
