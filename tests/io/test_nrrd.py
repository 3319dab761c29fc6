"""3D Slicer's segmentations: another reader agrees, a part of the image finds its place, what is none is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from uptake.io.nrrd import placed, read_segmentation, write_segmentation
from uptake.study import Refusal
from uptake.volume import Grid, Volume

TURN = math.radians(6.4)
GRID = Grid(
    (9, 8, 7),
    np.array([
        [0, -1.2 * math.sin(TURN), 2.5 * math.cos(TURN), -70],
        [-1.2, 0, 0, 40],
        [0, 1.2 * math.cos(TURN), 2.5 * math.sin(TURN), -30],
        [0, 0, 0, 1.0],
    ]),
)  # fmt: skip
NAMES = {1: "primary lesion", 2: "satellites"}


def labels() -> Volume:
    array = np.zeros(GRID.shape, dtype=np.uint8)
    array[2:5, 3:6, 1:4] = 1
    array[7, 6, 5] = 2
    return Volume(array, GRID)


def test_labels_come_back_on_an_oblique_grid(tmp_path: Path) -> None:
    write_segmentation(labels(), NAMES, tmp_path / "stv.seg.nrrd")
    found = read_segmentation(tmp_path / "stv.seg.nrrd")
    assert np.array_equal(found.array, labels().array)
    assert found.grid.same_as(GRID)


def test_itk_sees_the_voxels_where_they_are(tmp_path: Path) -> None:
    write_segmentation(labels(), NAMES, tmp_path / "stv.seg.nrrd")
    image = SimpleITK.ReadImage(str(tmp_path / "stv.seg.nrrd"))
    x, y, z = GRID.to_world((7, 6, 5))
    assert image.TransformPhysicalPointToIndex((-x, -y, z)) == (7, 6, 5)
    assert image[7, 6, 5] == 2
    assert image.GetMetaData("Segment0_Name") == "primary lesion"
    assert image.GetMetaData("Segment1_LabelValue") == "2"


def test_equal_labels_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.seg.nrrd", "b.seg.nrrd"):
        write_segmentation(labels(), NAMES, tmp_path / name)
    assert (tmp_path / "a.seg.nrrd").read_bytes() == (tmp_path / "b.seg.nrrd").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.seg.nrrd", "b.seg.nrrd"]


def test_a_box_that_slicer_cut_out_finds_its_place(tmp_path: Path) -> None:
    box = (slice(1, 6), slice(2, 7), slice(1, 6))
    affine = GRID.affine.copy()
    affine[:3, 3] = GRID.to_world((1, 2, 1))
    part = labels().array[box]
    whole = placed(Volume(part, Grid(part.shape, affine)), GRID)
    assert whole is not None
    assert np.array_equal(whole.array, np.where(labels().array == 1, 1, 0))


def test_another_order_of_axes_is_the_same_lattice() -> None:
    turned = labels().array.transpose(2, 0, 1)[::-1]
    affine = GRID.affine[:, [2, 0, 1, 3]].copy()
    affine[:, 3] += affine[:, 0] * (GRID.shape[2] - 1)
    affine[:, 0] *= -1
    whole = placed(Volume(turned, Grid(turned.shape, affine)), GRID)
    assert whole is not None
    assert np.array_equal(whole.array, labels().array)


@pytest.mark.parametrize("shift", [(0.5, 0, 0), (-3, 0, 0)])
def test_between_the_voxels_or_outside_the_image_is_another_grid(shift: tuple[float, float, float]) -> None:
    affine = GRID.affine.copy()
    affine[:3, 3] = GRID.to_world(shift)
    assert placed(Volume(labels().array, Grid(GRID.shape, affine)), GRID) is None


def test_segments_are_known_by_name_where_they_were_made_in_another_order(tmp_path: Path) -> None:
    swapped = np.choose(labels().array, (0, 2, 1)).astype(np.uint8)
    write_segmentation(Volume(swapped, GRID), {1: "Satellite left", 2: "tumour"}, tmp_path / "stv.seg.nrrd")
    assert np.array_equal(read_segmentation(tmp_path / "stv.seg.nrrd").array, labels().array)


def test_what_is_no_segmentation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.nrrd").write_bytes(b"NRRD0004\njunk")
    with pytest.raises(Refusal, match="no NRRD file"):
        read_segmentation(tmp_path / "junk.nrrd")
    image = SimpleITK.GetImageFromArray(np.zeros((2, 3, 4), np.float32))
    SimpleITK.WriteImage(image, str(tmp_path / "image.nrrd"))
    with pytest.raises(Refusal, match="no labels"):
        read_segmentation(tmp_path / "image.nrrd")
    layers = SimpleITK.GetImageFromArray(np.zeros((2, 3, 4, 2), np.uint8), isVector=True)
    SimpleITK.WriteImage(layers, str(tmp_path / "layers.nrrd"))
    with pytest.raises(Refusal, match="layers"):
        read_segmentation(tmp_path / "layers.nrrd")
    write_segmentation(labels(), NAMES, tmp_path / "stv.seg.nrrd")
    with pytest.raises(Refusal, match="voxels"):
        read_segmentation(tmp_path / "stv.seg.nrrd", most_voxels=100)
