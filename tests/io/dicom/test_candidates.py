"""Which series are the DCE. The patterns are those of the public index of I-SPY 1, with made-up geometry."""

from __future__ import annotations

from typing import Any

import pytest

from uptake.study import Code, Study

SERIES = "series "


def single(maker: Any, number: int, description: str, phase: int, **tags: Any) -> list[Any]:
    """A series of one phase."""
    return maker.series(1, number=number, description=description, first_phase=phase, **tags)


def ser_map(maker: Any, number: int, description: str, n_phases: int | None = None, **tags: Any) -> list[Any]:
    """What UCSF adds: a map in the planes of the DCE with the private group 0117."""
    images = maker.series(
        1, number=number, description=description, ImageType=["DERIVED", "PRIMARY", "DCE", "SER"], **tags
    )
    for image in images:
        block = image.private_block(0x0117, "UCSF BIRP PRIVATE CREATOR 011710xx", create=True)
        if n_phases is not None:
            block.add_new(0x30, "IS", str(n_phases))
    return images


def used(study: Study, *series: list[Any]) -> list[int]:
    """Numbers of the series that the DCE was made of."""
    numbers = {image.SeriesInstanceUID: image.SeriesNumber for part in series for image in part}
    return [numbers[uid] for uid in study.acquisition.series_uids]


def test_ge_one_series_with_all_phases(maker: Any) -> None:
    parts = [single(maker, 1, "T1-axial-locator", 0, slices=3, orientation=(1, 0, 0, 0, 1, 0)), maker.series(number=3)]

    assert used(maker.read(*parts), *parts) == [3]


def test_siemens_series_of_one_name_are_joined(maker: Any) -> None:
    parts = [single(maker, 4 + phase, "fl3d_sag_uni_R", phase) for phase in range(3)]
    subtraction = single(maker, 7, "fl3d_sag_uni_R_SUB", 1)
    needle = single(maker, 8, "post needle_R", 4)

    assert used(maker.read(*parts, subtraction, needle), *parts) == [4, 5, 6]


def test_names_may_differ_by_figures_underscores_and_words_for_pre_and_post(maker: Any) -> None:
    names = ["ACRIN_6657/FL3D_T1_SAG_CA", "ACRIN_6657/FL3D_T1_SAG_CA_", "ACRIN_6657/FL3D_T1_SAG_POS"]
    parts = [single(maker, 5 + phase, name, phase) for phase, name in enumerate(names)]

    assert used(maker.read(*parts), *parts) == [5, 6, 7]


def test_series_of_other_names_join_only_where_no_name_has_three(maker: Any) -> None:
    names = ["RSGT1", "LATER", "LATEST"]
    parts = [single(maker, 5 + phase, name, phase) for phase, name in enumerate(names)]

    study = maker.read(*parts)

    assert used(study, *parts) == [5, 6, 7]
    assert "same planes and protocol" in study.acquisition.decisions[0]


def test_a_complete_series_goes_before_single_phases_of_its_name(maker: Any) -> None:
    early = single(maker, 3, "Dynamic-3dfgre-Phase=160", 0)
    fiesta = [single(maker, n, "fiesta3d2", 0, FlipAngle=60) for n in (4, 5)]
    dynamic = maker.series(number=6, description="Dynamic-3dfgre-Phase=160")
    parts = [early, *fiesta, dynamic]

    assert used(maker.read(*parts), *parts) == [6]


@pytest.mark.parametrize(
    ("pre", "post"),
    [
        ("RT IR-SPGR SAG PRE", "RT IR-SPGR SAG POST"),
        ("RT IR-SPGR SAG", "RT IR-SPGR SAG+c"),
        ("LT IR-SPGR SAG", "LT IR-SPGR SAG +C"),
        ("BILAT T1 PRE", "something else"),
    ],
)
def test_a_pre_contrast_series_is_joined_to_the_complete_series_that_follows(maker: Any, pre: str, post: str) -> None:
    parts = [single(maker, 6, pre, 0), maker.series(3, number=7, description=post, first_phase=1)]

    study = maker.read(*parts)

    assert used(study, *parts) == [6, 7]
    assert len(study.phases) == 4


def test_two_phases_after_contrast_in_one_series_and_the_first_in_another(maker: Any) -> None:
    parts = [
        single(maker, 9, "RT IR-SPGR SAG", 0),
        maker.series(2, number=10, description="RT IR-SPGR SAG", first_phase=1),
    ]

    assert used(maker.read(*parts), *parts) == [9, 10]


def test_two_breasts_in_two_stacks_are_refused_by_name(maker: Any) -> None:
    left = [single(maker, 102 + 2 * n, f"DCE {word} Left", n) for n, word in enumerate(["PRE", "POST", "POST"])]
    right = [
        single(maker, 103 + 2 * n, f"DCE {word} Right", n, origin=-140.0)
        for n, word in enumerate(["PRE", "POST", "POST"])
    ]

    refusal = maker.refusal(*left, *right)

    assert refusal.code == Code.SEVERAL_SERIES
    assert "series 102 'DCE PRE Left' + series 104 'DCE POST Left'" in refusal.found
    assert "series 103 'DCE PRE Right'" in refusal.found
    assert "dicom.series" in refusal.remedy


def test_ucsfs_map_tells_which_of_two_breasts_by_its_planes(maker: Any) -> None:
    plain = single(maker, 101, "T1 No FatSAT Right", 0, origin=-140.0)
    left = [single(maker, 102 + 2 * n, f"DCE {word} Left", n) for n, word in enumerate(["PRE", "POST", "POST"])]
    right = [
        single(maker, 103 + 2 * n, f"DCE {word} Right", n, origin=-140.0)
        for n, word in enumerate(["PRE", "POST", "POST"])
    ]
    found = ser_map(maker, 11000, ": SER", origin=-140.0)

    study = maker.read(plain, *left, *right, found)

    assert used(study, *right) == [103, 105, 107]
    assert any("planes of UCSF's map" in said for said in study.acquisition.decisions)


def test_two_dynamic_series_are_refused_by_name(maker: Any) -> None:
    refusal = maker.refusal(maker.series(number=4, description="Dyn A"), maker.series(number=9, description="Dyn B"))

    assert refusal.code == Code.SEVERAL_SERIES
    assert "series 4 'Dyn A' (3 phases); series 9 'Dyn B' (3 phases)" in refusal.found


@pytest.mark.parametrize("name", ["9", "Dyn B", "uid"])
def test_the_settings_name_a_series_by_number_description_or_uid(maker: Any, name: str) -> None:
    one, other = maker.series(number=4, description="Dyn A"), maker.series(number=9, description="Dyn B")
    name = other[0].SeriesInstanceUID if name == "uid" else name

    assert used(maker.read(one, other, named=name), one, other) == [9]


def test_the_settings_name_several_series_with_commas(maker: Any) -> None:
    parts = [single(maker, 3 + phase, f"thing {phase}", phase) for phase in range(4)]

    assert used(maker.read(*parts, named="3, thing 2,6"), *parts) == [3, 5, 6]


def test_a_description_with_commas_can_be_named(maker: Any) -> None:
    one = maker.series(number=2, description="CTLMID,Sag,3D,SPGR,VBw, GRx,")
    other = maker.series(number=3, description="Sag")

    assert used(maker.read(one, other, named="CTLMID,Sag,3D,SPGR,VBw, GRx,"), one, other) == [2]


def test_the_settings_may_name_what_the_rules_would_leave_out(maker: Any) -> None:
    parts = [
        maker.series(number=4),
        maker.series(number=5, description="SUB"),
    ]

    assert used(maker.read(*parts, named="5"), *parts) == [5]


def test_a_name_that_no_series_has_is_refused_with_those_there_are(maker: Any) -> None:
    refusal = maker.refusal(maker.series(), named="VIBRANT")

    assert "no MR series is called 'VIBRANT'; there are series 4 'Dynamic'" in refusal.found


@pytest.mark.parametrize("number", [5, 1101])
def test_the_number_of_ucsfs_map_leads_to_its_series(maker: Any, number: int) -> None:
    one = maker.series(number=3, description="3D")
    other = maker.series(number=number, description="3D")
    found = ser_map(maker, (number if number < 100 else number // 100) * 10_000 + 1000, "gone: SER")

    study = maker.read(one, other, found)

    assert used(study, one, other) == [number]
    assert any("its series number" in said for said in study.acquisition.decisions)


def test_the_name_of_ucsfs_map_leads_to_its_series(maker: Any) -> None:
    one, other = maker.series(number=500, description="(24671/5/1)"), maker.series(number=600, description="B")

    assert used(maker.read(one, other, ser_map(maker, 11000, "(24671/5/1): SER")), one, other) == [500]


def test_the_images_that_ucsfs_map_refers_to_lead_to_their_series(maker: Any, change: Any) -> None:
    one, other = maker.series(number=4, description="A"), maker.series(number=5, description="B")
    found = ser_map(maker, 41000, "A: SER")
    for image in found:
        image.SourceImageSequence = [
            change(type(image)(), ReferencedSOPClassUID=s.SOPClassUID, ReferencedSOPInstanceUID=s.SOPInstanceUID)
            for s in (other[0], other[6], other[12])
        ]

    study = maker.read(one, other, found)

    assert used(study, one, other) == [5]
    assert any("its SourceImageSequence" in said for said in study.acquisition.decisions)


def test_series_before_the_one_ucsf_started_from_do_not_count(maker: Any) -> None:
    parts = [single(maker, 3 + phase, "Dynamic", phase) for phase in range(4)]

    assert used(maker.read(*parts, ser_map(maker, 41000, "Dynamic: SER")), *parts) == [4, 5, 6]


def test_series_beyond_the_number_of_phases_ucsf_counted_do_not_count(maker: Any) -> None:
    parts = [single(maker, 4 + phase, "Dynamic", phase) for phase in range(5)]

    assert used(maker.read(*parts, ser_map(maker, 41000, "Dynamic: SER", 3)), *parts) == [4, 5, 6]
    assert used(maker.read(*parts, ser_map(maker, 41000, "Dynamic: SER")), *parts) == [4, 5, 6, 7, 8]


def test_fewer_series_than_ucsf_counted_are_enough_and_that_is_said(maker: Any) -> None:
    parts = [single(maker, 4 + phase, "Dynamic", phase) for phase in range(3)]

    study = maker.read(*parts, ser_map(maker, 41000, "Dynamic: SER", 4))

    assert used(study, *parts) == [4, 5, 6]
    assert "UCSF counted 4 phases, 3 are there" in study.acquisition.decisions


def test_where_the_series_ucsf_used_are_not_all_there_no_other_takes_their_place(maker: Any) -> None:
    right = [single(maker, 4 + phase, "Right", phase) for phase in range(2)]
    left = [single(maker, 7 + phase, "Left", phase, origin=-140.0) for phase in range(3)]

    assert maker.refusal(*right, *left, ser_map(maker, 41000, "Right: SER")).code == Code.FEW_PHASES


def test_a_map_without_a_number_leads_by_its_name(maker: Any) -> None:
    one, other = maker.series(number=4, description="A"), maker.series(number=5, description="B")

    assert used(maker.read(one, other, ser_map(maker, 7, "B: SER", SeriesNumber=None)), one, other) == [5]


def test_two_named_phases_are_too_few(maker: Any) -> None:
    parts = [single(maker, 3 + phase, "thing", phase) for phase in range(3)]

    assert maker.refusal(*parts, named="3,4").code == Code.FEW_PHASES


def test_another_number_of_phases_than_ucsf_counted_is_said(maker: Any) -> None:
    study = maker.read(maker.series(4), ser_map(maker, 41000, "Dynamic: SER", 3))

    assert len(study.phases) == 4
    assert "UCSF counted 3 phases, 4 are there" in study.acquisition.decisions


def test_ucsf_counts_phases_of_other_names_where_those_of_one_name_are_too_few(maker: Any) -> None:
    names = ["SAG CA", "SAG POS", "SAG LESION"]
    parts = [single(maker, 6 + phase, name, phase) for phase, name in enumerate(names)]

    assert used(maker.read(*parts, ser_map(maker, 61000, "SAG CA: SER", 3)), *parts) == [6, 7, 8]


def test_ucsfs_start_joins_a_pre_contrast_series_whose_name_says_nothing(maker: Any) -> None:
    parts = [single(maker, 6, "one", 0), maker.series(3, number=7, description="two", first_phase=1)]
    found = ser_map(maker, 61000, "one: SER")

    assert used(maker.read(*parts, found), *parts) == [6, 7]
    assert used(maker.read(*parts), *parts) == [7]


def test_a_map_that_lies_elsewhere_decides_nothing_and_that_is_said(maker: Any) -> None:
    study = maker.read(maker.series(), ser_map(maker, 41000, "Dynamic: SER", origin=300.0))

    assert any("lies on no series of the study" in said for said in study.acquisition.decisions)


def test_t1_weighting_goes_before_completeness(maker: Any) -> None:
    parts = [single(maker, 4 + phase, "fl3d", phase) for phase in range(3)]
    diffusion = maker.series(7, number=9, description="tensor", EchoTime=85.0)

    study = maker.read(*parts, diffusion)

    assert used(study, *parts) == [4, 5, 6]
    assert any("T1-weighted by its short echo: goes before series 9 'tensor'" in s for s in study.acquisition.decisions)


def test_a_t2_series_alone_is_still_a_time_series(maker: Any) -> None:
    assert len(maker.read(maker.series(EchoTime=85.0)).phases) == 3


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageType": ["DERIVED", "SECONDARY", "OTHER", "SUBTRACT"]},
        {"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE"], "DerivationDescription": "MIP"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MIP"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P"]},
        {"ImageType": ["DERIVED", "PRIMARY", "M"], "DerivationDescription": "sum"},
        {"SeriesDescription": "Subtract_S6_S5"},
        {"SeriesDescription": "LSGT1CE1SU1 SUB"},
        {"SeriesDescription": "subtract 1 immed"},
        {"SeriesDescription": "(4465/104/1)-(4465/102/1)"},
        {"SeriesDescription": "PJN"},
        {"SeriesDescription": "CAD~ MIP"},
        {"SeriesDescription": "<MPR Collection>"},
        {"SeriesDescription": "Dynamic: PE1"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"SamplesPerPixel": 3, "PixelData": bytes(120)},
    ],
)
def test_series_that_were_computed_are_no_candidates(maker: Any, change: Any, tags: dict[str, Any]) -> None:
    other = maker.series(number=9)
    for image in other:
        change(image, **tags)

    assert used(maker.read(maker.series(number=4), other), other, maker.series(number=4)) == [4]


@pytest.mark.parametrize("name", ["SUBSTANCE dyn", "MIPS trial", "submammary", "Dynamic-3dfgre", "ACRIN_6657/FL3D"])
def test_names_that_only_look_like_those_of_computed_series_are_kept(maker: Any, name: str) -> None:
    assert len(maker.read(maker.series(description=name)).phases) == 3


def test_derived_images_without_a_source_count_where_nothing_is_original(maker: Any) -> None:
    study = maker.read(maker.series(ImageType=["DERIVED", "PRIMARY", "M"]))

    assert any("no original time series" in said for said in study.acquisition.decisions)


def test_sums_of_images_count_where_ucsfs_map_was_made_from_them(maker: Any) -> None:
    tags = {"ImageType": ["DERIVED", "SECONDARY", "COMBINED"], "DerivationDescription": "sum"}
    parts = [single(maker, 500 + n, f"(24671/5/{60 * n + 1})+(24671/5/{60 * n + 1})", n, **tags) for n in range(3)]

    assert used(maker.read(*parts, ser_map(maker, 11000, "(24671/5/1)+(24671/5/1): SER")), *parts) == [500, 501, 502]
    assert maker.refusal(*parts).code == Code.FEW_PHASES


def test_two_echoes_in_one_series_are_two_stacks(maker: Any) -> None:
    images = maker.series(6)
    for image in images[18:]:
        image.EchoTime = 9.9

    assert maker.refusal(images).code == Code.SEVERAL_SERIES
