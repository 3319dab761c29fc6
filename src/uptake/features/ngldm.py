"""Neighbouring grey level dependence matrix (IBSI REK0): how many neighbours are alike, 17 features."""

from __future__ import annotations

import numpy as np

from uptake.features.average import average
from uptake.features.definition import DIMENSION_TAGS, Family, Undefined, Value, define_by_dimension, dimensions
from uptake.features.emphasis import counts_of_tables, describe
from uptake.features.matrices import neighbourhoods_2d, neighbourhoods_3d
from uptake.features.region import Region

TABLE = (
    ("Low dependence emphasis", "SODN", "ngl_lde", "1", "short"),
    ("High dependence emphasis", "IMOQ", "ngl_hde", "1", "long"),
    ("Low grey level count emphasis", "TL9H", "ngl_lgce", "1", "low"),
    ("High grey level count emphasis", "OAE7", "ngl_hgce", "1", "high"),
    ("Low dependence low grey level emphasis", "EQ3F", "ngl_ldlge", "1", "short_low"),
    ("Low dependence high grey level emphasis", "JA6D", "ngl_ldhge", "1", "short_high"),
    ("High dependence low grey level emphasis", "NBZI", "ngl_hdlge", "1", "long_low"),
    ("High dependence high grey level emphasis", "9QMG", "ngl_hdhge", "1", "long_high"),
    ("Grey level non-uniformity", "FP8K", "ngl_glnu", "voxel", "level_nonuniformity"),
    ("Normalised grey level non-uniformity", "5SPA", "ngl_glnu_norm", "1", "level_nonuniformity_normalised"),
    ("Dependence count non-uniformity", "Z87G", "ngl_dcnu", "voxel", "length_nonuniformity"),
    ("Normalised dependence count non-uniformity", "OKJI", "ngl_dcnu_norm", "1", "length_nonuniformity_normalised"),
    ("Dependence count percentage", "6XV8", "ngl_dc_perc", "1", "percentage"),
    ("Grey level variance", "1PFV", "ngl_gl_var", "bin2", "level_variance"),
    ("Dependence count variance", "DNX2", "ngl_dc_var", "voxel2", "length_variance"),
    ("Dependence count entropy", "FCBV", "ngl_dc_entr", "bit", "entropy"),
    ("Dependence count energy", "CAS9", "ngl_dc_energy", "1", "energy"),
)
DEFINITIONS = define_by_dimension("ngldm", (row[:4] for row in TABLE))

NEVER = Undefined("there are no voxels")


def ngldm(region: Region) -> dict[str, Value]:
    """The dependence features of a region, for each dimension of the chosen aggregations.

    A voxel depends on itself and on every neighbour within the distance whose level differs by alpha at most.
    """
    values: dict[str, Value] = {}
    for dimension in dimensions(region.settings):
        tables = neighbourhoods_3d(region) if dimension == "3D" else neighbourhoods_2d(region)
        matrices = tables.dependence
        if dimension == "2.5D":
            matrices = matrices.sum(axis=0, keepdims=True, dtype=np.uint32)
        voxels = matrices.sum(axis=(1, 2), dtype=np.float64)
        found = average(describe(counts_of_tables(matrices), voxels[voxels > 0]), NEVER)
        values |= {f"{tag}_{DIMENSION_TAGS[dimension]}": found[name] for *_, tag, _, name in TABLE}
    return values


FAMILY = Family("ngldm", "REK0", DEFINITIONS, ngldm)
