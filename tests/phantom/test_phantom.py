from __future__ import annotations

import hashlib
import time
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from uptake.phantom import Phantom, Tissue, make, truth_on
from uptake.phantom.frames import supersampled
from uptake.phantom.protocol import draw_clock
from uptake.study import SettingsError
from uptake.tumour.enhancement import enhancement
from uptake.tumour.ftv import Ftv, functional_tumour_volume, thresholds
from uptake.tumour.voi import Voi, choose_voi
from uptake.volume import Volume

VESSELS = (Tissue.VESSEL, Tissue.LESION, Tissue.CORE)


@cache
def small(**settings: object) -> Phantom:
    """A small phantom, made once for all tests that ask for the same; nobody writes into it."""
    return make(size="small", **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return small(seed=7)


def digest(phantom: Phantom) -> str:
    truth = (phantom.stv_occupancy, phantom.tissue, phantom.bias, phantom.ktrans, phantom.ve, phantom.vp)
    volumes = (*phantom.study.volumes, *phantom.clean.volumes, *truth)
    return hashlib.sha256(b"".join(np.ascontiguousarray(v.array).tobytes() for v in volumes)).hexdigest()


def enhancement_percent(pre: Volume, post: Volume) -> np.ndarray:
    return 100 * (post.array.astype(np.float64) - pre.array) / np.maximum(pre.array, 1e-6)


def test_equal_seeds_give_equal_bytes_and_others_do_not(phantom: Phantom) -> None:
    assert digest(make(seed=7, size="small")) == digest(phantom)
    assert digest(small(seed=8)) != digest(phantom)


@pytest.mark.parametrize("view", ["sagittal", "axial"])
def test_every_part_lies_on_the_grid_of_the_study(view: str) -> None:
    made = small(seed=3, view=view)
    parts = (made.lesion, made.stv, made.stv_occupancy, made.tissue, made.bias, *made.clean.volumes)
    assert all(part.grid.same_as(made.study.grid) for part in parts)
    assert all(volume.array.dtype == np.int16 for volume in made.study.volumes)
    assert all(volume.array.dtype == np.float32 for volume in made.clean.volumes)


@pytest.mark.parametrize("view", ["sagittal", "axial"])
@pytest.mark.parametrize("snr", [12.0, 40.0])
def test_the_noise_has_the_asked_level_in_gland_before_contrast(view: str, snr: float) -> None:
    made = small(seed=5, snr=snr, view=view)
    gland = ndimage.binary_erosion(made.tissue.array == Tissue.GLAND)
    pre, clean = made.study.volumes[0].array[gland], made.clean.volumes[0].array[gland]
    assert pre.size > 200
    # The level is set on voxels of nothing but gland; those here hold some fat.
    assert (pre - clean).std() == pytest.approx(made.sigma, rel=0.06)
    assert clean.mean() / made.sigma == pytest.approx(snr, rel=0.15)


def test_a_breast_whose_gland_fills_no_voxel_has_noise_by_the_fullest() -> None:
    made = small(seed=27140135, vendor="ge", snr=20.0)
    pre, clean = made.study.volumes[0].array, made.clean.volumes[0].array
    bright = clean > 10 * made.sigma
    assert (pre - clean)[bright].std() == pytest.approx(made.sigma, rel=0.1)
    assert made.sigma < clean.max() / 20 < 10 * made.sigma


def test_the_noise_differs_from_phase_to_phase(phantom: Phantom) -> None:
    one, two = (s.array - c.array for s, c in zip(phantom.study.volumes[:2], phantom.clean.volumes[:2], strict=True))
    gland = phantom.tissue.array == Tissue.GLAND
    assert abs(np.corrcoef(one[gland], two[gland])[0, 1]) < 0.1


def test_another_noise_level_shows_the_same_patient(phantom: Phantom) -> None:
    noisier = small(seed=7, snr=10.0)
    for one, two in zip(phantom.clean.volumes, noisier.clean.volumes, strict=True):
        np.testing.assert_array_equal(one.array, two.array)
    assert noisier.sigma == pytest.approx(4 * phantom.sigma)


@pytest.mark.parametrize("phases", [3, 4, 5, 6])
def test_more_phases_show_the_same_patient(phantom: Phantom, phases: int) -> None:
    made = small(seed=7, phases=phases)
    assert len(made.study.phases) == phases
    assert made.study.acquisition.recorded.phase_indices is not None
    np.testing.assert_array_equal(made.stv.array, phantom.stv.array)
    np.testing.assert_allclose(made.clean.volumes[0].array, phantom.clean.volumes[0].array, rtol=1e-5)


@pytest.mark.parametrize("settings", [{"lesion": "rim"}, {"background": "marked"}, {"field_t": 3.0}, {"phases": 4}])
def test_a_setting_leaves_the_breast_as_it_was(phantom: Phantom, settings: dict[str, object]) -> None:
    made = small(seed=7, **settings)
    away = ~ndimage.binary_dilation(made.lesion.array | phantom.lesion.array, iterations=2)
    vessels = np.isin(made.tissue.array, VESSELS) | np.isin(phantom.tissue.array, VESSELS)
    same = made.tissue.array == phantom.tissue.array
    assert same[away & ~vessels].mean() > 0.98


@pytest.mark.parametrize("phases", [4, 5, 6])
def test_the_recorded_phases_are_those_nearest_to_150_and_450_seconds(phases: int) -> None:
    """Half the temporal resolution after a phase's start, counted from the start of the first one with contrast."""
    for seed in range(20):
        clock = draw_clock(phases, np.random.default_rng(seed))
        centres = [start - clock.starts_s[1] + clock.length_s / 2 for start in clock.starts_s]
        early = min(range(1, phases - 1), key=lambda n: abs(centres[n] - 150))
        late = min(range(early + 1, phases), key=lambda n: abs(centres[n] - 450))
        assert clock.indices == (0, early, late)
        assert clock.centres_s == pytest.approx(centres)


@pytest.mark.parametrize("phases", [4, 5, 6])
def test_a_study_records_the_clock_of_its_protocol(phases: int) -> None:
    study = small(seed=7, phases=phases).study
    length = study.acquisition.temporal_resolution_s
    assert length is not None
    starts = [phase.time_s for phase in study.phases]
    centres = [start - starts[1] + length / 2 for start in starts]  # type: ignore[operator]
    assert study.acquisition.recorded.phase_times_s == pytest.approx(centres)
    assert study.acquisition.recorded.phase_indices == draw_clock(phases, np.random.default_rng(0)).indices


def test_the_three_phase_protocol_has_the_times_of_the_ge_studies(phantom: Phantom) -> None:
    """ISPY1_1001: 0, 378 and 707 s; UCSF-BR-06: 0, 407 and 761 s."""
    start, early, late = (phase.time_s for phase in phantom.study.phases)
    assert start == 0
    assert 330 <= (early or 0) <= 410
    assert 600 <= (late or 0) <= 770


def test_lesions_enhance_as_measured_on_real_studies() -> None:
    """Medians over patients of PE and SER inside the lesion, its core apart: 94 and 113 %, 0.88 and 1.13 in two."""
    pe, ser = [], []
    for seed in range(17):
        made = small(seed=seed)
        inside = (made.tissue.array == Tissue.LESION) & (made.stv_occupancy.array > 0.9)
        if inside.sum() < 30:
            continue
        pre, early, late = made.clean.volumes
        pe1, pe2 = (enhancement_percent(pre, post)[inside] for post in (early, late))
        pe.append(np.median(pe1))
        ser.append(np.median(pe1 / pe2))
    assert 80 <= np.median(pe) <= 125
    assert 0.75 <= np.median(ser) <= 1.15
    assert max(ser) - min(ser) > 0.15


def test_gland_enhances_as_its_background_says_and_fat_is_dark() -> None:
    """Measured: gland PE medians of 5-15 %; fat over gland 0.23-0.29 before contrast."""
    found, fat_share = {}, []
    for background in ("minimal", "mild", "moderate", "marked"):
        made = small(seed=8, background=background, chest_band="none")
        assert made.background == background
        pre, early, _ = made.clean.volumes
        away = ~ndimage.binary_dilation(made.lesion.array, iterations=2)
        gland = (made.tissue.array == Tissue.GLAND) & away & (pre.array > 0)
        found[background] = float(np.median(enhancement_percent(pre, early)[gland]))
        fat = ndimage.binary_erosion(made.tissue.array == Tissue.FAT) & away
        flat = pre.array / made.bias.array
        fat_share.append(np.median(flat[fat]) / np.median(flat[gland]))
    assert 2 <= found["minimal"] < found["mild"] <= 25
    assert found["mild"] < found["moderate"] < 60
    assert found["marked"] > found["moderate"]
    assert found["marked"] > 45
    assert 0.15 <= np.median(fat_share) <= 0.36


def test_a_necrotic_core_enhances_little_and_belongs_to_the_stv() -> None:
    made = small(seed=11, lesion="rim")
    core = made.tissue.array == Tissue.CORE
    assert made.lesion_kind == "rim"
    assert core.any()
    assert made.stv.array[core].all()
    pre, early, _ = made.clean.volumes
    rim = (made.tissue.array == Tissue.LESION) & (made.lesion_occupancy.array > 0.9)
    pe = enhancement_percent(pre, early)
    # Voxels of a small phantom are 3 x 3 x 5 mm: the core's share them with the rim.
    assert np.median(pe[core]) < 0.8 * np.median(pe[rim])
    assert np.median(made.ktrans.array[core]) < 0.6 * np.median(made.ktrans.array[rim])


def test_transfer_constants_are_those_of_the_tissues() -> None:
    made = small(seed=7)
    tumour = (made.tissue.array == Tissue.LESION) & (made.lesion_occupancy.array > 0.9)
    gland = made.tissue.array == Tissue.GLAND
    assert 0.03 <= np.median(made.ktrans.array[tumour]) <= 0.2
    assert np.median(made.ktrans.array[gland]) < 0.05
    assert not made.ktrans.array[made.tissue.array == Tissue.AIR].astype(bool).any() or made.ktrans.array.min() >= 0
    for share in (made.ve, made.vp):
        assert share.array.min() >= 0
        assert share.array.max() <= 1
    # A vessel that has the most of a voxel has a third of it or more, and is 0.3 to 0.5 plasma.
    vessels = made.vp.array[made.tissue.array == Tissue.VESSEL]
    assert vessels.size
    assert np.median(vessels) > 0.1


def test_the_noise_free_ftv_is_a_count_that_can_be_made_by_hand() -> None:
    """Voxels of the VOI with S0 at or above T, PE at or above 70 %, S2 above S0, and 4 such neighbours of 26."""
    made = small(seed=7)
    pre, early, late = (volume.array.astype(np.float32) for volume in made.clean.volumes)
    layout, voi = made.study.acquisition.layout, made.voi
    column, row, last = voi.end
    half_open = layout.slices(voi.start, (column, row, last + 1), pre.shape)
    box = layout.slices(voi.start, (column + 1, row + 1, last + 1), pre.shape)
    threshold = np.floor(0.6 * np.percentile(pre[half_open], 95) + 0.5)
    hot = (pre >= threshold) & (100 * (early - pre) / np.maximum(pre, 1e-6) >= 70) & (late > pre)
    around = ndimage.generic_filter(hot.astype(np.float32), np.sum, size=3, mode="nearest")
    counted = int((hot & (around - hot >= 4))[box].sum())
    maps = enhancement(*made.clean.volumes)
    _, region = choose_voi(*made.clean.volumes[:2], layout, made.study.acquisition.recorded, None, Voi())
    limits = thresholds(made.clean.volumes[0].array, region, made.study.acquisition.recorded, Ftv())
    assert int(functional_tumour_volume(made.clean.volumes, maps, region, limits)[0].sum()) == counted > 0


def test_the_truth_on_another_grid_is_that_of_the_same_patient(phantom: Phantom) -> None:
    grid = phantom.study.grid
    same = truth_on(phantom, grid)
    for name, volume in same.items():
        np.testing.assert_array_equal(volume.array, getattr(phantom, name).array)
    fine = truth_on(phantom, supersampled(grid, (2, 2, 2)))
    for name in ("stv_occupancy", "lesion_occupancy"):
        total = float(fine[name].array.sum()) / 8
        assert total == pytest.approx(float(same[name].array.sum()), rel=0.1)
    assert fine["ktrans"].grid.shape == tuple(2 * n for n in grid.shape)
    # A lesion of thirty large voxels: mask and shares differ by its border.
    cc = float(same["stv_occupancy"].array.sum()) * grid.voxel_volume_mm3 / 1000
    assert fine["stv"].cc == pytest.approx(cc, rel=0.25)


def test_the_longest_diameter_spans_all_foci(phantom: Phantom) -> None:
    points = phantom.study.grid.to_world(np.argwhere(phantom.lesion.array))
    corner = points[np.argmax(np.linalg.norm(points - points.mean(0), axis=1))]
    farthest = float(np.linalg.norm(points - corner, axis=1).max())
    assert phantom.longest_diameter_mm >= 0.99 * farthest


def test_motion_moves_the_later_phases_by_the_displacement_that_is_given(phantom: Phantom) -> None:
    made = small(seed=7, motion_mm=3.0)
    assert phantom.displacement_mm == ()
    assert len(made.displacement_mm) == 3
    assert not any(part.array.any() for part in made.displacement_mm[0])
    assert float(np.std([part.array for phase in made.displacement_mm[1:] for part in phase])) > 1
    np.testing.assert_array_equal(made.clean.volumes[1].array, phantom.clean.volumes[1].array)
    np.testing.assert_array_equal(made.study.volumes[0].array, phantom.study.volumes[0].array)
    moved, still = (p.study.volumes[1].array.astype(float) for p in (made, phantom))
    assert np.abs(moved - still).max() > 15 * phantom.sigma


def test_vendors_differ_in_sequence_and_geometry() -> None:
    made = {vendor: small(seed=5, vendor=vendor) for vendor in ("ge", "siemens", "philips")}
    assert len({m.study.acquisition.repetition_time_ms for m in made.values()}) == 3
    assert made["ge"].study.acquisition.field_strength_t == 1.5


@pytest.mark.parametrize("view", ["sagittal", "axial"])
@pytest.mark.parametrize("seed", range(3))
def test_the_voi_holds_the_lesion_with_room_around_it(view: str, seed: int) -> None:
    made = small(seed=seed, view=view)
    layout, voi = made.study.acquisition.layout, made.voi
    column, row, last = voi.end
    inside = np.zeros(made.study.grid.shape, dtype=bool)
    inside[layout.slices(voi.start, (column + 1, row + 1, last + 1), inside.shape)] = True
    assert inside[made.lesion.array].all()
    assert inside.sum() > 3 * made.lesion.array.sum()
    assert made.study.acquisition.recorded.voi == voi


@pytest.mark.parametrize("seed", range(5))
def test_the_stv_is_the_lesion_without_satellites_beyond_two_centimetres(seed: int) -> None:
    made = small(seed=seed)
    lesion, stv = made.lesion.array, made.stv.array
    assert stv.any()
    assert lesion[stv].all()
    far = lesion & ~stv
    if far.any():
        distance = ndimage.distance_transform_edt(~stv, sampling=made.study.grid.spacing_mm)
        assert distance[far].min() > 20 - max(made.study.grid.spacing_mm)


def test_a_small_phantom_takes_little_time() -> None:
    """About a second of processor time; the bound is generous for slow machines."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        made = make(seed=1, size="small")
        seconds.append(time.process_time() - start)
    assert made.study.grid.shape == (64, 64, 24)
    assert min(seconds) < 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"view": "coronal"}, "sagittal, axial"),
        ({"size": "tiny"}, "full, half, small"),
        ({"snr": 0.5}, "snr must be in"),
        ({"phases": 2}, "3, 4, 5 or 6"),
        ({"phases": 7}, "3, 4, 5 or 6"),
        ({"pe_threshold_percent": 0.0}, "pe_threshold_percent"),
        ({"minimum_neighbours": 27}, "0-26"),
        ({"vendor": "hitachi"}, "ge, siemens, philips"),
        ({"field_t": 7.0}, "1.5, 3.0"),
        ({"motion_mm": -1.0}, r"\[0, 10\]"),
        ({"lesion": "cyst"}, "any, mass, multifocal"),
        ({"background": "none"}, "minimal, mild"),
        ({"chest_band": "yes"}, "any, none"),
        ({"defects": ("ghosts",)}, "ghosting, bright-artefact"),
        ({"colour": "red"}, "unknown setting of the phantom: colour"),
        ({"seed": -1}, "0 or more"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_what_is_allowed(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make(**{"seed": 1, **settings})  # type: ignore[arg-type]
