"""Artefacts of one image: bright ones outside the body, tissue folded in, signal voids, phases in another unit.

Bright artefacts outside the breast, as in cases 1183 and 1187 of I-SPY 1 (Chitalia et al., Scientific Data 2022;9:440,
Fig. 2), leave the breast as it is and spoil windows, z-scores and masks. A void is where metal (a clip, a port) has
swallowed the signal: PE and SER mean nothing there. Where tissue from beyond the field of view is folded in it ends
along a straight line, which nothing in a body does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from uptake.cohort.blocks import behind, block_means, block_mm, block_steps, blocks
from uptake.cohort.checks import Finding, Status
from uptake.volume import Array, Volume

Mask = npt.NDArray[np.bool_]

THINNEST_MM = 8.0
"""mm. A body part thinner than this is taken for a stripe."""

MARGIN_MM = 8.0
"""mm. Around the body; pulsation and motion smear skin so far."""

BRIGHT = 0.7
"""Of the body's 95th percentile. Ghosts of a bright breast stay below this."""

BRIGHT_CC, VOID_CC = 0.2, 0.07

VOID, DARKEST_FAT = 1.4, 1.0
"""Times the median of air: darker is no signal. Where a tenth of the breast lies below the second, fat is air to the
eye, and a void cannot be told from it; no phantom and neither of two real studies is as dark."""

VOID_DEEP_MM = 5.0
"""mm. Nearer to the skin and the chest no void is looked for."""

SHELL_MM, AMID = (4.0, 10.0), ((VOID_CC, 5.0, 5.0), (0.15, 2.0, 3.5))
"""A dark place larger than so many cc is a void if of what lies 4 to 10 mm from it the 5th and the 25th percentile are
so many times the median of air: suppressed fat, dark as it may be, has more of its kind beside it, the more so the
larger the place. docs/phantom.md says how often that finds a clip, and warns without one."""

SEAM = 0.27
"""Of the body's mean: a step up between two neighbouring planes, over and above those around it. Two real studies have
at most 0.07, 75 of 76 flawless small phantoms 0.26; tissue folded in gives up to 0.65."""

ALIKE = 0.3
"""Correlation of the outermost planes above and below, their details alone: what lies beyond one border and is folded
in at the other goes on from plane to plane. Flawless phantoms and the two real studies have at most 0.18, folded ones
0.4-0.65. From side to side nothing can be told so, for a body is its own mirror image; nor across
axial slices, where a chest may go straight through."""

DETAIL_PIXELS = 2.0

SLICES = 2

OUTER = 0.3
"""Of the images' width: what is folded in lies at their border."""

LEAST_OF_PLANE = 0.02

SCALES = (0.5, 2.0)
"""Median of a phase over that of the first one, over the body. Contrast alone gives 1.1-1.5 in breasts."""


def bright_outside(volume: Volume, body: Volume) -> Iterator[Finding]:
    """Signal like the body's where there should be air, in one phase; nothing to say of an image without a body.

    Behind the body's front there are lung and heart: nothing is looked for there.
    """
    steps = block_steps(volume)
    outside = _bright_blocks(volume, body, steps)
    if outside is None:
        return
    largest = _largest(outside) * np.prod(block_mm(volume, steps)) / 1000
    status: Status = "warn" if largest > BRIGHT_CC else "pass"
    found = f"largest bright place outside the body {largest:.2f} cc"
    remedy = "look at the images; bias field, z-score and windows may be off, PE, SER and FTV inside the breast are not"
    yield Finding("bright artefact outside the body", status, found, f"at most {BRIGHT_CC:g} cc", remedy)


def folded_in(volume: Volume, body: Volume) -> Iterator[Finding]:
    """A straight edge across the body near the border, or opposite borders alike; nothing to say without a body.

    From front to back nothing is looked for: breasts are not phase-encoded that way, for the heart would smear over
    them.
    """
    if not body.array.any():
        return
    level = float(volume.array[body.array].mean(dtype=np.float64))
    front_to_back = int(np.argmax(np.abs(volume.grid.direction[1])))
    axes = [axis for axis in range(3) if axis != front_to_back]
    steps = [_step(volume.array, body.array, axis) / level for axis in axes] if level > 0 else [0.0]
    largest = max(steps)
    head_to_foot = int(np.argmax(np.abs(volume.grid.direction[2])))
    alike = _alike(volume.array, head_to_foot) if head_to_foot != SLICES else 0.0
    status: Status = "warn" if largest > SEAM or alike > ALIKE else "pass"
    found = f"largest step across the body between two planes {100 * largest:.0f} % of its mean"
    if alike > ALIKE:
        found += f"; opposite borders show the same (correlation {alike:.2f})"
    remedy = "look at the border of the images: wrap-around? PE and SER mean nothing where it lies on the breast"
    yield Finding("straight edge at the border", status, found, f"at most {100 * SEAM:g} %", remedy)


def brightest_place(volume: Volume, body: Volume) -> tuple[int, int, int] | None:
    """The voxel in the middle of the largest bright place outside the body; None without one."""
    from scipy import ndimage

    steps = block_steps(volume)
    outside = _bright_blocks(volume, body, steps)
    if outside is None or not outside.any():
        return None
    labels, _ = ndimage.label(outside, np.ones((3, 3, 3)))
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    block = np.argwhere(largest)[np.count_nonzero(largest) // 2]
    i, j, k = (
        min(int(at) * step + step // 2, size - 1)
        for at, step, size in zip(block, steps, volume.grid.shape, strict=True)
    )
    return i, j, k


def signal_void(volumes: Sequence[Volume], breast: Volume, body: Volume) -> Iterator[Finding]:
    """Places inside the breast that are as dark as air in every phase, amid tissue that is not.

    Nothing to say where there is no breast or no air, nor where fat is air to the eye. A void in dark fat is not found.
    """
    from scipy import ndimage

    steps = block_steps(breast)
    inside, anything = (blocks(mask.array, steps, np.logical_or) for mask in (breast, body))
    air = ~(inside | anything)
    if not inside.any() or not air.any():
        return
    phases = [block_means(volume.array, steps) for volume in volumes]
    over_air = [phase / max(float(np.median(phase[air])), 1e-6) for phase in phases]
    deep = ndimage.distance_transform_edt(inside, sampling=block_mm(breast, steps)) > VOID_DEEP_MM
    if not deep.any() or np.percentile(over_air[0][deep], 10) <= DARKEST_FAT:
        return
    largest = _largest_void(np.maximum.reduce(over_air), deep, inside, block_mm(breast, steps))
    status: Status = "warn" if largest > VOID_CC else "pass"
    found = f"largest place without signal in the breast {largest:.2f} cc"
    yield Finding("signal void", status, found, f"at most {VOID_CC:g} cc", "metal? PE and SER mean nothing there")


def _from_border(dark: Mask) -> Mask:
    """What hangs together with the border of the images: the receiver's filter darkens that."""
    from scipy import ndimage

    labels, count = ndimage.label(dark)
    border = np.ones_like(dark)
    border[1:-1, 1:-1, 1:-1] = False
    touching = np.zeros(count + 1, dtype=np.bool_)
    touching[labels[border]] = True
    touching[0] = False
    return np.asarray(touching[labels])


def _largest_void(over_air: npt.NDArray[np.float64], deep: Mask, inside: Mask, edges_mm: list[float]) -> float:
    """Cc of the largest dark place with bright tissue all around; suppressed fat has more of its kind beside it."""
    from scipy import ndimage

    dark = inside & (over_air <= VOID)
    dark &= deep & ~_from_border(dark)
    labels, count = ndimage.label(dark, np.ones((3, 3, 3)))
    if not count:
        return 0.0
    far_mm, nearest = ndimage.distance_transform_edt(~dark, sampling=edges_mm, return_indices=True)
    around = inside & (far_mm > SHELL_MM[0]) & (far_mm <= SHELL_MM[1])
    owner = np.where(around, labels[tuple(nearest)], 0)
    sizes = np.bincount(labels.ravel())[1:] * float(np.prod(edges_mm)) / 1000
    low, quarter = (
        ndimage.labeled_comprehension(over_air, owner, np.arange(1, count + 1), percentile, float, 0.0)
        for percentile in (partial(np.percentile, q=5), partial(np.percentile, q=25))
    )
    voids = np.zeros(count, dtype=np.bool_)
    for least_cc, of_low, of_quarter in AMID:
        voids |= (sizes > least_cc) & (low >= of_low) & (quarter >= of_quarter)
    return float(np.max(np.where(voids, sizes, 0)))


def one_scale(volumes: Sequence[Volume], body: Volume) -> Iterator[Finding]:
    """All phases are in one unit: a phase that was rescaled on its own makes PE and SER meaningless."""
    if not body.array.any():
        return
    medians = [float(np.median(volume.array[body.array])) for volume in volumes]
    ratios = [median / medians[0] if medians[0] > 0 else np.inf for median in medians[1:]]
    status: Status = "pass" if all(SCALES[0] <= ratio <= SCALES[1] for ratio in ratios) else "warn"
    found = "median of the body against the first phase " + ", ".join(f"{ratio:.2f}" for ratio in ratios)
    remedy = "look whether the phases were rescaled one by one; if so PE, SER and FTV are meaningless"
    yield Finding("phases in one unit", status, found, f"{SCALES[0]:g}-{SCALES[1]:g}", remedy)


def _bright_blocks(volume: Volume, body: Volume, steps: list[int]) -> Mask | None:
    """Blocks before or beside the body, not near it, as bright as it is; None for an image without a body."""
    from scipy import ndimage

    inside = _main_part(blocks(body.array, steps, np.logical_or), volume, steps)
    if not inside.any():
        return None
    peaks = blocks(volume.array, steps, np.maximum)
    level = BRIGHT * float(np.percentile(peaks[inside], 95))
    near = ndimage.distance_transform_edt(~inside, sampling=block_mm(volume, steps)) <= MARGIN_MM
    bright: Mask = (peaks > level) & ~near & ~behind(inside, volume)
    return bright


def _step(array: Array, body: Mask, axis: int) -> float:
    """The largest mean rise towards the border from plane to plane of the body, against the median of those around.

    What is folded in lies on top of what is there: towards the border it is brighter, where a saturation band or the
    end of the coil makes it darker.
    """
    from scipy import ndimage

    values, inside = np.moveaxis(array, axis, 0), np.moveaxis(body, axis, 0)
    if len(values) < 3:
        return 0.0
    both = inside[1:] & inside[:-1]
    counts = np.count_nonzero(both, axis=(1, 2))
    # Where a body begins and ends its planes are few voxels, and mostly skin.
    lasting = ndimage.minimum_filter1d(counts, 5, mode="nearest")
    change = np.where(both, values[1:].astype(np.float32) - values[:-1], 0).sum(axis=(1, 2), dtype=np.float64)
    mean = change / np.maximum(counts, 1)
    place = np.arange(len(mean)) / len(mean)
    usable = (lasting > LEAST_OF_PLANE * inside[0].size) & ((place < OUTER) | (place > 1 - OUTER))
    excess = mean - ndimage.median_filter(mean, 7, mode="nearest")
    return float(np.where(usable, np.where(place < 0.5, -excess, excess), 0).max())


def _alike(array: Array, axis: int) -> float:
    """Correlation of the details of the first and the last plane, or of their neighbours if that is less; -1 to 1."""
    from scipy import ndimage

    planes = np.moveaxis(array, axis, 0)
    if len(planes) < 4:
        return 0.0
    found = []
    for n in (0, 1):
        pair = (planes[n].astype(np.float32), planes[-1 - n].astype(np.float32))
        first, last = (plane - ndimage.gaussian_filter(plane, DETAIL_PIXELS) for plane in pair)
        size = float(np.sqrt((first**2).sum(dtype=np.float64) * (last**2).sum(dtype=np.float64)))
        found.append(float((first * last).sum(dtype=np.float64)) / size if size > 0 else 0.0)
    return min(found)


def _main_part(body: Mask, volume: Volume, steps: list[int]) -> Mask:
    """The largest part of a body mask that stays when everything thinner than a stripe is taken away."""
    from scipy import ndimage

    edges = block_mm(volume, steps)
    core = ndimage.distance_transform_edt(np.pad(body, 1, mode="edge"), sampling=edges)[1:-1, 1:-1, 1:-1]
    labels, count = ndimage.label(core > THINNEST_MM / 2)
    if not count:
        return np.zeros_like(body)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    grown: Mask = ndimage.distance_transform_edt(~largest, sampling=edges) <= THINNEST_MM
    return grown & body


def _largest(mask: Mask) -> int:
    """Blocks in the largest connected part (26 neighbours)."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    return int(np.bincount(labels.ravel())[1:].max()) if count else 0
