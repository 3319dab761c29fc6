"""What UCSF's derived objects record: on two real studies, and on objects made here for what those do not show."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from uptake.io.dicom.ucsf import DceReference, read_recorded
from uptake.study import Box, Code, Recorded, Refusal

CREATOR = "UCSF BIRP PRIVATE CREATOR 011710xx"
DCE = DceReference({f"1.{phase}": phase for phase in range(3)}, 3, (256, 250, 60), np.eye(4))
SIX = DceReference({f"1.{phase}": phase for phase in range(6)}, 6, (256, 250, 60), np.eye(4))
LIMITS = {0xA1: ("US", [49, 100, 17]), 0xA2: ("US", [150, 203, 50])}
MR, SEG = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.66.4"

Elements = dict[int, tuple[str, Any]]


def grouped(elements: Elements, block: int = 0x10) -> Dataset:
    """A dataset that holds UCSF's elements in the given block of group 0117."""
    dataset = Dataset()
    if elements:
        dataset.add_new((0x0117, block), "LO", CREATOR)
    for element, (vr, value) in elements.items():
        dataset.add_new((0x0117, block << 8 | element), vr, value)
    return dataset


def derived(name: str, elements: Elements | None = None, *, block: int = 0x10, **header: Any) -> Dataset:
    """A map or SEG named `name`; its series UID follows from the name unless it is given."""
    dataset = grouped(elements or {}, block)
    dataset.SeriesDescription = name
    dataset.SeriesInstanceUID = "2." + ".".join(str(ord(letter)) for letter in name[-12:])
    dataset.SOPInstanceUID = f"{dataset.SeriesInstanceUID}.1"
    dataset.Modality, dataset.SOPClassUID = ("SEG", SEG) if "Segmentation" in name else ("MR", MR)
    dataset.InstanceNumber = 1
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    return dataset


def parameters(*, block: int = 0x10, **values: float | str) -> Elements:
    """The sequence (0117,1010) with these parameters, numbers as integers or as text."""
    items = []
    for name, value in values.items():
        stored = (0x1A, ("LO", value)) if isinstance(value, str) else (0x19, ("IS", value))
        items.append(grouped({0x14: ("LO", name), stored[0]: stored[1]}, block))
    return {0x10: ("SQ", Items(items))}


def images(*uids: str) -> Items:
    sources = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid
        sources.append(item)
    return Items(sources)


def voi_box(flag: int) -> Elements:
    return {0x20: ("SQ", Items([grouped({0x41: ("IS", flag), 0x42: ("DS", [1, 2, 3, 1]), 0x46: ("CS", "VOI")})]))}


OMIT: Elements = {
    0x41: ("IS", 1),
    0x50: ("US", [256, 250, 60]),
    0x51: ("IS", 1),
    0x52: ("IS", 1),
    0x53: ("US", [20, 20, 40, 40]),
    0x54: ("US", [60, 90, 90, 60]),
    0x55: ("US", [110, 130]),
    0x56: ("CS", "OMIT"),
}


def omit(*regions: Elements) -> Elements:
    return {0x22: ("SQ", Items([grouped(region) for region in regions]))}


def written(dataset: Dataset, syntax: str) -> Dataset:
    """The dataset as a file of that transfer syntax gives it back."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return pydicom.dcmread(io.BytesIO(buffer.getvalue()))


def header(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def reference(dce: Sequence[Dataset]) -> DceReference:
    """The geometry and phases of a study whose phases follow each other in instance order at every position."""
    along_row, along_column = np.reshape([float(x) for x in dce[0].ImageOrientationPatient], (2, 3))
    normal = np.cross(along_row, along_column)
    stacks: dict[float, list[Dataset]] = {}
    for image in dce:
        position = np.array([float(x) for x in image.ImagePositionPatient])
        stacks.setdefault(round(float(position @ normal), 2), []).append(image)
    positions = sorted(stacks)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([along_row, along_column, normal], axis=1)
    affine[:3, :3] *= (dce[0].PixelSpacing[1], dce[0].PixelSpacing[0], positions[1] - positions[0])
    affine[:3, 3] = [float(x) for x in stacks[positions[0]][0].ImagePositionPatient]
    phases = {
        str(image.SOPInstanceUID): phase
        for stack in stacks.values()
        for phase, image in enumerate(sorted(stack, key=lambda one: int(one.InstanceNumber)))
    }
    return DceReference(phases, 3, (int(dce[0].Columns), int(dce[0].Rows), len(positions)), affine)


# Two real studies


def test_ispy1_1001_records_its_voi_thresholds_phases_and_times(ispy1_dicom: Path) -> None:
    recorded = read_recorded(header(ispy1_dicom / "ser_ucsf"), reference(header(ispy1_dicom / "dce")))
    assert recorded.voi == Box((49, 100, 17), (150, 203, 50))
    assert (recorded.pe_threshold_percent, recorded.minimum_neighbours) == (70, 9)
    assert (recorded.background_threshold, recorded.background_fraction) == (None, None)
    assert recorded.phase_indices == (0, 1, 2)
    assert recorded.phase_times_s == pytest.approx((-235.0915, 142.9085, 471.9085), abs=1e-3)
    assert recorded.temporal_resolution_s == pytest.approx(285.817, abs=1e-3)
    assert (recorded.omit, recorded.omit_unknown) == ((), ())
    assert recorded.sources["voi"] == "(0117,10A1) and (0117,10A2) of the SER map (series 41000)"


@pytest.fixture(scope="module")
def br06(br06_dicom: Path) -> tuple[list[Dataset], DceReference]:
    """One header of each map of UCSF-BR-06 and its SEG with pixels, and its DCE."""
    maps = [header(br06_dicom / name)[0] for name in ("image_dce_pe1", "image_dce_ser")]
    return [*maps, *header(br06_dicom / "mask")], reference(header(br06_dicom / "image_dce_3dfgre_orig"))


def test_ucsf_br_06_records_its_background_threshold_in_the_seg(br06: tuple[list[Dataset], DceReference]) -> None:
    recorded = read_recorded(*br06)
    assert recorded.voi == Box((40, 72, 9), (147, 195, 50))
    assert (recorded.pe_threshold_percent, recorded.minimum_neighbours) == (70, 4)
    assert (recorded.background_threshold, recorded.background_fraction) == (35, 0.6)
    assert recorded.phase_indices == (0, 1, 2)
    assert recorded.phase_times_s == (-230, 177, 531)
    assert recorded.temporal_resolution_s == 354
    assert "DICOM SEG (series 22101)" in recorded.sources["background_threshold"]


def test_pixels_and_the_order_of_the_objects_do_not_matter(br06: tuple[list[Dataset], DceReference]) -> None:
    objects, dce = br06
    bare = [pydicom.dcmread(io.BytesIO(_bytes(one)), stop_before_pixels=True) for one in objects]
    assert read_recorded(bare[::-1], dce) == read_recorded(objects, dce)


def test_private_elements_of_unknown_vr_are_read_as_well(br06: tuple[list[Dataset], DceReference]) -> None:
    objects, dce = br06
    again = [written(pydicom.dcmread(io.BytesIO(_bytes(one))), ImplicitVRLittleEndian) for one in objects]
    assert again[0][0x0117, 0x1035].VR == "UN"
    assert read_recorded(again, dce) == read_recorded(objects, dce)


def test_without_private_elements_names_images_and_tissue_say_the_same(
    br06: tuple[list[Dataset], DceReference],
) -> None:
    objects = [pydicom.dcmread(io.BytesIO(_bytes(one))) for one in br06[0]]
    for one in objects:
        one.remove_private_tags()
    recorded = read_recorded(objects, br06[1])
    assert recorded.voi == Box((40, 72, 9), (147, 195, 50))
    assert recorded.sources["voi"] == "bounding box of the DICOM SEG (series 22101)"
    assert recorded.phase_indices == (0, 1, 2)
    assert recorded.sources["phase_indices"] == "SourceImageSequence of the SER map (series 21000)"
    assert recorded.pe_threshold_percent is None


def test_a_tissue_seg_with_blank_pixels_or_none_gives_no_voi(br06: tuple[list[Dataset], DceReference]) -> None:
    seg = pydicom.dcmread(io.BytesIO(_bytes(br06[0][-1])))
    seg.remove_private_tags()
    seg.PixelData = bytes(len(seg.PixelData))
    assert read_recorded([seg], br06[1]).voi is None
    del seg.PixelData
    assert read_recorded([seg], br06[1]).voi is None


@pytest.mark.parametrize("name", ["VOI PE Segmentation thresh=70", "Breast Tissue Segmentation"])
def test_only_a_voi_cropped_tissue_seg_gives_a_voi(br06: tuple[list[Dataset], DceReference], name: str) -> None:
    seg = pydicom.dcmread(io.BytesIO(_bytes(br06[0][-1])))
    seg.remove_private_tags()
    seg.SeriesDescription = name
    assert read_recorded([seg], br06[1]).voi is None


def test_a_tissue_seg_that_does_not_fit_the_study_gives_no_voi(br06: tuple[list[Dataset], DceReference]) -> None:
    seg = pydicom.dcmread(io.BytesIO(_bytes(br06[0][-1])))
    seg.remove_private_tags()
    affine = br06[1].affine_dicom * [[1.1], [1], [1], [1]]
    assert read_recorded([seg], replace(br06[1], affine_dicom=affine)).voi is None


def _bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


# Nothing recorded


@pytest.mark.parametrize("objects", [[], [derived("Dynamic: SER")], [derived("x", LIMITS)]])
def test_every_value_may_be_absent(objects: list[Dataset]) -> None:
    recorded = read_recorded(objects, DCE)
    assert recorded == Recorded(voi=recorded.voi, sources=recorded.sources)
    assert set(recorded.sources) == ({"voi"} if recorded.voi else set())


def test_elements_of_another_creator_are_not_ucsfs() -> None:
    dataset = derived("Dynamic: SER", LIMITS)
    dataset[0x0117, 0x0010].value = "SOMEBODY ELSE"
    assert read_recorded([dataset], DCE) == Recorded()


@pytest.mark.parametrize(
    "elements",
    [
        {0x35: ("LO", "a\\b\\c")},
        {0x35: ("IS", [0, 1])},
        {0x34: ("DS", [1.0, 2.0])},
        {0x34: ("DS", [3.0, 2.0, 1.0])},
        {0x31: ("DS", "-5")},
        {0xA1: ("US", [1, 2, 3])},
        {0xA1: ("US", [1, 2]), 0xA2: ("US", [5, 6])},
        {0x10: ("LO", "no sequence")},
        parameters(PE_threshold=0),
        parameters(PE_threshold="seventy"),
        parameters(minimum_neighbor_count=27),
        parameters(PCT_background_threshold=0),
        parameters(another_parameter=70),
    ],
)
def test_a_value_that_makes_no_sense_is_as_good_as_absent(elements: Elements) -> None:
    assert read_recorded([derived("Dynamic: SER", elements)], DCE) == Recorded()


# Where the group is


@pytest.mark.parametrize("block", [0x10, 0x11, 0xFF])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_the_group_is_found_in_any_private_block(block: int, syntax: str) -> None:
    elements = LIMITS | parameters(block=block, PE_threshold=90, minimum_neighbor_count=9)
    dataset = derived("Dynamic: SER", elements, block=block)
    if block != 0x10:
        dataset.add_new((0x0117, 0x0010), "LO", "SOMEBODY ELSE")
        dataset.add_new((0x0117, 0x10A1), "US", [9, 9, 9])
    recorded = read_recorded([written(dataset, syntax)], DCE)
    assert recorded.voi == Box((49, 100, 17), (150, 203, 50))
    assert (recorded.pe_threshold_percent, recorded.minimum_neighbours) == (90, 9)


def test_items_may_have_their_block_elsewhere_or_leave_the_creator_out() -> None:
    for item in (
        grouped({0x14: ("LO", "PE_threshold"), 0x19: ("IS", 90)}, 0x12),
        _without_creator(grouped({0x14: ("LO", "PE_threshold"), 0x19: ("IS", 90)}, 0x11)),
    ):
        dataset = derived("Dynamic: SER", {0x10: ("SQ", Items([item]))}, block=0x11)
        assert read_recorded([dataset], DCE).pe_threshold_percent == 90


def _without_creator(dataset: Dataset) -> Dataset:
    del dataset[0x0117, 0x0011]
    return dataset


# Thresholds: 70, 90, 100 and 140 % all occur


@pytest.mark.parametrize("percent", [70, 90, 100, 140])
@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("item", "parameter PE_threshold of the SER map"),
        ("name", "thresh= in the name of the DICOM SEG"),
        ("description", "PE THRESHOLD in the description of the SER map"),
        ("label", "result label of the SER map"),
    ],
)
def test_the_pe_threshold_is_read_from_each_place(percent: int, place: str, source: str) -> None:
    result = {0xB0: ("SQ", Items([grouped({0xB5: ("LO", f"FTVpe(PEearly>{percent}%)")})]))}
    dataset = {
        "item": derived("Dynamic: SER", parameters(PE_threshold=percent)),
        "name": derived(f"VOI PE Segmentation thresh={percent}"),
        "description": derived(
            "ISPY2: VOLSER: SER", DerivationDescription=f"VOLSER,BACKGROUND=475,SER PE THRESHOLD={percent}"
        ),
        "label": derived("Dynamic: SER", result),
    }[place]
    recorded = read_recorded([dataset], DCE)
    assert recorded.pe_threshold_percent == percent
    assert recorded.sources["pe_threshold_percent"] == source


@pytest.mark.parametrize(
    ("name", "expected"), [("ispy1_dicom", (17331, 7839)), ("br06_dicom", (41105, 30513))]
)  # the table of the published headers
def test_the_counts_of_the_published_maps_are_read(
    request: pytest.FixtureRequest, name: str, expected: tuple[int, int]
) -> None:
    images = (
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in sorted(request.getfixturevalue(name).rglob("*"))
        if path.is_file()
    )
    maps = [image for image in images if image.get("SeriesDescription", "").endswith("SER")][:1]
    recorded = read_recorded(maps, DCE)
    assert (recorded.ftv_pe_voxels, recorded.ftv_ser_inclusive_voxels) == expected


def test_a_result_without_a_count_is_as_good_as_absent() -> None:
    result = {0xB0: ("SQ", Items([grouped({0xB5: ("LO", "FTVpe(PEearly>70%)")})]))}
    recorded = read_recorded([derived("Dynamic: SER", result)], DCE)
    assert (recorded.ftv_pe_voxels, recorded.ftv_ser_inclusive_voxels) == (None, None)


def test_an_i_spy_2_description_holds_the_background_threshold_too() -> None:
    dataset = derived("ISPY2: VOLSER: SER", DerivationDescription="VOLSER,BACKGROUND=475,SER PE THRESHOLD=70")
    recorded = read_recorded([dataset], DCE)
    assert (recorded.background_threshold, recorded.background_fraction) == (475, None)


def test_a_parameter_wins_over_a_name_and_the_name_is_mentioned() -> None:
    objects = [derived("VOI PE Segmentation thresh=100"), derived("Dynamic: PE1", parameters(PE_threshold=90))]
    recorded = read_recorded(objects, DCE)
    assert recorded.pe_threshold_percent == 90
    assert recorded.sources["pe_threshold_percent"] == (
        "parameter PE_threshold of the PE map; thresh= in the name of the DICOM SEG says 100"
    )


def test_a_parameter_may_be_a_floating_value() -> None:
    item = grouped({0x14: ("LO", "PE_threshold"), 0x18: ("DS", "72.5")})
    recorded = read_recorded([derived("Dynamic: SER", {0x10: ("SQ", Items([item]))})], DCE)
    assert recorded.pe_threshold_percent == 72.5


@pytest.mark.parametrize(("method", "fraction"), [("PERCENT_MAX", 0.6), ("MANUAL", None)])
def test_the_background_percentage_counts_only_for_the_method_it_belongs_to(
    method: str, fraction: float | None
) -> None:
    elements = parameters(tissue_masking_method=method, PCT_background_threshold=60, pre_contrast_threshold=35)
    recorded = read_recorded([derived("VOI Breast Tissue Segmentation", elements)], DCE)
    assert (recorded.background_fraction, recorded.background_threshold) == (fraction, 35)


# Which object


def test_where_objects_disagree_the_ser_map_wins_and_the_others_are_named() -> None:
    seg_limits = {0xA1: ("US", [1, 2, 3]), 0xA2: ("US", [4, 5, 6])}
    objects = [
        derived("Dynamic: PE1", parameters(PE_threshold=140)),
        derived("VOI PE Segmentation", seg_limits | parameters(PE_threshold=100, minimum_neighbor_count=4)),
        derived("Dynamic: SER", LIMITS | parameters(PE_threshold=90)),
    ]
    recorded = read_recorded(objects, DCE)
    assert recorded.pe_threshold_percent == 90
    assert recorded.sources["pe_threshold_percent"] == (
        "parameter PE_threshold of the SER map; parameter PE_threshold of the DICOM SEG says 100; "
        "parameter PE_threshold of the PE map says 140"
    )
    assert recorded.voi == Box((49, 100, 17), (150, 203, 50))
    assert recorded.sources["voi"].endswith("of the DICOM SEG says 1, 2, 3 to 4, 5, 6")
    assert recorded.minimum_neighbours == 4
    assert recorded.sources["minimum_neighbours"] == "parameter minimum_neighbor_count of the DICOM SEG"


def test_of_several_runs_the_latest_wins() -> None:
    runs = [
        derived(
            "Dynamic: SER", parameters(PE_threshold=percent), SeriesInstanceUID=f"2.{number}", SeriesNumber=number,
            ContentDate=date, ContentTime=time,
        )
        for percent, number, date, time in (
            (70, 3, "20080515", "120000"),
            (90, 1, "20080515", "121722"),
            (100, 2, "20071004", "235959"),
        )
    ]  # fmt: skip
    for objects in (runs, runs[::-1]):
        recorded = read_recorded(objects, DCE)
        assert recorded.pe_threshold_percent == 90
        assert "SER map (series 1), the latest of 3" in recorded.sources["pe_threshold_percent"]


def test_of_runs_without_dates_the_highest_series_number_wins() -> None:
    runs = [
        derived("Dynamic: SER", parameters(PE_threshold=n), SeriesInstanceUID=f"2.{n}", SeriesNumber=n)
        for n in (70, 90)
    ]
    assert read_recorded(runs, DCE).pe_threshold_percent == 90


def test_objects_of_another_dce_of_the_study_are_not_believed() -> None:
    other = derived("Other: SER", parameters(PE_threshold=140), SourceImageSequence=images("9.0", "9.1", "9.2"))
    own = derived("Dynamic: PE1", parameters(PE_threshold=70), SourceImageSequence=images("1.0", "1.1"))
    assert read_recorded([other, own], DCE).pe_threshold_percent == 70
    assert read_recorded([other], DCE).pe_threshold_percent == 140, "where there is no other choice, they are"


def test_a_slice_without_the_group_does_not_hide_it() -> None:
    bare = derived("Dynamic: SER", InstanceNumber=1)
    full = derived("Dynamic: SER", LIMITS, InstanceNumber=2)
    assert read_recorded([bare, full], DCE).voi is not None


def test_numbers_that_are_none_do_not_stop_the_reading() -> None:
    dataset = derived("Dynamic: SER", LIMITS, InstanceNumber=None, SeriesNumber=None)
    assert read_recorded([dataset], DCE).sources["voi"].endswith("of the SER map")


@pytest.mark.filterwarnings("ignore:.*VR:UserWarning")
def test_texts_where_numbers_belong_are_as_good_as_absent() -> None:
    dataset = derived(
        "Dynamic: SER",
        LIMITS | {0x35: ("LO", "a\\b\\c"), 0x31: ("LO", "long"), 0x30: ("LO", "2.5"), 0x34: ("LO", "ab")},
    )
    dataset.add_new("SeriesNumber", "LO", "first")
    buffer = io.BytesIO()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(buffer, enforce_file_format=True)
    raw = buffer.getvalue()
    for tag in (b"\x17\x01\x35\x10", b"\x17\x01\x30\x10", b"\x20\x00\x11\x00"):
        raw = raw.replace(tag + b"LO", tag + b"IS")
    raw = raw.replace(b"\x17\x01\x31\x10LO", b"\x17\x01\x31\x10DS")
    raw = raw.replace(b"\x17\x01\x34\x10LO", b"\x17\x01\x34\x10FL")  # two bytes make no four-byte number
    recorded = read_recorded([pydicom.dcmread(io.BytesIO(raw))], DCE)
    assert recorded == Recorded(voi=Box((49, 100, 17), (150, 203, 50)), sources=recorded.sources)
    assert recorded.sources == {"voi": "(0117,10A1) and (0117,10A2) of the SER map"}


# Volume of interest


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((0, 0, 0), (256, 249, 59)),
        ((0, 0, 0), (255, 250, 59)),
        ((0, 0, 0), (255, 249, 60)),
        ((9, 0, 0), (8, 9, 9)),
        ((0, 9, 0), (9, 8, 9)),
        ((0, 0, 9), (9, 9, 8)),
    ],
)
def test_a_voi_outside_the_volume_or_turned_round_is_refused(start: Sequence[int], end: Sequence[int]) -> None:
    dataset = derived("Dynamic: SER", {0xA1: ("US", list(start)), 0xA2: ("US", list(end))})
    with pytest.raises(Refusal) as refused:
        read_recorded([dataset], DCE)
    assert refused.value.code is Code.VOI
    assert "256, 250, 60" in refused.value.allowed


def test_a_voi_that_is_not_believed_need_not_fit() -> None:
    seg = derived("VOI PE Segmentation", {0xA1: ("US", [0, 0, 0]), 0xA2: ("US", [999, 9, 9])})
    assert read_recorded([seg, derived("Dynamic: SER", LIMITS)], DCE).voi == Box((49, 100, 17), (150, 203, 50))


def test_a_voi_may_fill_the_volume() -> None:
    dataset = derived("Dynamic: SER", {0xA1: ("US", [0, 0, 0]), 0xA2: ("US", [255, 249, 59])})
    assert read_recorded([dataset], DCE).voi == Box((0, 0, 0), (255, 249, 59))


@pytest.mark.parametrize("flag", [0, 1])
def test_the_millimetre_box_is_never_used(flag: int) -> None:
    assert read_recorded([derived("Dynamic: SER", LIMITS | voi_box(flag))], DCE).voi == Box(
        (49, 100, 17), (150, 203, 50)
    )
    assert read_recorded([derived("Dynamic: SER", voi_box(flag))], DCE).voi is None


# Omit regions


def test_an_omit_region_that_is_switched_off_is_ignored() -> None:
    recorded = read_recorded([derived("Dynamic: SER", LIMITS | omit(OMIT | {0x41: ("IS", 0)}))], DCE)
    assert (recorded.omit, recorded.omit_unknown) == ((), ())
    assert recorded.sources["omit"] == "1 in the SER map, 1 of them switched off"


@pytest.mark.parametrize("closed", [False, True])
def test_an_active_rectangle_of_slices_and_columns_is_a_box_through_its_rows(closed: bool) -> None:
    x, y = [20, 20, 40, 40], [60, 90, 90, 60]
    if closed:
        x, y = [*x, 20], [*y, 60]
    region = OMIT | {0x53: ("US", x), 0x54: ("US", y)}
    recorded = read_recorded([derived("Dynamic: SER", omit(region, OMIT | {0x41: ("IS", 0)}))], DCE)
    assert recorded.omit == (Box((60, 110, 20), (90, 130, 40)),)
    assert recorded.omit_unknown == ()
    assert recorded.sources["omit"] == "2 in the SER map, 1 of them switched off"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({0x56: ("CS", "VOI")}, "of type VOI instead of OMIT"),
        ({0x56: ("CS", "")}, "of type unknown"),
        ({0x50: ("US", [250, 256, 60])}, "another matrix"),
        ({0x51: ("IS", 0)}, "another axis"),
        ({0x51: ("IS", 2)}, "another axis"),
        ({0x52: ("IS", 0)}, "another axis"),
        ({0x53: ("US", [20, 20, 40, 41])}, "not a rectangle"),
        ({0x53: ("US", [20, 20, 40])}, "not a rectangle"),
        ({0x53: ("US", [20, 40, 20, 40])}, "not a rectangle"),
        ({0x53: ("US", [20, 20, 20, 20])}, "not a rectangle"),
        ({0x55: ("US", [110])}, "range of rows"),
        ({0x55: ("US", [130, 110])}, "range of rows"),
        ({0x55: ("US", [110, 250])}, "outside the volume"),
        ({0x53: ("US", [20, 20, 60, 60])}, "outside the volume"),
        ({0x54: ("US", [60, 256, 256, 60])}, "outside the volume"),
    ],
)
def test_an_active_region_that_is_not_understood_is_handed_on_in_words(change: Elements, words: str) -> None:
    recorded = read_recorded([derived("Dynamic: SER", LIMITS | omit(OMIT | change))], DCE)
    assert recorded.omit == ()
    assert len(recorded.omit_unknown) == 1
    assert words in recorded.omit_unknown[0]
    assert recorded.omit_unknown[0].startswith("active omit region in the SER map")


def test_a_region_that_does_not_say_whether_it_is_on_is_active() -> None:
    region = {element: value for element, value in OMIT.items() if element != 0x41}
    assert len(read_recorded([derived("Dynamic: SER", omit(region))], DCE).omit) == 1


def test_a_second_active_millimetre_box_is_handed_on_in_words() -> None:
    items = [grouped({0x41: ("IS", on), 0x46: ("CS", kind)}) for on, kind in ((1, "VOI"), (1, "OMIT"), (0, "OMIT"))]
    recorded = read_recorded([derived("Dynamic: SER", LIMITS | {0x20: ("SQ", Items(items))})], DCE)
    assert len(recorded.omit_unknown) == 1
    assert recorded.sources["omit"] == "2 in the SER map, 1 of them switched off"


# Phases


def test_the_phases_are_the_recorded_indices_in_time_order() -> None:
    recorded = read_recorded([derived("Dynamic: SER", {0x35: ("IS", [0, 2, 5])})], SIX)
    assert recorded.phase_indices == (0, 2, 5)
    assert recorded.early_phase_index is None


def test_without_indices_the_source_images_say_which() -> None:
    recorded = read_recorded([derived("Dynamic: SER", SourceImageSequence=images("1.5", "1.0", "1.2"))], SIX)
    assert recorded.phase_indices == (0, 2, 5)
    assert recorded.sources["phase_indices"] == "SourceImageSequence of the SER map"


def test_without_images_the_derivation_description_says_which() -> None:
    words = "Signal Enhancement Ratio\r\nMap derived from time points (0=pre-contrast): 0,2,5"
    recorded = read_recorded([derived("Dynamic: SER", DerivationDescription=words)], SIX)
    assert recorded.phase_indices == (0, 2, 5)
    assert recorded.sources["phase_indices"] == "time points in the description of the SER map"


def test_indices_win_over_images_and_the_images_are_mentioned() -> None:
    dataset = derived("Dynamic: SER", {0x35: ("IS", [0, 2, 5])}, SourceImageSequence=images("1.0", "1.1", "1.2"))
    recorded = read_recorded([dataset], SIX)
    assert recorded.phase_indices == (0, 2, 5)
    assert recorded.sources["phase_indices"] == (
        "(0117,1035) of the SER map; SourceImageSequence of the SER map says 0, 1, 2"
    )


def test_images_win_where_the_object_counts_other_phases_than_the_study_has() -> None:
    elements = {0x35: ("IS", [0, 1, 2]), 0x30: ("IS", 3)}
    dataset = derived("Dynamic: SER", elements, SourceImageSequence=images("1.1", "1.2", "1.3"))
    recorded = read_recorded([dataset], SIX)
    assert recorded.phase_indices == (1, 2, 3)
    assert recorded.sources["phase_indices"].endswith("it counts 3 phases, the study has 6")


def test_images_that_are_not_the_studys_say_nothing() -> None:
    dataset = derived("Dynamic: SER", SourceImageSequence=images("1.0", "1.1", "9.9"))
    assert read_recorded([dataset], SIX).phase_indices is None


@pytest.mark.parametrize("indices", [[0, 1, 3], [0, 2, 1], [0, 0, 1], [-1, 0, 1], [1, 2, 3]])
def test_phases_that_the_study_does_not_have_are_refused(indices: list[int]) -> None:
    with pytest.raises(Refusal) as refused:
        read_recorded([derived("Dynamic: SER", {0x35: ("IS", indices)})], DCE)
    assert refused.value.code is Code.PHASES
    assert "phases 0 to 2" in refused.value.allowed


def test_a_study_with_too_few_phases_is_not_judged_here() -> None:
    dce = replace(DCE, n_phases=2)
    assert read_recorded([derived("Dynamic: SER", {0x35: ("IS", [0, 1, 2])})], dce).phase_indices is None


PAIRS = [
    derived("Dynamic: PE2"),
    derived("Dynamic", ImageType=["DERIVED", "PRIMARY", "DCE", "PE2"]),
    derived("Dynamic: PE map", SourceImageSequence=images("1.0", "1.2")),
    derived("Dynamic: PE map", DerivationDescription="Map derived from time points (0=pre-contrast): 0,2"),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pe2_map_alone_says_which_phase_is_early(pair: Dataset) -> None:
    recorded = read_recorded([pair], SIX)
    assert (recorded.phase_indices, recorded.early_phase_index) == (None, 2)
    assert recorded.sources["early_phase_index"]


@pytest.mark.parametrize("pair", PAIRS)
def test_where_one_phase_follows_the_early_one_that_is_the_late_one(pair: Dataset) -> None:
    dce = replace(SIX, n_phases=4)
    recorded = read_recorded([pair], dce)
    assert (recorded.phase_indices, recorded.early_phase_index) == ((0, 2, 3), None)
    assert recorded.sources["phase_indices"].endswith("late is the only phase after it")


def test_indices_of_a_ser_map_win_over_the_name_of_a_pe_map() -> None:
    objects = [derived("Dynamic: PE1"), derived("Dynamic: SER", {0x35: ("IS", [0, 2, 4])})]
    recorded = read_recorded(objects, SIX)
    assert (recorded.phase_indices, recorded.early_phase_index) == ((0, 2, 4), None)


def test_of_several_pe_maps_the_earliest_is_of_the_early_phase() -> None:
    assert read_recorded([derived("Dynamic: PE5"), derived("Dynamic: PE2")], SIX).early_phase_index == 2


def test_a_pe_map_of_the_last_of_three_phases_changes_nothing() -> None:
    assert read_recorded([derived("Dynamic: PE2")], DCE) == Recorded()


@pytest.mark.parametrize("name", ["PE0", "PE5", "PE6", "PE99"])
def test_a_pe_map_that_leaves_no_late_phase_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match=name) as refused:
        read_recorded([derived(f"Dynamic: {name}")], SIX)
    assert refused.value.code is Code.PHASES


def test_no_word_holds_a_date_a_uid_or_a_name() -> None:
    dataset = derived(
        "Dynamic: SER",
        LIMITS | parameters(PE_threshold=70) | omit(OMIT) | {0x35: ("IS", [0, 1, 2])},
        ContentDate="20080515",
        PatientName="Somebody",
        SeriesNumber=41000,
    )
    recorded = read_recorded([dataset, derived("VOI PE Segmentation thresh=90")], DCE)
    words = " ".join((*recorded.sources.values(), *recorded.omit_unknown))
    assert not any(secret in words for secret in ("20080515", "Somebody", str(dataset.SeriesInstanceUID)))
