from __future__ import annotations

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from uptake.report import images
from uptake.report.images import Window
from uptake.tumour.ftv import BANDS


def opened(uri: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(uri.partition("base64,")[2])))


def sides(path: str) -> set[tuple[str, int, int]]:
    """Every unit side that a path draws: ('h' or 'v', x, y of its start)."""
    found = set()
    for x, y, way, length in re.findall(r"M(\d+) (\d+)([hv])(\d+)", path):
        for step in range(int(length)):
            found.add((way, int(x) + step * (way == "h"), int(y) + step * (way == "v")))
    return found


def test_the_outline_of_one_pixel_is_its_four_sides() -> None:
    mask = np.zeros((3, 4), dtype=bool)
    mask[1, 2] = True
    assert sides(images.outline(mask)) == {("h", 2, 1), ("h", 2, 2), ("v", 2, 1), ("v", 3, 1)}


def test_the_outline_of_a_ring_has_an_inner_and_an_outer_border() -> None:
    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    inner = {("h", 1, 1), ("h", 1, 2), ("v", 1, 1), ("v", 2, 1)}
    outer = {("h", n, y) for n in range(3) for y in (0, 3)} | {("v", x, n) for n in range(3) for x in (0, 3)}
    assert sides(images.outline(ring)) == inner | outer


def test_straight_borders_are_drawn_in_one_stroke() -> None:
    assert images.outline(np.ones((2, 5), dtype=bool)) == "M0 0h5M0 2h5M0 0v2M5 0v2"


def test_an_empty_mask_has_no_outline() -> None:
    assert images.outline(np.zeros((4, 4), dtype=bool)) == ""


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=7)))
def test_an_outline_runs_between_unequal_neighbours_and_nowhere_else(mask: np.ndarray) -> None:
    rows, columns = mask.shape
    at = lambda r, c: bool(0 <= r < rows and 0 <= c < columns and mask[r, c])  # noqa: E731
    level = {("h", c, r) for r in range(rows + 1) for c in range(columns) if at(r - 1, c) != at(r, c)}
    upright = {("v", c, r) for r in range(rows) for c in range(columns + 1) if at(r, c - 1) != at(r, c)}
    assert sides(images.outline(mask)) == level | upright


def test_a_border_is_made_of_the_masks_own_outer_pixels() -> None:
    mask = np.ones((4, 5), dtype=bool)
    expected = np.ones((4, 5), dtype=bool)
    expected[1:3, 1:4] = False
    assert np.array_equal(images.border(mask), expected)


def test_a_window_maps_its_ends_to_black_and_white_and_clips_beyond() -> None:
    assert images.grey(np.array([[0.0, 10, 15, 20, 99]]), Window(10, 20)).tolist() == [[0, 0, 128, 255, 255]]


def test_not_a_number_is_black() -> None:
    assert images.grey(np.array([[np.nan, 1.0]]), Window(0, 1)).tolist() == [[0, 255]]


def test_a_window_of_equal_or_no_values_still_has_a_width() -> None:
    assert images.window(np.full(5, 7.0)) == Window(7.0, 8.0)
    assert images.window(np.array([np.nan])) == Window(0.0, 1.0)
    assert images.window(np.zeros((0, 3), dtype=np.int16)) == Window(0.0, 1.0)


def test_a_window_spans_the_percentiles_asked_for() -> None:
    assert images.window(np.arange(101), low_percent=5, high_percent=90) == Window(5.0, 90.0)


def test_ser_bands_are_open_below_and_closed_above() -> None:
    ser = np.array([[0.0, 0.9, 0.95, 1.0, 1.3, 1.31, 1.75, 3.0, 3.5, 0.5]], dtype=np.float32)
    mask = np.ones(ser.shape, dtype=bool)
    mask[0, -1] = False
    assert images.band_index(ser, mask, BANDS).tolist() == [[6, 1, 2, 2, 3, 4, 4, 5, 6, 0]]


def test_an_overlay_is_transparent_outside_and_has_the_bands_colours_inside() -> None:
    picture = opened(images.overlay(np.array([[0, 1, 5]], dtype=np.uint8), images.SER_COLOURS)).convert("RGBA")
    assert picture.getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert picture.getpixel((1, 0)) == (*images.SER_COLOURS[0], 255)
    assert picture.getpixel((2, 0)) == (*images.SER_COLOURS[4], 255)


def test_a_photo_is_a_jpeg_with_the_levels_given() -> None:
    levels = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (16, 1))
    uri = images.photo(levels)
    assert uri.startswith("data:image/jpeg;base64,")
    assert np.abs(np.asarray(opened(uri)).astype(int) - levels).max() <= 6


def test_a_field_of_one_has_the_middle_colour_and_the_limits_have_the_end_colours() -> None:
    pixels = images.tinted(np.array([[-1.0, 0.0, 1.0, 5.0]]), Window(-1, 1))
    first, _, middle, _, last = images.FIELD_COLOURS
    assert [tuple(p) for p in pixels[0].tolist()] == [first, middle, last, last]


@pytest.mark.parametrize(("shape", "aspect", "size"), [((40, 80), 1.0, (64, 32)), ((40, 80), 4.0, (32, 64))])
def test_a_small_picture_keeps_millimetres_in_proportion(
    shape: tuple[int, int], aspect: float, size: tuple[int, int]
) -> None:
    png = images.small_picture(np.zeros(shape, np.uint8), (), aspect, 64)
    assert Image.open(BytesIO(png)).size == size


def test_a_small_picture_shows_the_border_of_a_mask_in_its_colour() -> None:
    mask = np.zeros((32, 32), dtype=bool)
    mask[8:24, 8:24] = True
    png = images.small_picture(np.full((32, 32), 90, np.uint8), ((mask, (255, 0, 0)),), 1.0, 32)
    pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    assert np.array_equal(red, images.border(mask))


@given(st.binary(max_size=40))
def test_png_bytes_come_back_from_their_data_uri(data: bytes) -> None:
    head, _, body = images.png_uri(data).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == data
