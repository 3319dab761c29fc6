from __future__ import annotations

import csv
from collections.abc import Callable
from math import inf
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from uptake.features import Features
from uptake.features.pyradiomics_parameters import extract_as_pyradiomics, read_parameters
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Grid, Volume

PyRadiomics = Callable[[str], dict[str, float]]
GRID = Grid((6, 5, 4), np.diag([1, 1, 2, 1.0]))


@pytest.fixture(scope="session")
def breast(shared_data: Path) -> tuple[Volume, Volume]:
    folder = shared_data / "pyradiomics_breast1"
    return _read(folder / "breast1_image.nrrd"), _read(folder / "breast1_label.nrrd")


@pytest.fixture(scope="session")
def baseline(shared_data: Path) -> PyRadiomics:
    """PyRadiomics' own values of a test case."""

    def values(case: str) -> dict[str, float]:
        found = {}
        for path in sorted((shared_data / "pyradiomics_breast1").glob("baseline_*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if row["featureName"].startswith("original_") and row.get(case):
                        found[row["featureName"]] = float(row[case])
        return found

    return values


def test_values_are_those_of_pyradiomics_wherever_definitions_agree(
    breast: tuple[Volume, Volume], baseline: PyRadiomics
) -> None:
    """All of its baselines but the two that are of intensities moved up by 2000."""
    parameters = read_parameters("setting: {binWidth: 25, interpolator: null, distances: [1], label: 1}")
    theirs = baseline("breast1")
    ours = dict(zip(parameters.names, extract_as_pyradiomics(*breast, parameters), strict=True))
    shared = [name for name in ours if name in theirs]
    assert len(shared) == 84
    moved = {"original_firstorder_Energy", "original_firstorder_RootMeanSquared"}
    for name in set(shared) - moved:
        assert ours[name].value == pytest.approx(theirs[name], rel=1e-6), name
    assert {name for name in theirs if name not in ours} == {
        name for name, _ in parameters.left_out if name != "original_firstorder_StandardDeviation"
    }


def test_voxels_beyond_three_standard_deviations_leave_as_in_pyradiomics(
    breast: tuple[Volume, Volume], baseline: PyRadiomics
) -> None:
    parameters = read_parameters("setting: {resegmentRange: [-3, 3], resegmentMode: sigma}")
    theirs = baseline("breast1_resegmentation")
    rows = dict(zip(parameters.names, extract_as_pyradiomics(*breast, parameters), strict=True))
    shared = [name for name in rows if name in theirs]
    assert len(shared) == 76
    for name in shared:
        assert rows[name].value == pytest.approx(theirs[name], rel=1e-6), name


def test_a_file_without_settings_has_the_defaults_of_pyradiomics() -> None:
    parameters = read_parameters("")
    assert parameters.settings.discretisation == "fixed-bin-size"
    assert parameters.settings.bin_width == 25
    assert parameters.settings.aggregations == ("3D averaged",)
    assert parameters.label == 1
    assert len(parameters.names) == 101


def test_every_setting_has_its_counterpart() -> None:
    parameters = read_parameters("""
        imageType: {Original: {}}
        featureClass: {firstorder: [Mean, Kurtosis], glcm: }
        setting:
          binCount: 32
          label: 2
          resampledPixelSpacing: [1, 1, 0]
          interpolator: sitkLinear
          resegmentRange: [-10, 100]
          force2D: true
          distances: [2]
          gldm_a: 1
          padDistance: 10
    """)
    assert parameters.settings == Features(
        families=("statistics", "intensity_histogram", "glcm"),
        discretisation="fixed-bin-number",
        bins=32,
        spacing_mm=(1, 1, 0),
        interpolation="linear",
        resegment_range=(-10, 100),
        aggregations=("2.5D direction-merged",),
        distance=2,
        alpha=1,
    )
    assert (parameters.label, parameters.force_2d) == (2, True)
    assert parameters.names[:2] == ("original_firstorder_Mean", "original_glcm_MaximumProbability")
    assert parameters.left_out[0] == ("original_firstorder_Kurtosis", "the IBSI's is in excess of 3")


def test_one_end_of_a_range_leaves_the_other_open() -> None:
    assert read_parameters("setting: {resegmentRange: [5]}").settings.resegment_range == (5, inf)
    assert read_parameters("setting: {resampledPixelSpacing: [1, 1, 1]}").settings.interpolation == "cubic-spline"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("imageType: {Original: {}, LoG: {sigma: [1]}}", "Original only"),
        ("imageType: {}", "Original only"),
        ("featureClass: {shape2D: }", "shape2D"),
        ("featureClass: {glcm: [Contrst]}", "Contrst"),
        ("voxelSetting: {kernelRadius: 2}", "voxelSetting"),
        ("setting: {binwidth: 25}", "no such setting"),
        ("setting: {normalize: true}", "normalize"),
        ("setting: {voxelArrayShift: 300}", "voxelArrayShift"),
        ("setting: {maskedKernel: true}", "not to give it"),
        ("setting: {resampledPixelSpacing: 2}", "three spacings"),
        ("setting: {resampledPixelSpacing: [1, 1, 1], interpolator: sitkGaussian}", "interpolator"),
        ("setting: {resegmentRange: 3}", "one or two"),
        ("setting: {resegmentRange: [0.1, 0.9], resegmentMode: relative}", "absolute, and sigma"),
        ("setting: {resegmentRange: [-1, 3], resegmentMode: sigma}", "absolute, and sigma"),
        ("setting: {force2D: true, force2Ddimension: 1}", "force2Ddimension"),
        ("setting: {binCount: 2.5}", "binCount"),
        ("setting: {distances: [1, 2]}", "one distance"),
        ("setting: {label: 0}", "label"),
        ("setting: [1, 2]", "a mapping"),
        ("setting: {a: b", "no YAML"),
    ],
)
def test_what_cannot_be_followed_is_an_error(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_parameters(text)


def test_bins_of_fixed_width_lie_at_multiples_of_the_width() -> None:
    """From 7 to 16 in bins of 5: [5, 10), [10, 15), [15, 20), not [7, 12), [12, 17)."""
    image = Volume(np.full(GRID.shape, 7.0), GRID)
    image.array[0], image.array[1] = 11, 16
    labels = image.with_array(np.ones(GRID.shape, dtype=np.int16))
    parameters = read_parameters("{featureClass: {firstorder: [Uniformity]}, setting: {binWidth: 5}}")
    (uniformity,) = extract_as_pyradiomics(image, labels, parameters)
    assert uniformity.value == pytest.approx((4 / 6) ** 2 + 2 * (1 / 6) ** 2)


def test_the_voxels_of_the_label_alone_are_inside() -> None:
    image = Volume(np.arange(120.0).reshape(GRID.shape), GRID)
    labels = image.with_array(np.repeat(np.array([0, 1, 2, 2, 3, 3], dtype=np.int16), 20).reshape(GRID.shape))
    parameters = read_parameters("{featureClass: {firstorder: [Mean]}, setting: {label: 2}}")
    assert extract_as_pyradiomics(image, labels, parameters).rows[0].value == pytest.approx(59.5)
    with pytest.raises(Refusal) as refused:
        extract_as_pyradiomics(image, labels, read_parameters("setting: {label: 9}"))
    assert refused.value.code == Code.EMPTY_MASK


def test_a_mask_on_another_grid_is_refused() -> None:
    image = Volume(np.zeros(GRID.shape), GRID)
    labels = Volume(np.ones((5, 5, 4), dtype=np.int16), Grid((5, 5, 4), GRID.affine))
    with pytest.raises(Refusal) as refused:
        extract_as_pyradiomics(image, labels, read_parameters(""))
    assert refused.value.code == Code.MASK_GRID


def _read(path: Path) -> Volume:
    image = SimpleITK.ReadImage(str(path))
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3] = np.column_stack([axes, image.GetOrigin()])
    array = SimpleITK.GetArrayFromImage(image).T
    return Volume(array, Grid(array.shape, np.diag([-1, -1, 1, 1]) @ affine))
