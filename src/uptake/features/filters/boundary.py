"""What lies beyond the border of an image, and convolution along its axes under that assumption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Volume

Float = npt.NDArray[np.float64]
Boundary = Literal["zero", "nearest", "periodic", "mirror"]
BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)

_SCIPY: Mapping[Boundary, str] = {"zero": "constant", "nearest": "nearest", "periodic": "wrap", "mirror": "reflect"}
_NUMPY: Mapping[Boundary, str] = {"zero": "constant", "nearest": "edge", "periodic": "wrap", "mirror": "symmetric"}

AXES = (0, 1, 2)
IN_SLICE = (0, 1)


def check_boundary(boundary: str) -> None:
    """Raise SettingsError for a boundary condition that there is not."""
    if boundary not in BOUNDARIES:
        raise SettingsError(f"boundary {boundary!r}: allowed are {', '.join(BOUNDARIES)}")


def voxels(volume: Volume) -> Float:
    """The intensities of an image as float64; raises Refusal NON_FINITE, as one such voxel would spread."""
    array = np.asarray(volume.array, dtype=np.float64)
    wrong = array.size - int(np.count_nonzero(np.isfinite(array)))
    if wrong:
        raise Refusal(
            Code.NON_FINITE,
            found=f"{wrong} of {array.size} voxels of the image are not finite",
            allowed="finite intensities everywhere in an image that is filtered",
            remedy="replace them before filtering",
        )
    return array


def axes_of(by_slice: bool) -> tuple[int, ...]:
    """The axes that a filter works along: i and j in slices, or all three."""
    return IN_SLICE if by_slice else AXES


def convolve_separably(array: Float, kernels: Sequence[Float], boundary: Boundary) -> Float:
    """Convolve along the first axes with a kernel each, ``out[n] = sum over k of kernel[k] in[n - k + len // 2]``.

    Zero (IBSI Z3VE): intensities beyond are 0. Nearest (SIJG): those of the nearest voxel. Periodic (Z7YO): the image
    starts anew. Mirror (ZDTV): it goes backwards, the voxel at the border coming twice.
    """
    from scipy import ndimage

    for axis, kernel in enumerate(kernels):
        array = np.asarray(ndimage.convolve1d(array, kernel, axis=axis, mode=_SCIPY[boundary], cval=0.0))
    return array


def padded(array: Float, margins: Sequence[int], boundary: Boundary) -> Float:
    """The array with `margins` more voxels at both ends of each axis."""
    return np.pad(array, [(margin, margin) for margin in margins], mode=_NUMPY[boundary])  # type: ignore[call-overload,no-any-return]
