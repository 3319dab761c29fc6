"""A noise-free phantom as another scanner, protocol and patient might show it: for networks that learn from phantoms.

Everything that differs between clinics is drawn far wider than it was ever measured: contrast of every tissue before
and after contrast agent, fat suppression, timing, coils, resolution, noise, motion, ghosts, bright spots, field of
view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from uptake.phantom.anatomy import Tissue

Floats = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
FATTY = (Tissue.FAT, Tissue.RIB)
TUMOUR = (Tissue.LESION, Tissue.CORE)


@dataclass(frozen=True)
class Vary:
    """How much is drawn: SD of logarithms, probabilities, ranges."""

    contrast: Annotated[float, "SD of the logarithm of each tissue's signal before contrast"] = 0.3
    bright_fat: Annotated[float, "probability that fat is not suppressed"] = 0.25
    enhancement: Annotated[float, "SD of the logarithm of each tissue's early enhancement"] = 0.4
    dose: Annotated[float, "SD of the logarithm of all enhancement together"] = 0.25
    late: Annotated[float, "SD of the logarithm of each tissue's late enhancement over its early one"] = 0.2
    coil: Annotated[tuple[float, float], "range of the share of the coils' shading that is removed"] = (0.2, 1.0)
    field: Annotated[float, "SD of the logarithm of a smooth field over all phases"] = 0.15
    drift: Annotated[float, "SD of the logarithm of each phase's gain"] = 0.02
    moving: Annotated[float, "probability of motion between the phases"] = 0.4
    motion_mm: Annotated[float, "mm; largest SD of the displacement along each axis"] = 2.0
    blurred: Annotated[float, "probability of a coarser resolution than acquired"] = 0.5
    blur_mm: Annotated[float, "mm; largest SD of the blur along each axis"] = 2.0
    ghosts: Annotated[float, "probability of ghosts along an axis"] = 0.15
    spots: Annotated[float, "probability of spots far brighter than tissue"] = 0.1
    snr: Annotated[
        tuple[float, float], "range of the mean of gland over the SD of noise, in blocks; drawn by ratio"
    ] = (
        6.0,
        80.0,
    )
    gamma: Annotated[tuple[float, float], "range of the power that intensities are taken to, in a third"] = (0.8, 1.25)
    cropped: Annotated[float, "probability of a smaller field of view"] = 0.5
    crop: Annotated[float, "largest share that is cut from each side"] = 0.15
    turned: Annotated[float, "probability that the axes come in another order"] = 0.1
    blanked: Annotated[float, "probability that air was set to 0"] = 0.2


@dataclass(frozen=True, eq=False)
class Scan:
    """Noise-free phases (3, i, j, k) in grey levels, shares of the tissues (13, i, j, k), coil shading, lesion."""

    phases: Floats
    tissue: Floats
    bias: Floats
    lesion: Bool
    spacing_mm: float


def varied(scan: Scan, settings: Vary, rng: np.random.Generator) -> tuple[Floats, Bool]:
    """Three z-scored phases (3, i, j, k) and the lesion's mask on the same voxels. The same rng, the same bytes."""
    images = _recontrasted(scan, settings, rng)
    images *= np.power(scan.bias, np.float32(-rng.uniform(*settings.coil)))
    images *= np.exp(np.float32(settings.field) * _smooth(scan.lesion.shape, 4, rng))
    images *= np.exp(settings.drift * rng.standard_normal((3, 1, 1, 1))).astype(np.float32)
    level = float(np.average(images[0], weights=scan.tissue[Tissue.GLAND] + np.float32(1e-6)))
    if rng.random() < settings.moving:
        _move(images, settings.motion_mm / scan.spacing_mm, rng)
    if rng.random() < settings.blurred:
        sigma = rng.uniform(0, settings.blur_mm / scan.spacing_mm, 3)
        images = ndimage.gaussian_filter(images, (0, *sigma), mode="nearest")
    images = _spoiled(images, settings, rng)
    images = _noisy(images, level / _between(settings.snr, rng), rng)
    images = _finished(images, scan.tissue[Tissue.AIR], settings, rng)
    images, lesion = _framed(images, scan.lesion, settings, rng)
    return _zscored(images), lesion


def _recontrasted(scan: Scan, settings: Vary, rng: np.random.Generator) -> Floats:
    """Every tissue with another signal and another enhancement, mixed in a voxel by their shares."""
    before, early, late = (np.exp(sd * rng.standard_normal(len(Tissue))) for sd in _spreads(settings))
    for tissue in TUMOUR:
        before[tissue] = before[Tissue.GLAND] * np.exp(2 / 3 * settings.contrast * rng.standard_normal())
    before[Tissue.DUCT], early[Tissue.DUCT] = before[Tissue.GLAND], early[Tissue.GLAND]
    early *= np.exp(settings.dose * rng.standard_normal())
    inert = np.zeros(len(Tissue))
    if rng.random() < settings.bright_fat:
        inert[list(FATTY)] = rng.uniform(3, 11) * before[Tissue.GLAND]
    first = scan.phases[0] * _mixed(scan.tissue, before)
    taken = [(phase - scan.phases[0]) * _mixed(scan.tissue, before * early) for phase in scan.phases[1:]]
    taken[1] *= _mixed(scan.tissue, late)
    still = scan.phases[0] * _mixed(scan.tissue, inert)
    return np.stack([still + first, still + first + taken[0], still + first + taken[1]]).clip(0)


def _spreads(settings: Vary) -> tuple[float, float, float]:
    return settings.contrast, settings.enhancement, settings.late


def _mixed(shares: Floats, values: npt.NDArray[np.float64]) -> Floats:
    total = np.maximum(shares.sum(axis=0), np.float32(1e-3))
    return np.asarray(np.tensordot(values.astype(np.float32), shares, axes=1) / total, dtype=np.float32)


def _move(images: Floats, largest: float, rng: np.random.Generator) -> None:
    """Displace the phases after contrast in place, smoothly; `largest` SD in voxels."""
    shape = images.shape[1:]
    at = np.indices(shape, dtype=np.float32)
    for image in images[1:]:
        sd = rng.uniform(0, largest)
        moved = at + np.stack([np.float32(sd) * _smooth(shape, 3, rng) for _ in range(3)])
        image[:] = ndimage.map_coordinates(image, moved, order=1, mode="nearest")


def _spoiled(images: Floats, settings: Vary, rng: np.random.Generator) -> Floats:
    if rng.random() < settings.ghosts:
        axis = int(rng.integers(1, 4))
        shift = int(images.shape[axis] / rng.uniform(2.5, 6))
        for image in images:
            copies = sum(np.roll(image, sign * shift, axis - 1) for sign in (-1, 1))
            image[:] += np.float32(rng.uniform(-0.12, 0.15)) * copies
    if rng.random() < settings.spots:
        brightest = 6 * float(np.percentile(images[0], 99.5))
        drawn = np.zeros(images.shape[1:], np.float32)
        for _ in range(int(rng.integers(1, 5))):
            drawn[tuple(rng.integers(drawn.shape))] = 1
        spots = ndimage.gaussian_filter(drawn, float(rng.uniform(0.8, 2.5)), mode="constant")
        images += np.float32(brightest / max(float(spots.max()), 1e-6)) * spots
    return np.abs(images)


def _noisy(images: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """Magnitude of the signal with complex noise of SD `sigma`, more or less correlated between neighbours."""
    width = float(rng.uniform(0, 0.7))
    real, imaginary = (rng.standard_normal(images.shape, dtype=np.float32) for _ in range(2))
    if width > 0.3:
        real, imaginary = (ndimage.gaussian_filter(part, (0, width, width, width)) for part in (real, imaginary))
        real, imaginary = real / real.std(), imaginary / imaginary.std()
    return np.asarray(np.hypot(images + np.float32(sigma) * real, np.float32(sigma) * imaginary), dtype=np.float32)


def _finished(images: Floats, air: Floats, settings: Vary, rng: np.random.Generator) -> Floats:
    if rng.random() < 1 / 3:
        top = max(float(np.percentile(images, 99.9)), 1e-6)
        images = np.float32(top) * np.power(images / np.float32(top), np.float32(rng.uniform(*settings.gamma)))
    if rng.random() < settings.blanked:
        images = images * (air < 0.5)
    return images


def _framed(images: Floats, lesion: Bool, settings: Vary, rng: np.random.Generator) -> tuple[Floats, Bool]:
    """A part of the field of view, in which the lesion's middle stays, its axes in any order."""
    box = [slice(0, n) for n in lesion.shape]
    if rng.random() < settings.cropped:
        middle = ndimage.center_of_mass(lesion) if lesion.any() else [n / 2 for n in lesion.shape]
        for axis, n in enumerate(lesion.shape):
            low, high = (int(n * rng.uniform(0, settings.crop)) for _ in range(2))
            box[axis] = slice(min(low, int(middle[axis])), max(n - high, int(middle[axis]) + 1))
    order = rng.permutation(3) if rng.random() < settings.turned else np.arange(3)
    cut = images[(slice(None), *box)].transpose(0, *(order + 1))
    return np.ascontiguousarray(cut), np.ascontiguousarray(lesion[tuple(box)].transpose(order))


def _zscored(images: Floats) -> Floats:
    mean, sd = float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64))
    return ((images - np.float32(mean)) / np.float32(max(sd, 1e-6))).astype(np.float32)


def _smooth(shape: tuple[int, ...], knots: int, rng: np.random.Generator) -> Floats:
    """A smooth field, about SD 1 around 0."""
    coarse = rng.standard_normal((knots,) * len(shape))
    zoomed = ndimage.zoom(coarse, [n / knots for n in shape], order=3, mode="nearest", grid_mode=True)
    return np.asarray(zoomed[tuple(slice(0, n) for n in shape)], dtype=np.float32)


def _between(limits: tuple[float, float], rng: np.random.Generator) -> float:
    low, high = limits
    return float(low * (high / low) ** rng.random())
