"""PyRadiomics' names of features whose definitions agree with the IBSI's, and why the others have none here.

Source: PyRadiomics 3.1, https://pyradiomics.readthedocs.io/en/latest/features.html, and its table of differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from uptake.features.settings import FamilyName
from uptake.features.table import Feature

ClassName = Literal["shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"]

FAMILIES: Mapping[ClassName, tuple[FamilyName, ...]] = {
    "shape": ("morphology",),
    "firstorder": ("statistics", "intensity_histogram"),
    "glcm": ("glcm",),
    "glrlm": ("glrlm",),
    "glszm": ("glszm",),
    "gldm": ("ngldm",),
    "ngtdm": ("ngtdm",),
}

TAGS: Mapping[ClassName, Mapping[str, str]] = {
    "shape": {
        "MeshVolume": "morph_volume",
        "VoxelVolume": "morph_vol_approx",
        "SurfaceArea": "morph_area_mesh",
        "SurfaceVolumeRatio": "morph_av",
        "Compactness1": "morph_comp_1",
        "Compactness2": "morph_comp_2",
        "SphericalDisproportion": "morph_sph_dispr",
        "Sphericity": "morph_sphericity",
        "Maximum3DDiameter": "morph_diam",
        "Elongation": "morph_pca_elongation",
        "Flatness": "morph_pca_flatness",
    },
    "firstorder": {
        "Mean": "stat_mean",
        "Variance": "stat_var",
        "Skewness": "stat_skew",
        "Median": "stat_median",
        "Minimum": "stat_min",
        "10Percentile": "stat_p10",
        "90Percentile": "stat_p90",
        "Maximum": "stat_max",
        "InterquartileRange": "stat_iqr",
        "Range": "stat_range",
        "MeanAbsoluteDeviation": "stat_mad",
        "RobustMeanAbsoluteDeviation": "stat_rmad",
        "Energy": "stat_energy",
        "RootMeanSquared": "stat_rms",
        "Entropy": "ih_entropy",
        "Uniformity": "ih_uniformity",
    },
    "glcm": {
        "MaximumProbability": "cm_joint_max",
        "JointAverage": "cm_joint_avg",
        "SumSquares": "cm_joint_var",
        "JointEntropy": "cm_joint_entr",
        "DifferenceAverage": "cm_diff_avg",
        "DifferenceVariance": "cm_diff_var",
        "DifferenceEntropy": "cm_diff_entr",
        "SumAverage": "cm_sum_avg",
        "SumEntropy": "cm_sum_entr",
        "JointEnergy": "cm_energy",
        "Contrast": "cm_contrast",
        "Id": "cm_inv_diff",
        "Idn": "cm_inv_diff_norm",
        "Idm": "cm_inv_diff_mom",
        "Idmn": "cm_inv_diff_mom_norm",
        "InverseVariance": "cm_inv_var",
        "Correlation": "cm_corr",
        "Autocorrelation": "cm_auto_corr",
        "ClusterTendency": "cm_clust_tend",
        "ClusterShade": "cm_clust_shade",
        "ClusterProminence": "cm_clust_prom",
        "Imc1": "cm_info_corr1",
        "Imc2": "cm_info_corr2",
    },
    "glrlm": {
        "ShortRunEmphasis": "rlm_sre",
        "LongRunEmphasis": "rlm_lre",
        "LowGrayLevelRunEmphasis": "rlm_lgre",
        "HighGrayLevelRunEmphasis": "rlm_hgre",
        "ShortRunLowGrayLevelEmphasis": "rlm_srlge",
        "ShortRunHighGrayLevelEmphasis": "rlm_srhge",
        "LongRunLowGrayLevelEmphasis": "rlm_lrlge",
        "LongRunHighGrayLevelEmphasis": "rlm_lrhge",
        "GrayLevelNonUniformity": "rlm_glnu",
        "GrayLevelNonUniformityNormalized": "rlm_glnu_norm",
        "RunLengthNonUniformity": "rlm_rlnu",
        "RunLengthNonUniformityNormalized": "rlm_rlnu_norm",
        "RunPercentage": "rlm_r_perc",
        "GrayLevelVariance": "rlm_gl_var",
        "RunVariance": "rlm_rl_var",
        "RunEntropy": "rlm_rl_entr",
    },
    "glszm": {
        "SmallAreaEmphasis": "szm_sze",
        "LargeAreaEmphasis": "szm_lze",
        "LowGrayLevelZoneEmphasis": "szm_lgze",
        "HighGrayLevelZoneEmphasis": "szm_hgze",
        "SmallAreaLowGrayLevelEmphasis": "szm_szlge",
        "SmallAreaHighGrayLevelEmphasis": "szm_szhge",
        "LargeAreaLowGrayLevelEmphasis": "szm_lzlge",
        "LargeAreaHighGrayLevelEmphasis": "szm_lzhge",
        "GrayLevelNonUniformity": "szm_glnu",
        "GrayLevelNonUniformityNormalized": "szm_glnu_norm",
        "SizeZoneNonUniformity": "szm_zsnu",
        "SizeZoneNonUniformityNormalized": "szm_zsnu_norm",
        "ZonePercentage": "szm_z_perc",
        "GrayLevelVariance": "szm_gl_var",
        "ZoneVariance": "szm_zs_var",
        "ZoneEntropy": "szm_zs_entr",
    },
    "gldm": {
        "SmallDependenceEmphasis": "ngl_lde",
        "LargeDependenceEmphasis": "ngl_hde",
        "LowGrayLevelEmphasis": "ngl_lgce",
        "HighGrayLevelEmphasis": "ngl_hgce",
        "SmallDependenceLowGrayLevelEmphasis": "ngl_ldlge",
        "SmallDependenceHighGrayLevelEmphasis": "ngl_ldhge",
        "LargeDependenceLowGrayLevelEmphasis": "ngl_hdlge",
        "LargeDependenceHighGrayLevelEmphasis": "ngl_hdhge",
        "GrayLevelNonUniformity": "ngl_glnu",
        "DependenceNonUniformity": "ngl_dcnu",
        "DependenceNonUniformityNormalized": "ngl_dcnu_norm",
        "GrayLevelVariance": "ngl_gl_var",
        "DependenceVariance": "ngl_dc_var",
        "DependenceEntropy": "ngl_dc_entr",
    },
    "ngtdm": {
        "Coarseness": "ngt_coarseness",
        "Contrast": "ngt_contrast",
        "Busyness": "ngt_busyness",
        "Complexity": "ngt_complexity",
        "Strength": "ngt_strength",
    },
}
"""IBSI tags of PyRadiomics' features by class, without the end that tells the aggregation."""

_AXIS = "PyRadiomics divides the variance of voxel centres by n, the IBSI's reference values are with n - 1"
_NO_IBSI = "the IBSI has no such feature"
WITHOUT: Mapping[ClassName, Mapping[str, str]] = {
    "shape": {
        "MajorAxisLength": _AXIS,
        "MinorAxisLength": _AXIS,
        "LeastAxisLength": _AXIS,
        "Maximum2DDiameterSlice": _NO_IBSI,
        "Maximum2DDiameterColumn": _NO_IBSI,
        "Maximum2DDiameterRow": _NO_IBSI,
    },
    "firstorder": {
        "Kurtosis": "the IBSI's is in excess of 3",
        "TotalEnergy": _NO_IBSI,
        "StandardDeviation": "the IBSI has the variance only",
    },
    "glcm": {"MCC": _NO_IBSI},
    "glrlm": {},
    "glszm": {},
    "gldm": {},
    "ngtdm": {},
}
"""PyRadiomics' other features, and why a value under that name would not be theirs."""

_NAMES = {tag: f"original_{group}_{name}" for group, names in TAGS.items() for name, tag in names.items()}
_ENDS = {False: ("_3D_avg", "_3D"), True: ("_2_5D_avg", "_2_5D")}


def pyradiomics_name(ibsi_tag: str, *, force_2d: bool = False) -> str:
    """PyRadiomics' name of a feature, as ``original_firstorder_Mean``; empty where it has none or defines it otherwise.

    It averages texture over the directions in 3D, and in slices with its setting `force2D`: of the aggregations, only
    that one has a name. Whether values agree also depends on grey levels, see `pyradiomics_parameters`.
    """
    for end in _ENDS[force_2d]:
        if ibsi_tag.endswith(end):
            return _NAMES.get(ibsi_tag.removesuffix(end), "")
    return _NAMES.get(ibsi_tag, "") if ibsi_tag.startswith(("morph_", "stat_", "ih_")) else ""


def wide(table: Iterable[Feature], *, force_2d: bool = False) -> dict[str, float]:
    """Values by PyRadiomics' names, of the features that have one."""
    named = ((pyradiomics_name(row.ibsi_tag, force_2d=force_2d), row.value) for row in table)
    return {name: value for name, value in named if name}
