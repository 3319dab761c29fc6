"""Grey level distance zone matrix (IBSI VMDZ): how far from the border zones of one level are, 16 features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uptake.features.definition import Family, Undefined, Value, define_by_dimension, dimensions
from uptake.features.emphasis import VOXELS, Cells, all_alike, averaged, describe, sums_of
from uptake.features.matrices import zones_by_matrix
from uptake.features.region import Float, Region

TABLE = (
    ("Small distance emphasis", "0GBI", "dzm_sde", "1", "short"),
    ("Large distance emphasis", "MB4I", "dzm_lde", "1", "long"),
    ("Low grey level zone emphasis", "S1RA", "dzm_lgze", "1", "low"),
    ("High grey level zone emphasis", "K26C", "dzm_hgze", "1", "high"),
    ("Small distance low grey level emphasis", "RUVG", "dzm_sdlge", "1", "short_low"),
    ("Small distance high grey level emphasis", "DKNJ", "dzm_sdhge", "1", "short_high"),
    ("Large distance low grey level emphasis", "A7WM", "dzm_ldlge", "1", "long_low"),
    ("Large distance high grey level emphasis", "KLTH", "dzm_ldhge", "1", "long_high"),
    ("Grey level non-uniformity", "VFT7", "dzm_glnu", "zone", "level_nonuniformity"),
    ("Normalised grey level non-uniformity", "7HP3", "dzm_glnu_norm", "1", "level_nonuniformity_normalised"),
    ("Zone distance non-uniformity", "V294", "dzm_zdnu", "zone", "length_nonuniformity"),
    ("Normalised zone distance non-uniformity", "IATH", "dzm_zdnu_norm", "1", "length_nonuniformity_normalised"),
    ("Zone percentage", "VIWW", "dzm_z_perc", "1", "percentage"),
    ("Grey level variance", "QK93", "dzm_gl_var", "bin2", "level_variance"),
    ("Zone distance variance", "7WT1", "dzm_zd_var", "voxel2", "length_variance"),
    ("Zone distance entropy", "GBDU", "dzm_zd_entr", "bit", "entropy"),
)
DEFINITIONS = define_by_dimension("gldzm", (row[:4] for row in TABLE))

NEVER = Undefined("there are no zones")


def gldzm(region: Region) -> dict[str, Value]:
    """The distance zone features of a region, for each dimension of the chosen aggregations.

    A zone's distance is the least one of its voxels to the border of the morphological mask (or of the image), in
    steps through faces, 1 for a voxel at the border.
    """
    return averaged(TABLE, dimensions(region.settings), lambda dimension: _features(region, dimension), NEVER)


def _features(region: Region, dimension: str) -> Mapping[str, Float | float]:
    zones, matrix, matrices = zones_by_matrix(region, dimension)
    sums = sums_of(Cells(matrix, zones.level, zones.distance, all_alike(1, len(matrix))), matrices)
    sums[:, VOXELS] = _voxels_by_slice(region) if dimension == "2D" else len(region.values)
    return describe(sums)


def _voxels_by_slice(region: Region) -> Float:
    """Of the slices that have a voxel."""
    voxels = np.count_nonzero(region.intensity, axis=(0, 1))
    return np.asarray(voxels[voxels > 0], dtype=np.float64)


FAMILY = Family("gldzm", "VMDZ", DEFINITIONS, gldzm)
