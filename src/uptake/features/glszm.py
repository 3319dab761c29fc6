"""Grey level size zone matrix (IBSI 9SAK): how large connected zones of one level are, 16 features."""

from __future__ import annotations

from collections.abc import Mapping

from uptake.features.definition import Family, Undefined, Value, define_by_dimension, dimensions
from uptake.features.emphasis import Cells, all_alike, averaged, describe, sums_of
from uptake.features.matrices import zones_by_matrix
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
    return averaged(TABLE, dimensions(region.settings), lambda dimension: _features(region, dimension), NEVER)


def _features(region: Region, dimension: str) -> Mapping[str, Float | float]:
    zones, matrix, matrices = zones_by_matrix(region, dimension)
    return describe(sums_of(Cells(matrix, zones.level, zones.size, all_alike(1, len(matrix))), matrices))


FAMILY = Family("glszm", "9SAK", DEFINITIONS, glszm)
