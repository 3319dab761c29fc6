from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK

from uptake.features.captk import PAPER, morphologic
from uptake.features.captk.roi import Roi
from uptake.features.mesh import mesh_of

SPACING = (0.8, 0.8, 2.0)


@pytest.fixture
def blob() -> np.ndarray:
    """An ellipsoid that reaches the border, and a separate voxel."""
    i, j, k = np.indices((14, 12, 9))
    inside = ((i - 5) / 5) ** 2 + ((j - 5) / 4) ** 2 + ((k - 2) / 3) ** 2 <= 1
    inside[13, 11, 8] = True
    return inside


@pytest.fixture
def itk(blob: np.ndarray) -> SimpleITK.LabelShapeStatisticsImageFilter:
    image = SimpleITK.GetImageFromArray(blob.transpose(2, 1, 0).astype(np.uint8))
    image.SetSpacing(SPACING)
    labels = SimpleITK.RelabelComponent(SimpleITK.ConnectedComponent(image))
    shape = SimpleITK.LabelShapeStatisticsImageFilter()
    shape.Execute(labels)
    return shape


def test_every_measure_is_that_of_itk(
    roi: Callable[..., Roi], blob: np.ndarray, itk: SimpleITK.LabelShapeStatisticsImageFilter
) -> None:
    found = morphologic.captk(roi(blob.astype(np.float32), blob, SPACING), PAPER)
    diameters = itk.GetEquivalentEllipsoidDiameter(1)
    assert found == {
        "LargestComponentSize": itk.GetNumberOfPixels(1),
        "NumberOfPixels": itk.GetNumberOfPixels(1),
        "PhysicalSize": pytest.approx(itk.GetPhysicalSize(1), rel=1e-6),
        **{f"EllipseDiameter_Axis-{k}": pytest.approx(diameters[k], rel=1e-6) for k in range(3)},
        "Eccentricity": pytest.approx((1 - diameters[0] * diameters[1] / diameters[2] ** 2) ** 0.5, rel=1e-6),
        "Elongation": pytest.approx(itk.GetElongation(1), rel=1e-6),
        "Flatness": pytest.approx(itk.GetFlatness(1), rel=1e-6),
        "EquivalentSphericalRadius": pytest.approx(itk.GetEquivalentSphericalRadius(1), rel=1e-6),
        "EquivalentSphericalPerimeter": pytest.approx(itk.GetEquivalentSphericalPerimeter(1), rel=1e-6),
        "Perimeter": pytest.approx(itk.GetPerimeter(1), rel=1e-6),
        "Roundness": pytest.approx(itk.GetRoundness(1), rel=1e-6),
        "PixelsOnBorder": itk.GetNumberOfPixelsOnBorder(1),
        "PerimeterOnBorder": pytest.approx(itk.GetPerimeterOnBorder(1), rel=1e-6),
        "PerimeterOnBorderRatio": pytest.approx(itk.GetPerimeterOnBorderRatio(1), rel=1e-6),
        **{f"OrientedBoundingBoxSize_Axis-{k}": 0 for k in range(3)},
    }
    assert set(found) == set(morphologic.units(PAPER))


def test_components_that_touch_along_an_edge_only_are_two() -> None:
    inside = np.zeros((3, 3, 1), dtype=bool)
    inside[0, 0] = inside[1, 1] = inside[2, 1] = True
    assert np.argwhere(morphologic.largest_component(inside)).tolist() == [[1, 1, 0], [2, 1, 0]]


def test_the_surface_of_a_ball_is_estimated_to_a_percent() -> None:
    i, j, k = np.indices((41, 41, 41)) - 20
    ball = i * i + j * j + k * k <= 15.5**2
    assert morphologic.crofton(ball, np.eye(3)) == pytest.approx(4 * np.pi * 15.5**2, rel=0.01)


def test_one_voxel_has_no_axes(filled: Callable[..., Roi]) -> None:
    found = morphologic.captk(filled((1, 1, 1)), PAPER)
    assert found["EllipseDiameter_Axis-2"] == found["Flatness"] == 0
    assert found["Eccentricity"] is morphologic.POINTLIKE
    assert found["Elongation"] is morphologic.NO_AXIS


def test_a_flat_component_has_no_flatness_and_no_diameters(filled: Callable[..., Roi]) -> None:
    found = morphologic.captk(filled((4, 2, 1)), PAPER)
    assert found["Flatness"] == found["EllipseDiameter_Axis-2"] == 0
    assert found["Elongation"] == pytest.approx(5**0.5)  # variances 15/12 and 3/12
    assert found["Eccentricity"] is morphologic.POINTLIKE


def test_all_faces_of_a_mask_that_fills_its_image_lie_on_the_border(filled: Callable[..., Roi]) -> None:
    found = morphologic.captk(filled((2, 3, 4), (1, 2, 3)), PAPER)
    assert found["PixelsOnBorder"] == 24
    assert found["PerimeterOnBorder"] == pytest.approx(2 * (2 * 6 + 6 * 12 + 2 * 12))


def test_the_corrected_measures_are_of_the_whole_mask_and_its_mesh(roi: Callable[..., Roi], blob: np.ndarray) -> None:
    region = roi(blob.astype(np.float32), blob, SPACING)
    found, mesh = morphologic.corrected(region, PAPER), mesh_of(region.inside, region.frame)
    assert found["NumberOfPixels"] == blob.sum() == found["LargestComponentSize"] + 1
    assert found["PhysicalSize"] == mesh.volume_mm3
    assert found["Perimeter"] == mesh.area_mm2
    assert set(found) == set(morphologic.units(PAPER))


def test_the_corrected_box_of_a_brick_is_the_brick(filled: Callable[..., Roi]) -> None:
    found = morphologic.corrected(filled((3, 5, 8), (1, 1, 0.9)), PAPER)
    assert [found[f"OrientedBoundingBoxSize_Axis-{k}"] for k in range(3)] == pytest.approx([3, 5, 7.2], rel=1e-6)


def test_one_voxel_has_no_corrected_proportions(filled: Callable[..., Roi]) -> None:
    found = morphologic.corrected(filled((1, 1, 1)), PAPER)
    for name in ("Eccentricity", "Elongation", "Flatness"):
        assert found[name] is morphologic.NO_AXIS
