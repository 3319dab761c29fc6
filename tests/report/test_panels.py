from __future__ import annotations

import base64
import math
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from uptake.preprocess.breast import BreastMask, BreastNumbers, Part, Side
from uptake.report import panels
from uptake.report.panels import Frame
from uptake.report.planes import plane
from uptake.report.view import CaseView
from uptake.volume import Grid, Volume


def levels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))).astype(int)


def with_lesion(view: CaseView, array: np.ndarray) -> CaseView:
    return replace(view, ftv_pe=Volume(array, view.study.grid), stv=None)


def test_the_cut_holds_the_body_the_voi_and_both_masks(view: CaseView) -> None:
    far = np.zeros(view.study.grid.shape, dtype=bool)
    far[23, 19, 9] = True
    cut = panels.scene(with_lesion(view, far)).cut
    assert (cut[0].stop, cut[1].stop, cut[2].stop) == (24, 20, 10)
    body = view.study.volumes[1].array > 0
    assert body[panels.scene(view).cut].sum() == body.sum()


def test_the_voi_is_turned_from_columns_rows_and_slices_to_array_axes(view: CaseView) -> None:
    # Rows count from the top and the array's j from the bottom: rows 7-15 of 20 are j 4-12.
    assert panels.voi_slices(view) == (slice(5, 17), slice(4, 13), slice(2, 9))


def test_every_slice_of_a_small_tumour_is_shown_and_the_largest_area_first(view: CaseView) -> None:
    array = view.ftv_pe.array.copy()
    array[8:14, 5, 5] = True
    slides, start = panels.slides(panels.scene(replace(view, ftv_pe=Volume(array, view.study.grid))))
    assert [slide.words.split(",")[0] for slide in slides] == [f"slice {n} of 0\u20139" for n in (3, 4, 5, 6)]
    assert start == 2


def test_no_more_than_twelve_slices_are_embedded_and_the_ends_and_the_largest_are_among_them(view: CaseView) -> None:
    grid = Grid((24, 20, 60), view.study.grid.affine)
    lesion = np.zeros(grid.shape, dtype=bool)
    lesion[8:14, 6:11, 5:55] = True
    lesion[7, 7, 20] = True

    def long(volume: Volume) -> Volume:
        return Volume(np.repeat(volume.array, 6, axis=2), grid)

    study = view.study.with_volumes(tuple(long(volume) for volume in view.study.volumes))
    tall = replace(
        view, study=study, pe=long(view.pe), ser=long(view.ser), ftv_pe=Volume(lesion, grid), stv=None, fields=()
    )
    slides, start = panels.slides(panels.scene(tall))
    numbers = [int(slide.words.split()[1]) for slide in slides]
    assert len(numbers) == panels.MOST_SLICES == 12
    assert (numbers[0], numbers[-1], numbers[start]) == (5, 54, 20)


def test_slices_are_counted_as_the_scanner_counts_them(view: CaseView) -> None:
    made = view.study.acquisition
    turned = replace(made, layout=replace(made.layout, flipped=(False, True, True)))
    slides, _ = panels.slides(panels.scene(replace(view, study=replace(view.study, acquisition=turned))))
    assert [slide.words.split()[1] for slide in slides] == ["6", "5", "4", "3"]


def test_without_any_tumour_the_slices_of_the_voi_are_shown(view: CaseView) -> None:
    slides, start = panels.slides(panels.scene(with_lesion(view, np.zeros(view.study.grid.shape, dtype=bool))))
    assert [slide.words.split()[1] for slide in slides] == ["2", "3", "4", "5", "6", "7", "8"]
    assert start == 3
    assert {slide.ftv for slide in slides} == {""}


def test_all_phases_are_shown_in_one_window(view: CaseView) -> None:
    scene = panels.scene(view)
    slides, start = panels.slides(scene)
    pre, early, late = (levels(uri) for uri in slides[start].phases)
    row, column = 20 - 1 - 8 - scene.cut[1].start, 10 - scene.cut[0].start  # voxel (10, 8) is inside the lesion
    # 80, 140 and 130 in the window from 0 (air) to about 140
    assert pre[row, column] < late[row, column] < early[row, column]
    assert pre[row, column] == pytest.approx(255 * 80 / 140, abs=8)


def test_the_window_does_not_saturate_the_tumour(view: CaseView) -> None:
    dim = view.study.volumes[1].array.copy()
    dim[10, 8, 5] = 400.0  # one of many voxels: no percentile of the body reaches it
    volumes = (view.study.volumes[0], Volume(dim, view.study.grid), view.study.volumes[2])
    lesion = np.zeros(view.study.grid.shape, dtype=bool)
    lesion[10, 8, 5] = True
    changed = replace(with_lesion(view, lesion), study=view.study.with_volumes(volumes))
    assert panels.scene(changed).window.high >= 390


def test_the_outline_lies_on_the_tumour(view: CaseView) -> None:
    scene = panels.scene(view)
    slides, _ = panels.slides(scene)
    left, top = 8 - scene.cut[0].start, scene.cut[1].stop - 11  # i 8-13 to the right, j 6-10 upwards
    assert slides[0].ftv == f"M{left} {top}h6M{left} {top + 5}h6M{left} {top}v5M{left + 6} {top}v5"


def test_mips_are_the_brightest_rise_along_each_axis_with_negative_ones_black(view: CaseView) -> None:
    pre = np.full(view.study.grid.shape, 50.0, dtype=np.float32)
    early = pre - 10
    early[10, 8, 5] = 150.0
    volumes = (Volume(pre, view.study.grid), Volume(early, view.study.grid), view.study.volumes[2])
    scene = panels.scene(replace(view, study=view.study.with_volumes(volumes)))
    pictures = panels.mips(scene)
    assert [picture.words for picture in pictures] == ["sagittal", "coronal", "axial"]
    shown = levels(pictures[0].href)
    assert np.unravel_index(shown.argmax(), shown.shape) == (scene.cut[1].stop - 1 - 8, 10 - scene.cut[0].start)
    assert shown[0, 0] <= 3


def test_the_voi_box_on_a_mip_covers_its_voxels(view: CaseView) -> None:
    scene = panels.scene(view)
    sagittal = panels.mips(scene)[0]
    # i 5-16 to the right; j 4-12 upwards, so its top is j 12
    assert sagittal.voi == (5 - scene.cut[0].start, scene.cut[1].stop - 13, 12, 9)


def test_pictures_have_their_size_in_millimetres(view: CaseView) -> None:
    scene = panels.scene(view)
    rows, columns = scene.ftv.shape[1], scene.ftv.shape[2]
    coronal = scene.frame(0)
    assert (coronal.width, coronal.height) == pytest.approx((columns * 2.0, rows * 0.8))


@pytest.mark.parametrize("close", [False, True])
def test_the_zoom_holds_the_focus_inside_the_picture(view: CaseView, close: bool) -> None:
    scene = panels.scene(view)
    for axis in range(3):
        frame = scene.frame(axis, close=close)
        left, top, width, height = frame.zoom
        assert left >= 0 and top >= 0  # noqa: PT018 (one rule)
        assert left + width <= frame.width + 1e-9
        assert top + height <= frame.height + 1e-9
        box, (across, down) = scene.rectangle(frame.plane, scene.focus), frame.plane.spacing_mm
        assert left <= box[0] * across + 1e-9
        assert left + width >= (box[0] + box[2]) * across - 1e-9
        assert top <= box[1] * down + 1e-9
        assert top + height >= (box[1] + box[3]) * down - 1e-9


def test_a_zoomed_picture_keeps_its_proportions_and_a_close_one_is_landscape(view: CaseView) -> None:
    shown = plane(view.study.grid, 2)
    whole = Frame(shown, 200, 240, (0, 0, 0, 0))
    focus = (100.0, 90.0, 20.0, 10.0)
    zoom = panels._zoom(focus, whole, None)
    assert zoom[2] / zoom[3] == pytest.approx(whole.width / whole.height)
    close = panels._zoom(focus, whole, panels.LANDSCAPE)
    assert close == pytest.approx((110 - 34 * 2 / 3, 78, 34 * 4 / 3, 34))  # 12 mm around, widened to 4:3


def test_a_field_is_shown_between_the_raw_and_the_corrected_image(view: CaseView) -> None:
    pictures, limits = panels.field_pictures(panels.scene(view))
    assert [picture.words for picture in pictures] == ["before", "bias field", "after"]
    assert (limits.low, limits.high) == pytest.approx((1 / 1.1, 1.1))
    before, _, after = (levels(picture.href) for picture in pictures)
    assert after.max() < before.max()


def test_one_field_per_phase_is_shown_per_phase_with_limits_of_at_least_two_percent(view: CaseView) -> None:
    flat = Volume(np.ones(view.study.grid.shape, np.float32), view.study.grid)
    pictures, limits = panels.field_pictures(panels.scene(replace(view, fields=(flat, flat, flat))))
    assert [picture.words for picture in pictures] == ["field of phase 0", "field of phase 1", "field of phase 2"]
    assert (limits.low, limits.high) == pytest.approx((math.exp(-0.02), math.exp(0.02)))


@pytest.mark.parametrize(("width", "bar"), [(400, 100), (199, 20), (81, 20), (79, 10), (3, 1)])
def test_a_scale_bar_has_a_round_length_of_at_most_a_quarter(width: float, bar: int) -> None:
    assert panels.bar_mm(width) == bar


def test_the_breast_is_outlined_before_contrast_in_slices_through_it(view: CaseView) -> None:
    labels = np.zeros(view.study.grid.shape, np.uint8)
    labels[5:20, 3:17, 1:9] = Part.LEFT_BREAST
    labels[:, :, 0] = Part.CHEST_WALL
    numbers = BreastNumbers("sagittal", (Side("L", 2.2),), None, 0.5, "dark")
    pictures = panels.breast_pictures(
        panels.scene(replace(view, breast=BreastMask(Volume(labels, view.study.grid), numbers)))
    )
    assert 2 <= len(pictures) <= 3
    assert all(picture.breast and not picture.fgt and not picture.ftv for picture in pictures)
    assert panels.breast_pictures(panels.scene(view)) == ()
