"""Percent enhancement (PE) and signal enhancement ratio (SER), in the arithmetic of UCSF's published maps.

Both are ratios of **raw** intensities and mean nothing after a z-score. Source: Hylton et al., Radiology 2012
and 2016; checked voxel for voxel against the maps that UCSF published with the ACRIN 6657/I-SPY 1 studies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.volume import Array, Volume

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Enhancement:
    """PE of the early phase (percent) and SER (ratio) on the acquired grid, float32."""

    pe: Volume
    ser: Volume


def percent_enhancement(pre: Array, post: Array) -> Float32:
    """PE = 100 (post - pre) / pre in percent, float32, any shape.

    Range -100 to infinity. Where `pre` is zero or negative the ratio is undefined and the result is 0:
    such a voxel lies below every background threshold and can't be part of an FTV.
    """
    before, after = pre.astype(np.float32), post.astype(np.float32)
    result = np.zeros_like(before)
    np.divide(np.float32(100) * (after - before), before, out=result, where=before > 0)
    return result


def signal_enhancement_ratio(pre: Array, early: Array, late: Array) -> Float32:
    """SER = PE(early) / PE(late), dimensionless, float32, any shape; above 1 the lesion washes out.

    Computed from the two float32 PE values as UCSF does, so that the published maps come out bit for bit.
    Undefined where `pre` is not positive or the late phase equals it: the result there is 0, and no such
    voxel is part of an FTV (which asks for late > pre).
    """
    return _ratio(percent_enhancement(pre, early), percent_enhancement(pre, late))


def enhancement(pre: Volume, early: Volume, late: Volume) -> Enhancement:
    """PE and SER maps of three raw volumes on one grid."""
    first, last = (percent_enhancement(pre.array, post.array) for post in (early, late))
    return Enhancement(pe=pre.with_array(first), ser=pre.with_array(_ratio(first, last)))


def stored_ser(ser: Float32) -> npt.NDArray[np.int16]:
    """SER as UCSF's DICOM maps store it: floor(1000 clip(SER, 0, 3) + 0.5), to be read with slope 0.001."""
    scaled = np.float32(1000) * np.clip(ser, 0, 3) + np.float32(0.5)
    return np.asarray(np.floor(scaled), dtype=np.int16)


def _ratio(early_percent: Float32, late_percent: Float32) -> Float32:
    result = np.zeros_like(early_percent)
    np.divide(early_percent, late_percent, out=result, where=late_percent != 0)
    return result
