from __future__ import annotations

import dataclasses
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uptake.features import Features, FeatureTable, extract
from uptake.features.catalogue import FAMILIES
from uptake.features.region import region_of
from uptake.features.settings import AGGREGATIONS, FAMILY_NAMES
from uptake.volume import Grid, Volume

GRID = Grid((9, 8, 7), np.diag([0.8, 0.9, 2.0, 1.0]))
RANDOM = np.random.default_rng(5)
IMAGE = Volume(RANDOM.integers(0, 1000, GRID.shape).astype(np.int16), GRID)
LESION = Volume(RANDOM.random(GRID.shape) < 0.4, GRID)


def test_the_table_has_every_definition_of_the_catalogue_in_its_order() -> None:
    found = extract(IMAGE, LESION)
    assert [(row.name, row.family, row.ibsi, row.ibsi_tag, row.unit, row.aggregation) for row in found] == [
        (d.name, d.family, d.ibsi, d.ibsi_tag, d.unit, d.aggregation) for f in FAMILIES for d in f.chosen(Features())
    ]
    assert all(math.isfinite(row.value) or row.reason for row in found)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.name))
def test_a_family_computes_what_it_defines_and_nothing_else(family: object) -> None:
    everything = Features(aggregations=AGGREGATIONS)
    values = family.compute(region_of(IMAGE, LESION, everything))
    assert set(values) == {definition.ibsi_tag for definition in family.definitions}


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_an_aggregation_can_be_extracted_alone(aggregation: str) -> None:
    alone = extract(IMAGE, LESION, Features(aggregations=(aggregation,)))
    dimension = aggregation.partition(" ")[0]
    assert {row.aggregation for row in alone} == {"", aggregation, dimension}
    everything = extract(IMAGE, LESION, Features(aggregations=AGGREGATIONS))
    chosen = tuple(row for row in everything if row.aggregation in ("", aggregation, dimension))
    assert _same(alone, FeatureTable(chosen), tolerance=0)


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_family_can_be_extracted_alone(name: str) -> None:
    alone = extract(IMAGE, LESION, Features(families=(name,)))
    assert {row.family for row in alone} == {name}
    everything = extract(IMAGE, LESION)
    assert _same(alone, FeatureTable(tuple(row for row in everything if row.family == name)), tolerance=0)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_the_type_of_the_intensities_does_not_matter(dtype: type) -> None:
    assert _same(extract(IMAGE.with_array(IMAGE.array.astype(dtype)), LESION), extract(IMAGE, LESION), tolerance=0)


def test_the_order_in_memory_does_not_matter() -> None:
    fortran = IMAGE.with_array(np.asfortranarray(IMAGE.array)), LESION.with_array(np.asfortranarray(LESION.array))
    assert _same(extract(*fortran), extract(IMAGE, LESION), tolerance=0)


def test_a_region_that_touches_the_border_is_as_good_as_one_inside() -> None:
    margins = ((2, 3), (1, 1), (4, 0))
    grid = Grid(tuple(n + sum(m) for n, m in zip(GRID.shape, margins, strict=True)), GRID.affine)
    wider = Volume(np.pad(IMAGE.array, margins), grid), Volume(np.pad(LESION.array, margins), grid)
    inside_only = Features(families=tuple(name for name in FAMILY_NAMES if name != "local_intensity"))
    assert _same(extract(*wider, inside_only), extract(IMAGE, LESION, inside_only))


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.bool_, (4, 5, 3)).filter(np.any),
    arrays(np.int16, (4, 5, 3), elements=st.integers(1, 500)),
    st.permutations(range(3)),
    st.tuples(*[st.booleans()] * 3),
)
def test_swapping_or_turning_the_axes_of_the_array_changes_nothing(
    inside: np.ndarray, intensities: np.ndarray, axes: list[int], turned: tuple[bool, bool, bool]
) -> None:
    spacing = np.array([0.7, 1.1, 2.5])
    flips = [axis for axis in range(3) if turned[axis]]
    reference = Grid(inside.shape, np.diag([*spacing, 1]))
    other = Grid(inside.transpose(axes).shape, np.diag([*spacing[list(axes)], 1]))
    moved = [Volume(np.flip(array.transpose(axes), flips), other) for array in (intensities, inside)]
    assert _same(extract(*moved), extract(Volume(intensities, reference), Volume(inside, reference)))


def test_turning_and_moving_the_grid_in_the_patient_changes_nothing() -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ GRID.affine[:3, :3], (30, -80, 55)
    oblique = Grid(GRID.shape, affine)
    found = extract(Volume(IMAGE.array, oblique), Volume(LESION.array, oblique))
    assert _same(found, extract(IMAGE, LESION), tolerance=1e-6)  # grids hold single precision


NOT_COMPUTED = {f"morph_{kind}_dens_{what}" for kind in ("vol", "area") for what in ("ombb", "mvee")}
NO_AXES = {f"morph_pca_{name}" for name in ("maj_axis", "min_axis", "least_axis", "elongation", "flatness")}
NO_AXES |= {"morph_vol_dens_aee", "morph_area_dens_aee"}
NO_SPREAD = {"morph_moran_i", "morph_geary_c", "ivh_v10", "ivh_v90", "ivh_i10", "ivh_i90"}
NO_SPREAD |= {"ivh_diff_v10_v90", "ivh_diff_i10_i90"}
NO_SPREAD |= {"ih_max_grad", "ih_max_grad_g", "ih_min_grad", "ih_min_grad_g"}
NO_SPREAD |= {f"cm_{name}_3D_{how}" for name in ("corr", "info_corr1") for how in ("avg", "comb")}
NO_NEIGHBOURS = {row.ibsi_tag for row in extract(IMAGE, LESION) if row.family in ("glcm", "ngtdm")}


@pytest.mark.parametrize("intensity", [7, 0.1, -3.7e5])
def test_a_region_of_one_voxel_has_every_feature_but_those_that_need_two(intensity: float) -> None:
    assert _undefined(np.full((1, 1, 1), intensity)) == NOT_COMPUTED | NO_AXES | NO_SPREAD | NO_NEIGHBOURS


@pytest.mark.parametrize("intensity", [7, 0.1, -3.7e5])
def test_a_region_of_one_intensity_has_every_feature_but_those_that_need_two(intensity: float) -> None:
    assert _undefined(np.full((3, 4, 2), intensity)) == NOT_COMPUTED | NO_SPREAD


def test_a_region_of_zeros_has_no_relative_spread_and_no_centre_of_intensity_either() -> None:
    without = {"stat_cov", "stat_qcod", "morph_com"}
    assert _undefined(np.zeros((3, 4, 2))) == NOT_COMPUTED | NO_SPREAD | without


def test_a_volume_much_larger_than_its_lesion_is_not_copied() -> None:
    grid = Grid((200, 200, 100), np.eye(4))
    image = Volume(np.zeros(grid.shape, dtype=np.float32), grid)  # 16 MB
    mask = Volume(np.zeros(grid.shape, dtype=bool), grid)
    mask.array[50:56, 90:95, 20:24] = True
    image.array[mask.array] = np.arange(120)
    extract(image, mask)
    tracemalloc.start()
    extract(image, mask)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


def _undefined(intensities: np.ndarray) -> set[str]:
    grid = Grid(intensities.shape, np.diag([0.9, 0.9, 2, 1]))
    found = extract(Volume(intensities, grid), Volume(np.ones(grid.shape, dtype=bool), grid))
    return {row.ibsi_tag for row in found if row.reason}


def _same(found: FeatureTable, expected: FeatureTable, *, tolerance: float = 1e-9) -> bool:
    for row, other in zip(found, expected, strict=True):
        assert dataclasses.replace(row, value=0, reason="") == dataclasses.replace(other, value=0, reason="")
        assert row.reason == other.reason, row.ibsi_tag
        assert row.value == pytest.approx(other.value, rel=tolerance, abs=tolerance, nan_ok=True), row.ibsi_tag
    return True
