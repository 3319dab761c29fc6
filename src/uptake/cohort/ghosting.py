"""Ghosts: faint copies of the body, shifted along an axis of the image, in the air around it.

Motion during an acquisition (breath, heartbeat) repeats the body along the phase-encoding direction; what leaves the
image on one side comes back on the other. So the air is compared with the body moved along each axis, by every
distance. Signal that is there by itself, noise or a haze around the chest, does not look like a moved body.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from uptake.cohort.blocks import behind, block_means, block_mm, block_steps, blocks
from uptake.cohort.checks import Finding, Status
from uptake.volume import Volume

Bool = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MARGIN_MM = 8.0
"""mm. Around the body, where skin and chest smear, and at the border of the images, where what is cut off there rings
into the other side."""

NEAREST_MM = 40.0
"""mm. Ghosts lie a good part of the field of view away; the haze before a chest looks like a chest moved a little."""

ALIKE = 0.2
"""Correlation of the air with the moved body. Two real studies have 0.16 and 0.09, thirty phantoms without ghosts at
most 0.08, sixteen with ghosts of 5 to 16 % of the body's signal 0.22-0.72."""

FILTERED = 0.7
"""Of the air's median: darker air lies where the receiver's filter ends, and would look like a shape of its own."""

LEAST_OVERLAP = 0.02
"""Of the air: where less of it is covered by the moved body a correlation means nothing."""


def ghosts(volumes: Sequence[Volume], body: Volume) -> Iterator[Finding]:
    """The air of each phase against the moved body; nothing to say of images without a body or without air."""
    steps = block_steps(body)
    inside = blocks(body.array, steps, np.logical_or)
    edges = block_mm(body, steps)
    air = _air(inside, edges) & ~behind(inside, body)
    if not inside.any() or not air.any():
        return
    best = []
    for volume in volumes:
        means = block_means(volume.array, steps)
        seen = air & (means > FILTERED * float(np.median(means[air])))
        signal, source = np.where(seen, means, 0), np.where(inside, means, 0)
        best += [(*_best(signal, seen, source, axis, NEAREST_MM / edges[axis]), axis) for axis in range(3)]
    alike, share, axis = max(best)
    status: Status = "warn" if alike > ALIKE else "pass"
    along = "xyz"[int(np.argmax(np.abs(body.grid.direction[:, axis])))]
    found = f"correlation of the air with the body moved along {along} at most {alike:.2f}"
    words = f"{found}; there {100 * share:.0f} % of its signal" if alike > ALIKE else found
    remedy = "look for copies of the breast; where they cross it PE and SER are off" if alike > ALIKE else ""
    yield Finding("ghosting", status, words, f"at most {ALIKE:g}", remedy)


def _air(inside: Bool, edges_mm: list[float]) -> Bool:
    """Blocks away from the body and from the border of the images."""
    from scipy import ndimage

    if inside.all():
        return ~inside
    air: Bool = ndimage.distance_transform_edt(~inside, sampling=edges_mm) > MARGIN_MM
    for axis, edge in enumerate(edges_mm):
        margin = round(MARGIN_MM / edge)
        if 4 * margin < air.shape[axis]:
            along = np.moveaxis(air, axis, 0)
            along[:margin] = along[len(along) - margin :] = False
    return air


def _best(signal: Floats, air: Bool, body: Floats, axis: int, nearest: float) -> tuple[float, float]:
    """The largest correlation over all distances of at least `nearest` along one axis, and the ghost's strength there.

    The strength is the slope of the air over the moved body, 0-1. All sums over the air at once: circular correlations
    by FFT.
    """
    number = float(np.count_nonzero(air))
    sum_signal, sum_signal_2 = float(signal.sum()), float(np.square(signal).sum())
    covered = _moved_sums(air.astype(np.float64), (body > 0).astype(np.float64), axis)
    sum_body = _moved_sums(air.astype(np.float64), body, axis)
    sum_body_2 = _moved_sums(air.astype(np.float64), np.square(body), axis)
    products = _moved_sums(signal, body, axis)
    covariance = products - sum_signal * sum_body / number
    variance = sum_body_2 - np.square(sum_body) / number
    spread = (sum_signal_2 - sum_signal**2 / number) * variance
    usable = (covered >= LEAST_OVERLAP * number) & (spread > 0)
    length = signal.shape[axis]
    usable &= np.minimum(np.arange(length), length - np.arange(length)) >= nearest
    if not usable.any():
        return 0.0, 0.0
    alike = np.where(usable, covariance / np.sqrt(np.where(usable, spread, 1)), 0)
    where = int(np.argmax(alike))
    if alike[where] <= 0:
        return 0.0, 0.0
    return float(alike[where]), float(covariance[where] / variance[where])


def _moved_sums(fixed: Floats, moved: Floats, axis: int) -> Floats:
    """The sum of ``fixed * roll(moved, s, axis)`` for every s."""
    length = fixed.shape[axis]
    one, other = (np.fft.rfft(array, axis=axis) for array in (fixed, moved))
    product = (one * np.conj(other)).sum(axis=tuple(a for a in range(3) if a != axis))
    return np.asarray(np.fft.irfft(product, length), dtype=np.float64)
