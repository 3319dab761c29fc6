from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest
from scipy import ndimage

from uptake.phantom import Phantom, Tissue, make
from uptake.study import SettingsError
from uptake.volume import Volume


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make(seed=7, size="small")


def digest(phantom: Phantom) -> str:
    volumes = (*phantom.study.volumes, *phantom.clean.volumes, phantom.stv_occupancy, phantom.tissue, phantom.bias)
    return hashlib.sha256(b"".join(np.ascontiguousarray(v.array).tobytes() for v in volumes)).hexdigest()


def enhancement_percent(pre: Volume, post: Volume) -> np.ndarray:
    return 100 * (post.array.astype(np.float64) - pre.array) / np.maximum(pre.array, 1e-6)


def test_equal_seeds_give_equal_bytes_and_others_do_not(phantom: Phantom) -> None:
    assert digest(make(seed=7, size="small")) == digest(phantom)
    assert digest(make(seed=8, size="small")) != digest(phantom)


@pytest.mark.parametrize("view", ["sagittal", "axial"])
def test_every_part_lies_on_the_grid_of_the_study(view: str) -> None:
    made = make(seed=3, size="small", view=view)
    parts = (made.lesion, made.stv, made.stv_occupancy, made.tissue, made.bias, *made.clean.volumes)
    assert all(part.grid.same_as(made.study.grid) for part in parts)
    assert all(volume.array.dtype == np.int16 for volume in made.study.volumes)
    assert all(volume.array.dtype == np.float32 for volume in made.clean.volumes)


@pytest.mark.parametrize("view", ["sagittal", "axial"])
@pytest.mark.parametrize("snr", [12.0, 40.0])
def test_the_noise_has_the_asked_level_in_gland_before_contrast(view: str, snr: float) -> None:
    made = make(seed=5, size="small", snr=snr, view=view)
    gland = ndimage.binary_erosion(made.tissue.array == Tissue.GLAND)
    pre, clean = made.study.volumes[0].array[gland], made.clean.volumes[0].array[gland]
    assert pre.size > 200
    assert clean.mean() / (pre - clean).std() == pytest.approx(snr, rel=0.1)


def test_the_noise_differs_from_phase_to_phase(phantom: Phantom) -> None:
    one, two = (s.array - c.array for s, c in zip(phantom.study.volumes[:2], phantom.clean.volumes[:2], strict=True))
    gland = phantom.tissue.array == Tissue.GLAND
    assert abs(np.corrcoef(one[gland], two[gland])[0, 1]) < 0.1


def test_another_noise_level_shows_the_same_patient(phantom: Phantom) -> None:
    noisier = make(seed=7, size="small", snr=10.0)
    for one, two in zip(phantom.clean.volumes, noisier.clean.volumes, strict=True):
        np.testing.assert_array_equal(one.array, two.array)
    assert noisier.sigma == pytest.approx(4 * phantom.sigma)


@pytest.mark.parametrize("phases", [3, 4, 5, 6])
def test_more_phases_show_the_same_patient_at_the_early_and_the_late_one(phantom: Phantom, phases: int) -> None:
    made = make(seed=7, size="small", phases=phases)
    indices = made.study.acquisition.recorded.phase_indices
    assert len(made.study.phases) == phases
    assert indices is not None
    for known, index in zip(phantom.clean.volumes, indices, strict=True):
        np.testing.assert_allclose(made.clean.volumes[index].array, known.array, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("phases", [4, 5, 6])
def test_the_recorded_phases_are_those_nearest_to_150_and_450_seconds(phases: int) -> None:
    """Half the temporal resolution after a phase's start, counted from the start of the first one with contrast."""
    for seed in range(5):
        made = make(seed=seed, size="small", phases=phases)
        recorded = made.study.acquisition.recorded
        starts = [phase.time_s for phase in made.study.phases]
        length = made.study.acquisition.temporal_resolution_s
        assert length is not None
        centres = [start - starts[1] + length / 2 for start in starts]  # type: ignore[operator]
        early = min(range(1, phases - 1), key=lambda n: abs(centres[n] - 150))
        late = min(range(early + 1, phases), key=lambda n: abs(centres[n] - 450))
        assert recorded.phase_indices == (0, early, late)
        assert recorded.phase_times_s == pytest.approx(centres)


def test_the_three_phase_protocol_has_the_times_of_the_ge_studies(phantom: Phantom) -> None:
    """ISPY1_1001: 0, 378 and 707 s; UCSF-BR-06: 0, 407 and 761 s."""
    start, early, late = (phase.time_s for phase in phantom.study.phases)
    assert start == 0
    assert 330 <= (early or 0) <= 410
    assert 600 <= (late or 0) <= 770


def test_lesions_enhance_as_measured_on_real_studies() -> None:
    """Medians over patients of the enhancement and SER inside the lesion, its core apart."""
    pe, ser, low, high = [], [], [], []
    for seed in range(20):
        made = make(seed=seed, size="small")
        inside = (made.tissue.array == Tissue.LESION) & (made.stv_occupancy.array > 0.99)
        pre, early, late = made.clean.volumes
        pe1, pe2 = (enhancement_percent(pre, post)[inside] for post in (early, late))
        pe.append(np.median(pe1))
        ser.append(np.median(pe1 / pe2))
        low.append(np.percentile(pe1 / pe2, 5))
        high.append(np.percentile(pe1 / pe2, 95))
    assert 90 <= np.median(pe) <= 120
    assert 0.85 <= np.median(ser) <= 1.15
    assert 0.6 <= np.median(low) <= 0.85
    assert 1.1 <= np.median(high) <= 1.6


def test_gland_enhances_little_and_fat_is_dark() -> None:
    for seed in range(6):
        made = make(seed=seed, size="small")
        pre, early, _ = made.clean.volumes
        gland, fat = (ndimage.binary_erosion(made.tissue.array == tissue) for tissue in (Tissue.GLAND, Tissue.FAT))
        shading_free = pre.array / made.bias.array
        assert 3 <= np.median(enhancement_percent(pre, early)[gland]) <= 18
        assert 0.2 <= np.median(shading_free[fat]) / np.median(shading_free[gland]) <= 0.35


def test_some_lesions_have_a_core_that_does_not_reach_the_threshold() -> None:
    with_core = [made for made in (make(seed=seed, size="small") for seed in range(16)) if made_core(made).any()]
    assert 2 <= len(with_core) <= 12
    for made in with_core:
        pre, early, _ = made.clean.volumes
        core = ndimage.binary_erosion(made_core(made))
        assert (enhancement_percent(pre, early)[core] < 70).all()
        assert made.stv.array[made_core(made)].all()


def made_core(made: Phantom) -> np.ndarray:
    return np.asarray(made.tissue.array == Tissue.CORE)


@pytest.mark.parametrize("view", ["sagittal", "axial"])
@pytest.mark.parametrize("seed", range(6))
def test_the_voi_holds_the_lesion_with_room_around_it(view: str, seed: int) -> None:
    made = make(seed=seed, size="small", view=view)
    layout, voi = made.study.acquisition.layout, made.voi
    column, row, last = voi.end
    inside = np.zeros(made.study.grid.shape, dtype=bool)
    inside[layout.slices(voi.start, (column + 1, row + 1, last + 1), inside.shape)] = True
    assert inside[made.lesion.array].all()
    assert inside.sum() > 3 * made.lesion.array.sum()
    assert made.study.acquisition.recorded.voi == voi


@pytest.mark.parametrize("seed", range(10))
def test_the_stv_is_the_lesion_without_satellites_beyond_two_centimetres(seed: int) -> None:
    made = make(seed=seed, size="small")
    lesion, stv = made.lesion.array, made.stv.array
    assert stv.any()
    assert lesion[stv].all()
    far = lesion & ~stv
    if far.any():
        distance = ndimage.distance_transform_edt(~stv, sampling=made.study.grid.spacing_mm)
        assert distance[far].min() > 20 - max(made.study.grid.spacing_mm)


def test_a_small_phantom_takes_less_than_a_second() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        made = make(seed=1, size="small")
        seconds.append(time.perf_counter() - start)
    assert made.study.grid.shape == (64, 64, 24)
    assert min(seconds) < 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"view": "coronal"}, "sagittal, axial"),
        ({"size": "tiny"}, "full, small"),
        ({"snr": 0.5}, "snr must be in"),
        ({"phases": 2}, "3, 4, 5 or 6"),
        ({"phases": 7}, "3, 4, 5 or 6"),
        ({"pe_threshold_percent": 0.0}, "pe_threshold_percent"),
        ({"minimum_neighbours": 27}, "0-26"),
        ({"vendor": "ge"}, "unknown setting of the phantom: vendor"),
        ({"seed": -1}, "0 or more"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_what_is_allowed(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make(**{"seed": 1, **settings})  # type: ignore[arg-type]
