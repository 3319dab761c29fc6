"""Which rule tells the phases apart, in the order in which the rules are tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uptake.study import Code, Study

SLICES = 6


def phase_order(study: Study) -> list[int]:
    """The phases as they were made, from the thousands of the first voxel of DICOM's first row."""
    return [int(volume.array[0, -1, 0]) // 1000 - 1 for volume in study.volumes]


def holds_every_slice_in_order(study: Study) -> bool:
    rows = [np.diff(volume.array[0, -1, :]) for volume in study.volumes]
    return all((row == 10).all() for row in rows)


def rule(study: Study) -> str:
    (found,) = [said for said in study.acquisition.decisions if "told apart" in said]
    return found


def stamp(images: list[Any], **tags: list[Any]) -> list[Any]:
    """Gives each phase of a series its own value of each tag."""
    for place, image in enumerate(images):
        for keyword, values in tags.items():
            value = values[place // SLICES]
            if value is None:
                delattr(image, keyword)
            else:
                setattr(image, keyword, value)
    return images


NOTHING = {"AcquisitionTime": [None] * 3}


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"TemporalPositionIdentifier": [2, 1, 3], **NOTHING}, "TemporalPositionIdentifier"),
        ({"TriggerTime": [60000, 0, 120000], **NOTHING}, "TriggerTime"),
        ({"AcquisitionTime": ["100200", "100000", "100400"]}, "AcquisitionTime"),
        ({"ContentTime": ["100200", "100000", "100400"], **NOTHING}, "ContentTime"),
        ({"AcquisitionNumber": [8, 7, 9], **NOTHING}, "AcquisitionNumber"),
    ],
)
def test_each_tag_orders_the_phases_when_it_is_the_only_one(maker: Any, tags: dict[str, Any], name: str) -> None:
    study = maker.read(stamp(maker.series(), **tags))

    assert phase_order(study) == [1, 0, 2]
    assert holds_every_slice_in_order(study)
    assert rule(study) == f"3 phases told apart by {name}"


def test_an_earlier_rule_goes_before_a_later_one(maker: Any) -> None:
    images = stamp(
        maker.series(),
        TemporalPositionIdentifier=[1, 2, 3],
        TriggerTime=[0, 1000, 2000],
        ContentTime=["100000", "100001", "100002"],
        AcquisitionNumber=[3, 2, 1],
    )

    assert rule(maker.read(images)) == "3 phases told apart by TemporalPositionIdentifier"


def test_without_any_tag_repeated_positions_count_in_the_order_of_instances(maker: Any) -> None:
    study = maker.read(maker.series(AcquisitionTime=None))

    assert phase_order(study) == [0, 1, 2]
    assert rule(study) == "3 phases told apart by repeated positions in the order of instances"
    assert [phase.time_s for phase in study.phases] == [None, None, None]


def test_time_may_run_fastest(maker: Any) -> None:
    images = maker.series(AcquisitionTime=None)
    for place, image in enumerate(images):
        phase, index = divmod(place, SLICES)
        image.InstanceNumber = 1 + index * 3 + phase

    study = maker.read(images)

    assert phase_order(study) == [0, 1, 2]
    assert holds_every_slice_in_order(study)


def test_one_series_per_phase_in_the_order_of_series_numbers(maker: Any) -> None:
    parts = [maker.series(1, number=n, first_phase=p, AcquisitionTime=None) for p, n in ((0, 3), (1, 5), (2, 12))]

    study = maker.read(parts[2], parts[0], parts[1])

    assert phase_order(study) == [0, 1, 2]
    assert rule(study) == "3 phases told apart by separate series in the order of their numbers"
    assert len(study.acquisition.series_uids) == 3


def test_a_phase_that_runs_over_two_series_cannot_be_told_from_their_order(maker: Any) -> None:
    images = maker.series(AcquisitionTime=None)
    for image in images[9:]:
        image.SeriesInstanceUID, image.SeriesNumber = "1.2.3", 5

    refusal = maker.refusal(images)

    assert refusal.code == Code.PHASES
    assert "a series holds parts of phases" in refusal.found


def test_a_pre_contrast_series_and_one_series_of_all_that_follow(maker: Any) -> None:
    pre = maker.series(1, number=6, description="RT SPGR SAG PRE", AcquisitionTime=None)
    post = maker.series(3, number=7, description="RT SPGR SAG POST", first_phase=1, AcquisitionTime=None)

    assert phase_order(maker.read(post, pre)) == [0, 1, 2, 3]


def test_times_may_differ_by_seconds_inside_a_phase(maker: Any) -> None:
    images = maker.series()
    for place, image in enumerate(images):
        phase, index = divmod(place, SLICES)
        image.AcquisitionTime = f"10{2 * phase:02d}{index // 2:02d}"

    study = maker.read(images)

    assert rule(study) == "3 phases told apart by AcquisitionTime"
    assert [phase.time_s for phase in study.phases] == [0, 120, 240]


def test_the_start_of_a_phase_is_its_earliest_image(maker: Any) -> None:
    images = stamp(maker.series(), TemporalPositionIdentifier=[1, 2, 3])
    for image, time in zip(images, ["100005", "100003", *["100009"] * 16], strict=True):
        image.AcquisitionTime = time
    for image in images[12:]:
        image.AcquisitionTime = "100130.250"

    assert [phase.time_s for phase in maker.read(images).phases] == [0, 6, 87.25]


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"TemporalPositionIdentifier": [1, 1, 2]}, "TemporalPositionIdentifier: its 2 values do not each hold"),
        ({"TemporalPositionIdentifier": [1, 1, 1]}, "TemporalPositionIdentifier: the same in all images"),
        (
            {"TemporalPositionIdentifier": [3, 2, 1]},
            "TemporalPositionIdentifier: its order contradicts the acquisition",
        ),
        ({"TriggerTime": [0, 0, 0]}, "TriggerTime: the same in all images"),
        ({"TriggerTime": [0, 0, 500]}, "TriggerTime: phases would overlap in time"),
        ({}, "TriggerTime: absent"),
    ],
)
def test_a_rule_that_fails_is_passed_over_and_said(maker: Any, tags: dict[str, Any], words: str) -> None:
    study = maker.read(stamp(maker.series(), **tags))

    assert any(said.startswith(words) for said in study.acquisition.decisions)
    assert rule(study) == "3 phases told apart by AcquisitionTime"
    assert phase_order(study) == [0, 1, 2]


def test_equal_times_of_positions_instead_of_phases_are_not_taken_for_phases(maker: Any) -> None:
    images = maker.series(slices=3)
    for place, image in enumerate(images):
        image.AcquisitionTime = f"10{place % 3:02d}00"

    study = maker.read(images)

    assert any("its phases do not each hold every slice position once" in said for said in study.acquisition.decisions)
    assert rule(study) == "3 phases told apart by repeated positions in the order of instances"


def test_an_examination_may_run_past_midnight(maker: Any) -> None:
    study = maker.read(stamp(maker.series(), AcquisitionTime=["235900", "000100", "000330"]))

    assert phase_order(study) == [0, 1, 2]
    assert [phase.time_s for phase in study.phases] == [0, 120, 270]


def test_trigger_time_in_milliseconds_gives_the_times_where_one_acquisition_time_serves_all(maker: Any) -> None:
    images = stamp(maker.series(), TriggerTime=[0, 95000, 190500], AcquisitionTime=["100000"] * 3)

    assert [phase.time_s for phase in maker.read(images).phases] == [0, 95, 190.5]


def test_a_clock_that_only_counts_reconstructions_gives_no_times(maker: Any) -> None:
    clock = ["100000.1", "100000.2", "100000.3"]
    images = stamp(maker.series(AcquisitionTime=None), TemporalPositionIdentifier=[1, 2, 3], ContentTime=clock)

    assert [phase.time_s for phase in maker.read(images).phases] == [None, None, None]


def test_without_instance_numbers_or_times_phases_cannot_be_told_apart(maker: Any) -> None:
    refusal = maker.refusal(maker.series(AcquisitionTime=None, InstanceNumber=None))

    assert refusal.code == Code.PHASES
    assert "repeated positions in the order of instances: absent" in refusal.found


def test_an_image_that_is_there_twice_under_two_names_is_refused(maker: Any) -> None:
    images = maker.series()
    twin = maker.series()[3]
    twin.SOPInstanceUID = f"{twin.StudyInstanceUID[:40]}.1"

    refusal = maker.refusal(images, [twin])

    assert refusal.code == Code.PHASES
    assert "slice 4 at (5, 7, 9) mm: 4 times" in refusal.found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(18)))
def test_the_order_and_names_of_files_change_nothing(maker: Any, order: list[int]) -> None:
    made = maker.series()
    images = [made[place] for place in order]

    study = maker.read(images)

    assert phase_order(study) == [0, 1, 2]
    assert holds_every_slice_in_order(study)
    assert [phase.time_s for phase in study.phases] == [0, 120, 240]
