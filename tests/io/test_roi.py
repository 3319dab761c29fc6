"""Regions of interest that people give, as text and as UCSF's XML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.io.roi import RoiBox, box_on_grid, parse_box, read_roi_xml
from uptake.study import Box, Code, Refusal, SettingsError
from uptake.volume import DCM2NIIX, Grid, Layout

IDENTITY = Layout(axes=(0, 1, 2), flipped=(False, False, False))


def item(
    centre: tuple[float, ...] = (1, 2, 3),
    halves: tuple[tuple[float, ...], ...] = ((4, 0, 0), (0, 5, 0), (0, 0, 6)),
    omit: str = "False",
) -> str:
    vectors = zip(("Center", "WidthHalfLength", "HeightHalfLength", "DepthHalfLength"), (centre, *halves), strict=True)
    points = "".join(f'<{name} X="{x}" Y="{y}" Z="{z}"/>' for name, (x, y, z) in vectors)
    return f"<Item-CubicRoiInfo3D>{points}<OmitRegion>{omit}</OmitRegion></Item-CubicRoiInfo3D>"


def document(*items: str, head: str = '<?xml version="1.0" encoding="utf-8"?>\n') -> bytes:
    body = f"<RoiSavedState><StudyDate>x</StudyDate><RoiInfo>{''.join(items)}</RoiInfo></RoiSavedState>"
    return f"{head}<AegisXmlObject><VersionInfo />{body}</AegisXmlObject>".encode()


def dicom_grid(
    shape: tuple[int, int, int], orientation: list[float], origin: list[float], spacing: list[float]
) -> Grid:
    """A grid as dcm2niix lays it out (rows reversed) from DICOM's own numbers: orientation, first position, spacing."""
    along_row, along_column = np.reshape(orientation, (2, 3))
    columns = np.stack([along_row, along_column, np.cross(along_row, along_column)], axis=1) * spacing
    first = np.array(origin) + columns[:, 1] * (shape[1] - 1)
    affine = np.eye(4)
    affine[:3, :3] = columns * (1, -1, 1)
    affine[:3, 3] = first
    return Grid(shape, np.diag([-1.0, -1, 1, 1]) @ affine)


SAGITTAL = [0.0, 1, 0, 0, 0, -1]
# The millimetre boxes that UCSF stores in (0117,1042) to (0117,1045) of two studies, beside pixel limits.
ISPY1_1001 = (
    dicom_grid((256, 256, 60), SAGITTAL, [149.9, -123, 106], [0.78125, 0.78125, 2.0]),
    (
        (82.8999939965, -44.8750000391, -12.7499999609),
        ((0, 39.8437499609, 0), (0, 0, 40.6249999609), (33.9999999, 0, 0)),
    ),
    Box((49, 100, 17), (150, 203, 50)),
)
UCSF_BR_06 = (
    dicom_grid((256, 256, 60), SAGITTAL, [157.800003, -106.699997, 78], [0.703125, 0.703125, 2.0]),
    ((98.8000031, -40.9578095352, -15.8671874648), ((0, 37.9687499648, 0), (0, 0, 43.5937499648), (41.9999999, 0, 0))),
    Box((40, 72, 9), (147, 195, 50)),
)


@pytest.mark.parametrize(("grid", "roi", "limits"), [ISPY1_1001, UCSF_BR_06])
def test_a_millimetre_box_becomes_the_pixel_limits_that_ucsf_recorded_for_it(
    grid: Grid, roi: tuple[tuple[float, ...], tuple[tuple[float, ...], ...]], limits: Box
) -> None:
    (box,) = read_roi_xml(document(item(*roi)))
    assert box_on_grid(box, grid, DCM2NIIX) == limits


def test_the_xml_is_lps_and_the_box_ras() -> None:
    (box,) = read_roi_xml(document(item((1, 2, 3), ((4, 0, 0), (0, 5, 0), (0, 0, 6)))))
    assert box == RoiBox((-1, -2, 3), ((-4, 0, 0), (0, -5, 0), (0, 0, 6)))


def test_the_region_to_use_comes_first_and_the_others_are_to_omit() -> None:
    boxes = read_roi_xml(document(item((1, 0, 0), omit="True"), item((2, 0, 0)), item((3, 0, 0), omit=" true ")))
    assert [(box.center_mm[0], box.omit) for box in boxes] == [(-2, False), (-1, True), (-3, True)]


def test_coordinates_may_be_elements_and_have_exponents(tmp_path: Path) -> None:
    def point(name: str, xyz: tuple[str, ...]) -> str:
        return f"<{name}>\n<X>{xyz[0]}</X>\n<Y>{xyz[1]}</Y>\n<Z>{xyz[2]}</Z>\n</{name}>"

    names = ("Center", "WidthHalfLength", "HeightHalfLength", "DepthHalfLength")
    vectors = (("1e1", "2", "3"), ("4", "1e-15", "0"), ("0", "5", "0"), ("0", "0", "6"))
    inner = "".join(point(name, xyz) for name, xyz in zip(names, vectors, strict=True))
    text = document(f"<Item-CubicRoiInfo3D>{inner}<OmitRegion>False</OmitRegion></Item-CubicRoiInfo3D>")
    (tmp_path / "roi.xml").write_bytes(text)
    (box,) = read_roi_xml(tmp_path / "roi.xml")
    assert box.center_mm == (-10, -2, 3)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_understood(encoding: str) -> None:
    text = document(item(), head='<?xml version="1.0" encoding="utf-16"?>' if encoding == "utf-16" else "").decode()
    assert len(read_roi_xml(text.encode(encoding))) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no xml", "well-formed"),
        (document(item())[:-5], "well-formed"),
        (document(), "0 regions"),
        (document(item(omit="True")), "1 regions, 0 of them"),
        (document(item(), item()), "2 of them"),
        (document(item(omit="maybe")), "OmitRegion is 'maybe'"),
        (document(item().replace("<OmitRegion>False</OmitRegion>", "")), "OmitRegion is ''"),
        (document(item().replace('X="1"', "")), "Center that is not three numbers"),
        (document(item().replace("HeightHalfLength", "Height")), "HeightHalfLength that is not three numbers"),
        (document(item((float("nan"), 0, 0))), "not finite"),
        (document(item((0, float("inf"), 0))), "not finite"),
        (document(item(), head='<!DOCTYPE a [<!ENTITY b "c">]>'), "document type"),
        (document(item(), head='<!DOCTYPE a [<!ENTITY b "c">]>').decode().encode("utf-16"), "document type"),
        (document(item()) + b" " * 2**20, "1 MiB"),
        (b"\xff\xfe\xff", "UTF-8 or UTF-16"),
        (b"\x80abc", "UTF-8 or UTF-16"),
    ],
)
def test_xml_that_is_damaged_unsafe_or_says_too_little_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        read_roi_xml(data)
    assert refused.value.code is Code.VOI


def test_a_refusal_names_the_file_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "roi.xml").write_bytes(b"")
    with pytest.raises(Refusal, match=r"roi\.xml is not well-formed") as refused:
        read_roi_xml(tmp_path / "roi.xml")
    assert str(tmp_path) not in str(refused.value)


def cuboid(centre: tuple[float, ...], reach: tuple[float, ...], *, omit: bool = False) -> RoiBox:
    x, y, z = reach
    return RoiBox((centre[0], centre[1], centre[2]), ((x, 0, 0), (0, y, 0), (0, 0, z)), omit)


def test_a_voxel_belongs_to_the_box_when_its_centre_does_first_side_included() -> None:
    grid = Grid((20, 20, 20), np.eye(4))
    assert box_on_grid(cuboid((5, 5, 5), (1, 1.4, 1.6)), grid, IDENTITY) == Box((4, 4, 4), (5, 6, 6))


def test_rounding_of_a_side_that_meets_a_centre_does_not_move_it() -> None:
    grid = Grid((20, 20, 20), np.eye(4))
    for wobble in (-1e-5, 1e-5):
        assert box_on_grid(cuboid((5 + wobble,) * 3, (2, 2, 2)), grid, IDENTITY) == Box((3, 3, 3), (6, 6, 6))


def test_what_sticks_out_of_the_volume_is_cut_off() -> None:
    grid = Grid((20, 10, 5), np.eye(4))
    assert box_on_grid(cuboid((5, 5, 2), (100, 2.5, 100)), grid, IDENTITY) == Box((0, 3, 0), (19, 7, 4))


@given(data=st.data())
def test_any_box_of_voxels_survives_the_way_through_millimetres(data: st.DataObject) -> None:
    shape = (9, 8, 7)
    layout = Layout(
        axes=data.draw(st.permutations((0, 1, 2)).map(tuple)),  # type: ignore[arg-type]
        flipped=data.draw(st.tuples(st.booleans(), st.booleans(), st.booleans())),
    )
    sizes = layout.dicom_shape(shape)
    pairs = [sorted(data.draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))) for n in sizes]
    box = Box(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))  # type: ignore[arg-type]
    turn = np.array([[0, 0, -1.0], [1, 0, 0], [0, -1, 0]])
    affine = np.eye(4)
    affine[:3, :3] = turn * (0.7, 2.0, 0.9)
    affine[:3, 3] = (-30, 12, 5)
    grid = Grid(shape, affine)
    slices = layout.slices(box.start, tuple(b + 1 for b in box.end), shape)  # type: ignore[arg-type]
    low, high = np.array([s.start - 0.5 for s in slices]), np.array([s.stop - 0.5 for s in slices])
    halves = affine[:3, :3] * ((high - low) / 2)
    roi = RoiBox(tuple(grid.to_world((low + high) / 2)), tuple(tuple(v) for v in halves.T[::-1]))  # type: ignore[arg-type]
    assert box_on_grid(roi, grid, layout) == box


@pytest.mark.parametrize("omit", [False, True])
def test_a_region_without_a_voxel_is_refused(omit: bool) -> None:
    grid = Grid((20, 20, 20), np.eye(4))
    for centre, reach in (((50, 5, 5), 2), ((-50, 5, 5), 2), ((5.5, 5.5, 5.5), 0.3)):
        with pytest.raises(Refusal, match="without a voxel") as refused:
            box_on_grid(cuboid(centre, (reach,) * 3, omit=omit), grid, IDENTITY)
        assert refused.value.code is Code.VOI
        assert ("omit region" in refused.value.found) == omit


def test_a_turned_region_is_refused() -> None:
    grid = Grid((20, 20, 20), np.eye(4))
    turned = RoiBox((10, 10, 10), ((4, 3, 0), (-3, 4, 0), (0, 0, 5)))
    with pytest.raises(Refusal, match="turned against the image axes"):
        box_on_grid(turned, grid, IDENTITY)


def test_a_region_whose_sides_run_along_the_same_axis_is_refused() -> None:
    grid = Grid((20, 20, 20), np.eye(4))
    flat = RoiBox((10, 10, 10), ((4, 0, 0), (0.4, 0, 0), (0, 0, 5)))
    with pytest.raises(Refusal, match="flat"):
        box_on_grid(flat, grid, IDENTITY)


@pytest.mark.parametrize("text", ["1,2,3:4,5,6", " 1, 2,3 : 4,5 ,6 "])
def test_a_box_is_read_from_text(text: str) -> None:
    assert parse_box(text) == Box((1, 2, 3), (4, 5, 6))


def test_a_box_of_one_voxel_is_a_box() -> None:
    assert parse_box("0,0,0:0,0,0") == Box((0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3:4,5",
        "1,2,3:4,5,6,7",
        "a,2,3:4,5,6",
        "-1,2,3:4,5,6",
        "1.5,2,3:4,5,6",
        "1,2,3-4,5,6",
        "٣,2,3:4,5,6",
    ],
)
def test_a_text_that_is_no_box_is_a_usage_error_that_shows_how_to_write_one(text: str) -> None:
    with pytest.raises(SettingsError, match="c0,r0,s0:c1,r1,s1"):
        parse_box(text)


@pytest.mark.parametrize("text", ["2,0,0:1,1,1", "0,2,0:1,1,1", "0,0,2:1,1,1"])
def test_a_box_that_runs_backwards_is_a_usage_error(text: str) -> None:
    with pytest.raises(SettingsError, match="first column, row and slice to its last"):
        parse_box(text)
