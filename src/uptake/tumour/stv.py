"""A proposal for the structural tumour volume (STV), made from the PE-rule FTV for a reader to correct.

The paper: voxels outside the largest contiguous FTV region and more than 2 cm from it were removed, then a
radiologist drew the whole primary lesion. Read here as: keep the largest 26-connected component and FTV voxels
within 20 mm of it; then fill holes (a necrotic core belongs to the tumour) and close gaps of at most 2 mm.
Source: Chitalia et al., Scientific Data 2022;9:440.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from uptake.study import SettingsError
from uptake.tumour.diameter import longest_diameter_mm
from uptake.tumour.near import near
from uptake.volume import Volume, bounding_slices

Bool = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Stv:
    """How the proposal is made from the FTV."""

    keep: Annotated[Literal["near", "largest"], "largest component with what is near it, or it alone"] = "near"
    max_gap_mm: Annotated[float, "mm; FTV voxels farther from the largest component are dropped"] = 20.0
    fill_holes: Annotated[bool, "fill cavities that the lesion encloses"] = True
    closing_mm: Annotated[float, "mm; radius of the closing, at most 2; 0: none"] = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.max_gap_mm <= 200:
            raise SettingsError(f"stv.max_gap_mm must be in [0, 200], not {self.max_gap_mm}")
        if not 0 <= self.closing_mm <= 2:
            raise SettingsError(f"stv.closing_mm must be in [0, 2], not {self.closing_mm}")


@dataclass(frozen=True)
class StvStep:
    """One step of the proposal: its name, the volume after it and the change in cc."""

    name: str
    cc: float
    change_cc: float


@dataclass(frozen=True)
class StvNumbers:
    """What ``stv.json`` says. ratio_to_ftv is STV cc / SER-rule FTV cc (experts: median 1.5), None if FTV is 0."""

    stv_proposal_voxels: int
    stv_proposal_cc: float
    longest_diameter_mm: float
    ratio_to_ftv: float | None
    components_in_ftv: int
    steps: tuple[StvStep, ...]


@dataclass(frozen=True)
class StvProposal:
    """The proposed mask on the acquired grid, and how it came about."""

    mask: Volume
    numbers: StvNumbers


def propose_stv(ftv_pe: Volume, ftv_ser_cc: float, settings: Stv) -> StvProposal:
    """The STV proposal on the grid of `ftv_pe`. An empty FTV gives an empty proposal."""
    box = bounding_slices(ftv_pe.array)  # no step reaches beyond the box around the FTV
    stages = _stages(ftv_pe.array[box], ftv_pe.grid.spacing_mm, settings)
    array = np.zeros_like(ftv_pe.array)
    array[box] = stages[-1][1]
    mask = ftv_pe.with_array(array)
    numbers = StvNumbers(
        stv_proposal_voxels=int(np.count_nonzero(array)),
        stv_proposal_cc=mask.cc,
        longest_diameter_mm=longest_diameter_mm(mask),
        ratio_to_ftv=mask.cc / ftv_ser_cc if ftv_ser_cc > 0 else None,
        components_in_ftv=_components(ftv_pe.array[box])[1],
        steps=_steps(stages, ftv_pe),
    )
    return StvProposal(mask, numbers)


def _stages(ftv: Bool, spacing_mm: Spacing, settings: Stv) -> list[tuple[str, Bool]]:
    stages = [("FTV, PE rule", ftv)]
    if not ftv.any():
        return stages
    stages.append(_kept(ftv, spacing_mm, settings))
    if settings.fill_holes:
        stages.append(("holes filled", filled(stages[-1][1])))
    if settings.closing_mm > 0:
        closed = closing(stages[-1][1], spacing_mm, settings.closing_mm)
        stages.append((f"closed by {settings.closing_mm:g} mm", filled(closed) if settings.fill_holes else closed))
    return stages


def near_largest(mask: Bool, spacing_mm: Spacing, max_gap_mm: float) -> Bool:
    """The largest 26-connected component and voxels at most `max_gap_mm` from it, centre to centre.

    Of components of equal size the first in array order counts. An empty mask stays empty.
    """
    return mask & near(largest_component(mask), spacing_mm, max_gap_mm)


def largest_component(mask: Bool) -> Bool:
    """The largest 26-connected component, the first in array order among equals; empty stays empty."""
    labels, count = _components(mask)
    if not count:
        return mask
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])), dtype=bool)


def filled(mask: Bool) -> Bool:
    """The mask with its cavities: background voxels that no 6-connected path leads out of."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_fill_holes(mask), dtype=bool)


def closing(mask: Bool, spacing_mm: Spacing, radius_mm: float) -> Bool:
    """Morphological closing by a ball of `radius_mm`, by distances so that unequal spacing counts right.

    The result contains the mask and never reaches beyond the volume.
    """
    if not mask.any():
        return mask
    pad = [int(np.ceil(radius_mm / s)) + 1 for s in spacing_mm]
    padded = np.pad(mask, [(p, p) for p in pad])
    shrunk = ~near(~near(padded, spacing_mm, radius_mm), spacing_mm, radius_mm)
    return shrunk[tuple(slice(p, -p) for p in pad)] | mask


def _kept(ftv: Bool, spacing_mm: Spacing, settings: Stv) -> tuple[str, Bool]:
    if settings.keep == "largest":
        return "largest component", largest_component(ftv)
    words = f"largest component and what lies within {settings.max_gap_mm:g} mm"
    return words, near_largest(ftv, spacing_mm, settings.max_gap_mm)


def _components(mask: Bool) -> tuple[npt.NDArray[np.int32], int]:
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    return labels, int(count)


def _steps(stages: list[tuple[str, Bool]], volume: Volume) -> tuple[StvStep, ...]:
    sizes = [int(np.count_nonzero(array)) * volume.grid.voxel_volume_mm3 / 1000.0 for _, array in stages]
    before = [sizes[0], *sizes[:-1]]
    return tuple(
        StvStep(name, after, after - then) for (name, _), after, then in zip(stages, sizes, before, strict=True)
    )
