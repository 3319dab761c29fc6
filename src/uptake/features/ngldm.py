"""Neighbouring grey level dependence matrix (IBSI REK0): how many neighbours are alike, 17 features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uptake.features.definition import Family, Undefined, Value, define_by_dimension, dimensions
from uptake.features.emphasis import VOXELS, averaged, cells_of_tables, describe, sums_of
from uptake.features.matrices import neighbourhoods_2d, neighbourhoods_3d
from uptake.features.region import Float, Region

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
    return averaged(TABLE, dimensions(region.settings), lambda dimension: _features(region, dimension), NEVER)


def _features(region: Region, dimension: str) -> Mapping[str, Float | float]:
    matrices = (neighbourhoods_3d(region) if dimension == "3D" else neighbourhoods_2d(region)).dependence
    if dimension == "2.5D":
        matrices = matrices.sum(axis=0, keepdims=True, dtype=np.uint32)
    sums = sums_of(cells_of_tables(matrices), len(matrices))
    sums[:, VOXELS] = sums[:, 0]  # every voxel has a dependence
    return describe(sums)


FAMILY = Family("ngldm", "REK0", DEFINITIONS, ngldm)
