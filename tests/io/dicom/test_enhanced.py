"""Enhanced multi-frame objects read as the same images one by one do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from uptake.study import Code


def assert_same_study(one: Any, other: Any) -> None:
    assert one.grid.same_as(other.grid, 1e-9)
    assert all(np.array_equal(a.array, b.array) for a, b in zip(one.volumes, other.volumes, strict=True))
    assert [phase.time_s for phase in one.phases] == [phase.time_s for phase in other.phases]


def test_one_object_with_all_frames(maker: Any) -> None:
    images = maker.series()

    study = maker.read([maker.enhanced(images)])

    assert_same_study(study, maker.read(images))
    assert "3 phases told apart by TemporalPositionIdentifier" in study.acquisition.decisions
    assert study.acquisition.echo_time_ms == 4.2
    assert study.acquisition.repetition_time_ms == 8.4


def test_frames_in_any_order(maker: Any) -> None:
    images = maker.series()
    order = np.random.default_rng(3).permutation(len(images))

    assert_same_study(maker.read([maker.enhanced([images[place] for place in order])]), maker.read(images))


def test_frames_without_a_temporal_position_are_told_apart_by_their_times(maker: Any) -> None:
    images = maker.series()

    study = maker.read([maker.enhanced(images, temporal=False)])

    assert_same_study(study, maker.read(images))
    assert "3 phases told apart by AcquisitionTime" in study.acquisition.decisions


def test_frames_without_temporal_position_or_time_count_in_their_order(maker: Any) -> None:
    whole = maker.enhanced(maker.series(), temporal=False)
    for frame in whole.PerFrameFunctionalGroupsSequence:
        del frame.FrameContentSequence

    study = maker.read([whole])

    assert [int(volume.array[0, -1, 0]) for volume in study.volumes] == [1000, 2000, 3000]


def test_one_object_per_phase(maker: Any) -> None:
    images = maker.series()
    objects = [maker.enhanced(images[start : start + 6]) for start in (0, 6, 12)]
    for number, whole in enumerate(objects):
        whole.InstanceNumber = number + 1

    assert_same_study(maker.read(objects), maker.read(images))


def test_every_frame_has_its_own_rescale(maker: Any) -> None:
    images = maker.series()
    for place, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = str(1 + place / 2), "-3"

    assert_same_study(maker.read([maker.enhanced(images)]), maker.read(images))


def test_a_missing_frame_is_a_missing_slice(maker: Any) -> None:
    images = maker.series()
    del images[8]

    refusal = maker.refusal([maker.enhanced(images)])

    assert refusal.code == Code.MISSING_SLICE
    assert "phase 2 lacks slice 3 at (7, 7, 9) mm" in refusal.found


def test_fewer_frames_in_the_pixels_than_are_described_are_refused(maker: Any) -> None:
    whole = maker.enhanced(maker.series())
    whole.PixelData = whole.PixelData[:-40]

    assert maker.refusal([whole]).code == Code.UNREADABLE


@pytest.mark.parametrize("groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_an_object_without_functional_groups_is_refused(maker: Any, groups: str) -> None:
    whole = maker.enhanced(maker.series())
    delattr(whole, groups)

    assert maker.refusal([whole]).code in (Code.NO_ORIENTATION, Code.FEW_PHASES)


def test_a_slope_that_is_no_number_is_refused(maker: Any) -> None:
    images = maker.series()
    for image in images:
        image.RescaleSlope, image.RescaleIntercept = "0", "0"

    assert maker.refusal([maker.enhanced(images)]).code == Code.RESCALE


def test_frames_of_a_derived_kind_are_left_out(maker: Any, change: Any) -> None:
    images = maker.series(4)
    whole = maker.enhanced(images)
    for place, frame in enumerate(whole.PerFrameFunctionalGroupsSequence):
        kind = (
            ["DERIVED", "PRIMARY", "PERFUSION", "SUBTRACTION"] if place >= 18 else ["ORIGINAL", "PRIMARY", "T1", "NONE"]
        )
        frame.MRImageFrameTypeSequence = [change(type(whole)(), FrameType=kind)]

    assert len(maker.read([whole]).phases) == 3
