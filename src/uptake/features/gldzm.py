"""Grey level distance zone matrix (IBSI VMDZ): how far from the border zones of one level are, 16 features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uptake.features.average import average
from uptake.features.definition import DIMENSION_TAGS, Family, Undefined, Value, define_by_dimension, dimensions
from uptake.features.emphasis import counts_of, describe
from uptake.features.matrices import Zones, zones_2d, zones_3d
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
    values: dict[str, Value] = {}
    for dimension in dimensions(region.settings):
        found = average(_features(region, dimension), NEVER)
        values |= {f"{tag}_{DIMENSION_TAGS[dimension]}": found[name] for *_, tag, _, name in TABLE}
    return values


def _features(region: Region, dimension: str) -> Mapping[str, Float]:
    zones: Zones = zones_3d(region) if dimension == "3D" else zones_2d(region)
    matrix = zones.slice if dimension == "2D" else np.zeros_like(zones.slice)
    voxels = np.bincount(matrix, weights=zones.size).astype(np.float64)
    return describe(counts_of(matrix, zones.level, zones.distance), voxels[voxels > 0])


FAMILY = Family("gldzm", "VMDZ", DEFINITIONS, gldzm)
