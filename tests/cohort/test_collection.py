"""Checks that only a whole collection can answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uptake.cohort.checks import Finding
from uptake.cohort.collection import CaseFacts, CaseFinding, MaskFacts, Verify, check_collection, modified_z
from uptake.study import PhaseProtocol, SettingsError

TIMES = (0.0, 150.0, 450.0)
SAME = (PhaseProtocol(8.4, 4.2, 20.0),) * 3


def _case(name: str = "A", **changed: object) -> CaseFacts:
    made = CaseFacts(
        name, manufacturer="GE", model="Signa", times_s=TIMES, temporal_resolution_s=150.0, protocols=SAME,
        harmonised_mm=(1.0, 1.0, 1.0), harmonised_mean=0.0, harmonised_sd=1.0, pe_threshold_percent=70.0,
        pe_threshold_source="recorded",
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]


def _of(check: str, *cases: CaseFacts, limits: Verify | None = None) -> list[CaseFinding]:
    return [item for item in check_collection(cases, limits) if item.check == check]


def test_a_case_as_it_should_be_passes_everything() -> None:
    assert {item.status for item in check_collection([_case()])} == {"pass"}


def test_nobody_is_a_failure() -> None:
    (only,) = check_collection([])
    assert (only.case_id, only.status) == ("", "fail")


@pytest.mark.parametrize(
    ("state", "status"), [("made", "pass"), ("refused", "warn"), ("both", "fail"), ("unfinished", "fail")]
)
def test_a_case_is_in_one_state(state: str, status: str) -> None:
    (found,) = _of("one state", _case(state=state))
    assert found.status == status


def test_a_refused_case_is_not_asked_for_times_and_protocol() -> None:
    assert not _of("protocol equal across phases", _case(state="refused", protocols=()))
    assert not _of("early phase in its window", _case(state="refused", times_s=()))


def test_a_file_that_is_gone_fails_with_its_name() -> None:
    (found,) = _of("files whole", _case(faults=("masks/ftv.nii.gz is gone or has another size",)))
    assert found.status == "fail"
    assert "masks/ftv.nii.gz" in found.found


def test_the_cases_own_findings_are_part_of_the_collections() -> None:
    own = Finding("saturation", "warn", "1 %", "0.01 %", "look")
    assert _of("saturation", _case(findings=(own,))) == [
        CaseFinding("A", "saturation", "warn", "1 %", "0.01 %", "look")
    ]


def test_phases_are_in_time_order_and_the_early_ones_middle_in_its_window() -> None:
    (found,) = _of("early phase in its window", _case())
    assert found.found == "middle of phase 1 75 s after the start of the first post-contrast phase"
    (late,) = _of("early phase in its window", _case(roles=(0, 2, 2)))
    assert (late.status, "375 s" in late.found) == ("warn", True)
    (order,) = _of("phases in time order", _case(times_s=(0.0, 450.0, 150.0)))
    assert order.status == "fail"


def test_without_a_temporal_resolution_the_gap_between_phases_is_the_length_of_one() -> None:
    (found,) = _of("early phase in its window", _case(temporal_resolution_s=None))
    assert "150 s after" in found.found
    (last,) = _of("early phase in its window", _case(temporal_resolution_s=None, roles=(0, 2, 2)))
    assert "450 s after" in last.found


@pytest.mark.parametrize("times", [(None, None, None), ()])
def test_unknown_times_are_a_warning(times: tuple[None, ...]) -> None:
    (found,) = _of("early phase in its window", _case(times_s=times))
    assert found.status == "warn"


@pytest.mark.parametrize(
    ("other", "status", "words"),
    [
        (PhaseProtocol(8.4, 4.2, 20.0), "pass", "TR, ms: 8.4; TE, ms: 4.2; flip, deg: 20"),
        (PhaseProtocol(8.6, 4.2, 20.0), "fail", "TR, ms: 8.4, 8.6"),
        (PhaseProtocol(8.4, 4.2, 25.0), "fail", "flip, deg: 20, 25"),
        (PhaseProtocol(8.4, None, 20.0), "warn", "TE, ms: 4.2, unknown"),
    ],
)
def test_one_protocol_for_all_phases(other: PhaseProtocol, status: str, words: str) -> None:
    (found,) = _of("protocol equal across phases", _case(protocols=(SAME[0], SAME[0], other)))
    assert found.status == status
    assert words in found.found


def test_phases_of_unknown_protocol_are_a_warning() -> None:
    (found,) = _of("protocol equal across phases", _case(protocols=()))
    assert found.status == "warn"


@pytest.mark.parametrize(
    ("mask", "status"),
    [
        (MaskFacts("stv", "isotropic", 5), "pass"),
        (MaskFacts("stv", "acquired", 0), "warn"),
        (MaskFacts("stv", "another", 5), "fail"),
        (MaskFacts("stv", "none", 0, "unreadable-file: mask with the values 0, 1, 7"), "fail"),
    ],
)
def test_masks_lie_on_a_grid_of_their_case(mask: MaskFacts, status: str) -> None:
    (found,) = _of("geometry of stv", _case(masks=(mask,)))
    assert found.status == status


def test_one_resolution_for_the_whole_collection() -> None:
    (passed,) = _of("one resolution", _case("A"), _case("B"))
    assert (passed.case_id, passed.status) == ("", "pass")
    (apart,) = _of("one resolution", _case("A"), _case("B"), _case("C", harmonised_mm=(1.0, 1.0, 1.01)))
    assert (apart.case_id, apart.status) == ("C", "fail")
    assert "1 x 1 x 1.01 mm" in apart.found


@pytest.mark.parametrize("wrong", [{"harmonised_mean": 0.021}, {"harmonised_sd": 0.94}])
def test_one_intensity_distribution_for_the_whole_collection(wrong: dict[str, float]) -> None:
    (passed,) = _of("one intensity distribution", _case("A"), _case("B"))
    assert passed.status == "pass"
    (apart,) = _of("one intensity distribution", _case("A"), _case("B", **wrong))
    assert (apart.case_id, apart.status) == ("B", "warn")


def test_the_cases_of_a_scanner_have_one_pe_threshold() -> None:
    same = _of("PE threshold of the site: GE Signa", _case("A"), _case("B"))
    assert [item.status for item in same] == ["pass"]
    other = {"pe_threshold_percent": 90.0}
    cases = [_case("A"), _case("B"), _case("C", **other), _case("D", model="Excite", **other)]
    site = _of("PE threshold of the site: GE Signa", *cases)
    assert (site[0].status, site[0].found) == ("warn", "70 % in 2, 90 % in 1")
    (apart,) = _of("PE threshold of the site", *cases)
    assert (apart.case_id, apart.found) == ("C", "90 % (recorded)")


def test_iglewicz_and_hoaglins_score_by_hand() -> None:
    # median 3, deviations 2 1 0 1 97, their median 1
    assert modified_z([1, 2, 3, 4, 100]) == pytest.approx((-1.349, -0.6745, 0, 0.6745, 65.4265))
    # more than half equal: the mean deviation 4 / 5 takes its place
    assert modified_z([1, 1, 1, 1, 5]) == pytest.approx((0, 0, 0, 0, 4 / (1.253314 * 0.8)))
    assert modified_z([2.0, 2.0]) == (0.0, 0.0)


def test_an_outlier_is_named_and_volumes_are_compared_by_their_logarithms() -> None:
    volumes = [8.0, 9.0, 10.0, 10.0, 11.0, 12.0, 13.0, 1000.0]
    cases = [_case(f"C{n}", numbers={"FTV, cc": volume}) for n, volume in enumerate(volumes)]
    (found,) = _of("outlier: FTV, cc", *cases)
    assert (found.case_id, found.status) == ("C7", "warn")
    assert "1000 (median 10.5)" in found.found
    assert not _of("outliers: FTV, cc", *cases)


def test_few_cases_have_no_outliers_and_none_apart_is_said_once() -> None:
    few = [_case(f"C{n}", numbers={"x": float(n == 3) * 100 + n}) for n in range(4)]
    assert not [item for item in check_collection(few) if "outlier" in item.check]
    many = [_case(f"C{n}", numbers={"x": float(n)}) for n in range(9)]
    (said,) = _of("outliers: x", *many)
    assert (said.case_id, said.status) == ("", "pass")


@pytest.mark.parametrize("wrong", [{"early_from_s": 300.0}, {"outlier": 0.0}, {"fewest": 2}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Verify(**wrong)  # type: ignore[arg-type]
