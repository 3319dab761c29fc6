"""Grey level run length matrix (IBSI TP0I): how many voxels of one level follow each other, 16 features."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from uptake.features.definition import Family, Undefined, Value, define_merged
from uptake.features.emphasis import Cells, Column, all_alike, averaged, describe, sums_of
from uptake.features.matrices import Runs, runs_2d, runs_3d
from uptake.features.region import Float, Region

TABLE = (
    ("Short runs emphasis", "22OV", "rlm_sre", "1", "short"),
    ("Long runs emphasis", "W4KF", "rlm_lre", "1", "long"),
    ("Low grey level run emphasis", "V3SW", "rlm_lgre", "1", "low"),
    ("High grey level run emphasis", "G3QZ", "rlm_hgre", "1", "high"),
    ("Short run low grey level emphasis", "HTZT", "rlm_srlge", "1", "short_low"),
    ("Short run high grey level emphasis", "GD3A", "rlm_srhge", "1", "short_high"),
    ("Long run low grey level emphasis", "IVPO", "rlm_lrlge", "1", "long_low"),
    ("Long run high grey level emphasis", "3KUM", "rlm_lrhge", "1", "long_high"),
    ("Grey level non-uniformity", "R5YN", "rlm_glnu", "run", "level_nonuniformity"),
    ("Normalised grey level non-uniformity", "OVBL", "rlm_glnu_norm", "1", "level_nonuniformity_normalised"),
    ("Run length non-uniformity", "W92Y", "rlm_rlnu", "run", "length_nonuniformity"),
    ("Normalised run length non-uniformity", "IC23", "rlm_rlnu_norm", "1", "length_nonuniformity_normalised"),
    ("Run percentage", "9ZK5", "rlm_r_perc", "1", "percentage"),
    ("Grey level variance", "8CE5", "rlm_gl_var", "bin2", "level_variance"),
    ("Run length variance", "SXLW", "rlm_rl_var", "voxel2", "length_variance"),
    ("Run entropy", "HJ9O", "rlm_rl_entr", "bit", "entropy"),
)
DEFINITIONS = define_merged("glrlm", (row[:4] for row in TABLE))

NEVER = Undefined("there are no runs")


def glrlm(region: Region) -> dict[str, Value]:
    """The run length features of a region for each chosen aggregation."""
    return averaged(TABLE, region.settings.aggregations, lambda way: _features(region, way), NEVER)


def _features(region: Region, aggregation: str) -> Mapping[str, Float | float]:
    runs = runs_3d(region) if aggregation.startswith("3D") else runs_2d(region)
    matrix = _MATRICES[aggregation](runs)
    return describe(sums_of(Cells(matrix, *runs[1:]), int(matrix.max()) + 1))


_MATRICES: Mapping[str, Callable[[Runs], Column]] = {
    "2D averaged": lambda runs: runs.matrix,
    "2D slice-merged": lambda runs: runs.matrix // 4,
    "2.5D direction-merged": lambda runs: runs.matrix % 4,
    "2.5D merged": lambda runs: all_alike(0, len(runs.matrix)),
    "3D averaged": lambda runs: runs.matrix,
    "3D merged": lambda runs: all_alike(0, len(runs.matrix)),
}

FAMILY = Family("glrlm", "TP0I", DEFINITIONS, glrlm)
