"""Time series with something wrong: the refusal names the phase, the place and the amount."""

from __future__ import annotations

from typing import Any

import pytest

from uptake.study import Code


def per_phase(maker: Any, phases: int = 3, **tags: Any) -> list[Any]:
    """One series of each phase, as Siemens writes it."""
    return [maker.series(1, number=5 + p, first_phase=p, **tags) for p in range(phases)]


def in_one_list(maker: Any, phases: int, series_per_phase: bool) -> list[Any]:
    return [i for s in per_phase(maker, phases) for i in s] if series_per_phase else maker.series(phases)


def move(image: Any, axis: int, by_mm: float) -> None:
    position = [float(value) for value in image.ImagePositionPatient]
    position[axis] += by_mm
    image.ImagePositionPatient = position


def test_a_missing_slice_is_named_with_its_phase_and_position(maker: Any) -> None:
    images = maker.series()
    del images[6 + 2]

    refusal = maker.refusal(images)

    assert refusal.code == Code.MISSING_SLICE
    assert "phase 2 lacks slice 3 at (7, 7, 9) mm" in refusal.found


def test_several_missing_slices_of_one_phase_are_named_together(maker: Any) -> None:
    images = maker.series()
    del images[12:14]

    assert "phase 3 lacks slice 1 at (11, 7, 9) mm, slice 2 at (9, 7, 9) mm" in maker.refusal(images).found


@pytest.mark.parametrize(
    "tags",
    [
        {"AcquisitionTime": None},
        {"AcquisitionTime": "100000"},
        {"AcquisitionTime": None, "ContentTime": "100000"},
    ],
)
def test_a_missing_slice_is_named_from_the_order_of_instances_where_there_is_no_time(
    maker: Any, tags: dict[str, Any]
) -> None:
    images = maker.series(**tags)
    del images[6 + 2]

    refusal = maker.refusal(images)

    assert refusal.code == Code.MISSING_SLICE
    assert "phase 2 lacks slice 3 at (7, 7, 9) mm" in refusal.found


def test_a_missing_slice_is_named_in_one_series_of_several(maker: Any) -> None:
    first, second, third = per_phase(maker, AcquisitionTime=None)
    del third[0]

    refusal = maker.refusal(first, second, third)

    assert refusal.code == Code.MISSING_SLICE
    assert "phase 3 lacks slice 1 at (11, 7, 9) mm" in refusal.found


def test_a_slice_missing_where_time_runs_fastest_is_found_though_its_phase_is_not(maker: Any) -> None:
    images = maker.series(AcquisitionTime=None)
    for place, image in enumerate(images):
        image.InstanceNumber = 1 + (place % 6) * 3 + place // 6
    del images[6 + 2]

    refusal = maker.refusal(images)

    assert refusal.code == Code.MISSING_SLICE
    assert "slice 3 at (7, 7, 9) mm: 2 times" in refusal.found


def test_a_slice_that_all_phases_lack_is_an_unequal_gap(maker: Any) -> None:
    images = [image for place, image in enumerate(maker.series()) if place % 6 != 3]

    refusal = maker.refusal(images)

    assert refusal.code == Code.SLICE_GAP
    assert "4.00 mm between slices 3 and 4, where the usual step is 2.00 mm" in refusal.found


def test_a_slice_displaced_in_one_phase_is_an_unequal_gap_of_that_phase(maker: Any) -> None:
    images = maker.series()
    move(images[6 + 4], 0, 0.7)

    refusal = maker.refusal(images)

    assert refusal.code == Code.SLICE_GAP
    assert refusal.found.startswith("phase 2:")


@pytest.mark.parametrize("series_per_phase", [False, True])
@pytest.mark.parametrize("phases", [3, 4])
def test_a_phase_shifted_along_the_normal_differs_in_geometry(maker: Any, phases: int, series_per_phase: bool) -> None:
    images = in_one_list(maker, phases, series_per_phase)
    for image in images[6:12]:
        move(image, 0, 1.0)

    refusal = maker.refusal(images)

    assert refusal.code == Code.GEOMETRY
    assert "phase 2" in refusal.found


@pytest.mark.parametrize("series_per_phase", [False, True])
@pytest.mark.parametrize("phases", [3, 4])
@pytest.mark.parametrize(
    "tags",
    [
        {"PixelSpacing": [0.8, 0.8]},
        {"Rows": 4, "Columns": 5},
        {"ImageOrientationPatient": [0.0, 0.9962, -0.0872, 0.0, -0.0872, -0.9962]},
    ],
)
def test_a_phase_in_other_planes_differs_in_geometry(
    maker: Any, change: Any, tags: dict[str, Any], phases: int, series_per_phase: bool
) -> None:
    images = in_one_list(maker, phases, series_per_phase)
    for image in images[12:18]:
        change(image, **tags)

    refusal = maker.refusal(images)

    assert refusal.code == Code.GEOMETRY
    assert "phase 3" in refusal.found or "phase 1" in refusal.found


@pytest.mark.parametrize("phases", [1, 2])
def test_fewer_than_two_phases_after_contrast_are_refused_with_what_was_there(maker: Any, phases: int) -> None:
    refusal = maker.refusal(maker.series(phases))

    assert refusal.code == Code.FEW_PHASES
    counted = "1 phase" if phases == 1 else "2 phases"
    assert f"series 4 'Dynamic': {counted} of 6 slices" in refusal.found


def test_slices_of_one_phase_acquired_in_packages_are_not_phases(maker: Any) -> None:
    images = maker.series(1)
    for place, image in enumerate(images):
        image.AcquisitionNumber = 1 + place % 3
        image.AcquisitionTime = f"100{place % 3}00"

    assert maker.refusal(images).code == Code.FEW_PHASES


def test_a_localizer_in_three_planes_is_too_few_phases_not_differing_geometry(maker: Any) -> None:
    orientations = [(0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1)]
    planes = [maker.series(1, number=1 + n, orientation=o) for n, o in enumerate(orientations)]

    assert maker.refusal(*planes).code == Code.FEW_PHASES


def test_a_single_slice_at_many_times_is_no_volume(maker: Any) -> None:
    assert maker.refusal(maker.series(12, slices=1)).code == Code.FEW_PHASES
