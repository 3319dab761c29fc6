import dataclasses

import numpy as np
import pytest

from uptake.phantom import make
from uptake.phantom.anatomy import Tissue
from uptake.study import SettingsError
from uptake.tumour.enhancement import enhancement
from uptake.tumour.near import near
from uptake.tumour.parenchyma import Breasts, Parenchyma, Uptake, background_enhancement, deep
from uptake.volume import Array, Grid, Volume

SPACING = (1.0, 1.0, 1.0)
GRID = Grid((40, 40, 40), np.eye(4))


def volume(array: Array) -> Volume:
    return Volume(array, GRID)


@pytest.fixture
def block() -> tuple[Array, Array, Array]:
    """A breast of 30 x 30 x 30 mm of fat (20) with a cube of gland (100) of 10 mm; PE 50 in half of it, else 10."""
    breast = np.zeros(GRID.shape, bool)
    breast[5:35, 5:35, 5:35] = True
    image = np.where(breast, 20.0, 1.0).astype(np.float32)
    image[15:25, 15:25, 15:25] = 100
    pe = np.full(GRID.shape, 10, np.float32)
    pe[15:20] = 50
    return breast, image, pe


def test_gland_its_mean_pe_and_its_share_above_the_threshold_are_counted(block: tuple[Array, Array, Array]) -> None:
    breast, image, pe = block
    nothing = volume(np.zeros(GRID.shape, bool))
    found = background_enhancement(volume(image), volume(pe), Breasts({"L": breast}), nothing, 50.0, Parenchyma())
    whole = found.numbers.whole
    assert whole.breast_cc == pytest.approx(27.0)
    # Smoothing rounds the cube's edges: 10 mm cubed, less a little.
    assert 0.85 <= whole.fgt_cc <= 1.0
    assert whole.fgt_percent == pytest.approx(100 * whole.fgt_cc / 27)
    assert whole.mean_pe_percent == pytest.approx(30, abs=0.1)
    assert whole.above_percent == pytest.approx(50, abs=0.5)
    assert found.numbers.sides[0].uptake == whole
    assert 20 < (found.numbers.fgt_above or 0) < 100


def test_the_lesion_and_its_surroundings_are_left_out(block: tuple[Array, Array, Array]) -> None:
    breast, image, pe = block
    lesion = np.zeros(GRID.shape, bool)
    lesion[15, 20, 20] = True
    settings = Parenchyma(lesion_margin_mm=5.0)
    found = background_enhancement(volume(image), volume(pe), Breasts({"R": breast}), volume(lesion), 50.0, settings)
    assert not (found.fgt.array & near(lesion, SPACING, 5.0)).any()
    assert found.numbers.whole.breast_cc == pytest.approx(27.0 - np.count_nonzero(near(lesion, SPACING, 5)) / 1000)
    assert found.numbers.whole.above_percent is not None
    assert found.numbers.whole.above_percent < 50


def test_where_fat_is_bright_the_gland_is_the_darker_class(block: tuple[Array, Array, Array]) -> None:
    breast, image, pe = block
    nothing = volume(np.zeros(GRID.shape, bool))
    dark = volume(np.where(breast, 120 - image, 1).astype(np.float32))
    found = background_enhancement(
        dark, volume(pe), Breasts({"L": breast}, bright_fat=True), nothing, 50.0, Parenchyma()
    )
    assert 0.8 <= found.numbers.whole.fgt_cc <= 1.0


def test_each_side_is_counted_by_itself(block: tuple[Array, Array, Array]) -> None:
    breast, image, pe = block
    left = breast.copy()
    left[20:] = False
    nothing = volume(np.zeros(GRID.shape, bool))
    sides = {"L": left, "R": breast & ~left}
    numbers = background_enhancement(volume(image), volume(pe), Breasts(sides), nothing, 50.0, Parenchyma()).numbers
    (one, other), whole = numbers.sides, numbers.whole
    assert (one.side, other.side) == ("L", "R")
    assert (one.uptake.above_percent, other.uptake.above_percent) == (100, 0)
    assert one.uptake.fgt_cc + other.uptake.fgt_cc == pytest.approx(whole.fgt_cc)


@pytest.mark.parametrize("case", ["no breast", "one intensity", "all lesion"])
def test_without_gland_there_is_no_mean(block: tuple[Array, Array, Array], case: str) -> None:
    breast, image, pe = block
    if case == "one intensity":
        image = np.full_like(image, 7)
    lesion = breast if case == "all lesion" else np.zeros(GRID.shape, bool)
    sides = {} if case == "no breast" else {"L": breast}
    found = background_enhancement(volume(image), volume(pe), Breasts(sides), volume(lesion), 70.0, Parenchyma())
    assert not found.fgt.array.any()
    cc = 27.0 if case == "one intensity" else 0.0
    assert found.numbers.whole == Uptake(pytest.approx(cc), 0.0, 0.0, None, None)


def test_the_gland_of_a_phantom_is_found_and_enhances_as_it_was_made() -> None:
    phantom = make(seed=5, size="small", view="axial", chest_band="none", background="minimal")
    study, tissue = phantom.study, phantom.tissue.array
    breast = np.isin(tissue, (Tissue.FAT, Tissue.GLAND, Tissue.SKIN, Tissue.LESION, Tissue.CORE))
    corrected = study.volumes[0].with_array(study.volumes[0].array / phantom.bias.array)
    maps = enhancement(*study.volumes)
    found = background_enhancement(corrected, maps.pe, Breasts({"L": breast}), phantom.lesion, 70.0, Parenchyma())
    rest = ~near(phantom.lesion.array, study.grid.spacing_mm, 10.0)
    gland = (tissue == Tissue.GLAND) & rest & deep(breast, study.grid.spacing_mm, 8.0)
    overlap = (
        2 * np.count_nonzero(gland & found.fgt.array) / (np.count_nonzero(gland) + np.count_nonzero(found.fgt.array))
    )
    assert overlap > 0.85
    assert found.numbers.whole.mean_pe_percent == pytest.approx(maps.pe.array[gland].mean(), abs=1.0)
    assert found.numbers.whole.above_percent == pytest.approx(0, abs=2)


def test_depth_is_measured_from_what_is_not_breast_and_not_from_the_images_edge() -> None:
    breast = np.zeros((30, 20, 20), bool)
    breast[10:] = True
    inner = deep(breast, SPACING, 5.0)
    assert not inner[:14].any()
    assert inner[16:].all()
    assert deep(np.ones((4, 4, 4), bool), SPACING, 5.0).all()
    assert np.array_equal(deep(breast, SPACING, 0.0), breast)


@pytest.mark.parametrize("change", [{"lesion_margin_mm": -1.0}, {"skin_mm": 51.0}])
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        dataclasses.replace(Parenchyma(), **change)
