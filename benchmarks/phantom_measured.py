"""What is measured of a study, phantom or real: intensities, PE and SER by tissue, noise, shading, edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uptake.preprocess.bias import corrected, estimate_fields
from uptake.preprocess.breast import Part, breast_mask
from uptake.study import Study
from uptake.tumour.enhancement import enhancement
from uptake.tumour.ftv import Ftv, functional_tumour_volume, thresholds
from uptake.tumour.parenchyma import Breasts, Parenchyma, background_enhancement
from uptake.tumour.phases import Timing, choose_phases
from uptake.tumour.voi import Voi, choose_voi
from uptake.volume import Array, Volume

LEAST_LATE_PE = 15.0
"""SER outside the FTV is taken where the late phase has at least this PE: below, it is a ratio of noises."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one study.

    samples: up to 20 000 values by (map, tissue), without those that a study has not: a lesion may leave no gland that
    is far enough from it. scalars: name -> number. spectrum: log10 of the mean power of the pre-contrast slices by
    spatial frequency (cycles per voxel 0-0.5) along columns and rows, relative to the lowest.
    """

    name: str
    samples: dict[tuple[str, str], Array]
    scalars: dict[str, float]
    spectrum: dict[str, Array]


def measured(study: Study, name: str) -> Measured:
    """One study through the steps of the pipeline, and what they give."""
    phases = choose_phases(study, Timing())
    three = tuple(study.volumes[n] for n in phases.indices)
    pre, early, late = three
    acquired = study.acquisition
    breast = breast_mask(pre, acquired.laterality, slice_axis=acquired.layout.axes.index(2))
    maps = enhancement(pre, early, late)
    _, region = choose_voi(pre, early, acquired.layout, acquired.recorded, None, Voi(), breast.breast)
    limits = thresholds(pre.array, region, acquired.recorded, Ftv())
    ftv = functional_tumour_volume((pre, early, late), maps, region, limits)[0]
    field = estimate_fields(study, mask=breast.breast)[0]
    flat = corrected(pre, field)
    masks = _tissues(breast.breast, flat, maps.pe, ftv)
    gland_level = float(np.median(flat.array[masks["gland"]])) if masks["gland"].any() else None
    late_pe = 100 * (late.array.astype(np.float64) - pre.array) / np.maximum(pre.array, 1)
    rng = np.random.default_rng(0)
    samples = {}
    for tissue, mask in masks.items():
        ser_mask = mask if tissue == "FTV" else mask & (late_pe >= LEAST_LATE_PE)
        if not mask.any():
            continue
        if gland_level is not None:
            samples["intensity", tissue] = _some(flat.array[mask] / gland_level, rng)
        samples["PE %", tissue] = _some(maps.pe.array[mask], rng)
        samples["SER", tissue] = _some(np.clip(maps.ser.array[ser_mask], -1, 3), rng)
    scalars = {
        **_bands(maps.ser.array[ftv]),
        **_noise(pre, breast.labels.array == Part.AIR, masks["gland"], (early, late), ftv),
        "bias 95 % / 5 %": _spread(field.array[breast.breast.array]),
    }
    return Measured(name, samples, scalars, {"columns": _spectrum(pre.array, 0), "rows": _spectrum(pre.array, 1)})


def _tissues(breast: Volume, flat: Volume, pe: Volume, ftv: Array) -> dict[str, Array]:
    spacing = breast.grid.spacing_mm
    lesion = breast.with_array(ftv)
    found = background_enhancement(flat, pe, Breasts({"L": breast.array}), lesion, 70.0, Parenchyma())
    far = ndimage.distance_transform_edt(~ftv, sampling=spacing) > 10.0 if ftv.any() else np.ones_like(ftv)
    deep = ndimage.distance_transform_edt(breast.array, sampling=spacing) > 8.0
    gland = found.fgt.array
    near_gland = ndimage.binary_dilation(gland, iterations=2)
    return {
        "gland": ndimage.binary_erosion(gland) if gland.sum() > 20000 else gland,
        "fat": breast.array & deep & far & ~near_gland,
        "FTV": ftv,
    }


def _some(values: Array, rng: np.random.Generator) -> Array:
    return rng.choice(values, 20_000, replace=False) if values.size > 20_000 else values


def _bands(ser: Array) -> dict[str, float]:
    if not ser.size:
        return {}
    low, high = float((ser < 0.9).mean()), float((ser > 1.1).mean())
    return {"SER < 0.9 %": 100 * low, "SER 0.9-1.1 %": 100 * (1 - low - high), "SER > 1.1 %": 100 * high}


def _noise(pre: Volume, air: Array, gland: Array, posts: tuple[Volume, Volume], ftv: Array) -> dict[str, float]:
    """SNR in gland from the difference of the post-contrast phases; air's mean over SD and correlations."""
    early, late = (post.array.astype(np.float64) for post in posts)
    inside = ndimage.binary_erosion(air, iterations=8)
    values = pre.array.astype(np.float64)
    mean, spread = float(values[inside].mean()), float(values[inside].std())
    result = {"air mean / SD": mean / spread}
    difference = (late - early)[gland & ~ftv]
    if difference.size:
        sd = 1.4826 * float(np.median(np.abs(difference - np.median(difference)))) / np.sqrt(2)
        result["SNR in gland"] = float(np.median(pre.array[gland])) / max(sd, 1e-6)
    for axis, name in enumerate(("columns", "rows", "slices")):
        one, two = (inside.take(range(a, inside.shape[axis] - 1 + a), axis) for a in (0, 1))
        both = one & two
        a, b = (values.take(range(n, values.shape[axis] - 1 + n), axis)[both] for n in (0, 1))
        result[f"air correlation, {name}"] = float(np.corrcoef(a, b)[0, 1])
    return result


def _spread(field: Array) -> float:
    low, high = np.percentile(field, (5, 95))
    return float(high / low)


def _spectrum(array: Array, axis: int) -> Array:
    power = np.abs(np.fft.rfft(array.astype(np.float64), axis=axis)) ** 2
    mean = power.mean(axis=tuple(a for a in range(3) if a != axis))
    bins = np.array([part.mean() for part in np.array_split(mean[1:], 16)])
    return np.asarray(np.log10(bins / bins[0]))
