"""Bringing one phase onto another: rigid, then cubic B-splines on ever finer meshes, by mutual information.

Mutual information, because contrast agent changes intensities and not anatomy: Mattes et al., IEEE TMI 22 (2003) 120;
the free-form deformation of Rueckert et al., IEEE TMI 18 (1999) 712. Phases are compared on a regular raster, where
the splines are separable (as in N4), so that a step costs a tenth of what it costs on scattered samples; and no sum
depends on how threads happened to run, so that equal phases give equal bytes, which SimpleITK's registration does not.
What takes up contrast agent is left out in the end and follows its surroundings, so that it keeps its volume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.preprocess.enhancing import Rise
from uptake.preprocess.mutual import Samples
from uptake.preprocess.splines import basis, contract, expand, positions, refine
from uptake.study import Code, Refusal
from uptake.volume import Grid, Volume

Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FEWEST_VOXELS = 4
"""Along every axis; the gradient and the cubic spline need so many."""

RASTER_MM, SMOOTHING_MM = (5.0, 3.5, 2.5), (2.0, 1.0, 0.5)
"""mm. Distance of the places that are compared, and the SD of the Gaussian, at the coarsest to the finest mesh.

More at the two finer ones (1.5 and 1) leaves a dense gland up to 0.1 mm further from its place.
"""

RIGID_STEPS, SPLINE_STEPS = 40, 60
"""L-BFGS iterations, the spline's per level."""

STIFFNESS = 3e-4
"""Weight of the mesh's mean squared second difference (mm2) against the mutual information (nats).

Ten times that does not let a spline of 3 mm bend as it must.
"""


@dataclass(frozen=True)
class Plan:
    """How finely phases are matched: `grid_mm` between control points at the finest of `levels` meshes."""

    deform: bool
    grid_mm: float
    levels: int
    bins: int


@dataclass(frozen=True)
class Stage:
    """One fit of a mesh: halved before it or not, on which raster, what enhances left out (`spare`) or not."""

    refine: bool
    raster: int
    spare: bool


@dataclass(frozen=True, eq=False)
class Registered:
    """A phase brought onto the fixed one.

    volume: its intensities on the fixed grid, float32, cubic B-spline, within the phase's own range; outside the
    phase's field of view the outermost value. displacement_mm: (3, i, j, k), where each voxel's value was taken from,
    minus where it lies, along the array axes. jacobian: determinant of that map's derivative; above 1 the tissue was
    larger before, not positive where the map folds.
    """

    volume: Volume
    displacement_mm: Float32
    jacobian: Volume


def register(fixed: Volume, moving: Volume, mask: Mask, plan: Plan) -> Registered:
    """`moving` brought onto `fixed`, both on one grid; only voxels of `mask` (i, j, k) are compared.

    Raises ValueError for different grids; Refusal (motion-not-correctable) where an axis has fewer than 4 voxels or
    where mask or phases show nothing to align.
    """
    if not moving.grid.same_as(fixed.grid):
        raise ValueError("phases are brought onto each other on one grid")
    _check(fixed, moving, mask)
    rigid = _rigid(Samples.of(fixed, moving, mask, RASTER_MM[0], SMOOTHING_MM[0], plan.bins))
    lattices = _spline(fixed, moving, mask, rigid, plan) if plan.deform else None
    return _applied(fixed, moving, rigid, lattices)


def _check(fixed: Volume, moving: Volume, mask: Mask) -> None:
    if min(fixed.grid.shape) < FEWEST_VOXELS:
        raise _not_correctable(f"images of {' x '.join(map(str, fixed.grid.shape))} voxels")
    if not mask.any():
        raise _not_correctable("no body to align in the reference phase")
    for volume in (fixed, moving):
        if not np.isfinite(volume.array).all():
            raise _not_correctable("voxels that are infinite or not a number")
        if np.ptp(volume.array[mask]) == 0:
            raise _not_correctable("a phase that is constant over the body")


def _rigid(samples: Samples) -> Floats:
    """Rotation vector (rad) about the middle of the grid, then translation (mm): six numbers that match best."""
    from scipy import optimize

    centred = samples.points_mm - samples.centre_mm[:, None]
    scale = np.sqrt(np.square(centred).mean())  # so that a unit of any number moves the samples about as far

    def loss(numbers: Floats) -> tuple[float, Floats]:
        turned = _rotations(numbers[:3] / scale)
        information, force = samples.information(turned[0] @ centred - centred + numbers[3:, None])
        torque = force @ centred.T
        slope = [np.sum(torque * change) / scale for change in turned[1:]]
        return -information, -np.array([*slope, *force.sum(axis=1)])

    found = optimize.minimize(loss, np.zeros(6), jac=True, method="L-BFGS-B", options={"maxiter": RIGID_STEPS}).x
    return np.concatenate([found[:3] / scale, found[3:]])


def _rotations(vector: Floats) -> list[Floats]:
    """The rotation matrix of a rotation vector, and its derivatives by the three components."""
    from scipy.spatial.transform import Rotation

    step = 1e-6
    middle = Rotation.from_rotvec(vector).as_matrix()
    sides = [
        (Rotation.from_rotvec(vector + d).as_matrix() - Rotation.from_rotvec(vector - d).as_matrix()) / (2 * step)
        for d in step * np.eye(3)
    ]
    return [middle, *sides]


def _spline(fixed: Volume, moving: Volume, mask: Mask, rigid: Floats, plan: Plan) -> Floats:
    """(3, a, b, c): control points of what is left of the displacement after the rigid part, mm, level by level."""
    coarsest = plan.grid_mm * 2 ** (plan.levels - 1)
    mesh = [max(1, math.ceil(n * s / coarsest)) for n, s in zip(fixed.grid.shape, fixed.grid.spacing_mm, strict=True)]
    lattices = np.zeros((3, *(n + 3 for n in mesh)))
    rise = Rise.of(fixed, moving, mask)
    for stage in _stages(plan.levels):
        if stage.refine:
            lattices = np.stack([refine(lattice) for lattice in lattices])
        samples = Samples.of(fixed, moving, mask, RASTER_MM[stage.raster], SMOOTHING_MM[stage.raster], plan.bins)
        start = _moved(samples.points_mm, samples.centre_mm, rigid)
        if stage.spare:
            here = _expanded(samples, lattices, _bases(samples, fixed.grid, lattices))
            spared = rise.shows(samples, start + here)
            samples, start = samples.kept(~spared), start[:, ~spared]
        lattices = _fitted(samples, fixed.grid, lattices, start)
    return lattices


def _stages(levels: int) -> list[Stage]:
    """First every place on ever finer meshes, as what enhances is only known once edges lie on each other.

    Then the finest mesh without what enhances, twice: what was shrunk on the way has hidden part of its rise.
    """
    meshes = [Stage(refine=level > 0, raster=min(level, 1), spare=False) for level in range(levels)]
    return [*meshes, Stage(refine=False, raster=1, spare=True), Stage(refine=False, raster=2, spare=True)]


def _fitted(samples: Samples, grid: Grid, start: Floats, rigid: Floats) -> Floats:
    """The control points that match best on one mesh."""
    from scipy import optimize

    bases = _bases(samples, grid, start)

    def loss(numbers: Floats) -> tuple[float, Floats]:
        lattices = numbers.reshape(start.shape)
        information, force = samples.information(rigid + _expanded(samples, lattices, bases))
        bending, stiff = _bending(lattices)
        slope = np.stack([contract(samples.spread(f), bases) for f in force])
        return STIFFNESS * bending - information, (STIFFNESS * stiff - slope).ravel()

    options = {"maxiter": SPLINE_STEPS, "maxfun": 2 * SPLINE_STEPS}
    found = optimize.minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options).x
    return np.asarray(found, dtype=np.float64).reshape(start.shape)


def _bases(samples: Samples, grid: Grid, lattices: Floats) -> list[Floats]:
    """The splines of a mesh at the places of the raster, one matrix per axis."""
    sizes = zip(samples.axes, grid.shape, lattices.shape[1:], strict=True)
    return [basis(positions(index, n), m - 3) for index, n, m in sizes]


def _expanded(samples: Samples, lattices: Floats, bases: list[Floats]) -> Floats:
    """Displacement (3, n) in mm of the places by a mesh."""
    return np.stack([expand(lattice, bases).ravel()[samples.where] for lattice in lattices])


def _bending(lattices: Floats) -> tuple[float, Floats]:
    """Sum over axes of the mean squared second difference of the control points, and its derivative."""
    total, slope = 0.0, np.zeros_like(lattices)
    for axis in (1, 2, 3):
        moved, into = np.moveaxis(lattices, axis, 0), np.moveaxis(slope, axis, 0)
        second = moved[:-2] - 2 * moved[1:-1] + moved[2:]
        total += float(np.square(second).mean())
        second *= 2 / second.size
        into[:-2] += second
        into[1:-1] -= 2 * second
        into[2:] += second
    return total, slope


def _moved(points_mm: Floats, centre_mm: Floats, rigid: Floats) -> Floats:
    """Displacement (3, n) in mm of points by a rigid motion."""
    centred = points_mm - centre_mm[:, None]
    return np.asarray(_rotations(rigid[:3])[0] @ centred - centred + rigid[3:, None])


def _applied(fixed: Volume, moving: Volume, rigid: Floats, lattices: Floats | None) -> Registered:
    from scipy import ndimage

    grid = fixed.grid
    displacement = _rigid_field(grid, rigid)
    if lattices is not None:
        at = [positions(np.arange(n), n) for n in grid.shape]
        bases = [basis(u, m - 3).astype(np.float32) for u, m in zip(at, lattices.shape[1:], strict=True)]
        displacement += np.stack([expand(lattice.astype(np.float32), bases) for lattice in lattices])
    where = [
        np.float32(1 / s) * part + np.arange(n, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (part, s, n) in enumerate(zip(displacement, grid.spacing_mm, grid.shape, strict=True))
    ]
    values = ndimage.map_coordinates(moving.array.astype(np.float32), where, order=3, mode="nearest")
    values = np.clip(values, np.float32(moving.array.min()), np.float32(moving.array.max()))
    return Registered(fixed.with_array(values), displacement, fixed.with_array(_jacobian(displacement, grid)))


def _rigid_field(grid: Grid, rigid: Floats) -> Float32:
    """(3, i, j, k) mm on the whole grid."""
    matrix = (_rotations(rigid[:3])[0] - np.eye(3)).astype(np.float32)
    lines = [
        (np.arange(n, dtype=np.float32) - np.float32((n - 1) / 2)) * np.float32(s)
        for n, s in zip(grid.shape, grid.spacing_mm, strict=True)
    ]
    x, y, z = np.meshgrid(*lines, indexing="ij", sparse=True)
    return np.stack(
        [row[0] * x + row[1] * y + row[2] * z + np.float32(t) for row, t in zip(matrix, rigid[3:], strict=True)]
    )


def _jacobian(displacement: Float32, grid: Grid) -> Float32:
    """Determinant of the derivative of x + displacement(x), central differences."""
    rows = [list(np.gradient(part, *grid.spacing_mm)) for part in displacement]
    for axis in range(3):
        rows[axis][axis] += 1
    a, b, c = rows
    determinant: Float32 = (
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    return determinant


def _not_correctable(found: str) -> Refusal:
    return Refusal(
        Code.MOTION,
        found=found,
        allowed=f"two phases with signal over the body, at least {FEWEST_VOXELS} voxels along each axis",
        remedy="run with motion.correct = no, or look at the phases of this study",
    )
