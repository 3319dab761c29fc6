"""DICOM SEG on a study's grid: written by highdicom, read here; and UCSF's own of a real study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from uptake.io.dicom.seg import frame_origins_mm, read_seg, seg_volume
from uptake.study import Code, Refusal
from uptake.volume import DCM2NIIX, Array, Grid, Layout, bounding_slices

hd = pytest.importorskip("highdicom", reason="highdicom writes the DICOM SEG of these tests")

COLUMNS, ROWS, SLICES = 6, 5, 8
SPACING = (0.5, 0.75, 2.0)
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
ORIGIN = np.array([30.0, -20.0, 10.0])


def steps(orientation: Any) -> Array:
    """Columns: the steps from column to column, row to row, slice to slice in LPS mm."""
    along_row, along_column = np.array(orientation)
    return np.stack([along_row, along_column, np.cross(along_row, along_column)], axis=1) * SPACING


def grid_of(orientation: Any = SAGITTAL, layout: Layout = DCM2NIIX, shift_mm: Any = (0, 0, 0)) -> Grid:
    """The study's grid in the given layout."""
    sizes, columns = (COLUMNS, ROWS, SLICES), steps(orientation)
    affine = np.eye(4)
    affine[:3, 3] = ORIGIN + shift_mm
    for axis, (source, flip) in enumerate(zip(layout.axes, layout.flipped, strict=True)):
        affine[:3, axis] = -columns[:, source] if flip else columns[:, source]
        affine[:3, 3] += columns[:, source] * (sizes[source] - 1) * flip
    shape = tuple(sizes[source] for source in layout.axes)
    return Grid(shape, np.diag([-1.0, -1, 1, 1]) @ affine)  # type: ignore[arg-type]


def in_layout(mask: Array, layout: Layout) -> Array:
    """A mask of (slice, row, column) as an array in the given layout."""
    array = mask.transpose(2, 1, 0).transpose(layout.axes)
    return np.flip(array, [axis for axis, flip in enumerate(layout.flipped) if flip])


def source_images(orientation: Any = SAGITTAL) -> list[Dataset]:
    """An MR series as the source of a segmentation."""
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    images = []
    for index in range(SLICES):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", generate_uid()
        image.SeriesInstanceUID, image.StudyInstanceUID, image.FrameOfReferenceUID = series, study, frame
        image.PatientID, image.PatientName, image.PatientSex, image.PatientBirthDate = "p", "p^p", "F", ""
        image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber = "", "", "", ""
        image.Modality, image.InstanceNumber, image.SeriesNumber, image.ReferringPhysicianName = "MR", index + 1, 1, ""
        image.Rows, image.Columns, image.BitsAllocated, image.SamplesPerPixel = ROWS, COLUMNS, 16, 1
        image.PixelSpacing, image.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        image.ImageOrientationPatient = [float(x) for x in np.ravel(orientation)]
        image.ImagePositionPatient = [float(x) for x in ORIGIN + steps(orientation)[:, 2] * index]
        images.append(image)
    return images


def write_seg(
    mask: Array, orientation: Any = SAGITTAL, kind: str = "BINARY", segments: int = 1, **extra: Any
) -> Dataset:
    """A SEG object that highdicom made of a mask of (slice, row, column), or of label numbers."""
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"structure {number}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number in range(1, segments + 1)
    ]
    seg: Dataset = hd.seg.Segmentation(
        source_images=source_images(orientation),
        pixel_array=mask,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="x",
        device_serial_number="x",
        **extra,
    )
    return seg


@pytest.fixture
def mask() -> Array:
    """A mask of (slice, row, column) without any symmetry."""
    return np.random.default_rng(3).random((SLICES, ROWS, COLUMNS)) > 0.6


LAYOUTS = [
    DCM2NIIX,
    Layout((0, 1, 2), (False, False, False)),
    Layout((2, 0, 1), (True, False, True)),
    Layout((1, 2, 0), (True, True, True)),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("orientation", [SAGITTAL, AXIAL])
def test_a_binary_seg_lies_on_the_voxels_it_was_drawn_on_whatever_their_order(
    tmp_path: Path, mask: Array, orientation: Any, layout: Layout
) -> None:
    write_seg(mask, orientation).save_as(tmp_path / "seg.dcm")
    volume = read_seg(tmp_path / "seg.dcm", grid_of(orientation, layout))
    assert volume.is_mask
    assert np.array_equal(volume.array, in_layout(mask, layout))


def test_slices_that_the_file_leaves_out_are_outside(mask: Array) -> None:
    mask[[0, 3, 7]] = False
    seg = write_seg(mask)
    assert seg.NumberOfFrames == SLICES - 3
    assert np.array_equal(seg_volume(seg, grid_of()).array, in_layout(mask, DCM2NIIX))


def test_the_order_of_the_frames_does_not_matter(mask: Array) -> None:
    seg = write_seg(mask, kind="FRACTIONAL", fractional_type="OCCUPANCY", omit_empty_frames=False)
    frames = seg.pixel_array
    seg.PixelData = frames[::-1].tobytes()
    seg.PerFrameFunctionalGroupsSequence = seg.PerFrameFunctionalGroupsSequence[::-1]
    again = pydicom.Dataset(seg)
    again.file_meta = seg.file_meta
    assert np.array_equal(seg_volume(again, grid_of()).array, in_layout(mask, DCM2NIIX))


@pytest.mark.parametrize("kind", ["OCCUPANCY", "PROBABILITY"])
def test_a_fractional_seg_counts_from_half_on(kind: str) -> None:
    fractions = np.linspace(0, 1, SLICES * ROWS * COLUMNS).reshape(SLICES, ROWS, COLUMNS)
    seg = write_seg(fractions, kind="FRACTIONAL", fractional_type=kind, max_fractional_value=200)
    stored = np.round(fractions * 200)
    assert np.array_equal(seg_volume(seg, grid_of()).array, in_layout(stored >= 100, DCM2NIIX))


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_the_named_one_of_several_segments_is_read(kind: str) -> None:
    labels = np.random.default_rng(4).integers(0, 4, (SLICES, ROWS, COLUMNS)).astype(np.uint8)
    seg = write_seg(labels, kind=kind, segments=3)
    for segment in (1, 2, 3):
        volume = seg_volume(seg, grid_of(), segment)
        assert np.array_equal(volume.array, in_layout(labels == segment, DCM2NIIX))


@pytest.mark.parametrize(("segment", "words"), [(None, "no segment named"), (4, "segment 4 asked for")])
def test_of_several_segments_one_must_be_named(segment: int | None, words: str) -> None:
    labels = np.random.default_rng(4).integers(0, 4, (SLICES, ROWS, COLUMNS)).astype(np.uint8)
    with pytest.raises(Refusal, match=words) as refused:
        seg_volume(write_seg(labels, segments=3), grid_of(), segment)
    assert refused.value.code is Code.UNREADABLE
    assert "2 (structure 2)" in refused.value.found


def test_a_single_frame_is_read(mask: Array) -> None:
    mask[1:] = False
    seg = write_seg(mask)
    assert seg.NumberOfFrames == 1
    assert np.array_equal(seg_volume(seg, grid_of()).array, in_layout(mask, DCM2NIIX))


def test_an_empty_seg_is_an_empty_mask() -> None:
    empty = np.zeros((SLICES, ROWS, COLUMNS), dtype=bool)
    assert not seg_volume(write_seg(empty, omit_empty_frames=False), grid_of()).array.any()


@pytest.mark.parametrize("half", [(0, 0.25, 0), (0, -0.25, 0.375), (0, 0.25, -0.375)])
def test_half_a_pixel_in_plane_is_the_same_grid(mask: Array, half: Any) -> None:
    volume = seg_volume(write_seg(mask), grid_of(shift_mm=half))
    assert np.array_equal(volume.array, in_layout(mask, DCM2NIIX))


@pytest.mark.parametrize("shift_mm", [(0, 0.3, 0), (0, 0, 0.5), (0.5, 0, 0), (1.0, 0, 0)])
def test_more_than_that_or_between_slices_is_another_grid(mask: Array, shift_mm: Any) -> None:
    with pytest.raises(Refusal, match="voxels off the study's own") as refused:
        seg_volume(write_seg(mask), grid_of(shift_mm=shift_mm))
    assert refused.value.code is Code.MASK_GRID


def test_a_seg_cropped_in_plane_is_placed_where_it_was_cut(mask: Array) -> None:
    seg = write_seg(mask, kind="FRACTIONAL", fractional_type="OCCUPANCY")
    whole = np.zeros_like(mask)
    whole[:, 1:4, 2:5] = mask[:, 1:4, 2:5]
    cut = seg.pixel_array[:, 1:4, 2:5].tobytes()
    seg.Rows, seg.Columns, seg.PixelData = 3, 3, cut + b"\0" * (len(cut) % 2)
    for groups in seg.PerFrameFunctionalGroupsSequence:
        position = groups.PlanePositionSequence[0]
        moved = np.array(position.ImagePositionPatient, float) + steps(SAGITTAL) @ (2, 1, 0)
        position.ImagePositionPatient = [float(x) for x in moved]
    assert np.array_equal(seg_volume(seg, grid_of()).array, in_layout(whole, DCM2NIIX))


def test_marked_voxels_outside_the_study_are_refused_and_unmarked_ones_are_not(mask: Array) -> None:
    small = grid_of(layout=Layout((0, 1, 2), (False, False, False)))
    small = Grid((COLUMNS, ROWS, SLICES - 1), small.affine)
    with pytest.raises(Refusal, match="marked voxels outside") as refused:
        seg_volume(write_seg(mask), small)
    assert refused.value.code is Code.MASK_GRID
    mask[-1] = False
    seg = write_seg(mask, omit_empty_frames=False)
    assert seg.NumberOfFrames == SLICES
    assert np.array_equal(seg_volume(seg, small).array, mask.transpose(2, 1, 0)[:, :, :-1])


@pytest.mark.parametrize("axes", [(1.1, 1, 1), (1, 0.9, 1)])
def test_another_pixel_spacing_is_another_grid(mask: Array, axes: Any) -> None:
    grid = grid_of()
    stretched = grid.affine @ np.diag([*axes, 1.0])
    with pytest.raises(Refusal, match="another pixel spacing or orientation"):
        seg_volume(write_seg(mask), Grid(grid.shape, stretched))


def test_a_turned_plane_is_another_grid(mask: Array) -> None:
    with pytest.raises(Refusal, match="mask-on-another-grid"):
        seg_volume(write_seg(mask, AXIAL), grid_of(SAGITTAL))


def test_a_plane_whose_axes_coincide_is_refused(mask: Array) -> None:
    seg = write_seg(mask)
    shared = seg.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 1, 0]
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.5]
    with pytest.raises(Refusal, match="run along one axis"):
        seg_volume(seg, grid_of())


@pytest.mark.parametrize("name", ["PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"])
def test_frames_that_do_not_say_where_they_lie_are_refused(mask: Array, name: str) -> None:
    seg = write_seg(mask)
    for groups in (*seg.PerFrameFunctionalGroupsSequence, *seg.SharedFunctionalGroupsSequence):
        groups.pop(name, None)
    with pytest.raises(Refusal, match="frame 1") as refused:
        seg_volume(seg, grid_of())
    assert refused.value.code is Code.NO_ORIENTATION


@pytest.mark.parametrize("spacing", [None, [0.75], [float("nan"), 1.0]])
def test_a_spacing_that_is_not_two_numbers_is_refused(mask: Array, spacing: Any) -> None:
    seg = write_seg(mask)
    seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = spacing
    with pytest.raises(Refusal, match="without PixelSpacing") as refused:
        seg_volume(seg, grid_of())
    assert refused.value.code is Code.NO_ORIENTATION


def _without_pixels(seg: Dataset) -> None:
    del seg.PixelData


def _cut_short(seg: Dataset) -> None:
    seg.PixelData = seg.PixelData[:4]


def _another_class(seg: Dataset) -> None:
    seg.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"


def _analysis_mask(seg: Dataset) -> None:
    seg.SeriesDescription = "ISPY2: VOLSER: uni-lateral cropped: Analysis Mask"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_without_pixels, "cannot be decoded"),
        (_cut_short, "cannot be decoded"),
        (_another_class, "not a DICOM Segmentation"),
        (_analysis_mask, "I-SPY 2 analysis mask"),
    ],
)
def test_what_cannot_be_read_as_a_mask_is_refused(mask: Array, spoil: Callable[[Dataset], None], words: str) -> None:
    seg = write_seg(mask)
    spoil(seg)
    with pytest.raises(Refusal, match=words) as refused:
        seg_volume(seg, grid_of())
    assert refused.value.code is Code.UNREADABLE


def test_a_file_that_is_no_dicom_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "seg.dcm").write_text("not DICOM at all" * 20)
    with pytest.raises(Refusal, match=r"seg\.dcm is not a DICOM file") as refused:
        read_seg(tmp_path / "seg.dcm", grid_of())
    assert refused.value.code is Code.NOT_DICOM
    assert str(tmp_path) not in str(refused.value)


@pytest.fixture(scope="module")
def br06(br06_dicom: Path) -> tuple[Path, Grid]:
    """UCSF's SEG of a real study, and the study's grid with rows and slices as dcm2niix lays them out."""
    (path,) = (br06_dicom / "mask").iterdir()
    first = np.array([157.800003, -106.699997, 78.0])
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, -1], [1, 0, 0], [0, 1, 0]]) * (0.703125, 0.703125, 2.0)
    affine[:3, 3] = first + np.array([0, 0, -1]) * 0.703125 * 255
    return path, Grid((256, 256, 60), np.diag([-1.0, -1, 1, 1]) @ affine)


def test_ucsfs_tissue_seg_fills_the_voi_that_they_recorded(br06: tuple[Path, Grid]) -> None:
    volume = read_seg(*br06)
    columns, rows, slices = bounding_slices(volume.array)
    assert (columns.start, columns.stop - 1) == (40, 147)
    assert (255 - (rows.stop - 1), 255 - rows.start) == (72, 195), "rows count from the bottom here"
    assert (slices.start, slices.stop - 1) == (9, 50)


def test_ucsfs_seg_has_the_voxels_that_highdicom_finds(br06: tuple[Path, Grid]) -> None:
    path, grid = br06
    image = hd.imread(path)
    expected = image.get_volume(slice_start=None, apply_real_world_transform=False)
    volume = read_seg(path, grid)
    where = np.argwhere(volume.array)
    found = np.argwhere(expected.array > 127)
    assert len(where) == len(found)
    ours = grid.to_world(where)
    theirs = expected.map_indices_to_reference(found) * (-1, -1, 1)
    np.testing.assert_allclose(ours[np.lexsort(ours.round(2).T)], theirs[np.lexsort(theirs.round(2).T)], atol=1e-3)


def test_the_positions_of_the_frames_are_dicoms(br06: tuple[Path, Grid]) -> None:
    origins = frame_origins_mm(pydicom.dcmread(br06[0], stop_before_pixels=True))
    assert origins.shape == (42, 3)
    np.testing.assert_allclose(origins[0], (139.800003, -106.699997, 78))
    np.testing.assert_allclose(np.diff(origins[:, 0]), -2)
