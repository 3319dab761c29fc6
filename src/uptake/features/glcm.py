"""Grey level co-occurrence matrix (IBSI LFYI): how often levels meet at a distance, 25 features.

With p(i, j) the share of the pairs of levels i and j (symmetric), p(i) its row sums, and over all pairs p_d(k) the
share of the difference |i - j| = k and p_s(s) that of the sum i + j = s. All features follow from these three
distributions but joint maximum, joint entropy and angular second moment, which the kernel sums up over the matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from uptake.features.average import average
from uptake.features.definition import TAGS, Family, Undefined, Value, define_merged
from uptake.features.matrices import cooccurrence_2d, cooccurrence_3d, field_of
from uptake.features.region import Float, Region

DEFINITIONS = define_merged(
    "glcm",
    (
        ("Joint maximum", "GYBY", "cm_joint_max", "1"),
        ("Joint average", "60VM", "cm_joint_avg", "bin"),
        ("Joint variance", "UR99", "cm_joint_var", "bin2"),
        ("Joint entropy", "TU9B", "cm_joint_entr", "bit"),
        ("Difference average", "TF7R", "cm_diff_avg", "bin"),
        ("Difference variance", "D3YU", "cm_diff_var", "bin2"),
        ("Difference entropy", "NTRS", "cm_diff_entr", "bit"),
        ("Sum average", "ZGXS", "cm_sum_avg", "bin"),
        ("Sum variance", "OEEB", "cm_sum_var", "bin2"),
        ("Sum entropy", "P6QZ", "cm_sum_entr", "bit"),
        ("Angular second moment", "8ZQL", "cm_energy", "1"),
        ("Contrast", "ACUI", "cm_contrast", "bin2"),
        ("Dissimilarity", "8S9J", "cm_dissimilarity", "bin"),
        ("Inverse difference", "IB1Z", "cm_inv_diff", "1"),
        ("Normalised inverse difference", "NDRX", "cm_inv_diff_norm", "1"),
        ("Inverse difference moment", "WF0Z", "cm_inv_diff_mom", "1"),
        ("Normalised inverse difference moment", "1QCO", "cm_inv_diff_mom_norm", "1"),
        ("Inverse variance", "E8JP", "cm_inv_var", "1"),
        ("Correlation", "NI2N", "cm_corr", "1"),
        ("Autocorrelation", "QWB0", "cm_auto_corr", "bin2"),
        ("Cluster tendency", "DG8W", "cm_clust_tend", "bin2"),
        ("Cluster shade", "7NFM", "cm_clust_shade", "bin3"),
        ("Cluster prominence", "AE86", "cm_clust_prom", "bin4"),
        ("Information correlation 1", "R8DG", "cm_info_corr1", "1"),
        ("Information correlation 2", "JN9H", "cm_info_corr2", "1"),
    ),
)

_TINY = np.finfo(np.float64).tiny
"""In place of a share of 0 where its logarithm is taken, which then does not count."""

NO_PAIRS = Undefined("no voxel has a neighbour inside at this distance: there are no pairs of grey levels")
ONE_LEVEL = Undefined("all pairs are of one grey level: the variance or entropy, by which it is divided, is zero")


def glcm(region: Region) -> dict[str, Value]:
    """The co-occurrence features of a region for each chosen aggregation; features of matrices are averaged.

    Matrices without a pair do not count in an average, nor do those for which a feature is 0 / 0 (correlation,
    information correlation 1); where that leaves none the value is undefined.
    """
    bins = field_of(region).bins
    values: dict[str, Value] = {}
    for aggregation in region.settings.aggregations:
        rows = _rows(region, aggregation)
        found = average(describe(rows, bins), ONE_LEVEL if rows.any() else NO_PAIRS)
        values |= {f"cm_{name}_{TAGS[aggregation]}": value for name, value in found.items()}
    return values


def describe(rows: Float, bins: int) -> Mapping[str, Float]:
    """Features of each matrix from its sums (see `_kernels.margins`), shape (n,) by the middle part of their IBSI tags.

    rows: shape (n, 4 m + 2) for m levels; those without a pair are left out. bins: of the discretisation, empty ones
    included (N_g of the normalised features). 0 / 0 is NaN.
    """
    rows = rows[rows[:, -3] > 0]
    m = (rows.shape[1] - 2) // 4
    highest, squares, logarithms = rows[:, -3:].T
    total = rows[:, :m].sum(axis=1)
    # The three distributions p(i), p_d(k) and p_s(s) side by side, and x = i, k or s.
    p, x, part = rows[:, :-3] / total[:, None], *_places(m)
    mean = (p * x) @ part
    from_mean = x - mean @ part.T
    spread = p * from_mean * from_mean
    mu, average_difference, average_sum = mean.T
    variance, difference_variance, sum_variance = (spread @ part).T
    entropy, difference_entropy, sum_entropy = (-(p * np.log2(np.maximum(p, _TINY))) @ part + 0.0).T
    joint_entropy = np.log2(total) - logarithms / total
    names, weights = _difference_weights(m, bins)
    of_differences = dict(zip(names, (p[:, m : 2 * m] @ weights).T, strict=True))
    autocorrelation = (sum_variance + average_sum**2 - of_differences["contrast"]) / 4
    return {
        "joint_max": highest / total,
        "joint_avg": mu,
        "joint_var": variance,
        "joint_entr": joint_entropy,
        "diff_avg": average_difference,
        "diff_var": difference_variance,
        "diff_entr": difference_entropy,
        "sum_avg": average_sum,
        "sum_var": sum_variance,
        "sum_entr": sum_entropy,
        "energy": squares / total**2,
        "dissimilarity": average_difference,
        **of_differences,
        "auto_corr": autocorrelation,
        "corr": _ratio(autocorrelation - mu**2, variance),
        "clust_tend": sum_variance,
        "clust_shade": (spread * from_mean)[:, 2 * m :].sum(axis=1),
        "clust_prom": (spread * from_mean * from_mean)[:, 2 * m :].sum(axis=1),
        # Of the joint entropy HXY and that of the levels HX; for a symmetric matrix HXY1 = HXY2 = 2 HX.
        "info_corr1": _ratio(joint_entropy - 2 * entropy, np.where(variance == 0, 0, entropy)),
        "info_corr2": np.sqrt(np.maximum(0, 1 - np.exp(-2 * (2 * entropy - joint_entropy)))),
    }


@lru_cache(maxsize=16)
def _places(m: int) -> tuple[Float, Float]:
    """What the places of the three distributions stand for: x, shape (4 m - 1,), and which one it is, (4 m - 1, 3)."""
    i, k, s = np.arange(1.0, m + 1), np.arange(float(m)), np.arange(2.0, 2 * m + 1)
    return np.concatenate([i, k, s]), np.eye(3).repeat((m, m, 2 * m - 1), axis=0)


@lru_cache(maxsize=16)
def _difference_weights(m: int, bins: int) -> tuple[tuple[str, ...], Float]:
    """Features that are a sum over k of p_d(k) times a weight: their names, and the weights as columns."""
    k = np.arange(float(m))
    weights = {
        "contrast": k**2,
        "inv_diff": 1 / (1 + k),
        "inv_diff_norm": 1 / (1 + k / bins),
        "inv_diff_mom": 1 / (1 + k**2),
        "inv_diff_mom_norm": 1 / (1 + k**2 / bins**2),
        "inv_var": np.where(k > 0, 1 / np.maximum(k, 1) ** 2, 0),
    }
    return tuple(weights), np.column_stack([*weights.values()])


def _ratio(above: Float, below: Float) -> Float:
    return above / np.where(below == 0, np.nan, below)


def _rows(region: Region, aggregation: str) -> Float:
    if aggregation.startswith("3D"):
        whole = cooccurrence_3d(region)
        return whole.merged if aggregation == "3D merged" else whole.per_direction
    slices, added = cooccurrence_2d(region)
    return {
        "2D averaged": slices.per_direction,
        "2D slice-merged": slices.merged,
        "2.5D direction-merged": added.per_direction,
        "2.5D merged": added.merged,
    }[aggregation]


FAMILY = Family("glcm", "LFYI", DEFINITIONS, glcm)
