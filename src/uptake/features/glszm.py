"""Grey level size zone matrix (IBSI 9SAK): how large connected zones of one level are, 16 features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uptake.features.average import average
from uptake.features.definition import DIMENSION_TAGS, Family, Undefined, Value, define_by_dimension, dimensions
from uptake.features.emphasis import counts_of, describe
from uptake.features.matrices import Zones, zones_2d, zones_3d
from uptake.features.region import Float, Region

TABLE = (
    ("Small zone emphasis", "5QRC", "szm_sze", "1", "short"),
    ("Large zone emphasis", "48P8", "szm_lze", "1", "long"),
    ("Low grey level zone emphasis", "XMSY", "szm_lgze", "1", "low"),
    ("High grey level zone emphasis", "5GN9", "szm_hgze", "1", "high"),
    ("Small zone low grey level emphasis", "5RAI", "szm_szlge", "1", "short_low"),
    ("Small zone high grey level emphasis", "HW1V", "szm_szhge", "1", "short_high"),
    ("Large zone low grey level emphasis", "YH51", "szm_lzlge", "1", "long_low"),
    ("Large zone high grey level emphasis", "J17V", "szm_lzhge", "1", "long_high"),
    ("Grey level non-uniformity", "JNSA", "szm_glnu", "zone", "level_nonuniformity"),
    ("Normalised grey level non-uniformity", "Y1RO", "szm_glnu_norm", "1", "level_nonuniformity_normalised"),
    ("Zone size non-uniformity", "4JP3", "szm_zsnu", "zone", "length_nonuniformity"),
    ("Normalised zone size non-uniformity", "VB3A", "szm_zsnu_norm", "1", "length_nonuniformity_normalised"),
    ("Zone percentage", "P30P", "szm_z_perc", "1", "percentage"),
    ("Grey level variance", "BYLV", "szm_gl_var", "bin2", "level_variance"),
    ("Zone size variance", "3NSA", "szm_zs_var", "voxel2", "length_variance"),
    ("Zone size entropy", "GU8N", "szm_zs_entr", "bit", "entropy"),
)
DEFINITIONS = define_by_dimension("glszm", (row[:4] for row in TABLE))

NEVER = Undefined("there are no zones")


def glszm(region: Region) -> dict[str, Value]:
    """The size zone features of a region, for each dimension of the chosen aggregations."""
    values: dict[str, Value] = {}
    for dimension in dimensions(region.settings):
        found = average(_features(region, dimension), NEVER)
        values |= {f"{tag}_{DIMENSION_TAGS[dimension]}": found[name] for *_, tag, _, name in TABLE}
    return values


def _features(region: Region, dimension: str) -> Mapping[str, Float]:
    zones: Zones = zones_3d(region) if dimension == "3D" else zones_2d(region)
    matrix = zones.slice if dimension == "2D" else np.zeros_like(zones.slice)
    return describe(counts_of(matrix, zones.level, zones.size))


FAMILY = Family("glszm", "9SAK", DEFINITIONS, glszm)
