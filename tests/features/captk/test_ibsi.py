"""The corrected panel on the digital phantom of the IBSI: six bins are its grey levels, so its values must come out."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from uptake.features import Features, extract
from uptake.features.captk import PAPER, Panel, captk_panel
from uptake.volume import Grid, Volume

SIX = replace(
    PAPER,
    histogram_bins=6,
    glcm_bins=6,
    glrlm_bins=6,
    glszm_bins=6,
    ngtdm_bins=6,
    glrlm_radius=1,
    glszm_radius=1,
    lbp_radius=1,
)
HISTOGRAM = "Histogram_Bins-6_Bins-6"
GLCM, GLRLM, GLSZM = (f"{family}_Bins-6_Radius-1" for family in ("GLCM", "GLRLM", "GLSZM"))

REFERENCE = {
    **{
        f"Intensity_{name}": f"stat_{tag}"
        for name, tag in {
            "Mean": "mean",
            "Variance": "var",
            "Skewness": "skew",
            "Kurtosis": "kurt",
            "Median": "median",
            "TenthPercentile": "p10",
            "NinetiethPercentile": "p90",
            "InterQuartileRange": "iqr",
            "MeanAbsoluteDeviation": "mad",
            "MedianAbsoluteDeviation": "medad",
            "CoefficientOfVariation": "cov",
            "QuartileCoefficientOfVariation": "qcod",
            "Energy": "energy",
            "RootMeanSquare": "rms",
        }.items()
    },
    **{
        f"{HISTOGRAM}_{name}": f"ih_{tag}"
        for name, tag in {
            "Mean": "mean",
            "Mode": "mode",
            "RobustMeanAbsoluteDeviation1090": "rmad",
            "Entropy": "entropy",
            "Uniformity": "uniformity",
            "NinetiethPercentile": "p90",
            "MedianAbsoluteDeviation": "medad",
        }.items()
    },
    **{
        f"Morphologic_{name}": f"morph_{tag}"
        for name, tag in {
            "PhysicalSize": "volume",
            "Perimeter": "area_mesh",
            "Roundness": "sphericity",
            "EllipseDiameter_Axis-0": "pca_least_axis",
            "EllipseDiameter_Axis-1": "pca_min_axis",
            "EllipseDiameter_Axis-2": "pca_maj_axis",
            "Elongation": "pca_elongation",
            "Flatness": "pca_flatness",
        }.items()
    },
    "Volumetric_Volume": "morph_vol_approx",
    **{
        f"{GLCM}_{name}": f"cm_{tag}_3D_avg"
        for name, tag in {
            "AutoCorrelation": "auto_corr",
            "ClusterProminence": "clust_prom",
            "ClusterShade": "clust_shade",
            "Contrast": "contrast",
            "Correlation": "corr",
            "Energy": "energy",
            "Entropy": "joint_entr",
            "Homogeneity": "inv_diff_mom",
        }.items()
    },
    **{
        f"{GLRLM}_{name}": f"rlm_{tag}_3D_avg"
        for name, tag in {
            "ShortRunEmphasis": "sre",
            "LongRunEmphasis": "lre",
            "GreyLevelNonuniformity": "glnu",
            "RunLengthNonuniformity": "rlnu",
            "LowGreyLevelRunEmphasis": "lgre",
            "HighGreyLevelRunEmphasis": "hgre",
            "ShortRunLowGreyLevelEmphasis": "srlge",
            "ShortRunHighGreyLevelEmphasis": "srhge",
            "LongRunLowGreyLevelEmphasis": "lrlge",
            "LongRunHighGreyLevelEmphasis": "lrhge",
            "RunPercentage": "r_perc",
        }.items()
    },
    **{
        f"{GLSZM}_{name}": f"szm_{tag}_3D"
        for name, tag in {
            "SmallZoneEmphasis": "sze",
            "LargeZoneEmphasis": "lze",
            "LowGreyLevelEmphasis": "lgze",
            "HighGreyLevelEmphasis": "hgze",
            "SmallZoneLowGreyLevelEmphasis": "szlge",
            "SmallZoneHighGreyLevelEmphasis": "szhge",
            "LargeZoneLowGreyLevelEmphasis": "lzlge",
            "LargeZoneHighGreyLevelEmphasis": "lzhge",
            "GreyLevelNonUniformity": "glnu",
            "GreyLevelNonUniformityNormalized": "glnu_norm",
            "ZoneSizeNonUniformity": "zsnu",
            "ZoneSizeNoneUniformityNormalized": "zsnu_norm",
            "ZonePercentage": "z_perc",
            "GreyLevelVariance": "gl_var",
            "ZoneSizeVariance": "zs_var",
            "ZoneSizeEntropy": "zs_entr",
        }.items()
    },
    **{
        f"NGTDM_{name}": f"ngt_{tag}_3D"
        for name, tag in {
            "Coarsness": "coarseness",
            "Contrast": "contrast",
            "Busyness": "busyness",
            "Complexity": "complexity",
            "Strength": "strength",
        }.items()
    },
}


@pytest.fixture(scope="session")
def phantom(shared_data: Path) -> tuple[Volume, Volume]:
    folder = shared_data / "ibsi" / "ibsi_1_digital_phantom" / "nifti"
    image, mask = nib.load(folder / "image" / "phantom.nii.gz"), nib.load(folder / "mask" / "mask.nii.gz")
    grid = Grid(image.shape, image.affine)
    return Volume(np.asarray(image.dataobj), grid), Volume(np.asarray(mask.dataobj) == 1, grid)


@pytest.fixture(scope="session")
def corrected(phantom: tuple[Volume, Volume]) -> Panel:
    return captk_panel(*phantom, SIX, "captk-corrected")


@pytest.fixture(scope="session")
def references(shared_data: Path) -> dict[str, tuple[float, float]]:
    path = shared_data / "ibsi" / "ibsi_1_reference_values" / "ibsi_1_dig_phantom.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter=";") if row["reference value"]]
    return {row["tag"]: (float(row["reference value"]), float(row["tolerance"])) for row in rows}


@pytest.mark.parametrize(("column", "tag"), REFERENCE.items(), ids=REFERENCE)
def test_the_corrected_column_has_the_reference_value_of_the_phantom(
    column: str, tag: str, corrected: Panel, references: dict[str, tuple[float, float]]
) -> None:
    value, tolerance = references[tag]
    assert float(f"{corrected[f'T1_E_{column}'].value:.3g}") == pytest.approx(value, abs=tolerance + 1e-9 * abs(value))


def test_merged_directions_have_their_own_reference_values(
    phantom: tuple[Volume, Volume], references: dict[str, tuple[float, float]]
) -> None:
    parameters = replace(SIX, glcm_offset="Combined", glrlm_offset="Combined")
    panel = captk_panel(*phantom, parameters, "captk-corrected")
    for column, tag in REFERENCE.items():
        if tag.endswith("_3D_avg") and not tag.startswith("rlm_r_perc"):
            value, tolerance = references[tag.replace("_3D_avg", "_3D_comb")]
            ours = float(f"{panel[f'T1_E_{column}'].value:.3g}")
            assert ours == pytest.approx(value, abs=tolerance + 1e-9 * abs(value)), tag


def test_on_any_lesion_the_corrected_panel_agrees_with_the_families_of_the_catalogue() -> None:
    """Two implementations of the same definitions, NumPy here and compiled kernels there."""
    random = np.random.default_rng(12)
    grid = Grid((14, 12, 9), np.diag([0.8, 0.9, 2.0, 1.0]))
    image = Volume(random.normal(100, 20, size=grid.shape).astype(np.float32), grid)
    mask = Volume(random.random(grid.shape) < 0.4, grid)
    panel = captk_panel(image, mask, SIX, "captk-corrected")
    table = extract(image, mask, Features(bins=6, aggregations=("3D averaged",)))
    for column, tag in REFERENCE.items():
        assert panel[f"T1_E_{column}"].value == pytest.approx(table[tag].value, rel=1e-9, abs=1e-12), tag
