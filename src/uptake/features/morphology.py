"""Morphology (IBSI HCUG): size and shape of the morphological mask, and where its intensities lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from uptake.features import _kernels
from uptake.features.definition import Family, Undefined, Value, define
from uptake.features.enclosing import enclosing_box, enclosing_ellipsoid
from uptake.features.hull import Hull, hull_of
from uptake.features.mesh import Mesh, mesh_of
from uptake.features.region import Bool, Float, Region
from uptake.features.spatial import autocorrelation

DEFINITIONS = define(
    "morphology",
    (
        ("Volume (mesh)", "RNU0", "morph_volume", "mm3"),
        ("Volume (voxel counting)", "YEKZ", "morph_vol_approx", "mm3"),
        ("Surface area (mesh)", "C0JK", "morph_area_mesh", "mm2"),
        ("Surface to volume ratio", "2PR5", "morph_av", "1/mm"),
        ("Compactness 1", "SKGS", "morph_comp_1", "1"),
        ("Compactness 2", "BQWJ", "morph_comp_2", "1"),
        ("Spherical disproportion", "KRCK", "morph_sph_dispr", "1"),
        ("Sphericity", "QCFX", "morph_sphericity", "1"),
        ("Asphericity", "25C7", "morph_asphericity", "1"),
        ("Centre of mass shift", "KLMA", "morph_com", "mm"),
        ("Maximum 3D diameter", "L0JK", "morph_diam", "mm"),
        ("Major axis length", "TDIC", "morph_pca_maj_axis", "mm"),
        ("Minor axis length", "P9VJ", "morph_pca_min_axis", "mm"),
        ("Least axis length", "7J51", "morph_pca_least_axis", "mm"),
        ("Elongation", "Q3CK", "morph_pca_elongation", "1"),
        ("Flatness", "N17B", "morph_pca_flatness", "1"),
        ("Volume density (axis-aligned bounding box)", "PBX1", "morph_vol_dens_aabb", "1"),
        ("Area density (axis-aligned bounding box)", "R59B", "morph_area_dens_aabb", "1"),
        ("Volume density (oriented minimum bounding box)", "ZH1A", "morph_vol_dens_ombb", "1"),
        ("Area density (oriented minimum bounding box)", "IQYR", "morph_area_dens_ombb", "1"),
        ("Volume density (approximate enclosing ellipsoid)", "6BDE", "morph_vol_dens_aee", "1"),
        ("Area density (approximate enclosing ellipsoid)", "RDD2", "morph_area_dens_aee", "1"),
        ("Volume density (minimum volume enclosing ellipsoid)", "SWZ1", "morph_vol_dens_mvee", "1"),
        ("Area density (minimum volume enclosing ellipsoid)", "BRI8", "morph_area_dens_mvee", "1"),
        ("Volume density (convex hull)", "R3ER", "morph_vol_dens_conv_hull", "1"),
        ("Area density (convex hull)", "7T7F", "morph_area_dens_conv_hull", "1"),
        ("Integrated intensity", "99N0", "morph_integ_int", "intensity mm3"),
        ("Moran's I index", "N365", "morph_moran_i", "1"),
        ("Geary's C measure", "NPT7", "morph_geary_c", "1"),
    ),
)

ONE_VOXEL = Undefined("one voxel has no principal axes")
FLAT = Undefined("the voxel centres lie in a plane or on a line: the enclosing ellipsoid, by which it is divided, is 0")
NO_MASS = Undefined("the intensities, the weights of the centre of mass, sum to zero")
NO_PAIRS = Undefined("one voxel has no neighbours to compare with")
CONSTANT = Undefined("all voxels have the same intensity: the variance, by which it is divided, is zero")

NO_WEIGHTS = np.empty(0)


class Places(NamedTuple):
    """Where the voxels of a mask are, and weights on them.

    scatter_mm2: sums of products about the centre, 3 x 3. weighted_centre_mm: NaN where the weights sum to zero.
    """

    voxels: int
    centre_mm: Float
    scatter_mm2: Float
    weight: float
    weighted_centre_mm: Float


def morphology(region: Region) -> dict[str, Value]:
    """The 29 morphological features of a region."""
    mask, frame = region.morphological, region.frame
    mesh, hull = mesh_of(mask, frame), hull_of(mask, frame)
    # One pass over the voxels is enough where both masks are the same.
    weighted = _places(region.intensity, frame, region.values)
    places = weighted if region.intensity is mask else _places(mask, frame)
    values = {
        **_sizes(mesh),
        "vol_approx": places.voxels * float(np.prod(np.diag(frame))),
        "com": NO_MASS if weighted.weight == 0 else _length(places.centre_mm - weighted.weighted_centre_mm),
        "diam": hull.diameter_mm,
        **_principal_axes(places, mesh),
        **_bounding_box(mask, frame, mesh),
        **_hull_densities(hull, mesh),
        **_enclosing_densities(hull, mesh),
        "integ_int": mesh.volume_mm3 * weighted.weight / weighted.voxels,
        **_autocorrelation(region),
    }
    return {f"morph_{name}": value for name, value in values.items()}


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Surface of an ellipsoid with semi-axes a >= b >= c >= 0, a > 0, as in the IBSI manual.

    4 pi a b times the sum over n = 0 ... 20 of (alpha beta)^n / (1 - 4 n^2) P_n((alpha^2 + beta^2) / (2 alpha beta)),
    with alpha^2 = 1 - b^2 / a^2, beta^2 = 1 - c^2 / a^2 and P_n the Legendre polynomials. The reference values hold
    for these words, which are not the ellipsoid's true surface (that needs beta^2 = 1 - c^2 / b^2 and
    alpha^2 = 1 - c^2 / a^2): they agree for spheres only, and are a third off for an ellipsoid of 3 : 1 : 1.
    The powers are taken into the recurrence of the polynomials, so that alpha beta = 0 needs no case of its own.
    """
    alpha2, beta2 = 1 - (b / a) ** 2, 1 - (c / a) ** 2
    middle, product = (alpha2 + beta2) / 2, alpha2 * beta2
    before, now, total = 0.0, 1.0, 1.0
    for n in range(1, 21):
        before, now = now, ((2 * n - 1) * middle * now - (n - 1) * product * before) / n
        total += now / (1 - 4 * n * n)
    return 4 * np.pi * a * b * total


def _sizes(mesh: Mesh) -> Mapping[str, Value]:
    area, volume = mesh.area_mm2, mesh.volume_mm3
    roundness = 36 * np.pi * volume**2 / area**3
    return {
        "volume": volume,
        "area_mesh": area,
        "av": area / volume,
        "comp_1": volume / (np.sqrt(np.pi) * area**1.5),
        "comp_2": roundness,
        "sph_dispr": roundness ** (-1 / 3),
        "sphericity": roundness ** (1 / 3),
        "asphericity": roundness ** (-1 / 3) - 1,
    }


def _places(mask: Bool, frame: Float, weights: Float = NO_WEIGHTS) -> Places:
    sums = np.empty(14)
    _kernels.moments(np.ascontiguousarray(mask.T), weights, sums)
    n, w = sums[0], sums[10]
    mean = sums[3:0:-1] / n
    kk, jj, ii, kj, ki, ji = sums[4:10]
    scatter = np.array([[ii, ji, ki], [ji, jj, kj], [ki, kj, kk]]) - n * np.outer(mean, mean)
    weighted = sums[13:10:-1] / w if w else np.full(3, np.nan)
    return Places(int(n), frame @ mean, frame @ scatter @ frame.T, float(w), frame @ weighted)


def _principal_axes(places: Places, mesh: Mesh) -> Mapping[str, Value]:
    """Axis lengths (four standard deviations, of the sample: divided by n - 1) and the ellipsoid that they span."""
    names = ("pca_maj_axis", "pca_min_axis", "pca_least_axis", "pca_elongation", "pca_flatness")
    if places.voxels == 1:
        return dict.fromkeys((*names, "vol_dens_aee", "area_dens_aee"), ONE_VOXEL)
    variances = np.empty(3)
    _kernels.eigenvalues(places.scatter_mm2 / (places.voxels - 1), variances)
    variances[variances < 1e-12 * variances[2]] = 0
    c, b, a = (float(axis) for axis in 2 * np.sqrt(variances))
    axes = dict(zip(names, (2 * a, 2 * b, 2 * c, b / a, c / a), strict=True))
    return {
        **axes,
        "vol_dens_aee": FLAT if c == 0 else mesh.volume_mm3 / (4 / 3 * np.pi * a * b * c),
        "area_dens_aee": FLAT if b == 0 else mesh.area_mm2 / ellipsoid_area(a, b, c),
    }


def _bounding_box(mask: Bool, frame: Float, mesh: Mesh) -> Mapping[str, Value]:
    """The mesh reaches half a voxel beyond the outermost centres, so that its box is the box of the voxels."""
    edges = np.asarray(mask.shape)[:, None] * frame.T
    # |p x q|^2 = |p|^2 |q|^2 - (p . q)^2
    products = edges @ edges.T
    squares = [products[a, a] * products[b, b] - products[a, b] ** 2 for a, b in ((0, 1), (1, 2), (2, 0))]
    area = 2 * float(np.sqrt(squares).sum())
    volume = float(np.prod(np.diag(edges)))  # the frame is triangular
    return {"vol_dens_aabb": mesh.volume_mm3 / volume, "area_dens_aabb": mesh.area_mm2 / area}


def _hull_densities(hull: Hull, mesh: Mesh) -> Mapping[str, Value]:
    volume, area = mesh.volume_mm3 / hull.volume_mm3, mesh.area_mm2 / hull.area_mm2
    return {"vol_dens_conv_hull": volume, "area_dens_conv_hull": area}


def _enclosing_densities(hull: Hull, mesh: Mesh) -> Mapping[str, Value]:
    """Of the smallest box and the smallest ellipsoid around the mesh, that is around the corners of its hull."""
    x, y, z = (float(length) for length in enclosing_box(hull.corners_mm, hull.normals_mm2))
    a, b, c = (float(axis) for axis in enclosing_ellipsoid(hull.corners_mm))
    return {
        "vol_dens_ombb": mesh.volume_mm3 / (x * y * z),
        "area_dens_ombb": mesh.area_mm2 / (2 * (x * y + y * z + z * x)),
        "vol_dens_mvee": mesh.volume_mm3 / (4 / 3 * np.pi * a * b * c),
        "area_dens_mvee": mesh.area_mm2 / ellipsoid_area(a, b, c),
    }


def _length(vector_mm: Float) -> float:
    return float(np.sqrt(vector_mm @ vector_mm))


def _autocorrelation(region: Region) -> Mapping[str, Value]:
    values = region.values
    if not region.settings.autocorrelation:
        return {}
    if len(values) == 1 or values.min() == values.max():
        return dict.fromkeys(("moran_i", "geary_c"), NO_PAIRS if len(values) == 1 else CONSTANT)
    moran_i, geary_c = autocorrelation(region.image, region.intensity, region.frame)
    return {"moran_i": moran_i, "geary_c": geary_c}


FAMILY = Family("morphology", "HCUG", DEFINITIONS, morphology)
